"""A folder of folders as a dataset, with nothing but two lines of configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from genreflow.collections.folder import MANIFEST
from harness import SMALL, Outcome, Snakemake, planned_jobs, run_snakemake, write_tone
from mutagen.flac import FLAC

LABELS = ("Drum & Bass", "l'été")
CONFIG: dict[str, object] = {
    **SMALL,
    "datasets": {"mymusic": {"source": "folder", "folder": "my music"}},
    "experiments": [{"dataset": "mymusic", "partition": "random", "systems": ["SF"]}],
}


def write_clip(folder: Path, number: int) -> Path:
    label = LABELS[number % 2]
    path = folder / "my music" / label / f"Album {number // 4}" / f'{number:02d} "x", y.flac'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tone(path, (440, 110)[number % 2] * 1.01**number, seconds=6.5, sample_rate=22050)
    tags = FLAC(path)
    tags["artist"] = f"Artist {number // 2}"
    tags.save()
    return path


def run(folder: Path, *arguments: str) -> Outcome:
    return run_snakemake(folder, CONFIG, *arguments, "--", "results/tables.csv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of eight clips."""
    folder = tmp_path_factory.mktemp("folder")
    for number in range(8):
        write_clip(folder, number)
    outcome = run(folder)
    assert outcome.status == 0, outcome.output[-6000:]
    # Planning wrote the manifest; the jobs took it and did not speak of it.
    assert outcome.output.count("are now listed in a manifest") == 1
    return folder


def test_tables_are_made_with_the_folders_as_labels(finished: Path) -> None:
    table = pd.read_csv(finished / "results/tables.csv")
    assert table.loc[table["metric"] == "accuracy", "n"].tolist() == [8]
    assert pd.isna(table["note"]).all() or not table["note"].str.contains("quarantined").any()
    predictions = pd.read_csv(finished / "results/mymusic/predictions/random/SF.csv")
    assert set(predictions["true"]) == set(LABELS)
    assert predictions["predicted"].notna().all()
    assert 'Drum & Bass/Album 0/00 "x", y' in set(predictions["track_id"])
    written = pd.read_csv(finished / "my music" / MANIFEST)
    assert sorted(written["group"]) == [f"Artist {i // 2}" for i in range(8)]
    checked = pd.read_csv(finished / "results/mymusic/manifest.csv")
    assert list(checked["group"]) == list(written["group"])


def test_finished_run_has_nothing_to_do_and_nothing_to_say(finished: Path) -> None:
    output = run(finished, "-n").output
    assert "Nothing to be done" in output
    assert "manifest" not in output.partition("Building DAG")[0].replace(str(finished), "")


def test_a_replaced_file_changes_its_shard(finished: Path) -> None:
    clip = next((finished / "my music").rglob("00*.flac"))
    before = clip.stat()
    try:
        os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
        found = planned_jobs(run(finished, "-n"))
    finally:
        os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found["resample_audio"] == 1
    assert found["make_partition"] == 0


def test_an_added_file_is_named_and_changes_nothing_until_it_is_listed(finished: Path) -> None:
    manifest = finished / "my music" / MANIFEST
    before = manifest.read_text(encoding="utf-8")
    new = write_clip(finished, 8)
    try:
        output = run(finished, "-n").output
        assert "1 audio files are not in the manifest" in output
        assert new.name in output
        assert "Nothing to be done" in output
        row = f'new,"{str(new.relative_to(manifest.parent)).replace(chr(34), 2 * chr(34))}",x,A,\n'
        manifest.write_text(before + row.replace(",x,", f",{LABELS[0]},"), encoding="utf-8")
        outcome = run(finished, "-n")
        assert "not in the manifest" not in outcome.output
        found = planned_jobs(outcome)
        assert (found["resample_audio"], found["make_partition"]) == (1, 1)
    finally:
        manifest.write_text(before, encoding="utf-8")
        new.unlink()


def test_jobs_do_not_repeat_what_planning_said(snakemake: Snakemake, tmp_path: Path) -> None:
    for number in range(8):
        path = tmp_path / "my music" / LABELS[number % 2] / f"{number}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert snakemake(CONFIG, "-n", "--", "results/tables.csv").status == 0
    assert (tmp_path / "my music" / MANIFEST).is_file(), "a dry run plans, and so writes it"
    (tmp_path / "my music" / LABELS[0] / "new.mp3").touch()
    lists = ["results/mymusic/manifest.csv", "results/mymusic/shards/000-of-001.csv"]
    outcome = snakemake(CONFIG, "--", *lists)
    assert outcome.status == 0, outcome.output[-3000:]
    assert outcome.output.count("not in the manifest") == 1
    for path in lists:
        assert len(pd.read_csv(tmp_path / path)) == 8


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((), "the folder does not exist"),
        (("rock/a.txt",), "the folder has no audio in folders of its own"),
        (("rock/a.wav", "rock/b.wav"), "at least two labels"),
        (("rock/a.wav", "rock/b.wav", "pop/c.wav"), "label 'pop' has one clip"),
        (("rock/a.wav", "rock/b.wav", "pop/c.wav", "pop/d.wav"), "class 'pop' has 2 clips"),
    ],
)
def test_a_mistake_gets_one_message(
    snakemake: Snakemake, tmp_path: Path, files: tuple[str, ...], expected: str
) -> None:
    for file in files:
        path = tmp_path / "my music" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    outcome = snakemake(CONFIG, "--", "results/tables.csv")
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert outcome.output.count(expected) == 1
    assert not (tmp_path / "results").exists()

"""GTZAN and FMA from the network, an archive and a folder, in small copies of the real ones."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from genreflow.collections.gtzan import FAULT_FILTERED_CLIPS, LABELS, TRACK_IDS
from harness import REPOSITORY, SMALL, Outcome, planned_jobs, run_snakemake
from published_copies import (
    Server,
    fma_tracks,
    pack_tar,
    pack_zip,
    remote_of,
    serve,
    write_fma,
    write_fma_metadata,
    write_gtzan,
    write_tone,
)

CLIPS_A_LABEL = 6
#: Two of each genre and each side of the split; the rest of the 8 000 is not there.
FMA_CLIPS = [*range(16), *range(80, 96), *range(160, 208)]
MOSTLY_MISSING = {
    **SMALL,
    "audio": {"clip_seconds": 5.5, "max_quarantined": 0.999},
    "dnn": {"epochs": 1},
    "rf": {"trees": 5},
}


@dataclass(frozen=True)
class Publisher:
    """A server, what it publishes, and a workflow that takes that for GTZAN and FMA."""

    server: Server
    folder: Path
    repository: Path

    def run(self, folder: Path, config: dict[str, object], *arguments: str) -> Outcome:
        folder.mkdir(exist_ok=True)
        return run_snakemake(folder, config, *arguments, snakefile=self.repository / "Snakefile")

    @property
    def requests(self) -> int:
        return len(self.server.requests)


def write_lists(folder: Path) -> None:
    """Write the three lists with the published sizes, and an artist for every other clip."""
    roles: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for track_id in sorted(TRACK_IDS, key=lambda t: (t[-5:], t))[:930]:
        wanted = list(roles)[int(track_id[-5:]) % 3]
        open_roles = [r for r in roles if len(roles[r]) < FAULT_FILTERED_CLIPS[r]]
        roles[wanted if wanted in open_roles else open_roles[0]].append(track_id)
    for role, track_ids in roles.items():
        lines = [f"{t.partition('.')[0]}/{t}.wav\n" for t in track_ids]
        (folder / f"{role}_filtered.txt").write_text("".join(lines))
    artists = {track_id: f"Artist {track_id}" for track_id in TRACK_IDS[::2]}
    # One of a training and a test clip.
    artists |= dict.fromkeys(("blues.00000", "blues.00002"), "Both Sides")
    lines = [f"{track_id}.wav ::: {artists.get(track_id, '')} :::\n" for track_id in TRACK_IDS]
    (folder / "index.txt").write_text("".join(lines))


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    base = tmp_path_factory.mktemp("published")
    site = base / "site"
    site.mkdir()
    genres = write_gtzan(base, clips=CLIPS_A_LABEL)
    # One that can't be decoded, one that is short, and one twice, in test and in training.
    (genres / "jazz" / "jazz.00005.au").write_bytes(b"no audio")
    write_tone(genres / "rock" / "rock.00001.au", 440, seconds=3)
    shutil.copyfile(genres / "pop" / "pop.00002.au", genres / "pop" / "pop.00003.au")
    pack_tar(site / "genres.tar.gz", genres)
    write_lists(site)
    write_fma(base, FMA_CLIPS)
    pack_zip(site / "fma_small.zip", base / "fma_small")
    write_fma_metadata(site, fma_tracks())
    repository = base / "repository"
    repository.mkdir()
    for name in ("Snakefile", "rules", "workflow", "config", "profiles", "envs"):
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, repository / name)
    with serve(site) as server:

        def remote(name: str, **others: object) -> str:
            addresses = [server.address("404", name), server.address("good", name)]
            return repr(remote_of(site / name, addresses, **others))

        lists = {role: remote(f"{role}_filtered.txt", text=True) for role in FAULT_FILTERED_CLIPS}
        with (repository / "workflow/scripts/genreflow/collections/remotes.py").open("a") as module:
            module.write(f"GTZAN_ARCHIVE = {remote('genres.tar.gz')}\n")
            module.writelines(f"FAULT_FILTERED[{r!r}] = {text}\n" for r, text in lists.items())
            module.write(f"GTZAN_ARTISTS = {remote('index.txt', text=True)}\n")
            module.write(f"FMA_ARCHIVES['fma_small'] = {remote('fma_small.zip')}\n")
            module.write(f"FMA_METADATA = {remote('fma_metadata.zip')}\n")
        yield Publisher(server, base, repository)


def gtzan(**place: object) -> dict[str, object]:
    return {
        **MOSTLY_MISSING,
        "datasets": {"gtzan": {"source": "gtzan", "shards": 2, **place}},
        "experiments": [
            {"dataset": "gtzan", "partition": "fault_filtered", "systems": ["SF"]},
            {
                "dataset": "gtzan", "partition": "random", "group_disjoint": True,
                "systems": ["SF"],
            },
        ],
        "partitions": {"without_group": "leave_out"},
    }  # fmt: skip


def fma(**place: object) -> dict[str, object]:
    return {
        **MOSTLY_MISSING,
        "datasets": {"fma_small": {"source": "fma_small", "shards": 2, **place}},
        "experiments": [{"dataset": "fma_small", "partition": "official", "systems": ["original"]}],
    }


def finish(publisher: Publisher, folder: Path, config: dict[str, object], *targets: str) -> Path:
    outcome = publisher.run(folder, config, "--", *targets)
    assert outcome.status == 0, outcome.output[-6000:]
    return folder


def contents(folder: Path, pattern: str) -> dict[str, bytes]:
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.glob(pattern))}
    assert found
    return found


# GTZAN.


@pytest.fixture(scope="module")
def gtzan_run(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that downloaded everything."""
    folder = tmp_path_factory.mktemp("gtzan, it's downloaded")
    return finish(publisher, folder, gtzan(), "results/tables.csv")


def test_gtzan_is_downloaded_and_its_experiments_run(gtzan_run: Path) -> None:
    table = pd.read_csv(gtzan_run / "results/tables.csv")
    rows = table[table["metric"] == "accuracy"].set_index("partition")
    assert rows["n"].to_dict() == {"fault_filtered": 290, "random_group_disjoint": 500}
    row = rows.loc["fault_filtered"]
    assert row["published"] == 48.3
    assert row["note"].startswith("published: Jeong & Lee 2016")
    # 20 of each side are there, less the broken one.
    assert "423 of 443 train, 177 of 197 valid, 271 of 290 test" in row["note"]
    assert "the test clips counted as wrong" in row["note"]
    assert 0 < row["correct"] <= 19
    assert "quarantined clips in 4 folds" in rows.loc["random_group_disjoint", "note"]
    quarantine = pd.read_csv(gtzan_run / "results/gtzan/quarantine.csv").set_index("track_id")
    assert len(quarantine) == 1000 - len(LABELS) * CLIPS_A_LABEL + 1
    assert "file not found" in quarantine.loc["blues.00099", "reason"]
    assert "known of this collection" in quarantine.loc["jazz.00054", "reason"]
    assert "jazz.00005" in quarantine.index
    report = pd.read_csv(gtzan_run / "results/gtzan/audio_report.csv").set_index("track_id")
    assert report.loc["rock.00001", "status"] == "padded"
    log = (gtzan_run / "results/logs/retrieve_collection/gtzan.log").read_text()
    assert "licence of gtzan" in log
    assert "please cite: G. Tzanetakis" in log


def test_copies_and_artists_on_both_sides_are_found(gtzan_run: Path) -> None:
    folder = gtzan_run / "results/gtzan"
    pairs = pd.read_csv(folder / "duplicates.csv").set_index(["track_id", "other"])
    assert pairs.loc[("pop.00002", "pop.00003"), "similarity"] == pytest.approx(1)
    findings = pd.read_csv(folder / "audit/fault_filtered/clips.csv")
    shared = findings[findings["check"] == "group"].iloc[0]
    assert list(shared[["track_id", "role", "other"]]) == ["blues.00002", "test", "blues.00000"]
    audit = pd.read_csv(gtzan_run / "results/tables/leak_audit.csv")
    groups = audit[audit["check"] == "group"].set_index("partition")
    assert groups.loc["fault_filtered", "verdict"] == "leaky"
    assert (groups.loc["random_group_disjoint", ["verdict", "unknown"]] == ["clean", 0]).all()


def test_a_second_run_downloads_nothing_and_has_nothing_to_do(
    publisher: Publisher, gtzan_run: Path
) -> None:
    before = publisher.requests
    outcome = publisher.run(gtzan_run, gtzan(), "--", "results/tables.csv")
    assert "Nothing to be done" in outcome.output
    assert publisher.requests == before


def test_a_second_run_on_fma_downloads_nothing_and_has_nothing_to_do(
    publisher: Publisher, fma_run: Path
) -> None:
    before = publisher.requests
    assert (fma_run / "downloads/fma_small/fma_small/checksums").is_file()
    outcome = publisher.run(fma_run, fma(), "--", "results/tables.csv")
    assert "Nothing to be done" in outcome.output
    assert publisher.requests == before


def test_results_stay_when_the_unpacked_audio_is_deleted(
    publisher: Publisher, gtzan_run: Path
) -> None:
    folder, kept = gtzan_run / "downloads/gtzan", gtzan_run / "kept"
    folder.rename(kept)
    try:
        outcome = publisher.run(gtzan_run, gtzan(), "-n", "--", "results/tables.csv")
        assert "Nothing to be done" in outcome.output
    finally:
        kept.rename(folder)


def test_what_is_there_is_not_downloaded_again_though_the_rule_runs_again(
    publisher: Publisher, gtzan_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(gtzan_run / "downloads", tmp_path / "downloads")
    (tmp_path / "downloads/gtzan.csv").unlink()
    (tmp_path / "downloads/gtzan_annotations.csv").unlink()
    before = publisher.requests
    finish(publisher, tmp_path, gtzan(), "results/gtzan/manifest.csv")
    assert publisher.requests == before
    for name in ("gtzan_annotations.csv", "gtzan.csv"):
        assert (tmp_path / "downloads" / name).read_text().count("\n") > 50


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_archive_and_folder_give_the_same_clips_without_the_network(
    publisher: Publisher, gtzan_run: Path, tmp_path: Path, kind: str
) -> None:
    path = publisher.folder / ("site/genres.tar.gz" if kind == "archive" else "genres")
    before = publisher.requests
    config = gtzan(path=str(path), lists=str(publisher.folder / "site"))
    partitions = [
        f"results/gtzan/partitions/{name}.csv"
        for name in ("fault_filtered", "random_group_disjoint")
    ]
    finish(publisher, tmp_path, config, "results/gtzan/quarantine.csv", *partitions)
    assert publisher.requests == before
    for pattern in ("features/audio/*.h5", "partitions/*.csv"):
        found = contents(tmp_path / "results/gtzan", pattern)
        assert found == contents(gtzan_run / "results/gtzan", pattern)
    assert (tmp_path / "downloads/gtzan").exists() == (kind == "archive")
    # An archive was compared as a whole.
    report = pd.read_csv(tmp_path / "results/gtzan/audio_report.csv").set_index("track_id")
    other = "not the published .au: its SHA-256 is another"
    compared = report["note"].str.contains(other, regex=False, na=False)
    assert compared["blues.00000"] == (kind == "folder")


def test_changed_files_rerun_their_shard(publisher: Publisher, gtzan_run: Path) -> None:
    def planned() -> dict[str, int]:
        return planned_jobs(publisher.run(gtzan_run, gtzan(), "-n", "--", "results/tables.csv"))

    clip = gtzan_run / "downloads/gtzan/genres/rock/rock.00001.au"
    before, content = clip.stat(), clip.read_bytes()
    try:
        os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
        found = planned()
        assert (found["resample_audio"], found["retrieve_collection"]) == (1, 0)
        clip.unlink()
        assert planned()["resample_audio"] == 1
    finally:
        clip.write_bytes(content)
        os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not planned()


def test_lists_change_no_feature(publisher: Publisher, gtzan_run: Path) -> None:
    config = gtzan(lists=None) | {
        "experiments": [{"dataset": "gtzan", "partition": "random", "systems": ["SF"]}]
    }
    found = planned_jobs(publisher.run(gtzan_run, config, "-n", "--", "results/tables.csv"))
    assert found["make_partition"] == 1
    assert found["resample_audio"] == found["write_shard"] == 0


# FMA.


@pytest.fixture(scope="module")
def fma_run(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that downloaded everything."""
    folder = tmp_path_factory.mktemp("fma")
    return finish(publisher, folder, fma(), "results/tables.csv")


def test_fma_is_downloaded_and_its_experiment_runs(fma_run: Path) -> None:
    table = pd.read_csv(fma_run / "results/tables.csv")
    (row,) = (row for _, row in table.iterrows() if row["metric"] == "accuracy")
    assert (row["n"], row["published"]) == (800, 49.38)
    assert row["note"].startswith("published: Yi, Chen & Gu 2019")
    assert "6368 of 6400 train, 776 of 800 valid, 776 of 800 test" in row["note"]
    with (fma_run / "results/fma_small/partitions/official.csv").open(newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 8000
    with (fma_run / "results/fma_small/manifest.csv").open(newline="") as file:
        clip = next(row for row in csv.DictReader(file) if row["track_id"] == "000003")
    assert (clip["label"], clip["group"], clip["split"]) == ("Hip-Hop", "Artist 0 (0)", "test")


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_fma_archive_and_folder_give_the_same_clips_without_the_network(
    publisher: Publisher, fma_run: Path, tmp_path: Path, kind: str
) -> None:
    path = publisher.folder / ("site/fma_small.zip" if kind == "archive" else "fma_small")
    before = publisher.requests
    config = fma(path=str(path), metadata=str(publisher.folder / "site/fma_metadata.zip"))
    targets = ["results/fma_small/quarantine.csv", "results/fma_small/partitions/official.csv"]
    finish(publisher, tmp_path, config, *targets)
    assert publisher.requests == before
    for pattern in ("features/audio/*.h5", "partitions/*.csv"):
        found = contents(tmp_path / "results/fma_small", pattern)
        assert found == contents(fma_run / "results/fma_small", pattern)


def test_an_altered_file_of_a_folder_is_set_aside(publisher: Publisher, tmp_path: Path) -> None:
    copy = shutil.copytree(publisher.folder / "fma_small", tmp_path / "fma_small")
    altered = copy / "000/000003.mp3"
    altered.write_bytes(altered.read_bytes()[:-1])
    config = fma(path="fma_small", metadata=str(publisher.folder / "site"))
    finish(publisher, tmp_path, config, "results/fma_small/quarantine.csv")
    quarantine = pd.read_csv(
        tmp_path / "results/fma_small/quarantine.csv", dtype=str, index_col="track_id"
    )
    assert "SHA-1" in quarantine.loc["000003", "reason"]
    assert "000004" not in quarantine.index


# Mistakes.


@pytest.mark.parametrize("kind", ["altered", "truncated", "nowhere", "not audio"])
def test_an_archive_that_is_not_the_published_one_gets_one_message(
    publisher: Publisher, tmp_path: Path, kind: str
) -> None:
    content = (publisher.folder / "site/genres.tar.gz").read_bytes()
    path = tmp_path / "genres.tar.gz"
    if kind != "nowhere":
        wrong = {"altered": content[::-1], "truncated": content[:-100], "not audio": b"hello"}
        path.write_bytes(wrong[kind])
    config = gtzan(path="genres.tar.gz", lists=None) | {"experiments": []}
    outcome = publisher.run(tmp_path, config, "--", "features")
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    expected = "does not exist" if kind == "nowhere" else "not the published one"
    assert outcome.output.count(f"{expected}") >= 1
    assert "genres.tar.gz" in outcome.output
    assert not (tmp_path / "downloads/gtzan.csv").exists()
    assert not (tmp_path / "downloads/gtzan").exists()
    assert not (tmp_path / "results/gtzan").exists()


def test_when_no_mirror_answers_the_message_names_the_key_that_helps(
    publisher: Publisher, tmp_path: Path
) -> None:
    repository = shutil.copytree(publisher.repository, tmp_path / "repository")
    with (repository / "workflow/scripts/genreflow/collections/remotes.py").open("a") as module:
        gone = publisher.server.address("404", "genres.tar.gz")
        module.write(
            "import dataclasses\n"
            f"GTZAN_ARCHIVE = dataclasses.replace(GTZAN_ARCHIVE, addresses=({gone!r},))\n"
        )
    outcome = run_snakemake(
        tmp_path,
        gtzan(),
        "--",
        "results/gtzan/quarantine.csv",
        snakefile=repository / "Snakefile",
    )
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert "genres.tar.gz can't be downloaded" in outcome.output
    assert f"{gone}: status 404" in outcome.output
    assert "as `path`" in outcome.output
    # The lists came, and stay for the next try.
    downloads = tmp_path / "downloads"
    assert not (downloads / "gtzan.csv").exists()
    assert not any(path.suffix == ".gz" for path in downloads.rglob("*"))


@pytest.mark.parametrize(
    ("place", "experiment", "expected"),
    [
        ({}, {"partition": "split"}, "leave 70 of the 1 000 clips out"),
        ({}, {"partition": "cv10", "group_disjoint": True}, "blues has 9 artists"),
        (
            {},
            {"partition": "fault_filtered", "group_disjoint": True},
            "10 artists are on two sides",
        ),
        ({"lists": None}, {"partition": "random", "group_disjoint": True}, "no artist is known"),
        ({"lists": "nowhere"}, {"partition": "random"}, "`lists` does not exist"),
        ({"path": "nowhere"}, {"partition": "random"}, "folder of GTZAN does not exist"),
    ],
)
def test_what_can_t_be_is_refused_before_anything_is_downloaded(
    publisher: Publisher,
    tmp_path: Path,
    place: dict[str, object],
    experiment: dict[str, object],
    expected: str,
) -> None:
    before = publisher.requests
    config = gtzan(**place)
    config["experiments"] = [{"dataset": "gtzan", "systems": ["SF"], **experiment}]
    outcome = publisher.run(tmp_path, config, "--", "results/tables.csv")
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert expected in outcome.output
    assert publisher.requests == before
    assert not (tmp_path / "downloads").exists()


def test_clips_without_an_artist_are_left_out_only_if_asked_for(
    publisher: Publisher, tmp_path: Path
) -> None:
    config = gtzan() | {"partitions": {"without_group": "refuse"}}
    outcome = publisher.run(tmp_path, config, "-n", "--", "results/tables.csv")
    assert outcome.status != 0
    assert "17 of 1000 clips have no known artist" in outcome.output
    assert "without_group: leave_out" in outcome.output

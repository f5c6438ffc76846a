"""The same files and configuration give the same results, byte for byte, however they are run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from harness import music_configuration, run_snakemake

#: What a user reads or uses again; caches differ in their shards, logs in their times.
RESULTS = (
    "tables.csv",
    "tables/*.csv",
    "music/partitions/*.csv",
    "music/predictions/*/*.csv",
    "music/models/**/*.safetensors",
    "music/models/**/*.csv",
)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every result by its path."""
    results = folder / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for pattern in RESULTS
        for path in sorted(results.glob(pattern))
    }


def copy_music(finished: Path, folder: Path) -> Path:
    """Copy the clips and their manifest, not the results."""
    for path in finished.iterdir():
        if path.is_file():
            shutil.copy2(path, folder)
    return folder


def run(folder: Path, configuration: dict[str, object], *arguments: str) -> None:
    outcome = run_snakemake(folder, configuration, *arguments)
    assert outcome.status == 0, outcome.output[-6000:]


def few_systems() -> dict[str, object]:
    """Return a configuration with both kinds of network, one core's work of a minute."""
    experiments = [{"dataset": "music", "partition": "split", "systems": ["SF", "SF+TF", "MFCC"]}]
    return music_configuration(shards=4) | {"experiments": experiments}


@pytest.fixture(scope="module")
def otherwise(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same collection with one core, four shards, and the last jobs asked for first."""
    folder = copy_music(finished, tmp_path_factory.mktemp("otherwise"))
    for target in ("results/music/predictions/split/MFCC.csv", "results/tables.csv"):
        run(folder, few_systems(), "--cores", "1", "--", target)
    return folder


def test_cores_shards_and_the_order_of_the_jobs_change_nothing(
    finished: Path, otherwise: Path
) -> None:
    assert len(list((otherwise / "results/music/features/stft").iterdir())) == 4
    expected, found = contents(finished), contents(otherwise)
    assert set(found["tables.csv"].splitlines()) <= set(expected["tables.csv"].splitlines())
    # The other tables set all systems side by side; of everything else there is a file a system.
    shared = {
        f"tables/{name}.csv" for name in ("accuracy", "mcnemar", "leak_audit", "experts_by_genre")
    }
    own = found.keys() - shared - {"tables.csv"}
    assert {Path(name).suffix for name in own} == {".csv", ".safetensors"}
    assert [name for name in sorted(own) if found[name] != expected[name]] == []


def test_a_clip_added_and_removed_leaves_no_trace(otherwise: Path) -> None:
    expected = contents(otherwise)
    manifest = otherwise / "manifest.csv"
    before = manifest.read_text()

    manifest.write_text(before + "extra,clip 01.flac,low,artist 9,test\n")
    run(otherwise, few_systems(), "--", "results/tables.csv")
    assert b",extra," in contents(otherwise)["music/predictions/split/SF.csv"]

    manifest.write_text(before)
    run(otherwise, few_systems(), "--", "results/tables.csv")
    assert contents(otherwise) == expected


@pytest.mark.long
def test_so_it_is_with_every_system(
    finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = copy_music(finished, tmp_path_factory.mktemp("every system"))
    for target in ("results/music/predictions/split/MoER.csv", "results/tables.csv"):
        run(folder, music_configuration(shards=4), "--cores", "1", "--", target)
    expected, found = contents(finished), contents(folder)
    assert len(expected) > 40
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []

"""The key `keep`: intermediate caches are removed after their last use, and nothing else changes.

What is made again after a change of a parameter is in test_rerun_contract.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import h5py
import pytest
from genreflow.features.registry import FEATURES
from harness import (
    TARGETS,
    music_configuration,
    plan,
    planned_jobs,
    pretend_run,
    run_here,
    run_snakemake,
    snakemake_command,
    wait_for,
    write_music,
)

TABLES = ("--", "results/tables.csv")
INTERMEDIATE = {"audio", "hpss_harmonic", "hpss_percussive"}
SHARD = "000-of-001.h5"


def configuration(**changes: object) -> dict[str, object]:
    """Return a configuration of a system that needs both intermediate caches, and keep none."""
    experiments = [{"dataset": "music", "partition": "split", "systems": ["harmonic"]}]
    return music_configuration(shards=1) | {"experiments": experiments, "keep": [], **changes}


def caches(folder: Path) -> set[str]:
    """Return the features that have a file."""
    return {path.parent.name for path in (folder / "results/music/features").glob("*/*.h5")}


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `configuration` that was killed while intermediate caches were there."""
    folder = tmp_path_factory.mktemp("dropped")
    write_music(folder)
    first = subprocess.Popen(
        [*snakemake_command(folder, configuration()), *TABLES],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its jobs are killed with it
    )
    try:
        wait_for((folder / "results/music/features/hpss_harmonic" / SHARD).exists, first)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert run_here(folder, configuration(), "--unlock").status == 0
    again = run_snakemake(folder, configuration(), *TABLES)
    assert again.status == 0, again.output[-6000:]
    # Its audio was no longer there, nor was it needed.
    assert not {"resample_audio", "compute_stft"} & planned_jobs(again).keys()
    return folder


def test_dropped_caches_are_gone_and_the_results_are_the_same(
    finished: Path, dropped: Path
) -> None:
    assert caches(dropped) == {"stft", "mel_harmonic"}
    assert (dropped / "results/music/audio_reports/000-of-001.csv").is_file()
    found, expected = dropped / "results", finished / "results"
    lines = (found / "tables.csv").read_bytes().splitlines()
    assert len(lines) == 3
    assert set(lines) <= set((expected / "tables.csv").read_bytes().splitlines())
    files = [*found.glob("music/predictions/*/*.csv"), *found.rglob("*.safetensors")]
    assert len(files) == 2
    for path in files:
        assert path.read_bytes() == (expected / path.relative_to(found)).read_bytes(), path.name


def test_a_finished_run_has_nothing_to_do_whatever_is_kept_from_now_on(dropped: Path) -> None:
    for keep in ([], ["audio"], ["audio", "hpss"]):
        assert plan(dropped, configuration(keep=keep), *TABLES) == set()
    # Other features are made from what is there.
    jobs = plan(dropped, configuration(keep=["audio", "hpss"]), "--", "features")
    rules = {job.rule for job in jobs}
    assert {"compute_cepstrogram", "compute_mfcc"} <= rules
    assert not {"resample_audio", "compute_stft"} & rules


def test_what_a_changed_parameter_needs_is_made_again_and_removed_again(dropped: Path) -> None:
    mel = f"results/music/features/mel_harmonic/{SHARD}"
    outcome = run_snakemake(dropped, configuration(mel={"n_mels": 80}), "--", mel)
    assert dict(planned_jobs(outcome)) == {"separate_hpss": 1, "compute_mel": 1}
    assert not caches(dropped) & INTERMEDIATE
    with h5py.File(dropped / mel) as file:
        assert file["data"].shape[1] == 80


def test_caches_that_are_there_stay_until_they_are_deleted(tmp_path: Path) -> None:
    write_music(tmp_path)
    kept = configuration(keep=["audio", "hpss"])
    pretend_run(tmp_path, kept, *TARGETS)
    assert caches(tmp_path) == set(FEATURES)
    for keep in ([], ["audio"]):
        jobs = plan(tmp_path, configuration(keep=keep), *TARGETS)
        assert {job.rule for job in jobs} == {"write_run_config"}
    deleted = run_here(
        tmp_path, configuration(keep=["audio"]), "--delete-temp-output", "--", "features"
    )
    assert deleted.status == 0, deleted.output
    assert set(FEATURES) - caches(tmp_path) == {"hpss_harmonic", "hpss_percussive"}
    run_here(tmp_path, configuration(), "--delete-temp-output", "--", "features")
    assert set(FEATURES) - caches(tmp_path) == INTERMEDIATE
    # Kept again, they are made when they are needed and no sooner.
    assert plan(tmp_path, kept, *TARGETS) == set()

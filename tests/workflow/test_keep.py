"""The keys `keep` and `drop`: caches are removed after their last use, and nothing else changes.

What is made again after a change of a parameter is in test_rerun_contract.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import h5py
import pytest
from genreflow.features.registry import CACHES, DROPPABLE, FEATURES
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


def all_dropped(**changes: object) -> dict[str, object]:
    """Return the configuration of `finished` with every cache dropped."""
    further = [name for name in CACHES if name not in DROPPABLE]
    return {**music_configuration(), "keep": [], "drop": further, **changes}


@pytest.fixture(scope="module")
def emptied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The run of `finished` with every cache dropped, and what it printed."""
    folder = tmp_path_factory.mktemp("emptied")
    write_music(folder)
    outcome = run_snakemake(folder, all_dropped(), *TABLES)
    assert outcome.status == 0, outcome.output[-6000:]
    return folder, outcome.output


def test_without_any_cache_the_results_are_the_same(
    finished: Path, emptied: tuple[Path, str]
) -> None:
    folder, _ = emptied
    assert caches(folder) == set()
    found, expected = folder / "results", finished / "results"
    files = [found / "tables.csv", *found.glob("music/predictions/*/*.csv")]
    files += found.rglob("*.safetensors")
    assert len(files) > 20
    for path in files:
        assert path.read_bytes() == (expected / path.relative_to(found)).read_bytes(), path.name


def test_a_run_without_caches_is_finished(emptied: tuple[Path, str]) -> None:
    folder, _ = emptied
    outcome = run_here(folder, all_dropped(), "-n", *TABLES)
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]
    # Nothing goes, so nothing is said.
    assert "Removed after" not in outcome.output
    assert plan(folder, music_configuration(), *TABLES) == set()


def test_what_goes_and_what_it_costs_is_said_before_a_run(
    finished: Path, emptied: tuple[Path, str]
) -> None:
    folder, output = emptied
    assert output.count("Removed after their last use (`keep`, `drop`)") == 1
    before, _, after = output.partition("Removed after their last use")
    assert "rule write_manifest" not in before
    assert "rule write_manifest" in after
    [jobs] = re.findall(r"these of the run's (\d+) jobs", output)
    assert int(jobs) == len(plan(folder, all_dropped(), "--forceall", *TABLES))
    assert set(re.findall(r"^ {4}(\w+) \(.*B\): \d+$", output, re.MULTILINE)) == set(CACHES)
    # A dry run says it too, once.
    dry = run_here(folder, all_dropped(mel={"n_mels": 80}), "-n", *TABLES)
    assert dry.output.count("Removed after their last use") == 1
    # Of a run that keeps all there is nothing to say.
    kept = run_here(finished, music_configuration(), "-n", "--forceall", *TABLES)
    assert "Removed after" not in kept.output


def test_the_target_features_keeps_the_others(tmp_path: Path) -> None:
    write_music(tmp_path)
    config = configuration(keep=["audio", "hpss"], drop=["stft", "mel"])
    outcome = run_snakemake(tmp_path, config, "--", "features")
    assert outcome.status == 0, outcome.output[-6000:]
    assert "keeps none of these" in outcome.output
    assert caches(tmp_path) == {"audio", "cepstrogram", "cepstral_modulation", "modulation", "mfcc"}
    assert plan(tmp_path, config, "--", "features") == set()
    # What is trained then has its input made again.
    rules = {job.rule for job in plan(tmp_path, config, *TABLES)}
    assert {"compute_stft", "separate_hpss", "compute_mel"} <= rules
    assert "resample_audio" not in rules
    both = run_here(tmp_path, config, "-n", *TABLES, "features")
    assert "keeps none of these" not in both.output

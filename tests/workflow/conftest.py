"""Runs of the real workflow on generated audio."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from harness import TARGETS, Snakemake, music_configuration, run_snakemake, write_music


@pytest.fixture
def snakemake(tmp_path: Path) -> Snakemake:
    """Run the workflow in a folder of the test's own."""
    return lambda config, *arguments: run_snakemake(tmp_path, config, *arguments)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A finished run of everything on two cores; tests leave its files as they are."""
    base = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        base = base.parent  # of all processes of pytest, which share the run
    folder = base / "music, it's mine"  # a name that needs quoting
    with FileLock(base / "finished.lock"):
        if not folder.exists():
            folder.mkdir()
            write_music(folder)
            outcome = run_snakemake(folder, music_configuration(), *TARGETS)
            if outcome.status != 0:
                shutil.rmtree(folder)
                pytest.fail(outcome.output[-6000:])
    return folder

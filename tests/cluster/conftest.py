"""A collection for runs on clusters, its tables from this machine, and a Slurm to run it on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import local_slurm
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from collection import CONFIGURATION, copy, write_clips
from harness import run_snakemake


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips of 10 s and their manifest."""
    folder = tmp_path_factory.mktemp("music")
    write_clips(folder)
    return folder


@pytest.fixture(scope="session")
def local(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on this machine."""
    folder = copy(music, tmp_path_factory.mktemp("local"))
    outcome = run_snakemake(folder, CONFIGURATION, "--", "results/tables.csv")
    assert outcome.status == 0, outcome.output[-6000:]
    return folder


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """Run a Slurm on this machine, if it allows."""
    try:
        local_slurm.start()
    except local_slurm.CannotStart as reason:
        pytest.skip(f"no Slurm to test on: {reason}")
    yield
    local_slurm.stop()

"""Runs of the real workflow on generated audio."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import TARGETS, Snakemake, music_configuration, run_snakemake, write_music


@pytest.fixture
def snakemake(tmp_path: Path) -> Snakemake:
    """Run the workflow in a folder of the test's own."""
    return lambda config, *arguments: run_snakemake(tmp_path, config, *arguments)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of everything on two cores; tests leave its files as they are."""
    folder = tmp_path_factory.mktemp("music, it's mine")  # a name that needs quoting
    write_music(folder)
    outcome = run_snakemake(folder, music_configuration(), *TARGETS)
    assert outcome.status == 0, outcome.output[-6000:]
    return folder

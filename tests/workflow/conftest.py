"""Runs of the real workflow on generated audio."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Snakemake, run_snakemake


@pytest.fixture
def snakemake(tmp_path: Path) -> Snakemake:
    """Run the workflow in a folder of the test's own."""
    return lambda config, *arguments: run_snakemake(tmp_path, config, *arguments)

"""Runs of the real workflow on collections whose truth is known."""

from __future__ import annotations

import sys
from pathlib import Path

# The harness that runs Snakemake.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

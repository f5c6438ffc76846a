"""The profiles' values for the executors, which only this environment has."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from harness import REPOSITORY
from snakemake.cli import parse_args

pytestmark = pytest.mark.cluster


def test_versions_are_those_of_the_locks() -> None:
    for name in ("requirements.lock", "requirements-slurm.lock"):
        for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("snakemake"):
                package, _, pinned = line.partition("==")
                assert version(package) == pinned, package


def in_force(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the arguments of a run as the guide gives it."""
    monkeypatch.chdir(REPOSITORY)
    return parse_args(["--workflow-profile", f"profiles/{name}"])[1]


def test_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = in_force("slurm", monkeypatch)
    assert arguments.executor == "slurm"
    assert arguments.slurm_requeue is True
    assert arguments.slurm_logdir == Path("results/logs/slurm")
    assert arguments.slurm_delete_logfiles_older_than == 0
    assert arguments.slurm_init_seconds_before_status_checks == 20


def test_generic(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = in_force("generic", monkeypatch)
    assert arguments.executor == "cluster-generic"
    assert arguments.cluster_generic_submit_cmd == (
        "mkdir -p results/logs/cluster && qsub -V -j oe -o results/logs/cluster/ "
        "-l select=1:ncpus={threads}:mem={resources.mem_mb}mb "
        "-l walltime=$(( {resources.runtime} * 60 ))"
    )
    assert arguments.cluster_generic_status_cmd == "profiles/generic/status.sh"
    assert arguments.cluster_generic_cancel_cmd == "qdel"

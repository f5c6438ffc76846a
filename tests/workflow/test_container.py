"""`--sdm apptainer`: every job runs in the one image, and sees the scripts of this clone.

A stand-in for Apptainer takes a folder for the image, since what is tested is what a job is given.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from harness import (
    REPOSITORY,
    SMALL_DEMO,
    music_configuration,
    plan,
    planned_jobs,
    run_here,
    run_snakemake,
)

CONFIG = {"datasets": SMALL_DEMO, "experiments": []}
TARGET = ("--", "results/demo/quarantine.csv")
#: Answers what Snakemake asks of Apptainer, and runs a command with the image's programs first.
APPTAINER = """#!/bin/sh
[ "$1" != --version ] || {{ echo "apptainer version 1.4.0"; exit; }}
while [ "$1" != "$IMAGE" ]; do shift; done
echo "$APPTAINER_BIND" >> "{base}/binds"
PATH="$1/bin:$PATH"
shift
exec "$@"
"""
PYTHON = """#!/bin/sh
echo "$2" >> "{base}/calls"
exec "{python}" "$@"
"""


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in first on the path, choose an image, and return the folder of both."""
    base = tmp_path / "stand-in"
    programs, image = base / "bin", base / "image"
    for path, text in ((programs / "apptainer", APPTAINER), (image / "bin" / "python", PYTHON)):
        path.parent.mkdir(parents=True)
        path.write_text(text.format(base=base, python=sys.executable))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("GENREFLOW_CONTAINER", str(image))
    monkeypatch.setenv("IMAGE", str(image))
    monkeypatch.setenv("APPTAINER_BIND", "/music")
    return base


def test_jobs_run_in_the_image(base: Path, tmp_path: Path) -> None:
    outcome = run_snakemake(tmp_path, CONFIG, "--sdm", "apptainer", *TARGET)
    jobs = planned_jobs(outcome)
    assert jobs["resample_audio"] == 1
    assert sorted((base / "calls").read_text().split()) == sorted(jobs.elements())
    # What the user binds stays.
    binds = set((base / "binds").read_text().splitlines())
    assert binds == {f"/music,{REPOSITORY}"}
    again = run_snakemake(tmp_path, CONFIG, "--sdm", "apptainer", *TARGET)
    assert "Nothing to be done" in again.output


def test_without_the_option_the_image_counts_for_nothing(
    base: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not plan(finished, music_configuration())
    monkeypatch.setenv("GENREFLOW_CONTAINER", "docker://another/image")
    assert not plan(finished, music_configuration())


@pytest.mark.parametrize(
    ("image", "methods", "said"),
    [
        ("", ["apptainer"], ["no image `genreflow.sif`", "envs/Dockerfile"]),
        ("lost.sif", ["apptainer"], ["no image `lost.sif`", "GENREFLOW_CONTAINER"]),
        ("docker://a/b", ["conda", "apptainer"], ["both conda and apptainer"]),
    ],
)
def test_an_image_that_is_not_there_is_named(
    image: str,
    methods: list[str],
    said: list[str],
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if image:
        monkeypatch.setenv("GENREFLOW_CONTAINER", image)
    else:
        monkeypatch.delenv("GENREFLOW_CONTAINER")
    outcome = run_here(tmp_path, CONFIG, "-n", "--sdm", *methods, *TARGET)
    assert outcome.status == 1
    assert all(part in outcome.output for part in said), outcome.output
    assert "Traceback" not in outcome.output

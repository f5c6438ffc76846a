"""Running the real workflow on generated audio."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import soundfile
import yaml
from snakemake import cli

REPOSITORY = Path(__file__).resolve().parents[2]
SNAKEFILE = REPOSITORY / "Snakefile"
ALL_SYSTEMS = [
    "SF", "TF", "SF+TF", "original", "harmonic", "percussive", "modulation", "MFCC",
    "MoEB", "MoEC", "MoER", "joint", "series", "stats",
]  # fmt: skip
#: Short clips, few units and steps: the real rules in about a minute.
SMALL = {
    "audio": {"clip_seconds": 5.5},
    "stft": {"n_fft": 1024, "hop": 512},
    "dnn": {"epochs": 3},
    "rf": {"trees": 20},
    "expert": {"epochs": 2, "batch": 4, "channels": [4, 4, 4, 4, 4]},
    "mixer": {"epochs": 1, "batch": 4},
    "training": {"threads": 1, "device": "cpu"},
}


#: 32 clips of 6 s, rendered in a second.
SMALL_DEMO = {
    "demo": {
        "source": "synthetic",
        "seeds": [0],
        "artists": 4,
        "seconds": 6,
        "settings": {"audio": {"clip_seconds": 6}},
    }
}

#: Everything that there is to make.
TARGETS = ("--", "results/tables.csv", "features", "results/report.html", "results/run_config.yaml")
FORMATS = [("wav", 44100), ("flac", 22050), ("ogg", 48000), ("mp3", 44100)]
LABELS = ("high", "low")


@dataclass(frozen=True)
class Outcome:
    """How a run of Snakemake ended; of one in this process, the environment of its jobs too."""

    status: int
    output: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


Snakemake = Callable[..., Outcome]


def options(folder: Path, config: dict[str, object] | None, snakefile: Path) -> list[str]:
    """Return Snakemake's options for the workflow with ``folder`` as the working directory."""
    found = ["--snakefile", str(snakefile), "--directory", str(folder), "--cores", "2"]
    if config is not None:
        # Processes of pytest may run the workflow in one folder.
        path = folder / f"my{os.environ.get('PYTEST_XDIST_WORKER', '')}.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        found += ["--configfile", str(path)]
    return found


def copy_workflow(folder: Path) -> Path:
    """Copy everything that runs into a folder, and return it."""
    for name in ("rules", "workflow", "config", "profiles", "envs"):
        shutil.copytree(REPOSITORY / name, folder / name, dirs_exist_ok=True)
    # The report names open points and how to cite, the crate what the software is.
    (folder / "docs").mkdir(exist_ok=True)
    for name in ("Snakefile", "CITATION.cff", "LICENSE", "codemeta.json", "docs/deviations.md"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    return folder


def snakemake_command(
    folder: Path,
    config: dict[str, object] | None,
    snakefile: Path = SNAKEFILE,
    python: Path | str = sys.executable,
) -> list[str]:
    """Return the start of a command that runs the workflow with ``folder`` as working directory."""
    return [str(python), "-m", "snakemake", *options(folder, config, snakefile)]


def run_snakemake(
    folder: Path,
    config: dict[str, object] | None,
    *arguments: str,
    snakefile: Path = SNAKEFILE,
    python: Path | str = sys.executable,
) -> Outcome:
    """Run the workflow with ``folder`` as the working directory.

    Another ``python`` finds the packages of this one.
    """
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if python != sys.executable:
        environment["PYTHONPATH"] = sysconfig.get_path("purelib")
    result = subprocess.run(
        [*snakemake_command(folder, config, snakefile, python), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    return Outcome(result.returncode, result.stdout + result.stderr)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, while a process is running."""
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.05)
    pytest.fail("it took more than a minute")


def planned_jobs(outcome: Outcome) -> Counter[str]:
    """Return how many jobs of each rule a run names, dry or not."""
    assert outcome.status == 0, outcome.output[-3000:]
    return Counter(
        line.split()[1].rstrip(":")
        for line in outcome.output.splitlines()
        if line.startswith(("rule ", "localrule "))
    )


@dataclass(frozen=True)
class PlannedJob:
    """A job of a dry run: its rule and its wildcards."""

    rule: str
    wildcards: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, wildcard: str) -> str | None:
        return dict(self.wildcards).get(wildcard)


def run_here(
    folder: Path,
    config: dict[str, object] | None,
    *arguments: str,
    snakefile: Path = SNAKEFILE,
) -> Outcome:
    """Run Snakemake's command line in this process, which saves its start of some seconds.

    The package is the one that the tests import, and its digests of code are kept: give a changed
    copy of the workflow a folder of its own.
    """
    output = io.StringIO()
    with (
        mock.patch.dict(os.environ),  # The workflow sets what its jobs are to read.
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            cli.main([*options(folder, config, snakefile), *arguments])
        except SystemExit as end:
            status = end.code
        environment = dict(os.environ)
    return Outcome(int(status or 0), output.getvalue(), environment)


def plan(
    folder: Path,
    config: dict[str, object] | None,
    *arguments: str,
    snakefile: Path = SNAKEFILE,
) -> set[PlannedJob]:
    """Return the jobs that Snakemake says it would run."""
    outcome = run_here(folder, config, "-n", *arguments, snakefile=snakefile)
    assert outcome.status == 0, outcome.output[-3000:]
    jobs = set()
    for block in re.findall(
        r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", outcome.output, flags=re.MULTILINE
    ):
        wildcards = re.search(r"^ {4}wildcards: (.*)$", block[1], flags=re.MULTILINE)
        pairs = re.findall(r"(\w+)=(.*?)(?:, (?=\w+=)|$)", wildcards[1]) if wildcards else []
        jobs.add(PlannedJob(block[0], tuple(pairs)))
    return jobs


def pretend_run(folder: Path, config: dict[str, object], *arguments: str) -> None:
    """Let Snakemake record every job as done, in seconds; all results are empty files.

    What would run again is decided by these records and the files' times, not by their content.
    """
    outcome = run_here(folder, config, "--touch", *arguments)
    assert outcome.status == 0, outcome.output[-3000:]
    # Jobs without outputs are recorded as well, and their outputs named.
    missing = re.findall(r"not touched because they don't exist: (.*)", outcome.output)
    for name in ", ".join(missing).split(", "):
        path = folder / name
        # The rendered clips are a folder, whose time is that of a file in it.
        file = path if path.suffix else path / ".snakemake_timestamp"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        for touched in (file, path):
            os.utime(touched, ns=(0, 10**18))


def write_collection(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Write a manifest into ``folder`` and return its path."""
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_tone(path: Path, frequency: float, *, seconds: float, sample_rate: int) -> None:
    """Write a decaying pulse train of one pitch, stereo, a little different in each channel."""
    rng = np.random.default_rng(int(frequency))
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    envelope = np.exp(-8 * (time % 0.25))
    tone = 0.4 * envelope * np.sin(2 * np.pi * frequency * time)
    noise = 0.01 * rng.standard_normal((time.size, 2))
    soundfile.write(path, tone[:, None] * [1.0, 0.8] + noise, sample_rate)


def merge(base: dict[str, object], over: dict[str, object]) -> dict[str, object]:
    """Return ``base`` with the sections of ``over`` merged into its own."""
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = {**known, **value} if isinstance(known, dict) else value
    return merged


def write_music(folder: Path) -> None:
    """Write 24 clips of two classes and their manifest: one unreadable, one short, one silent."""
    rows = []
    for number in range(24):
        label = LABELS[number % 2]
        kind, rate = FORMATS[number % len(FORMATS)]
        name = f"clip {number:02d}.{kind}"
        seconds = 3.0 if number == 4 else 6.5
        frequency = (440 if label == "high" else 110) * 1.01**number
        write_tone(folder / name, frequency, seconds=seconds, sample_rate=rate)
        split = ("train", "train", "train", "train", "valid", "test")[number // 2 % 6]
        rows.append(
            {
                "track_id": f"t{number:02d}",
                "path": name,
                "label": label,
                "group": f"artist {number // 4}",
                "split": split,
            }
        )
    soundfile.write(folder / "clip 12.wav", np.zeros((6 * 44100, 2)), 44100)
    # t10 is a test clip: it can't be decoded, and must count as wrong.
    (folder / "clip 10.ogg").write_bytes(b"this is no audio")
    write_collection(folder, rows)


def music_configuration(*, shards: int = 2) -> dict[str, object]:
    """Return the configuration of all systems on `write_music`'s clips, and some partitions."""
    return {
        **SMALL,
        "datasets": {"music": {"source": "manifest", "manifest": "manifest.csv", "shards": shards}},
        "experiments": [
            {"dataset": "music", "partition": "split", "systems": ALL_SYSTEMS},
            {"dataset": "music", "partition": "split_swapped", "systems": ["SF", "MFCC"]},
            {"dataset": "music", "partition": "random", "group_disjoint": True, "systems": ["SF"]},
        ],
        "audio": {**SMALL["audio"], "max_quarantined": 0.1},
    }

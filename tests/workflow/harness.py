"""Running the real workflow on generated audio."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
ALL_SYSTEMS = [
    "SF", "TF", "SF+TF", "original", "harmonic", "percussive", "modulation", "MFCC",
    "MoEB", "MoEC", "MoER",
]  # fmt: skip
#: Short clips, few units and steps: the real rules in about a minute.
SMALL = {
    "audio": {"clip_seconds": 5.5},
    "stft": {"n_fft": 1024, "hop": 512},
    "dnn": {"epochs": 3},
    "rf": {"trees": 20},
    "expert": {"epochs": 2, "batch": 4, "channels": [4, 4, 4, 4, 4], "batchnorm_momentum": 0.5},
    "mixer": {"epochs": 1, "batch": 4, "batchnorm_momentum": 0.5},
    "training": {"threads": 1, "device": "cpu"},
}


FORMATS = [("wav", 44100), ("flac", 22050), ("ogg", 48000), ("mp3", 44100)]
LABELS = ("high", "low")


@dataclass(frozen=True)
class Outcome:
    """How a run of Snakemake ended."""

    status: int
    output: str


Snakemake = Callable[..., Outcome]


def snakemake_command(
    folder: Path, config: dict[str, object] | None, *, repository: Path = REPOSITORY
) -> list[str]:
    """Return the start of a command that runs the workflow, or a copy's, in ``folder``."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")]
    command += ["--directory", str(folder), "--cores", "2"]
    if config is not None:
        (folder / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        command += ["--configfile", str(folder / "my.yaml")]
    return command


def run_snakemake(
    folder: Path,
    config: dict[str, object] | None,
    *arguments: str,
    repository: Path = REPOSITORY,
) -> Outcome:
    """Run the workflow, or that of a copy of the repository, in ``folder``."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [*snakemake_command(folder, config, repository=repository), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    return Outcome(result.returncode, result.stdout + result.stderr)


def planned_jobs(outcome: Outcome) -> Counter[str]:
    """Return how many jobs of each rule a dry run names."""
    assert outcome.status == 0, outcome.output[-3000:]
    return Counter(
        line.split()[1].rstrip(":")
        for line in outcome.output.splitlines()
        if line.startswith(("rule ", "localrule "))
    )


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

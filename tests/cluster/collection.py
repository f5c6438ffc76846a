"""A small collection for runs on clusters, and its configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import LABELS, SMALL, write_collection, write_tone

CLIPS = 16
#: All kinds of jobs, and few of them.
CONFIGURATION = {
    **SMALL,
    "audio": {"clip_seconds": 10},
    "dnn": {"epochs": 1},
    "expert": {**SMALL["expert"], "epochs": 1},
    "datasets": {"music": {"source": "manifest", "manifest": "manifest.csv", "shards": 4}},
    "experiments": [{"dataset": "music", "partition": "split", "systems": ["SF", "SF+TF", "MFCC"]}],
}


def write_clips(folder: Path) -> None:
    """Write clips of 10 s and their manifest."""
    rows = []
    for number in range(CLIPS):
        label, name = LABELS[number % 2], f"clip {number:02d}.wav"
        frequency = (440 if label == "high" else 110) * 1.01**number
        write_tone(folder / name, frequency, seconds=10, sample_rate=22050)
        split = ("train", "train", "valid", "test")[number // 2 % 4]
        rows.append({"track_id": f"t{number:02d}", "path": name, "label": label, "split": split})
    write_collection(folder, rows)


def copy(music: Path, folder: Path) -> Path:
    """Copy the clips with their dates, and not the results."""
    for path in music.iterdir():
        if path.is_file():
            shutil.copy2(path, folder)
    return folder

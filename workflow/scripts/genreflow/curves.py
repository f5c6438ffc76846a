"""Learning curves: what every epoch came to."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class EpochRecord:
    """An epoch of training: mean cross-entropies in nats, accuracies as shares."""

    epoch: int
    steps: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float


def write_curve(records: Iterable[EpochRecord], path: Path) -> None:
    """Write a learning curve, a row an epoch."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        names = [field.name for field in fields(EpochRecord)]
        writer = csv.DictWriter(handle, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in records)

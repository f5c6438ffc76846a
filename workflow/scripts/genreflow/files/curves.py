"""Learning curves: what every epoch came to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genreflow.errors import UserError
from genreflow.files.records import write_records


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


def check_converging(record: EpochRecord, *, epochs: int, section: str) -> None:
    """Refuse to go on with a training after an epoch whose losses are not both finite.

    Parameters
    ----------
    epochs
        The most that would follow.
    section
        Where the configuration has its learning rate.

    Raises
    ------
    UserError
        The training diverged.
    """
    for part, loss in (("training", record.train_loss), ("validation", record.valid_loss)):
        if not math.isfinite(loss):
            raise UserError(
                f"the training diverged: the {part} loss is {loss}. Nothing of it is kept.",
                where=f"epoch {record.epoch} of at most {epochs}",
                hint=f"lower `{section}.learning_rate`.",
            )


def write_curve(records: Iterable[EpochRecord], path: Path) -> None:
    """Write a learning curve, a row an epoch."""
    write_records(records, EpochRecord, path)

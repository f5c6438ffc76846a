"""Learning curves: what every epoch came to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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


def check_converged(curve: Sequence[EpochRecord], best_epoch: int, *, section: str) -> None:
    """Refuse a training whose chosen epoch has no finite validation loss.

    Parameters
    ----------
    best_epoch
        From 1; 0 where every loss was NaN, so that none was the lowest.
    section
        Where the configuration has its learning rate.

    Raises
    ------
    UserError
        The training diverged.
    """
    loss = curve[best_epoch - 1].valid_loss
    if not math.isfinite(loss):
        raise UserError(
            f"the training diverged: the validation loss is {loss}.",
            where=f"epoch {best_epoch or len(curve)} of {len(curve)}",
            hint=f"lower `{section}.learning_rate`.",
        )


def write_curve(records: Iterable[EpochRecord], path: Path) -> None:
    """Write a learning curve, a row an epoch."""
    write_records(records, EpochRecord, path)

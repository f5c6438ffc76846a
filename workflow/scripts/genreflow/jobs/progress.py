"""Progress of a training, and durations as people say them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, SupportsFloat

from genreflow.files.curves import EpochRecord
from genreflow.jobs.job import log

#: Least seconds between two progress lines.
INTERVAL = 10.0


class TrainingProgress:
    """Progress of a training: a line an epoch, and within long epochs one every ten seconds.

    Parameters
    ----------
    epochs
        Largest number of epochs.
    before
        Those that an earlier run has done: they say nothing of the pace.
    unit
        What `step` counts: clips.
    """

    def __init__(self, *, epochs: int, before: int = 0, unit: str = "clips") -> None:
        self._epochs, self._before, self._unit = epochs, before, unit
        self._started = self._last = time.monotonic()

    def step(self, done: int, total: int, loss: SupportsFloat) -> None:
        """Report clips done of the whole training, and the epoch's mean loss so far."""
        now = time.monotonic()
        if now - self._last < INTERVAL:
            return
        self._last = now
        rate = (done - total * self._before / self._epochs) / (now - self._started)
        log.info(
            "%.0f %%, loss %.4f, %.1f %s/s, at most %s left",
            100 * done / total, float(loss), rate, self._unit,
            format_seconds((total - done) / rate), extra={"progress": True},
        )  # fmt: skip

    def epoch(self, record: EpochRecord) -> None:
        """Report a finished epoch."""
        now = time.monotonic()
        pace = (now - self._started) / (record.epoch - self._before)
        message = (
            "epoch %d of at most %d, loss %.4f, accuracy %.1f %%, validation loss %.4f, "
            "accuracy %.1f %%, rate %.3g, %.1f s an epoch, at most %s left"
        )
        values: tuple[Any, ...] = (
            record.epoch, self._epochs, record.train_loss, 100 * record.train_accuracy,
            record.valid_loss, 100 * record.valid_accuracy, record.learning_rate, pace,
            format_seconds(pace * (self._epochs - record.epoch)),
        )  # fmt: skip
        # Short epochs would flood the terminal; the log keeps every one.
        visible = now - self._last >= INTERVAL
        if visible:
            self._last = now
        log.log(
            logging.INFO if visible else logging.DEBUG, message, *values, extra={"progress": True}
        )


def tell_right(true: Iterable[str], predicted: Iterable[str]) -> None:
    """Say how many test clips of a fold are right."""
    right = [one == other for one, other in zip(true, predicted, strict=True)]
    log.info("%d/%d right", sum(right), len(right))


def format_seconds(seconds: float) -> str:
    """Return a duration as people say it: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

"""What every script shares: arguments, the log, progress, and errors without a traceback."""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, SupportsFloat

from genreflow import __version__
from genreflow.curves import EpochRecord
from genreflow.errors import UserError

log = logging.getLogger("genreflow")
#: Least seconds between two progress lines.
INTERVAL = 10.0


class Job:
    """The arguments of a script: ``--name value ...`` for files, ``--params`` for the rest.

    Attributes
    ----------
    params
        The canonical value that the rule depends on.
    untracked
        What changes no result, and so is no reason to run a job again.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        parser = argparse.ArgumentParser(allow_abbrev=False)
        parser.add_argument("--params", type=json.loads, default={})
        parser.add_argument("--untracked", type=json.loads, default={})
        parser.add_argument("--log", type=Path)
        known, rest = parser.parse_known_args(arguments)
        self.params: dict[str, Any] = known.params
        self.untracked: dict[str, Any] = known.untracked
        self.log_path: Path | None = known.log
        self._files: dict[str, list[Path]] = {}
        name = ""
        for word in rest:
            if word.startswith("--"):
                name = word[2:]
                self._files[name] = []
            else:
                self._files[name].append(Path(word))

    def path(self, name: str) -> Path:
        """Return the only file of an argument."""
        (path,) = self._files[name]
        return path

    def number(self, name: str) -> int:
        """Return an argument that is a whole number: a resource, which changes no result."""
        return int(str(self.path(name)))

    def paths(self, name: str) -> list[Path]:
        """Return all files of an argument."""
        return self._files[name]


def run(main: Callable[[Job], None], arguments: Sequence[str] | None = None) -> None:
    """Run a script's ``main``: log to its file and to the terminal, and end with a clear message.

    A `UserError` ends the process with its message and status 1; the traceback of anything else
    goes to the log.
    """
    job = Job(sys.argv[1:] if arguments is None else arguments)
    name = Path(sys.argv[0]).stem
    _configure(name, job.log_path)
    log.debug("genreflow %s, Python %s", __version__, platform.python_version())
    log.debug("parameters %s", json.dumps(job.params, sort_keys=True))
    started = time.monotonic()
    try:
        main(job)
    except UserError as error:
        log.error("Error: %s", error)
        sys.exit(1)
    except Exception:
        log.exception("unexpected error: please report it with this log")
        sys.exit(1)
    log.debug("done in %.1f s", time.monotonic() - started)


def _configure(name: str, path: Path | None) -> None:
    log.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(logging.Formatter(f"[{name}] %(message)s"))
    log.addHandler(terminal)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(file)


class TrainingProgress:
    """Progress of a training: a line an epoch, and within long epochs one every ten seconds.

    Parameters
    ----------
    title
        What is being trained.
    epochs
        Largest number of epochs.
    unit
        What `step` counts: clips.
    """

    def __init__(self, title: str, *, epochs: int, unit: str = "clips") -> None:
        self._title, self._epochs, self._unit = title, epochs, unit
        self._started = self._last = time.monotonic()

    def step(self, done: int, total: int, loss: SupportsFloat) -> None:
        """Report clips done of the whole training, and the epoch's mean loss so far."""
        now = time.monotonic()
        if now - self._last < INTERVAL:
            return
        self._last = now
        rate = done / (now - self._started)
        log.info(
            "%s: %.0f %%, loss %.4f, %.1f %s/s, at most %s left",
            self._title, 100 * done / total, float(loss), rate, self._unit,
            format_seconds((total - done) / rate),
        )  # fmt: skip

    def epoch(self, record: EpochRecord) -> None:
        """Report a finished epoch."""
        now = time.monotonic()
        pace = (now - self._started) / record.epoch
        message = (
            "%s: epoch %d of at most %d, loss %.4f, accuracy %.1f %%, validation loss %.4f, "
            "accuracy %.1f %%, rate %.3g, %.1f s an epoch, at most %s left"
        )
        values: tuple[Any, ...] = (
            self._title, record.epoch, self._epochs, record.train_loss, 100 * record.train_accuracy,
            record.valid_loss, 100 * record.valid_accuracy, record.learning_rate, pace,
            format_seconds(pace * (self._epochs - record.epoch)),
        )  # fmt: skip
        # Short epochs would flood the terminal; the log keeps every one.
        visible = now - self._last >= INTERVAL or record.epoch in (1, self._epochs)
        if visible:
            self._last = now
        log.log(logging.INFO if visible else logging.DEBUG, message, *values)


def format_seconds(seconds: float) -> str:
    """Return a duration as people say it: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

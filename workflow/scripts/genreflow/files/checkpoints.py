"""Checkpoints: where a training stands after an epoch, so that a killed one goes on from there.

A file has 16 bytes that are the digest of all that follows, 16 that identify the training, and
safetensors.  So nothing of a damaged file, or of another training's, is ever read as weights.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from genreflow.errors import UserError
from genreflow.files.atomic import temporary_name, write_whole
from genreflow.files.curves import EpochRecord
from genreflow.files.integrity import DIGEST_BYTES, digest

log = logging.getLogger("genreflow")

#: Least seconds between two writes, so that short epochs don't spend their time on them.
INTERVAL = 5.0
#: Name among the arrays of what is none: JSON, as bytes.
TEXT = "text"

Values = TypeVar("Values")
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands after an epoch.

    Attributes
    ----------
    curve
        The epochs so far.
    best_epoch
        The one whose weights would be kept, from 1.
    generator
        State of numpy's generator of random numbers.
    arrays
        Everything else by name: weights, those of the best epoch, and what the optimiser and other
        generators hold.
    """

    curve: list[EpochRecord]
    best_epoch: int
    generator: Mapping[str, Any]
    arrays: Arrays

    def part(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that `named` has put under a name."""
        start = f"{name}/"
        return {k.removeprefix(start): v for k, v in self.arrays.items() if k.startswith(start)}


def named(name: str, arrays: Mapping[str, Values]) -> dict[str, Values]:
    """Return arrays under a name of their own, for `TrainingState`."""
    return {f"{name}/{key}": values for key, values in arrays.items()}


def checkpoint_path(model: Path) -> Path:
    """Return where the checkpoint of a model's training lies: hidden, beside the model.

    It is none of the job's outputs, which Snakemake deletes when a job fails or is killed.
    """
    return model.with_name(f".{model.name}.checkpoint")


class Checkpoint:
    """The file in which the state of a training is kept until its model is written.

    As a context it removes the file at the end, also of a training that a `UserError` ends, which
    would end the same way again; any other error leaves it.

    Parameters
    ----------
    model
        The file beside which it lies.
    identity
        16 bytes: the digest of everything that the training depends on.
    interval
        Least seconds between two writes; the result is the same whatever it is.

    Attributes
    ----------
    state
        Where an interrupted run of the same training stood; None if there was none, or its file
        is damaged.
    """

    def __init__(self, model: Path, identity: bytes, *, interval: float = INTERVAL) -> None:
        self._path = checkpoint_path(model)
        self._identity, self._interval = identity, interval
        self._next = time.monotonic() + interval
        self.state = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, UserError):
            for path in (self._path, temporary_name(self._path)):
                path.unlink(missing_ok=True)

    @property
    def epochs_done(self) -> int:
        """Epochs that need not be trained again."""
        return len(self.state.curve) if self.state else 0

    def due(self) -> bool:
        """Return whether the state after this epoch should be written."""
        return time.monotonic() >= self._next

    def write(self, state: TrainingState) -> None:
        """Write a state in the place of the last one; where that is impossible, only say so."""
        text = {
            "curve": [astuple(record) for record in state.curve],
            "best_epoch": state.best_epoch,
            "generator": state.generator,
        }
        encoded = np.frombuffer(json.dumps(text).encode(), np.uint8)
        # Of arrays in another order of memory, safetensors would write the memory as it is.
        arrays = {name: np.array(values, order="C") for name, values in state.arrays.items()}
        content = self._identity + save({**arrays, TEXT: encoded})
        try:
            write_whole(self._path, digest(content) + content)
            self._next = time.monotonic() + self._interval
        except OSError as error:
            self._next = math.inf
            log.warning(
                "no checkpoint can be written any more, so a killed training would lose what "
                "follows: %s: %s.",
                self._path, error.strerror or error,
            )  # fmt: skip

    def _read(self) -> TrainingState | None:
        try:
            found = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell_unused(f"can't be read: {error.strerror or error}")
            return None
        content = found[DIGEST_BYTES:]
        if found[:DIGEST_BYTES] != digest(content):
            self._tell_unused("is damaged")
            return None
        if content[:DIGEST_BYTES] != self._identity:
            self._tell_unused("is of other parameters, clips, code or packages")
            return None
        arrays = load(content[DIGEST_BYTES:])
        text = json.loads(arrays.pop(TEXT).tobytes())
        curve = [EpochRecord(*values) for values in text["curve"]]
        log.info("the training goes on after epoch %d, from %s", len(curve), self._path)
        return TrainingState(curve, text["best_epoch"], text["generator"], arrays)

    def _tell_unused(self, reason: str) -> None:
        log.info("the training begins anew: the checkpoint %s %s", self._path, reason)

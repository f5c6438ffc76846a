"""Music as clips: a file or samples in memory, cut from the start and prepared as in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genreflow.choices import MAX_MISSING
from genreflow.errors import UserError
from genreflow.features.audio import (
    Decoded,
    Samples,
    UnusableClip,
    check_complete,
    cut_clips,
    decode_clips,
    prepare_clip,
)

Music = str | PathLike[str] | npt.ArrayLike


def prepared_clips(
    music: Music, sample_rate: int | None, audio: Mapping[str, Any]
) -> Iterator[tuple[Samples, float]]:
    """Yield the clips of some music, each with the seconds that are not padding.

    Parameters
    ----------
    music
        A path, or samples of shape (n,) or (n, channels) in [-1, 1].
    sample_rate
        Of samples, in Hz.
    audio
        Of the settings.

    Raises
    ------
    UserError
        The file can't be used, or the samples have no rate or another shape.
    """
    seconds, rate = audio["clip_seconds"], audio["sample_rate"]
    named = isinstance(music, str | PathLike)
    try:
        for decoded in _decoded(music, sample_rate, seconds):
            check_complete(decoded, seconds=seconds, max_missing=MAX_MISSING)
            samples, present = prepare_clip(
                decoded,
                sample_rate=rate,
                length=round(seconds * rate),
                resampler=audio["resampler"],
            )
            yield samples, present / rate
    except UnusableClip as error:
        raise UserError(f"{error}.", where=str(music) if named else "") from None


def _decoded(music: Music, sample_rate: int | None, seconds: float) -> Iterator[Decoded]:
    if isinstance(music, str | PathLike):
        return decode_clips(Path(fspath(music)), seconds=seconds)
    samples = np.asarray(music, np.float32)
    if sample_rate is None or samples.ndim not in (1, 2) or not samples.size:
        raise UserError(
            f"samples of shape {samples.shape} at the rate {sample_rate}.",
            expected="shape (n,) or (n, channels), and their rate in Hz",
        )
    return cut_clips(samples.reshape(len(samples), -1), sample_rate, seconds=seconds)

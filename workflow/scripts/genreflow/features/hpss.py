"""Harmonic/percussive separation by median filtering (Yi 2019, section II.A; Fitzgerald 2010)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genreflow.compiled import compiled
from genreflow.features.running_median import running_median

if TYPE_CHECKING:
    from genreflow.choices import Conserved

Array = npt.NDArray[np.float32]
#: Rows and columns that are transposed at a time, so that both sides stay in the cache.
BLOCK = 32


def separate_hpss(
    magnitude: Array,
    *,
    kernel: int,
    power: float,
    margin: float,
    conserve: Conserved,
) -> tuple[Array, Array]:
    """Return the harmonic and the percussive magnitude spectrogram.

    Parameters
    ----------
    magnitude
        Shape (bins, frames).
    kernel
        Odd length of the medians: along time for the harmonic part, along frequency for the
        percussive one, reflected at the edges.
    power, margin
        Exponent and margin of the soft masks.
    conserve
        With margin 1 the masks sum to 1.  ``magnitude`` multiplies |S| by them (the authors'
        code), ``power`` |S|^2, so that the parts' powers sum to the whole (Yi 2019, Eq. 1).

    Returns
    -------
    tuple of ndarray
        Two arrays of shape (bins, frames), float32.
    """
    magnitude = np.ascontiguousarray(magnitude, np.float32)
    percussive = running_median(magnitude, kernel)
    harmonic = _transpose(running_median(_transpose(magnitude), kernel))
    parts = np.empty_like(magnitude), np.empty_like(magnitude)
    _apply_masks(
        magnitude,
        harmonic,
        percussive,
        np.float32(power),
        np.float32(margin),
        conserve == "power",
        *parts,
    )
    return parts


@compiled
def soft_mask(
    kept: np.float32, other: np.float32, power: np.float32, margin: np.float32
) -> np.float32:
    """Return kept^p / (kept^p + (margin other)^p); where both are 0, 1/2 or with a margin 0."""
    reference = other * margin
    scale = max(kept, reference)
    if scale < np.float32(1.1754944e-38):  # the smallest normal number
        return np.float32(0.5) if margin == 1 else np.float32(0)
    one, two = kept / scale, reference / scale
    # numpy squares too where the exponent is 2: a power would have other last bits.
    if power == 2:
        one, two = one * one, two * two
    else:
        one, two = one**power, two**power
    return one / (one + two)


@compiled
def _apply_masks(
    magnitude: Array,
    harmonic: Array,
    percussive: Array,
    power: np.float32,
    margin: np.float32,
    roots: bool,
    harmonic_part: Array,
    percussive_part: Array,
) -> None:
    rows, columns = magnitude.shape
    for row in range(rows):
        for column in range(columns):
            h, p = harmonic[row, column], percussive[row, column]
            one, two = soft_mask(h, p, power, margin), soft_mask(p, h, power, margin)
            if roots:
                one, two = np.sqrt(one), np.sqrt(two)
            harmonic_part[row, column] = magnitude[row, column] * one
            percussive_part[row, column] = magnitude[row, column] * two


@compiled
def _transpose(values: Array) -> Array:
    rows, columns = values.shape
    out = np.empty((columns, rows), np.float32)
    for top in range(0, rows, BLOCK):
        for left in range(0, columns, BLOCK):
            for column in range(left, min(left + BLOCK, columns)):
                for row in range(top, min(top + BLOCK, rows)):
                    out[column, row] = values[row, column]
    return out

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
Halves = npt.NDArray[np.float16]
#: Rows that are transposed at a time, so that both sides stay in the cache.
BLOCK = 32


def separate_hpss(
    magnitude: Array,
    *,
    kernel: int,
    power: float,
    margin: float,
    conserve: Conserved,
    halves: bool = False,
) -> tuple[Array | Halves, Array | Halves]:
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
    halves
        Whether the result is rounded to float16 at once, with the bits of numpy's rounding.

    Returns
    -------
    tuple of ndarray
        Two arrays of shape (bins, frames), float32 or float16.
    """
    magnitude = np.ascontiguousarray(magnitude, np.float32)
    percussive = running_median(magnitude, kernel)
    harmonic = _transposed(running_median(_transposed(magnitude), kernel))
    settings = np.float32(power), np.float32(margin), conserve == "power"
    parts: list[Array | Halves] = []
    for kept, other in ((harmonic, percussive), (percussive, harmonic)):
        part = np.empty_like(magnitude)
        _apply_mask(magnitude, kept, other, *settings, part)
        if halves:
            rounded = np.empty(part.shape, np.float16)
            round_to_half(part.reshape(-1), rounded.view(np.uint16).reshape(-1))
            parts.append(rounded)
        else:
            parts.append(part)
    return parts[0], parts[1]


@compiled
def soft_mask(
    kept: np.float32, other: np.float32, power: np.float32, margin: np.float32
) -> np.float32:
    """Return kept^p / (kept^p + (margin other)^p); where both are 0, 1/2 or with a margin 0."""
    reference = other * margin
    scale = max(kept, reference)
    # np.divide(), since a division by zero that could raise an error is not vectorised.
    one, two = np.divide(kept, scale), np.divide(reference, scale)
    # numpy squares too where the exponent is 2: a power would have other last bits.
    if power == 2:
        one, two = one * one, two * two
    else:
        one, two = one**power, two**power
    silent = np.float32(0.5) if margin == 1 else np.float32(0)
    # The smallest normal number.
    return silent if scale < np.float32(1.1754944e-38) else np.divide(one, one + two)


@compiled
def _apply_mask(
    magnitude: Array,
    kept: Array,
    other: Array,
    power: np.float32,
    margin: np.float32,
    roots: bool,
    out: Array,
) -> None:
    for row in range(len(magnitude)):
        for column in range(magnitude.shape[1]):
            mask = soft_mask(kept[row, column], other[row, column], power, margin)
            out[row, column] = magnitude[row, column] * (np.sqrt(mask) if roots else mask)


@compiled
def round_to_half(values: Array, out: npt.NDArray[np.uint16]) -> None:
    """Write the bits of values that are not negative as float16, rounded to nearest, ties to even.

    Below 2^-14 float16 has the spacing that float32 has from 1/2 on, so that adding 1/2 rounds;
    above, the exponents differ by 112, and half of what is cut off is added first.
    """
    shifted = values + np.float32(0.5)
    bits, shifted_bits = values.view(np.int32), shifted.view(np.int32)
    for place in range(len(bits)):
        found = bits[place]
        above = ((found + 0xFFF + ((found >> 13) & 1)) >> 13) - (112 << 10)
        below = shifted_bits[place] - 0x3F000000
        # From 65 520 on it is infinite, 0x7c00.
        out[place] = min(above, 0x7C00) if found >= 0x38800000 else below


def _transposed(values: Array) -> Array:
    out = np.empty(values.shape[::-1], np.float32)
    for top in range(0, len(values), BLOCK):
        out[:, top : top + BLOCK] = values[top : top + BLOCK].T
    return out

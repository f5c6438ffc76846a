"""Harmonic/percussive separation by median filtering (Yi 2019, section II.A; Fitzgerald 2010)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

Array = npt.NDArray[np.float32]


def separate_hpss(
    magnitude: Array,
    *,
    kernel: int,
    power: float,
    margin: float,
    conserve: Literal["magnitude", "power"],
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
    harmonic = median_rows(magnitude, kernel)
    percussive = median_rows(np.ascontiguousarray(magnitude.T), kernel).T
    masks = (
        soft_mask(harmonic, percussive, power=power, margin=margin),
        soft_mask(percussive, harmonic, power=power, margin=margin),
    )
    parts = [magnitude * (mask if conserve == "magnitude" else np.sqrt(mask)) for mask in masks]
    return parts[0], parts[1]


def median_rows(values: Array, kernel: int) -> Array:
    """Return the running median of every row, reflected at the ends.

    Row by row, since scipy's one-dimensional filter is six times as fast as its two-dimensional
    one with a kernel of one row; a median is one of the values, so both give the same bits.
    """
    out = np.empty(values.shape, values.dtype)
    for row, target in zip(values, out, strict=True):
        median_filter(row, size=kernel, mode="reflect", output=target)
    return out


def soft_mask(kept: Array, other: Array, *, power: float, margin: float) -> Array:
    """Return kept^p / (kept^p + (margin other)^p); where both are 0, 1/2 or with a margin 0."""
    reference = other * np.float32(margin)
    scale = np.maximum(kept, reference)
    empty = scale < np.finfo(np.float32).tiny
    scale[empty] = 1
    numerator = (kept / scale) ** np.float32(power)
    denominator = numerator + (reference / scale) ** np.float32(power)
    denominator[empty] = 1
    mask: Array = numerator / denominator
    mask[empty] = 0.5 if margin == 1 else 0.0
    return mask

"""Mel-frequency cepstral coefficients and their derivatives (Yi 2019, section II.C)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt


def compute_mfcc(
    mel: npt.NDArray[np.floating], *, n_mfcc: int, delta_width: int
) -> npt.NDArray[np.float64]:
    """Return MFCC with their first and second derivatives (Yi 2019, section II.C).

    Parameters
    ----------
    mel
        Mel spectrogram in dB, shape (bands, frames).
    n_mfcc
        How many, c0 included: orthonormal DCT-II of the bands.
    delta_width
        Odd frames of the local polynomial fit, of order 1 for the first derivative and order 2
        for the second (which is not the derivative of the first).

    Returns
    -------
    ndarray, shape (3 n_mfcc, frames), float64
    """
    mfcc = cosines(n_mfcc, len(mel)) @ mel.astype(np.float64)
    return np.concatenate([mfcc, *(delta(mfcc, delta_width, order) for order in (1, 2))])


def cosines(rows: int, size: int) -> npt.NDArray[np.float64]:
    """Return the first rows of the orthonormal DCT-II of so many values, shape (rows, size)."""
    angles = np.pi / size * np.outer(np.arange(rows), np.arange(size) + 0.5)
    scale = np.full((rows, 1), np.sqrt(2 / size))
    scale[0] = np.sqrt(1 / size)
    return scale * np.cos(angles)


def delta(
    values: npt.NDArray[np.float64], width: int, order: Literal[1, 2]
) -> npt.NDArray[np.float64]:
    """Return a derivative along the last axis by local polynomials of its own order.

    That of a window's polynomial is a constant, which is also the value of the first and the last
    ``width // 2`` places: as ``librosa.feature.delta`` with ``mode="interp"`` (Savitzky & Golay,
    1964), without its import.

    Parameters
    ----------
    values
        At least ``width`` of them.
    width
        Odd number of values that a polynomial is fitted to.
    order
        1: slope of a line; 2: second derivative of a parabola.
    """
    half = width // 2
    place = np.arange(-half, half + 1, dtype=np.float64)
    squares = np.sum(place**2)
    if order == 1:
        weights = place / squares
    else:
        weights = 2 * (width * place**2 - squares) / (width * np.sum(place**4) - squares**2)
    windows = np.lib.stride_tricks.sliding_window_view(values, width, axis=-1)
    inner = windows @ weights
    return np.pad(inner, [(0, 0)] * (values.ndim - 1) + [(half, half)], mode="edge")

"""Mel spectrograms (Yi 2019, section IV.B)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Power below which the logarithm is not taken (librosa's amin).
SMALLEST_POWER = 1e-10

# Slaney's scale: 200/3 Hz a mel up to 1000 Hz, and from there 27 mels for a factor of 6.4.
_HZ_A_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_A_MEL
_LOG_STEP = np.log(6.4) / 27

#: Bands whose filters are one product: adjacent ones share most of their bins.
BANDS = 8


def mel_filters(
    *, sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float
) -> npt.NDArray[np.float64]:
    """Return triangular filters of unit area on Slaney's mel scale (Auditory Toolbox, 1998).

    Those of ``librosa.filters.mel`` (``htk=False``, ``norm="slaney"``), without its import, which
    takes longer than the filters save.

    Parameters
    ----------
    fmin, fmax
        Hz, lower edge of the first band and upper edge of the last.

    Returns
    -------
    ndarray, shape (n_mels, n_fft / 2 + 1)
    """
    low, high = hz_to_mel(np.array([fmin, fmax]))
    edges = mel_to_hz(np.linspace(low, high, n_mels + 2))
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    widths = np.diff(edges)[:, None]
    distances = edges[:, None] - bins
    rising, falling = -distances[:-2] / widths[:-1], distances[2:] / widths[1:]
    filters = np.maximum(0, np.minimum(rising, falling))
    filters *= (2 / (edges[2:] - edges[:-2]))[:, None]
    return filters


def hz_to_mel(frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return frequencies on Slaney's mel scale: linear below 1000 Hz, logarithmic above."""
    logarithmic = _BREAK_MEL + np.log(np.maximum(frequencies, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(frequencies < _BREAK_HZ, frequencies / _HZ_A_MEL, logarithmic)


def mel_to_hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the frequencies of `hz_to_mel`'s values."""
    exponential = _BREAK_HZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, _HZ_A_MEL * mels, exponential)


def compute_mel(
    magnitude: npt.NDArray[np.floating], *, filters: npt.NDArray[np.float64], top_db: float
) -> npt.NDArray[np.float64]:
    """Return a mel spectrogram in dB (Yi 2019, section IV.B).

    Parameters
    ----------
    magnitude
        Magnitude spectrogram, shape (bins, frames); the filters apply to its square, in float64.
    filters
        Shape (bands, bins).
    top_db
        Values further below the clip's maximum are raised to that floor.

    Returns
    -------
    ndarray, shape (bands, frames), float64
        10 log10 of the power, reference 1.
    """
    power = np.zeros((len(filters), magnitude.shape[1]))
    for first in range(0, len(filters), BANDS):
        bands = slice(first, first + BANDS)
        # A filter is 0 but for a few bins.
        bins = np.flatnonzero(filters[bands].any(axis=0))
        if bins.size:
            within = slice(bins[0], bins[-1] + 1)
            squares = np.square(magnitude[within], dtype=np.float64)
            np.matmul(filters[bands, within], squares, out=power[bands])
    np.maximum(power, SMALLEST_POWER, out=power)
    decibels: npt.NDArray[np.float64] = np.log10(power, out=power)
    decibels *= 10
    np.maximum(decibels, decibels.max() - top_db, out=decibels)
    return decibels

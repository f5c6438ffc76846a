"""Mel spectrograms (Yi 2019, section IV.B)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genreflow.compiled import compiled

Array = npt.NDArray[np.float32]
#: Power below which the logarithm is not taken (librosa's amin).
SMALLEST_POWER = 1e-10


def mel_filters(
    *, sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float
) -> npt.NDArray[np.float64]:
    """Return Slaney mel filters with unit area, shape (n_mels, n_fft / 2 + 1)."""
    import librosa

    return librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=False,
        norm="slaney", dtype=np.float64,
    )  # fmt: skip


def compute_mel(
    magnitude: Array, *, filters: npt.NDArray[np.float64], top_db: float
) -> npt.NDArray[np.float64]:
    """Return a mel spectrogram in dB (Yi 2019, section IV.B).

    Parameters
    ----------
    magnitude
        Magnitude spectrogram, shape (bins, frames); the filters apply to its square.
    filters
        Shape (bands, bins).
    top_db
        Values further below the clip's maximum are raised to that floor.

    Returns
    -------
    ndarray, shape (bands, frames), float64
        10 log10 of the power, reference 1.
    """
    power = _filter_power(magnitude, filters)
    np.maximum(power, SMALLEST_POWER, out=power)
    decibels: npt.NDArray[np.float64] = np.log10(power, out=power)
    decibels *= 10
    np.maximum(decibels, decibels.max() - top_db, out=decibels)
    return decibels


@compiled
def _filter_power(magnitude: Array, filters: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the filters times the squared magnitudes; a filter is 0 but for a few bins."""
    bands, bins = filters.shape
    frames = magnitude.shape[1]
    power = np.zeros((bands, frames))
    for band in range(bands):
        for k in range(bins):
            weight = filters[band, k]
            if weight:
                for frame in range(frames):
                    value = np.float64(magnitude[k, frame])
                    power[band, frame] += weight * (value * value)
    return power

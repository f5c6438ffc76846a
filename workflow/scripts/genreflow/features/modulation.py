"""Modulation spectrogram (Yi 2019, section II.B)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from genreflow.choices import Spectrogram


def compute_modulation(
    mel: npt.NDArray[np.floating], *, spectrogram: Spectrogram
) -> npt.NDArray[np.float64]:
    """Return the modulation spectrogram: the transform of every band along time (Yi 2019, Eq. 2-3).

    Parameters
    ----------
    mel
        Mel spectrogram in dB, shape (bands, frames).
    spectrogram
        What is standardised by its scalar mean and deviation and then transformed: the dB (the
        authors' code) or the power (the paper's text).

    Returns
    -------
    ndarray, shape (bands, frames // 2), float64
        Magnitude from modulation frequency 0 up to, without, the Nyquist frequency.
    """
    values = mel.astype(np.float64)
    if spectrogram == "power":
        values = 10 ** (values / 10)
    spread = values.std() if values.max() > values.min() else 0.0
    standardised = (values - values.mean()) / spread if spread else np.zeros_like(values)
    modulation: npt.NDArray[np.float64] = np.abs(np.fft.rfft(standardised, axis=1))
    return modulation[:, : mel.shape[1] // 2]

"""Mel-frequency cepstral coefficients and their derivatives (Yi 2019, section II.C)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft


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
    import librosa

    mfcc = scipy.fft.dct(mel.astype(np.float64), type=2, norm="ortho", axis=0)[:n_mfcc]
    deltas = [
        librosa.feature.delta(mfcc, width=delta_width, order=order, axis=-1, mode="interp")
        for order in (1, 2)
    ]
    return np.concatenate([mfcc, *deltas])

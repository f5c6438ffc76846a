"""Cepstrogram and cepstral modulation spectrum (Jeong 2016, section 3.1)."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
#: Frames, or quefrencies, that are transformed at a time, so that they stay in the cache.
BLOCK = 32


def compute_cepstrogram(magnitude: Array, *, epsilon: float) -> npt.NDArray[np.float64]:
    """Return the real cepstrum of every frame (Jeong 2016, Eq. 3).

    Parameters
    ----------
    magnitude
        Magnitude spectrogram, shape (n_fft / 2 + 1, frames).
    epsilon
        Added to the magnitude before the natural logarithm.

    Returns
    -------
    ndarray, shape (n_fft / 2 + 1, frames), float64
        Quefrencies 0 to n_fft / 2, sign kept.
    """
    bins, frames = magnitude.shape
    cepstrogram = np.empty((bins, frames))
    for start in range(0, frames, BLOCK):
        logarithm = np.log(magnitude[:, start : start + BLOCK].T.astype(np.float64) + epsilon)
        cepstrum = np.fft.irfft(logarithm, 2 * (bins - 1), axis=1)
        cepstrogram[:, start : start + BLOCK] = cepstrum[:, :bins].T
    return cepstrogram


def compute_cepstral_modulation(
    cepstrogram: npt.NDArray[np.floating], *, window_frames: int, shift_frames: int
) -> npt.NDArray[np.float64]:
    """Return the modulation spectrum of the *raw* cepstrogram (Jeong 2016, Eq. 5).

    The normalisation of Eq. 4 depends on the training clips, but the transform is linear:
    subtracting a mean changes only modulation frequency 0 and dividing scales all of them.  So
    this is computed once a clip, and `normalise_cepstral_modulation` applies any partition's
    mean and deviation afterwards, exactly.

    Parameters
    ----------
    cepstrogram
        Shape (quefrencies, frames).
    window_frames, shift_frames
        T and Phi of Eq. 5.

    Returns
    -------
    ndarray, shape (quefrencies, windows, T / 2 + 1), float64
        The magnitude for modulation frequencies above 0, and the *signed* sum for 0.
    """
    windows = np.lib.stride_tricks.sliding_window_view(cepstrogram, window_frames, axis=1)
    windows = windows[:, ::shift_frames]
    frequencies = window_frames // 2 + 1
    modulation = np.empty((*windows.shape[:2], frequencies))
    even, odd = _halved_transform(window_frames)
    near = even.shape[1] // 2
    for start in range(0, len(windows), BLOCK):
        block = slice(start, start + BLOCK)
        part = windows[block].reshape(-1, window_frames)
        # The real parts of all frequencies, then the imaginary ones.
        one = part[:, ::2].astype(np.float64) @ even
        two = part[:, 1::2].astype(np.float64) @ odd
        found = modulation[block].reshape(len(part), frequencies)
        for whole, target in ((one + two, slice(near)), (one - two, slice(None, -near - 1, -1))):
            np.square(whole, out=whole)
            power = whole[:, :near] + whole[:, near:]
            found[:, target] = np.sqrt(power, out=power)
        found[:, 0] = one[:, 0] + two[:, 0]
    return modulation


@cache
def _halved_transform(size: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the transform of the even and of the odd places of a window, for half its frequencies.

    With E and O the transforms of the even and the odd places at frequency v, that of the window is
    E + O at v, and at size / 2 - v the conjugate of E - O.  So half the frequencies are enough, and
    two products of matrices take half as long as a fast transform: the paper's window of 214 frames
    is twice a prime.

    Returns
    -------
    tuple of ndarray
        Two arrays of shape (size / 2, 2 (size // 4 + 1)): cosines, then sines, of the frequencies
        from 0 to size // 4.
    """
    angles = 2 * np.pi / size * np.outer(np.arange(size), np.arange(size // 4 + 1))
    waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    return np.ascontiguousarray(waves[::2]), np.ascontiguousarray(waves[1::2])


def normalise_cepstral_modulation(
    modulation: npt.NDArray[np.floating],
    *,
    mean: npt.NDArray[np.float64],
    deviation: npt.NDArray[np.float64],
    window_frames: int,
) -> Array:
    """Return the normalised cepstral modulation spectrum M of Eq. 5 from the cached one.

    Parameters
    ----------
    modulation
        As from `compute_cepstral_modulation`, shape (quefrencies, windows, T / 2 + 1).
    mean, deviation
        Of each quefrency over the training frames, shape (quefrencies,).
    window_frames
        T.

    Returns
    -------
    ndarray, same shape, float32
    """
    normalised = modulation / deviation[:, None, None]
    # abs(): frequency 0 is cached with its sign, so that the mean can be taken off first.
    normalised[..., 0] = np.abs(
        (modulation[..., 0] - window_frames * mean[:, None]) / deviation[:, None]
    )
    return normalised.astype(np.float32)

"""Cepstrogram and cepstral modulation spectrum (Jeong 2016, section 3.1)."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Waves = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
#: Frames that are transformed at a time, so that they stay in the cache.
BLOCK = 64
#: Quefrencies whose modulation is found at a time.
QUEFRENCIES = 176


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
        logarithm = magnitude[:, start : start + BLOCK].T.astype(np.float64)
        logarithm += epsilon
        np.log(logarithm, out=logarithm)
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
    quefrencies, frames = cepstrogram.shape
    starts = range(0, frames - window_frames + 1, shift_frames)
    modulation = np.empty((quefrencies, len(starts), window_frames // 2 + 1))
    for first in range(0, quefrencies, QUEFRENCIES):
        block = slice(first, first + QUEFRENCIES)
        # Frames first: every step below then runs along whole rows.
        values = np.ascontiguousarray(cepstrogram[block].astype(np.float64).T)
        for place, start in enumerate(starts):
            modulation[block, place] = _transform(values[start : start + window_frames]).T
    return modulation


def _transform(window: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the magnitude of the transform along the first axis, and for frequency 0 the sum.

    With a and b the halves of the window, frequency v is that of a + b if v is even, of a - b if it
    is odd.  Within a half of H values, the cosine of an even frequency and the sine of an odd one
    are the same at n and at H - n, and the others are so but for their sign.  So a product with a
    matrix of H / 2 columns is enough for each, a quarter of what a plain transform takes; a fast
    one takes longer, since the paper's window of 214 frames is twice a prime.  An odd window has no
    halves.
    """
    if len(window) % 2:
        odd: npt.NDArray[np.float64] = np.abs(np.fft.rfft(window, axis=0))
        odd[0] = window.sum(axis=0)
        return odd
    half = len(window) // 2
    found = np.empty((half + 1, window.shape[1]))
    pairs = (half - 1) // 2
    for parity, (cosines, sines) in enumerate(_waves(len(window))):
        values = window[:half] - window[half:] if parity else window[:half] + window[half:]
        same, opposite = values[: half // 2 + 1], values[: half // 2 + 1].copy()
        mirrored = values[half - pairs :][::-1]
        same[1 : pairs + 1] += mirrored
        opposite[1 : pairs + 1] -= mirrored
        real = cosines @ (opposite if parity else same)
        imaginary = sines @ (same if parity else opposite)
        if parity == 0:
            total = real[0].copy()
        np.square(real, out=real)
        real += np.square(imaginary, out=imaginary)
        np.sqrt(real, out=found[parity::2])
    found[0] = total
    return found


@cache
def _waves(size: int) -> tuple[Waves, Waves]:
    """Return cosines and sines of the even frequencies, and those of the odd ones.

    Each has a row a frequency and a column for each n from 0 to size // 4.
    """
    angles = 2 * np.pi / size * np.outer(np.arange(size // 2 + 1), np.arange(size // 4 + 1))
    even, odd = ((np.cos(part), np.sin(part)) for part in (angles[::2], angles[1::2]))
    return even, odd


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

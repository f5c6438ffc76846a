"""Which clips hold the same or nearly the same audio: fingerprints and their comparison.

A fingerprint follows how the shape of the spectrum changes.  Neither gain nor a fixed equalisation
alters it, coding noise and clipping alter it little, and a shift of the audio shifts it.  Copies at
another speed or pitch are not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal
from scipy.ndimage import uniform_filter1d

#: Everything that shapes a fingerprint; frequencies in Hz, durations in seconds.
PARAMETERS = {
    "bands": 16,
    "fmin": 300.0,
    "fmax": 5000.0,
    "window_seconds": 0.3,
    "step_seconds": 0.07,
    "context_seconds": 1.0,
    "floor_db": -30.0,
    "ridge": 0.3,
}
#: Below this level, in dB of full scale, a frame is silent: it is less than 16 bits can hold.
SILENT_DB = -90.0
#: Spectra whose shape changes by less than this (root mean square) are steady.
STEADY_DB = 0.1
#: Clips in which less than this changes have no fingerprint: any two clicks are alike.
SHORTEST_SECONDS = 2.5
#: int8 holds values up to 8 standard deviations.
LEVELS_PER_DEVIATION = 16
#: Clips at least this similar are near-identical.  Copies of 200 real clips that were coded, made
#: louder and clipped, and shifted were at least 0.6 similar, different clips at most 0.24.
THRESHOLD = 0.5
#: float32 transforms of unit vectors err by less than this.
ROUNDING = 1e-3
#: Clips a side of a block of comparisons.
BLOCK = 64

Fingerprint = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Duplicate:
    """Two near-identical clips, the one of the lower track id first.

    ``similarity`` is at most 1.  What is at time t of ``track_id`` is at t + ``offset_s`` seconds
    of ``other``.
    """

    track_id: str
    other: str
    similarity: float
    offset_s: float


def step_frames(*, sample_rate: int, hop: int) -> int:
    """Return how many frames of the STFT lie between two frames of a fingerprint."""
    return _frames(PARAMETERS["step_seconds"], sample_rate, hop)


def fingerprint_shape(frames: int, *, sample_rate: int, hop: int) -> tuple[int, int]:
    """Return bands and frames of the fingerprint of a spectrogram with so many frames."""
    window = _frames(PARAMETERS["window_seconds"], sample_rate, hop)
    step = step_frames(sample_rate=sample_rate, hop=hop)
    return int(PARAMETERS["bands"]), 1 + (frames - window) // step


def compute_fingerprint(
    magnitude: npt.NDArray[np.float32], *, sample_rate: int, hop: int
) -> Fingerprint:
    """Return the fingerprint of a clip.

    Levels of bands on a logarithmic frequency axis, as in Haitsma and Kalker, "A highly robust
    audio fingerprinting system", ISMIR 2002, less each frame's mean over the bands and each
    band's mean over the second around it.  What is left is decorrelated between the bands: else
    all clips with the same rhythm of similar sounds would be alike.

    Parameters
    ----------
    magnitude
        STFT, shape (n_fft // 2 + 1, frames).
    sample_rate, hop
        In Hz and samples.

    Returns
    -------
    ndarray, shape (bands, about 14 frames a second), int8
        Zero where the clip is silent; all zero for clips that are silent, steady or too short.
    """
    n_fft = 2 * (magnitude.shape[0] - 1)
    window = _frames(PARAMETERS["window_seconds"], sample_rate, hop)
    step = step_frames(sample_rate=sample_rate, hop=hop)
    edges = _band_edges(sample_rate=sample_rate, n_fft=n_fft)
    power = np.square(magnitude[: edges[-1]], dtype=np.float64)
    power = np.add.reduceat(power, edges[:-1], axis=0)
    # Mean square of a signal from its one-sided spectrum under a Hann window (Parseval).
    audible = power.sum(axis=0) > 10 ** (SILENT_DB / 10) * 3 / 16 * n_fft**2
    valid = np.asarray(np.lib.stride_tricks.sliding_window_view(audible, window)[::step].all(1))
    none = np.zeros((len(power), len(valid)), np.int8)
    if not valid.any():
        return none
    # A tapered window, so that a shift by half a step changes little.
    taper = scipy.signal.windows.hann(window + 2)[1:-1]
    windows = np.lib.stride_tricks.sliding_window_view(power, window, axis=1)[:, ::step]
    power = np.einsum("btw,w->bt", windows, taper)
    floor = 10 ** (PARAMETERS["floor_db"] / 10) * power[:, valid].mean()
    level = 10 * np.log10(power + floor)
    level -= level.mean(axis=0)
    size = 1 + 2 * _frames(PARAMETERS["context_seconds"] / 2, sample_rate, hop * step)
    shape = np.where(valid, level - _local_mean(level, valid, size), 0)
    if np.sqrt(np.square(shape[:, valid]).mean()) < STEADY_DB:
        return none
    values = np.rint(LEVELS_PER_DEVIATION * _decorrelate(shape))
    fingerprint = np.clip(values, -127, 127).astype(np.int8)
    changing = fingerprint.any(axis=0).sum()
    return fingerprint if changing >= SHORTEST_SECONDS * sample_rate / (hop * step) else none


def find_duplicates(
    fingerprints: Fingerprint,
    track_ids: Sequence[str],
    *,
    frame_seconds: float,
    threads: int,
) -> list[Duplicate]:
    """Return every pair of near-identical clips, in the order of the track ids.

    Every pair is compared, first in float32 and, near and above the threshold, exactly.  So a
    pair's result depends on its two clips alone, and on neither their order nor the threads.

    Parameters
    ----------
    fingerprints
        Shape (clips, bands, frames).
    frame_seconds
        From one frame of a fingerprint to the next.
    """
    ranked = sorted(range(len(track_ids)), key=track_ids.__getitem__)
    order = [row for row in ranked if fingerprints[row].any()]
    chosen = fingerprints[order]
    with ThreadPoolExecutor(threads) as pool:
        blocks = pool.map(partial(_candidates, chosen), range(0, len(chosen), BLOCK))
        pairs = sorted(pair for block in blocks for pair in block)
    found = []
    for one, other in pairs:
        similarity, lag = align(chosen[one], chosen[other])
        if similarity >= THRESHOLD:
            names = track_ids[order[one]], track_ids[order[other]]
            found.append(Duplicate(*names, round(similarity, 4), round(lag * frame_seconds, 3)))
    return found


def align(one: Fingerprint, other: Fingerprint) -> tuple[float, int]:
    """Return the similarity of two fingerprints at their best alignment, and that alignment.

    The similarity is the correlation sum(one(t) * other(t + lag)) over the norm of each, so a part
    of a clip that the other has not lowers it.  The sums are whole numbers: the result is exact.

    Returns
    -------
    float
        Similarity, at most 1.
    int
        Lag in frames, at most half a clip either way.
    """
    size = _transform_size(one.shape[1])
    left, right = (scipy.fft.rfft(part.astype(np.float64), size) for part in (one, other))
    sums = np.rint(scipy.fft.irfft((np.conj(left) * right).sum(axis=0), size))
    longest = one.shape[1] // 2
    # Of equals the smallest shift, and of its two directions the earlier one.
    best = max(range(-longest, longest + 1), key=lambda lag: (sums[lag], -abs(lag), -lag))
    norms = [int(np.square(part, dtype=np.int64).sum()) for part in (one, other)]
    return float(sums[best] / np.sqrt(norms[0] * norms[1])), best


def _frames(seconds: float, sample_rate: int, hop: int) -> int:
    return max(1, round(seconds * sample_rate / hop))


def _band_edges(*, sample_rate: int, n_fft: int) -> npt.NDArray[np.int64]:
    """Return the first bin of every band and the end of the last.

    Where bands are narrower than bins, `reduceat` takes the bin itself for each.
    """
    highest = min(PARAMETERS["fmax"], sample_rate / 2)
    frequencies = np.geomspace(PARAMETERS["fmin"], highest, int(PARAMETERS["bands"]) + 1)
    return np.rint(frequencies * n_fft / sample_rate).astype(np.int64)


def _local_mean(
    level: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_], size: int
) -> npt.NDArray[np.float64]:
    """Return each band's mean over the valid ones of `size` frames around each frame."""
    total = uniform_filter1d(np.where(valid, level, 0), size, axis=1, mode="constant")
    share = uniform_filter1d(valid.astype(np.float64), size, mode="constant")
    return np.asarray(total / np.where(valid, share, 1))


def _decorrelate(shape: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return bands that correlate less, by the inverse root of their covariance plus a ridge."""
    values, vectors = np.linalg.eigh(shape @ shape.T / shape.shape[1])
    weights = 1 / np.sqrt(np.maximum(values, 0) + PARAMETERS["ridge"] * values.mean())
    return np.asarray((vectors * weights) @ vectors.T @ shape)


def _transform_size(frames: int) -> int:
    """Return a length at which lags up to half a clip don't wrap around."""
    return int(scipy.fft.next_fast_len(frames + frames // 2, real=True))


def _spectra(fingerprints: Fingerprint, size: int) -> npt.NDArray[np.complex64]:
    """Return the transforms of fingerprints of unit norm, shape (frequency, clip, band)."""
    wide = fingerprints.astype(np.float32)
    wide /= np.sqrt(np.square(wide).sum(axis=(1, 2), keepdims=True))
    return np.ascontiguousarray(scipy.fft.rfft(wide, size).transpose(2, 0, 1))


def _candidates(fingerprints: Fingerprint, start: int) -> list[tuple[int, int]]:
    """Return the pairs of one block of clips and all later ones that may be near-identical."""
    size = _transform_size(fingerprints.shape[2])
    left = np.conj(_spectra(fingerprints[start : start + BLOCK], size))
    found = []
    for column in range(start, len(fingerprints), BLOCK):
        right = _spectra(fingerprints[column : column + BLOCK], size)
        correlation = scipy.fft.irfft(left @ right.transpose(0, 2, 1), size, axis=0)
        near = np.argwhere(correlation.max(axis=0) >= THRESHOLD - ROUNDING).tolist()
        found += [(start + i, column + j) for i, j in near if start + i < column + j]
    return found

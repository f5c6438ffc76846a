"""Inputs of the networks of Jeong 2016: normalised vectors from the caches (Eq. 2, 4 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from genreflow.features.cepstrum import normalise_cepstral_modulation
from genreflow.features.normalisation import SMALLEST_DEVIATION
from genreflow.files.layouts import Clips, finite_clip

Array = npt.NDArray[np.float32]
Moments = npt.NDArray[np.float64]
#: From a clip's cached values to its normalised network vectors, shape (..., inputs).
Normalise = Callable[[npt.NDArray[np.float16]], Array]


def spectral_vectors(statistics: Mapping[str, npt.NDArray[np.float64]], frames: slice) -> Normalise:
    """Return the step from a cached STFT to normalised spectra (Eq. 2), shape (frames, bins).

    Parameters
    ----------
    statistics
        ``mean`` and ``deviation`` of every bin over the training frames.
    frames
        The frames that the paper counts.
    """
    mean = statistics["mean"].astype(np.float32)
    scale = (1 / statistics["deviation"]).astype(np.float32)

    def normalise(magnitude: npt.NDArray[np.float16]) -> Array:
        return (magnitude[:, frames].T.astype(np.float32) - mean) * scale

    return normalise


def temporal_vectors(
    statistics: Mapping[str, npt.NDArray[np.float64]], window_frames: int
) -> Normalise:
    """Return the step from cached cepstral modulation to the vectors of Eq. 6.

    The vectors have shape (windows, quefrencies, T / 2 + 1): a window's together, as its
    segment is aggregated over quefrencies.

    Parameters
    ----------
    statistics
        ``mean`` and ``deviation`` of every quefrency, ``modulation_mean`` and
        ``modulation_deviation`` of every modulation frequency.
    """
    centre = statistics["modulation_mean"].astype(np.float32)
    scale = (1 / statistics["modulation_deviation"]).astype(np.float32)

    def normalise(modulation: npt.NDArray[np.float16]) -> Array:
        normalised = normalise_cepstral_modulation(
            modulation.astype(np.float32),
            mean=statistics["mean"],
            deviation=statistics["deviation"],
            window_frames=window_frames,
        )
        normalised -= centre
        normalised *= scale
        return np.ascontiguousarray(normalised.transpose(1, 0, 2))

    return normalise


def modulation_moments(
    features: Clips,
    track_ids: Iterable[str],
    *,
    mean: Moments,
    deviation: Moments,
    window_frames: int,
) -> tuple[Moments, Moments]:
    """Return mean and deviation of the normalised cepstral modulation by modulation frequency.

    One pass over the training clips in the order of their track ids (Jeong 2016, Eq. 6).

    Returns
    -------
    tuple of ndarray, shape (T / 2 + 1,), float64
    """
    total = squares = np.zeros(features.shape[-1])
    number = 0
    for track_id in sorted(track_ids):
        values = normalise_cepstral_modulation(
            finite_clip(features, track_id).astype(np.float64),
            mean=mean,
            deviation=deviation,
            window_frames=window_frames,
        ).astype(np.float64)
        total = total + values.sum(axis=(0, 1))
        squares = squares + np.square(values).sum(axis=(0, 1))
        number += values.shape[0] * values.shape[1]
    centre = total / number
    variance = np.maximum(squares / number - centre**2, 0)
    return centre, np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)


def vectors_for(
    network: Literal["sf", "tf"], statistics: Mapping[str, Moments], features: Clips
) -> Normalise:
    """Return the step from a cached clip to the vectors of SF's or TF's network."""
    if network == "sf":
        attributes = features.attributes
        counted = slice(attributes["uncentred_start"], attributes["uncentred_stop"])
        return spectral_vectors(statistics, counted)
    window = features.parameters["cepstral_modulation"]["window_frames"]
    return temporal_vectors(statistics, window)


class ClipVectors:
    """The vectors of some clips with their classes: one block when they fit in memory.

    Larger sets are streamed: every pass takes the clips in a new random order and reads them in
    blocks that fit, whose vectors are then shuffled by the training loop.

    Parameters
    ----------
    features
        The cached feature.
    track_ids
        The clips, in an order that does not depend on the shards.
    classes
        Class index of each clip.
    memory_gb
        Largest size of a block.
    """

    def __init__(
        self,
        features: Clips,
        track_ids: Sequence[str],
        classes: Sequence[int],
        *,
        normalise: Normalise,
        memory_gb: float,
    ) -> None:
        self._features = features
        self._clips = list(zip(track_ids, classes, strict=True))
        self._normalise = normalise
        first = self._vectors(0)
        self._clip_rows: int = first.shape[0]
        self.inputs: int = first.shape[1]
        self._block_clips = max(1, int(memory_gb * 1e9 // first.nbytes))
        self._kept: tuple[Array, npt.NDArray[np.int64]] | None = None

    @property
    def rows(self) -> int:
        """Number of vectors in all."""
        return self._clip_rows * len(self._clips)

    def blocks(
        self, rng: np.random.Generator | None
    ) -> Iterator[tuple[Array, npt.NDArray[np.int64]]]:
        """Yield blocks of vectors (n, inputs) and classes (n,)."""
        order = np.arange(len(self._clips))
        if len(order) <= self._block_clips:
            if self._kept is None:
                self._kept = self._read(order)
            yield self._kept
            return
        if rng is not None:
            order = rng.permutation(order)
        for start in range(0, len(order), self._block_clips):
            yield self._read(order[start : start + self._block_clips])

    def _vectors(self, index: int) -> Array:
        vectors = self._normalise(finite_clip(self._features, self._clips[index][0]))
        return vectors.reshape(-1, vectors.shape[-1])

    def _read(self, order: npt.NDArray[np.int64]) -> tuple[Array, npt.NDArray[np.int64]]:
        rows = self._clip_rows
        block = np.empty((len(order) * rows, self.inputs), np.float32)
        for place, index in enumerate(order):
            block[place * rows : (place + 1) * rows] = self._vectors(int(index))
        return block, np.repeat([self._clips[int(index)][1] for index in order], rows)

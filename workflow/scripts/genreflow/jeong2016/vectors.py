"""Inputs of the networks of Jeong 2016: normalised vectors from the caches (Eq. 2, 4 and 6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from genreflow.features.cepstrum import normalise_cepstral_modulation
from genreflow.features.normalisation import SMALLEST_DEVIATION
from genreflow.files.layouts import Clips, finite_clip
from genreflow.files.models import split_normalisation
from genreflow.jeong2016.network import Array, mlp_from_tensors

Moments = npt.NDArray[np.float64]
#: From a clip's cached values to its normalised network vectors, shape (..., inputs).
Normalise = Callable[[npt.NDArray[Any]], Array]
Classes = npt.NDArray[np.int64]
#: Of each input, the vectors of some clips, and the clips' classes.
Block = tuple[tuple[Array, ...], Classes]


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

    def normalise(magnitude: npt.NDArray[Any]) -> Array:
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

    def normalise(modulation: npt.NDArray[Any]) -> Array:
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
    """Return `bin_moments` of the normalised cepstral modulation."""
    return bin_moments(
        features,
        track_ids,
        lambda clip: normalise_cepstral_modulation(
            clip.astype(np.float64), mean=mean, deviation=deviation, window_frames=window_frames
        ),
    )


def bin_moments(
    features: Clips, track_ids: Iterable[str], spectra: Normalise
) -> tuple[Moments, Moments]:
    """Return mean and deviation of modulation spectra by modulation frequency (Jeong 2016, Eq. 6).

    One pass over the training clips in the order of their track ids.

    Parameters
    ----------
    spectra
        From a clip's cached values to its spectra, of which the last of three axes is the
        modulation frequency.

    Returns
    -------
    tuple of ndarray, shape (T / 2 + 1,), float64
    """
    total = squares = np.zeros(())
    number = 0
    for track_id in sorted(track_ids):
        values = spectra(finite_clip(features, track_id)).astype(np.float64)
        total = total + values.sum(axis=(0, 1))
        squares = squares + np.square(values).sum(axis=(0, 1))
        number += values.shape[0] * values.shape[1]
    centre = total / number
    variance = np.maximum(squares / number - centre**2, 0)
    return centre, np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)


def activation_spectra(
    tensors: Mapping[str, npt.NDArray[Any]],
    features: Clips,
    *,
    window_frames: int,
    shift_frames: int,
) -> Normalise:
    """Return the step from a cached STFT to the modulation spectra of SF's last hidden layer.

    Each unit's activations are a series in time, and its spectrum in a window the magnitude of
    their transform (Jeong 2016, 4.5: "analyzing temporal dynamics of SFs learned from DNN").  A
    unit that never fires has zeros.

    Parameters
    ----------
    tensors
        Those of SF's model, with what normalises its input.
    features
        The cached STFT.

    Returns
    -------
    callable
        To spectra of shape (windows, units, T / 2 + 1), float32.
    """
    weights, statistics = split_normalisation(tensors)
    network, spectra = mlp_from_tensors(weights), vectors_for("sf", statistics, features)

    def transform(magnitude: npt.NDArray[Any]) -> Array:
        windows = frame_windows(
            network.hidden(spectra(magnitude)),
            window_frames=window_frames,
            shift_frames=shift_frames,
        )
        # Wide, since the sums of frequency 0 are far above the others.
        found = np.abs(np.fft.rfft(windows.astype(np.float64), axis=1))
        return np.ascontiguousarray(found.transpose(0, 2, 1), np.float32)

    return transform


def series_vectors(spectra: Normalise, statistics: Mapping[str, Moments]) -> Normalise:
    """Return the step from a cached STFT to the vectors of the series (Eq. 6 on activations).

    Parameters
    ----------
    spectra
        Of `activation_spectra`.
    statistics
        ``modulation_mean`` and ``modulation_deviation`` of every modulation frequency.
    """
    centre = statistics["modulation_mean"].astype(np.float32)
    scale = (1 / statistics["modulation_deviation"]).astype(np.float32)
    return lambda magnitude: (spectra(magnitude) - centre) * scale


def frame_windows(values: Array, *, window_frames: int, shift_frames: int) -> Array:
    """Return the windows of a clip's frames: (frames, units) to (windows, window_frames, units)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, window_frames, axis=0)
    return windows[::shift_frames].transpose(0, 2, 1)


def vectors_for(network: str, statistics: Mapping[str, Moments], features: Clips) -> Normalise:
    """Return the step from a cached clip to the vectors of the network ``sf`` or ``tf``."""
    if network == "sf":
        attributes = features.attributes
        counted = slice(attributes["uncentred_start"], attributes["uncentred_stop"])
        return spectral_vectors(statistics, counted)
    window = features.parameters["cepstral_modulation"]["window_frames"]
    return temporal_vectors(statistics, window)


class ClipBlocks:
    """Inputs of some clips with their classes: one block when they fit in memory.

    Larger sets are streamed: every pass takes the clips in a new random order and reads them in
    blocks that fit, whose examples are then shuffled by the training loop.

    Parameters
    ----------
    inputs
        Cached features, each with the step from a clip of it to its normalised vectors.
    track_ids
        The clips, in an order that does not depend on the shards.
    classes
        Class index of each clip.
    memory_gb
        Largest size of a block.

    Attributes
    ----------
    shapes
        Of a clip's vectors of each input.
    """

    def __init__(
        self,
        inputs: Sequence[tuple[Clips, Normalise]],
        track_ids: Sequence[str],
        classes: Sequence[int],
        *,
        memory_gb: float,
    ) -> None:
        self._inputs = inputs
        self._track_ids, self._classes = track_ids, np.array(classes)
        first = [self._vectors(place, 0) for place in range(len(inputs))]
        self.shapes = [vectors.shape for vectors in first]
        size = sum(vectors.nbytes for vectors in first)
        self._block_clips = max(1, int(memory_gb * 1e9 // size))
        self._kept: Block | None = None

    def __len__(self) -> int:
        return len(self._track_ids)

    def blocks(self, rng: np.random.Generator | None) -> Iterator[Block]:
        """Yield blocks: of each input, vectors of shape (clips, ...), and classes (clips,)."""
        order = np.arange(len(self))
        if len(order) <= self._block_clips:
            if self._kept is None:
                self._kept = self._read(order)
            yield self._kept
            return
        if rng is not None:
            order = rng.permutation(order)
        for start in range(0, len(order), self._block_clips):
            yield self._read(order[start : start + self._block_clips])

    def _vectors(self, place: int, clip: int) -> Array:
        features, normalise = self._inputs[place]
        return normalise(finite_clip(features, self._track_ids[clip]))

    def _read(self, order: npt.NDArray[np.int64]) -> Block:
        block = tuple(np.empty((len(order), *shape), np.float32) for shape in self.shapes)
        for place, vectors in enumerate(block):
            for row, clip in enumerate(order):
                vectors[row] = self._vectors(place, int(clip))
        return block, self._classes[order]


class ClipVectors:
    """The vectors of some clips with their classes, without regard to which clip has which.

    Parameters
    ----------
    features, normalise
        The cached feature, and the step from a clip of it to its vectors.
    track_ids, classes, memory_gb
        As of `ClipBlocks`.
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
        self._clips = ClipBlocks([(features, normalise)], track_ids, classes, memory_gb=memory_gb)
        *members, self.inputs = self._clips.shapes[0]
        self._clip_rows = math.prod(members)

    @property
    def rows(self) -> int:
        """Number of vectors in all."""
        return self._clip_rows * len(self._clips)

    def blocks(self, rng: np.random.Generator | None) -> Iterator[tuple[Array, Classes]]:
        """Yield blocks of vectors (n, inputs) and classes (n,)."""
        # Not a loop, which would hold a block while the next one is read.
        return map(self._flat, self._clips.blocks(rng))

    def _flat(self, block: Block) -> tuple[Array, Classes]:
        (vectors,), classes = block
        return vectors.reshape(-1, self.inputs), np.repeat(classes, self._clip_rows)

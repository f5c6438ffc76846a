"""Segment features of Jeong 2016 (section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from genreflow.files.layouts import Clips
from genreflow.files.models import split_normalisation
from genreflow.jeong2016.network import PARTS, ROWS, Array, Joint, Mlp, mlp_from_tensors
from genreflow.jeong2016.vectors import (
    activation_spectra,
    frame_windows,
    series_vectors,
    vectors_for,
)

Tensors = Mapping[str, npt.NDArray[Any]]
#: From a clip's values in the caches that a network reads to its segment features.
Segments = Callable[[Sequence[npt.NDArray[Any]]], Array]


def hidden_features(network: Mlp, vectors: Array) -> Array:
    """Return the last hidden layer's activations, shape (..., units), for vectors (..., inputs)."""
    flat = vectors.reshape(-1, vectors.shape[-1])
    parts = [network.hidden(flat[start : start + ROWS]) for start in range(0, len(flat), ROWS)]
    return np.concatenate(parts).reshape(*vectors.shape[:-1], -1)


def aggregate(activations: Array) -> Array:
    """Return mean and variance (ddof 0) over the second axis (section 3.3).

    Parameters
    ----------
    activations
        Shape (segments, members, units): the frames of a window for SF, the quefrencies for TF.

    Returns
    -------
    ndarray, shape (segments, 2 units), float32
    """
    wide = activations.astype(np.float64)
    return np.concatenate([wide.mean(axis=1), wide.var(axis=1)], axis=1).astype(np.float32)


def segment_features(
    network: Mlp, vectors: Array, *, framed: bool, window_frames: int, shift_frames: int
) -> Array:
    """Return a clip's segment features, shape (segments, 2 units), from its network vectors.

    Parameters
    ----------
    framed
        The vectors are a clip's frames (SF), of which windows are still to be made; else they are
        the windows' already (TF).
    """
    activations = hidden_features(network, vectors)
    if framed:
        activations = frame_windows(
            activations, window_frames=window_frames, shift_frames=shift_frames
        )
    return aggregate(activations)


def segments_for(
    network: str,
    models: Mapping[str, Tensors],
    features: Sequence[Clips],
    *,
    window_frames: int,
    shift_frames: int,
) -> Segments:
    """Return the step from a clip's caches to its segment features, shape (segments, n).

    Parameters
    ----------
    network
        The trained one: ``sf``, ``tf``, ``joint`` or ``series``.
    models
        Its tensors by its name, and those of the network that it builds on.
    features
        The caches that it reads, in their order.
    """
    windows = {"window_frames": window_frames, "shift_frames": shift_frames}
    weights, statistics = split_normalisation(models[network])
    if network == "joint":
        joint = Joint(weights)
        parts = [
            (joint.part(part), vectors_for(part, _of(part, statistics), cache), part == "sf")
            for part, cache in zip(PARTS, features, strict=True)
        ]
    else:
        (cache,) = features
        if network == "series":
            spectra = activation_spectra(models["sf"], cache, **windows)
            normalise = series_vectors(spectra, statistics)
        else:
            normalise = vectors_for(network, statistics, cache)
        parts = [(mlp_from_tensors(weights), normalise, network == "sf")]

    def segments(values: Sequence[npt.NDArray[Any]]) -> Array:
        found = [
            segment_features(mlp, normalise(clip), framed=framed, **windows)
            for (mlp, normalise, framed), clip in zip(parts, values, strict=True)
        ]
        return np.concatenate(found, axis=1)

    return segments


def _of(part: str, statistics: Tensors) -> dict[str, npt.NDArray[Any]]:
    """Return what normalises the inputs of a part, as a network of its own has it."""
    start = f"{part}_"
    return {k.removeprefix(start): v for k, v in statistics.items() if k.startswith(start)}

"""Segment features of Jeong 2016 (section 3.3)."""

from __future__ import annotations

import numpy as np

from genreflow.jeong2016.network import ROWS, Mlp
from genreflow.jeong2016.vectors import Array


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


def frame_windows(activations: Array, *, window_frames: int, shift_frames: int) -> Array:
    """Return the windows of a clip's frames: (frames, units) to (windows, window_frames, units)."""
    windows = np.lib.stride_tricks.sliding_window_view(activations, window_frames, axis=0)
    return windows[::shift_frames].transpose(0, 2, 1)


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

"""Means and deviations, of a partition's training clips or of a clip itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from genreflow.files.layouts import check_finite

if TYPE_CHECKING:
    from genreflow.choices import Normalisation
    from genreflow.files.store import FeatureSet

Array = npt.NDArray[np.float64]
#: Deviations below this are taken as this, so that a constant bin gives zeros.
SMALLEST_DEVIATION = 1e-8


def pooled_moments(features: FeatureSet, track_ids: Iterable[str]) -> tuple[Array, Array]:
    """Return mean and deviation of every row over some clips, from their cached moments.

    The sums run in the order of the track ids, so the result has the same bits whatever the
    shards.

    Returns
    -------
    tuple of ndarray, float64
        Mean and deviation (ddof 0, with a floor), shape of a clip without its last axis.
    """
    total = squares = np.zeros(features.shape[:-1])
    number = 0
    for track_id in sorted(track_ids):
        clip_sum, clip_squares, count = features.moments(track_id)
        for moment in (clip_sum, clip_squares):
            check_finite(
                moment,
                of=f"moments of clip {track_id!r}",
                where=f"features/{features.attributes['feature']}",
            )
        total, squares, number = total + clip_sum, squares + clip_squares, number + count
    mean = total / number
    variance = np.maximum(squares / number - mean**2, 0)
    return mean, np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)


def standardise_clip(
    values: npt.NDArray[np.floating], *, per: Literal["clip", "clip_freq"]
) -> npt.NDArray[np.float32]:
    """Return a clip's values less their mean over their deviation (Yi 2019, section IV.B).

    Parameters
    ----------
    values
        Shape (rows, columns).
    per
        ``clip``: one mean and deviation of the whole matrix; ``clip_freq``: of each row.

    Returns
    -------
    ndarray, same shape, float32
        Zeros where the values are constant.
    """
    wide = values.astype(np.float64)
    axis = None if per == "clip" else 1
    centred = wide - wide.mean(axis=axis, keepdims=True)
    deviation = wide.std(axis=axis, keepdims=True)
    constant = wide.max(axis=axis, keepdims=True) == wide.min(axis=axis, keepdims=True)
    return np.where(constant, 0, centred / np.where(constant, 1, deviation)).astype(np.float32)


def input_statistics(
    features: FeatureSet, train: Iterable[str], mode: Normalisation
) -> dict[str, Array]:
    """Return what an expert's input normalisation takes from the training clips: often nothing."""
    if mode != "train_freq":
        return {}
    mean, deviation = pooled_moments(features, train)
    return {"mean": mean, "deviation": deviation}


def input_normaliser(
    mode: Normalisation, statistics: Mapping[str, Array]
) -> Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]:
    """Return the step from a clip's cached values (rows, columns) to an expert's input."""
    if mode != "train_freq":
        return lambda values: standardise_clip(values, per=mode)
    mean, deviation = statistics["mean"][:, None], statistics["deviation"][:, None]
    return lambda values: ((values - mean) / deviation).astype(np.float32)

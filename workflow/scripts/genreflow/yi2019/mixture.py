"""The experts' probabilities as a mixer sees them (Yi 2019, section III.B)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from genreflow.features.normalisation import input_normaliser
from genreflow.files.layouts import check_finite
from genreflow.files.store import FeatureSet
from genreflow.yi2019.networks import BatchNorm
from genreflow.yi2019.training import ClipInputs, image

Probabilities = npt.NDArray[np.float32]


def align_probabilities(
    files: Sequence[Mapping[str, npt.NDArray[Any]]], track_ids: Sequence[str]
) -> Probabilities:
    """Return the cached probabilities of some clips, shape (clips, experts, classes).

    Parameters
    ----------
    files
        An expert each: ``track_id`` (n,) and ``data`` (n, classes).

    Raises
    ------
    UserError
        A probability is no finite number.
    """
    aligned = []
    for number, file in enumerate(files, 1):
        place = {track_id: row for row, track_id in enumerate(file["track_id"])}
        found = file["data"][[place[track_id] for track_id in track_ids]]
        for track_id, values in zip(track_ids, found, strict=True):
            check_finite(
                values,
                of=f"probabilities of clip {track_id!r}",
                where=f"probabilities of expert {number} of {len(files)}",
            )
        aligned.append(found)
    return np.stack(aligned, axis=1)


def frozen_experts(cached: Tensor) -> Callable[[npt.NDArray[np.int64], bool], Tensor]:
    """Return experts whose probabilities are the cached ones, in training as outside it.

    Parameters
    ----------
    cached
        Shape (clips, experts, classes).
    """

    def probabilities(rows: npt.NDArray[np.int64], training: bool) -> Tensor:
        return cached[rows]

    return probabilities


def batch_statistics_experts(
    experts: Sequence[tuple[nn.Module, Mapping[str, npt.NDArray[Any]], Mapping[str, Any]]],
    inputs: Sequence[Sequence[Path]],
    track_ids: Sequence[str],
    *,
    cached: Tensor,
    memory_gb: float,
) -> Callable[[npt.NDArray[np.int64], bool], Tensor]:
    """Return experts that normalise by the batch's statistics while a mixer trains.

    Keras 2.2.4 did so even for frozen layers, so a clip's probabilities depend on its batch and
    the experts run again inside each one.  Outside training the cached probabilities hold.

    Parameters
    ----------
    experts
        Networks with their input statistics and descriptions, as from `network_from_model`.
    inputs
        Each expert's feature shards.
    cached
        Shape (clips, experts, classes), on the device to use.
    """
    prepared = []
    for (network, statistics, description), paths in zip(experts, inputs, strict=True):
        network.to(cached.device).train()
        for module in network.modules():
            if isinstance(module, BatchNorm):
                # Normalise by the batch, but leave the running statistics alone.
                module.track_running_stats = False
        source = ClipInputs(
            FeatureSet(paths),
            track_ids,
            normalise=input_normaliser(description["normalisation"], statistics),
            memory_gb=memory_gb,
            device=cached.device,
        )
        prepared.append((network, source))

    def probabilities(rows: npt.NDArray[np.int64], training: bool) -> Tensor:
        if not training:
            return cached[rows]
        with torch.no_grad():
            return torch.stack(
                [
                    torch.softmax(network(image(source.batch(rows))), 1)
                    for network, source in prepared
                ],
                dim=1,
            )

    return probabilities

"""Doubts: networks that hardly learned, and systems with the same answer whatever they hear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from genreflow.results.leaks import Summary

if TYPE_CHECKING:
    import pandas as pd

#: The check of a `Summary`, and its verdict.
CHECK, DOUBTFUL = "training", "doubtful"
#: Share of the running statistics that may be the initial ones.
LARGEST_INITIAL_SHARE = 0.01


@dataclass(frozen=True)
class Training:
    """What a network's file says of its training.

    Attributes
    ----------
    network
        Its name.
    first_kept
        Whether the first of several epochs was the best: nothing after it helped.
    initial_share
        How much of the running statistics of batch normalisation is still the initial 0 and 1.
    """

    network: str
    first_kept: bool
    initial_share: float


def training_of(
    network: str, tensors: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]
) -> Training:
    """Return what the file of a network of Yi 2019 says of its training."""
    several = description["parameters"]["epochs"] > 1
    architecture = description["architecture"]
    share = 0.0
    if architecture.get("batchnorm_average") == "plain":
        steps = max(int(v) for k, v in tensors.items() if k.endswith("num_batches_tracked"))
        share = architecture["batchnorm_momentum"] ** steps
    return Training(network, several and description["best_epoch"] == 1, share)


def summarise_trainings(
    trainings: Iterable[Training], *, system: str, test_clips: int
) -> list[Summary]:
    """Return a summary of what is doubtful in the trainings of a system's networks, if anything.

    Parameters
    ----------
    test_clips
        That the system is tested on: all of them are concerned.
    """
    by_network: dict[str, list[Training]] = {}
    for training in trainings:
        by_network.setdefault(training.network, []).append(training)
    found = []
    for network, own in by_network.items():
        first = sum(training.first_kept for training in own)
        if first:
            found.append(f"{network} kept its first epoch in {first} of {len(own)} trainings")
        shares = [t.initial_share for t in own if t.initial_share >= LARGEST_INITIAL_SHARE]
        if shares:
            found.append(
                f"up to {100 * max(shares):.0f} % of the running statistics of {network} are "
                f"initial in {len(shares)} of {len(own)} trainings"
            )
    if not found:
        return []
    return [Summary(system, CHECK, DOUBTFUL, test_clips, test_clips, 0, "; ".join(found))]


def doubt_note(summaries: Iterable[Summary]) -> str:
    """Return the note on a system's results in a table, empty where nothing is doubtful."""
    return "; ".join(summary.detail for summary in summaries if summary.verdict == DOUBTFUL)


def one_class_note(predictions: pd.DataFrame) -> str:
    """Return which class is the answer for all test clips of a fold, in words; empty if none is."""
    folds = predictions[predictions["predicted"] != ""].groupby(["seed", "fold"])
    same: Sequence[str] = [
        fold["predicted"].iloc[0]
        for _, fold in folds
        if fold["predicted"].nunique() == 1 < fold["true"].nunique()
    ]
    if not same:
        return ""
    labels = ", ".join(repr(label) for label in sorted(set(same)))
    return f"the same class for every test clip ({labels}) in {len(same)} of {len(folds)} folds"

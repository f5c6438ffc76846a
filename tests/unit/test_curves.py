"""Learning curves, and trainings of which nothing can be kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from genreflow.errors import UserError
from genreflow.files.curves import EpochRecord, check_converged, write_curve
from genreflow.jeong2016.network import Mlp
from genreflow.jeong2016.training import train_mlp
from genreflow.yi2019.training import TrainingSet, classification_objective, train_network
from torch import nn


def curve(*losses: float) -> list[EpochRecord]:
    return [
        EpochRecord(epoch, 10 * epoch, 0.01, 1.5, 0.25, loss, 0.5)
        for epoch, loss in enumerate(losses, 1)
    ]


def test_curve_has_a_row_an_epoch(tmp_path: Path) -> None:
    write_curve(curve(1.25, 0.5), tmp_path / "curve.csv")
    table = pd.read_csv(tmp_path / "curve.csv")
    assert list(table["valid_loss"]) == [1.25, 0.5]
    assert list(table["steps"]) == [10, 20]


@pytest.mark.parametrize(
    ("losses", "best", "where"),
    [
        ((np.nan, np.nan), 0, "epoch 2 of 2"),  # none was the lowest
        ((1.0, np.nan), 2, "epoch 2 of 2"),  # the last is kept, whatever it is
        ((np.inf, 1.0), 1, "epoch 1 of 2"),
    ],
)
def test_a_training_that_diverged_is_refused(
    losses: tuple[float, ...], best: int, where: str
) -> None:
    with pytest.raises(UserError, match="the training diverged") as caught:
        check_converged(curve(*losses), best, section="expert")
    assert where in str(caught.value)
    assert "lower `expert.learning_rate`" in str(caught.value)


def test_a_training_that_recovered_is_kept() -> None:
    check_converged(curve(np.nan, 1.0), 2, section="expert")


class _Inputs:
    def batch(self, rows: np.ndarray) -> torch.Tensor:
        return torch.ones(len(rows), 4)


@pytest.mark.parametrize(("model", "epoch"), [("lowest_val_loss", 0), ("last", 2)])
def test_both_kinds_of_training_return_when_they_diverge(model: str, epoch: int) -> None:
    classes = torch.tensor([0, 1, 0, 1])
    rows = np.arange(2)
    data = TrainingSet(list("abcd"), _Inputs(), classes, rows, rows + 2, {})  # type: ignore[arg-type]
    best, found = train_network(
        nn.Linear(4, 2), data, classification_objective(classes), prepare=lambda x: x, epochs=2,
        batch=2, learning_rate=float("inf"), decay=0, model=model, seed=0,
    )  # fmt: skip
    assert best == epoch
    with pytest.raises(UserError, match="the validation loss is nan"):
        check_converged(found, best, section="expert")

    class Vectors:
        rows = 4

        def blocks(self, rng: object = None) -> object:
            yield np.ones((4, 3), np.float32), np.array([0, 1, 0, 1])

    rng = np.random.default_rng(0)
    network = Mlp.initialise([3, 2, 2], initialisation="glorot_uniform", rng=rng)
    with np.errstate(all="ignore"):
        trained = train_mlp(
            network, Vectors(), Vectors(), learning_rate=np.inf, batch=2, epochs=3,  # type: ignore[arg-type]
            patience=2, rng=rng,
        )  # fmt: skip
    assert trained.best_epoch == 0
    with pytest.raises(UserError, match="the validation loss is nan"):
        check_converged(trained.curve, 0, section="dnn")

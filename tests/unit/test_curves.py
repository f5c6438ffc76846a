"""Learning curves, and trainings of which nothing can be kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from genreflow.errors import UserError
from genreflow.files.checkpoints import Checkpoint
from genreflow.files.curves import EpochRecord, check_converging, write_curve
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


@pytest.mark.parametrize("loss", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["train", "valid"])
def test_an_epoch_without_finite_losses_is_the_last(part: str, loss: float) -> None:
    (record,) = curve(1.0)
    check_converging(record, epochs=9, section="expert")
    diverged = replace(record, epoch=4, **{f"{part}_loss": loss})
    with pytest.raises(UserError, match="the training diverged") as caught:
        check_converging(diverged, epochs=9, section="expert")
    assert f"the {part}" in str(caught.value)
    assert f"loss is {loss}" in str(caught.value)
    assert "epoch 4 of at most 9" in str(caught.value)
    assert "lower `expert.learning_rate`" in str(caught.value)


class _Inputs:
    def batch(self, rows: np.ndarray) -> torch.Tensor:
        return torch.ones(len(rows), 4)


def kept_checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(folder / "m.safetensors", b"0" * 16, interval=0)


@pytest.mark.parametrize("model", ["lowest_val_loss", "val_accuracy", "last"])
def test_a_network_that_diverges_stops_in_that_epoch_and_keeps_nothing(
    tmp_path: Path, model: str
) -> None:
    classes = torch.tensor([0, 1, 0, 1])
    rows = np.arange(2)
    data = TrainingSet(list("abcd"), _Inputs(), classes, rows, rows + 2, {})  # type: ignore[arg-type]
    reported: list[int] = []
    learning = classification_objective(classes)

    def objective(logits: torch.Tensor, rows: np.ndarray, training: bool) -> tuple:
        losses, scores = learning(logits, rows, training)
        # The validation of the third epoch.
        return (losses if training or len(reported) < 2 else losses * np.nan), scores

    with pytest.raises(UserError, match="the validation loss is nan") as caught:  # noqa: SIM117
        with kept_checkpoint(tmp_path) as checkpoint:
            train_network(
                nn.Linear(4, 2), data, objective, prepare=lambda x: x, epochs=9, batch=2,
                learning_rate=0.1, decay=0, model=model, seed=0, section="mixer",  # type: ignore[arg-type]
                checkpoint=checkpoint, report_epoch=lambda record: reported.append(record.epoch),
            )  # fmt: skip
    assert reported == [1, 2, 3]
    assert "epoch 3 of at most 9" in str(caught.value)
    assert "lower `mixer.learning_rate`" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_small_network_that_diverges_stops_in_that_epoch_and_keeps_nothing(
    tmp_path: Path,
) -> None:
    class Vectors:
        rows = 4

        def blocks(self, rng: object = None) -> object:
            yield np.ones((4, 3), np.float32), np.array([0, 1, 0, 1])

    rng = np.random.default_rng(0)
    network = Mlp.initialise([3, 2, 2], initialisation="glorot_uniform", rng=rng)
    reported: list[int] = []

    def report(record: EpochRecord) -> None:
        reported.append(record.epoch)
        if record.epoch == 2:
            network.weights[0][:] = np.inf

    with (
        np.errstate(all="ignore"),
        pytest.raises(UserError, match="the training loss is nan") as caught,
        kept_checkpoint(tmp_path) as checkpoint,
    ):
        train_mlp(
            network, Vectors(), Vectors(), learning_rate=0.1, batch=2, epochs=9,  # type: ignore[arg-type]
            patience=9, rng=rng, report=report, checkpoint=checkpoint,
        )  # fmt: skip
    assert reported == [1, 2, 3]
    assert "epoch 3 of at most 9" in str(caught.value)
    assert not list(tmp_path.iterdir())

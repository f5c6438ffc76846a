"""What is said of networks that hardly learned, and of systems with one answer for everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import audit_models
import make_tables
import numpy as np
import pandas as pd
import pytest
from genreflow.files.assignments import Assignment, write_assignments
from genreflow.files.models import write_model
from genreflow.files.records import read_records, write_records
from genreflow.jeong2016.network import Mlp, mlp_tensors
from genreflow.jobs.job import Job
from genreflow.results.doubts import (
    Training,
    doubt_note,
    one_class_note,
    summarise_trainings,
    training_of,
)
from genreflow.results.leaks import Summary
from genreflow.results.summary import closing_words
from genreflow.yi2019.networks import K2c2, write_network

POOLS = [(1, 1), (1, 1), (1, 1), (1, 1), (3, 3)]


def description(best_epoch: int = 2, *, epochs: int = 5, average: str = "plain") -> dict[str, Any]:
    architecture = {"network": "k2c2", "batchnorm_average": average, "batchnorm_momentum": 0.9}
    return {
        "architecture": architecture, "parameters": {"epochs": epochs}, "best_epoch": best_epoch,
        "clips": {"train": ["a"], "valid": ["b"]},
    }  # fmt: skip


def tensors(steps: int) -> dict[str, np.ndarray]:
    return {"norms.0.num_batches_tracked": np.array(steps), "dense.bias": np.zeros(2)}


@pytest.mark.parametrize(
    ("best_epoch", "epochs", "expected"), [(1, 5, True), (2, 5, False), (1, 1, False)]
)
def test_the_first_of_several_epochs_is_doubtful(
    best_epoch: int, epochs: int, expected: bool
) -> None:
    # The only epoch there is, is no choice.
    found = training_of("mfcc", tensors(100), description(best_epoch, epochs=epochs))
    assert found.first_kept == expected


@pytest.mark.parametrize("steps", [0, 1, 10, 100])
def test_plain_running_statistics_keep_a_share_of_the_initial_ones(steps: int) -> None:
    found = training_of("mfcc", tensors(steps), description())
    assert found.initial_share == pytest.approx(0.9**steps)
    assert training_of("mfcc", tensors(steps), description(average="zero_debiased")) == Training(
        "mfcc", False, 0.0
    )


def test_a_network_s_own_share_is_what_its_running_mean_shows() -> None:
    # Batches whose mean is known: the running mean is what the initial 0 has left of it.
    import torch

    network = K2c2(
        2, pools=POOLS, channels=[2] * 5, batchnorm_average="plain", batchnorm_momentum=0.9
    )
    norm = network.norms[0].train()
    for _ in range(7):
        norm(torch.full((4, 2, 3, 3), 5.0))
    state = {name: value.numpy() for name, value in norm.state_dict().items()}
    found = training_of("mfcc", state, description())
    np.testing.assert_allclose(state["running_mean"], 5 * (1 - found.initial_share), rtol=1e-5)


def test_doubts_are_counted_by_network() -> None:
    trainings = [
        Training("mfcc", True, 0.0), Training("mfcc", False, 0.0), Training("mfcc", True, 0.0),
        Training("moec", False, 0.02), Training("moec", False, 0.37),
        Training("original", False, 0.009),
    ]  # fmt: skip
    (found,) = summarise_trainings(trainings, system="MoEC", test_clips=7)
    assert (found.system, found.check, found.verdict) == ("MoEC", "training", "doubtful")
    assert (found.test_clips, found.n) == (7, 7)
    assert found.detail == (
        "mfcc kept its first epoch in 2 of 3 trainings; "
        "up to 37 % of the running statistics of moec are initial in 2 of 2 trainings"
    )
    assert doubt_note([Summary("", "group", "leaky", 1, 7, 0, "x"), found]) == found.detail
    assert summarise_trainings(trainings[-1:], system="original", test_clips=7) == []


def predictions(*answers: str, seed: int = 0, fold: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {"seed": seed, "fold": fold, "track_id": [f"t{i}" for i in range(len(answers))],
         "true": [("rock", "NA")[i % 2] for i in range(len(answers))], "predicted": answers}
    )  # fmt: skip


def test_one_answer_for_everything_is_named() -> None:
    stuck, alive = predictions("NA", "NA", "NA", ""), predictions("NA", "rock", fold=1)
    assert one_class_note(stuck) == "the same class for every test clip ('NA') in 1 of 1 folds"
    both = pd.concat([stuck, alive, predictions("rock", "rock", seed=1)])
    expected = "the same class for every test clip ('NA', 'rock') in 2 of 3 folds"
    assert one_class_note(both) == expected
    assert one_class_note(alive) == ""
    # Where there is but one class, or no answer, it is no wonder.
    assert one_class_note(predictions("rock")) == ""
    assert one_class_note(predictions("", "")) == ""


def write_models(folder: Path) -> list[Path]:
    """Write a small network, an expert that kept its first epoch, and one that did not."""
    mlp = Mlp.initialise([3, 2], initialisation="he_normal", rng=np.random.default_rng(0))
    architecture = {"network": "mlp"}
    paths = [folder / f"{name}.safetensors" for name in ("sf", "mfcc", "original")]
    write_model(paths[0], mlp_tensors(mlp), description(1) | {"architecture": architecture})
    for path, best_epoch in ((paths[1], 1), (paths[2], 4)):
        write_network(
            path, K2c2(2, pools=POOLS, channels=[2] * 5), {},
            description(best_epoch, average="zero_debiased"),
        )  # fmt: skip
    return paths


def test_doubtful_trainings_are_stamped_on_their_system_s_rows_and_named_at_the_end(
    tmp_path: Path,
) -> None:
    roles = {"a": "train", "b": "valid", "t0": "test", "t1": "test"}
    labels = dict(zip(roles, ("rock", "NA", "rock", "NA"), strict=True))
    write_assignments(
        [Assignment(0, t, labels[t], role) for t, role in roles.items()], tmp_path / "p"
    )
    systems = {"SF": ["sf"], "MFCC": ["mfcc"], "original": ["original"]}
    planned = {
        "models": [("sf", 0, 0), ("mfcc", 0, 0), ("original", 0, 0)],
        "systems": list(systems.items()),
        "probes": [],
    }
    models = [str(path) for path in write_models(tmp_path)]
    audit_models.main(
        Job(
            ["--params", json.dumps({"planned": planned}), "--partition", str(tmp_path / "p"),
             "--models", *models, "--findings", str(tmp_path / "f"), "--summary",
             str(tmp_path / "m")]
        )
    )  # fmt: skip
    found = read_records(tmp_path / "m", Summary)
    assert [(s.system, s.check) for s in found if s.verdict != "clean"] == [("MFCC", "training")]
    write_records([], Summary, tmp_path / "c")
    (tmp_path / "quarantine.csv").write_text("track_id,reason\n")
    answers = {"SF": ("rock", "NA"), "MFCC": ("rock", "NA"), "original": ("rock", "rock")}
    shares = {"probability_rock": 0.5, "probability_NA": 0.5}
    for system in systems:
        predictions(*answers[system]).assign(**shares).to_csv(tmp_path / system, index=False)
    planned = {
        "experiments": [
            {"dataset": "d", "partition": "split", "system": system} for system in systems
        ],
        "audits": [("d", "split")], "datasets": ["d"], "namesakes": [],
    }  # fmt: skip
    words = ["--params", json.dumps({"planned": planned})]
    for name, value in {
        "published": Path(__file__).resolve().parents[2] / "config" / "published",
        "quarantine": tmp_path / "quarantine.csv", "clip-audits": tmp_path / "c",
        "model-audits": tmp_path / "m", "partitions": tmp_path / "p",
    }.items():  # fmt: skip
        words += [f"--{name}", str(value)]
    for output in (
        "tables", "table-one", "table-two", "comparisons", "leak-audit", "experts-by-genre",
    ):  # fmt: skip
        words += [f"--{output}", str(tmp_path / f"{output}.csv")]
    words += ["--predictions", *(str(tmp_path / system) for system in systems)]
    words += ["--experts"]
    make_tables.main(Job(words))
    notes = pd.read_csv(tmp_path / "tables.csv", keep_default_na=False).groupby("system")["note"]
    assert notes.agg(set).to_dict() == {
        "SF": {""},
        "MFCC": {"mfcc kept its first epoch in 1 of 1 trainings"},
        "original": {"the same class for every test clip ('rock') in 1 of 1 folds"},
    }
    words_at_the_end = closing_words(tmp_path, [])
    assert "mfcc kept its first epoch in 1 of 1 trainings" in words_at_the_end
    assert "the same class for every test clip ('rock')" in words_at_the_end

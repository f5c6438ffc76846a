"""Training of experts and mixers, on inputs of which the answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from genreflow.mixture import align_probabilities, batch_statistics_experts
from genreflow.networks import K2c2, initialise
from genreflow.normalisation import input_normaliser
from genreflow.partitions import Assignment
from genreflow.store import FeatureSet, FeatureWriter
from genreflow.training import (
    ClipInputs,
    TrainingSet,
    batches,
    classification_objective,
    mix,
    mixture_objective,
    train_network,
    training_set,
)

POOLS = [(1, 1), (1, 1), (1, 1), (1, 1), (3, 3)]
SHAPE = (12, 12)


@pytest.fixture
def features(tmp_path: Path) -> FeatureSet:
    """Twelve clips; the sign of a clip's mean is its class."""
    rng = np.random.default_rng(0)
    with FeatureWriter(
        tmp_path / "f.h5", feature="mel_original", shape=SHAPE, parameters={}, sample_rate=1, hop=1
    ) as out:
        for i in range(12):
            out.append(f"t{i:02d}", rng.standard_normal(SHAPE) + (3 if i % 2 else -3))
    return FeatureSet([tmp_path / "f.h5"])


def plain(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def image(values: torch.Tensor) -> torch.Tensor:
    return values.unsqueeze(1)


def dataset(features: FeatureSet, memory_gb: float = 1) -> TrainingSet:
    """Return eight clips that train and four that validate."""
    inputs = ClipInputs(features, features.track_ids, normalise=plain, memory_gb=memory_gb)
    classes = torch.arange(12) % 2
    return TrainingSet(features.track_ids, inputs, classes, np.arange(8), np.arange(8, 12), {})


def train(features: FeatureSet, *, seed: int = 0, memory_gb: float = 1, **changes: object):
    network = K2c2(2, pools=POOLS, channels=[3] * 5, batchnorm_momentum=0.5)
    initialise(network, seed)
    data = dataset(features, memory_gb)
    settings = {
        "prepare": image, "epochs": 6, "batch": 4, "learning_rate": 0.05, "decay": 0.0,
        "model": "lowest_val_loss", "seed": seed,
    }  # fmt: skip
    best, curve = train_network(
        network, data, classification_objective(data.classes), **(settings | changes)
    )
    return network, best, curve


def test_clips_are_those_of_the_fold_that_are_not_in_quarantine(features: FeatureSet) -> None:
    assignments = [
        Assignment(0, "t01", "b", "train"),
        Assignment(0, "t02", "a", "valid"),
        Assignment(0, "t03", "b", "test"),
        Assignment(0, "gone", "a", "train"),
        Assignment(0, "t05", "a", "train"),
    ]
    data = training_set(
        features,
        assignments,
        labels=["a", "b"],
        normalisation="clip",
        memory_gb=1,
        device=torch.device("cpu"),
    )
    assert data.track_ids == ["t01", "t02", "t05"]
    assert data.train.tolist() == [0, 2]
    assert data.valid.tolist() == [1]
    assert data.classes.tolist() == [1, 0, 0]
    found = data.inputs.batch(np.array([2]))[0]
    assert float(found.mean()) == pytest.approx(0, abs=1e-5)
    assert float(found.std(unbiased=False)) == pytest.approx(1, abs=1e-5)


def test_an_expert_learns_and_is_repeatable(features: FeatureSet) -> None:
    network, _, curve = train(features)
    again, _, repeated = train(features)
    assert curve == repeated
    assert curve[-1].valid_accuracy == 1
    for found, expected in zip(again.parameters(), network.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_inputs_read_again_for_every_batch_give_the_same_training(features: FeatureSet) -> None:
    assert train(features, memory_gb=1e-9)[2] == train(features)[2]


def test_rate_falls_with_the_step(features: FeatureSet) -> None:
    _, _, curve = train(features, decay=0.5)
    # Two steps an epoch; the last step of epoch e has number 2 e - 1, counted from 0.
    assert [record.learning_rate for record in curve] == pytest.approx(
        [0.05 / (1 + 0.5 * (2 * epoch - 1)) for epoch in range(1, 7)]
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("lowest_val_loss", lambda c: min(c, key=lambda r: r.valid_loss).epoch),
        ("val_accuracy", lambda c: max(c, key=lambda r: r.valid_accuracy).epoch),
        ("last", lambda c: c[-1].epoch),
    ],
)
def test_the_configured_epoch_is_kept(features: FeatureSet, model: str, expected: object) -> None:
    # A rate that makes the validation loss jump, so that the choices differ from the last.
    network, best, curve = train(features, model=model, learning_rate=0.5)
    assert best == expected(curve)
    inputs = ClipInputs(features, features.track_ids, normalise=plain, memory_gb=1)
    with torch.inference_mode():
        logits = network(image(inputs.batch(np.arange(8, 12))))
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(8, 12) % 2)
    assert float(loss) == pytest.approx(curve[best - 1].valid_loss, rel=1e-4)


def test_adam_is_the_plain_one(features: FeatureSet) -> None:
    network, _, _ = train(features, epochs=1, batch=8, model="last")
    start = K2c2(2, pools=POOLS, channels=[3] * 5, batchnorm_momentum=0.5)
    initialise(start, 0)
    inputs = ClipInputs(features, features.track_ids, normalise=plain, memory_gb=1)
    rows = np.random.default_rng(0).permutation(np.arange(8))
    logits = start.train()(image(inputs.batch(rows)))
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(rows) % 2).backward()
    for parameter, trained in zip(start.parameters(), network.parameters(), strict=True):
        gradient = parameter.grad.numpy()
        # First step: both moments are the gradient's own, so the step is lr g / (|g| + eps).
        expected = parameter.detach().numpy() - 0.05 * gradient / (np.abs(gradient) + 1e-7)
        np.testing.assert_allclose(trained.detach().numpy(), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("rows", "size", "sizes"), [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (1, 4, [1])]
)
def test_no_clip_is_alone_in_a_batch(rows: int, size: int, sizes: list[int]) -> None:
    found = list(batches(np.arange(rows), size))
    assert [len(batch) for batch in found] == sizes
    np.testing.assert_array_equal(np.concatenate(found), np.arange(rows))


def test_mixture_is_the_weighted_sum_and_its_loss_the_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.dirichlet(np.ones(4), 5))
    probabilities = torch.from_numpy(rng.dirichlet(np.ones(3), (5, 4)))
    expected = np.stack(
        [sum(weights[n, m] * probabilities[n, m] for m in range(4)) for n in range(5)]
    )
    np.testing.assert_allclose(mix(weights, probabilities), expected)
    classes = torch.tensor([0, 2, 1, 1, 0])
    objective = mixture_objective(lambda rows, training: probabilities[rows], classes)
    rows = np.array([4, 1])
    losses, scores = objective(torch.log(weights[rows]), rows, True)
    np.testing.assert_allclose(scores, expected[rows])
    np.testing.assert_allclose(losses, -np.log(expected[rows, classes[rows]]))


def test_a_mixture_probability_of_zero_costs_a_finite_loss() -> None:
    objective = mixture_objective(
        lambda rows, training: torch.tensor([[[1.0, 0.0]]]), torch.tensor([1])
    )
    losses, _ = objective(torch.zeros(1, 1), np.array([0]), True)
    assert float(losses) == pytest.approx(-np.log(1e-7), rel=1e-5)


def test_probabilities_are_aligned_by_track(features: FeatureSet) -> None:
    files = [
        {"track_id": np.array(["b", "a"]), "data": np.array([[0.1, 0.9], [0.2, 0.8]])},
        {"track_id": np.array(["a", "b"]), "data": np.array([[0.3, 0.7], [0.4, 0.6]])},
    ]
    aligned = align_probabilities(files, ["a", "b"])
    np.testing.assert_array_equal(aligned[0], [[0.2, 0.8], [0.3, 0.7]])
    np.testing.assert_array_equal(aligned[1], [[0.1, 0.9], [0.4, 0.6]])


def test_keras_experts_use_the_batch_while_training_and_the_cache_else(
    features: FeatureSet, tmp_path: Path
) -> None:
    network, _, _ = train(features)
    before = network.norms[0].running_mean.clone()
    rows = np.array([0, 3, 5])
    frozen = K2c2(2, pools=POOLS, channels=[3] * 5)
    frozen.load_state_dict(network.state_dict())
    standardised = ClipInputs(
        features,
        features.track_ids,
        normalise=input_normaliser("clip", {}),
        memory_gb=1,
    )
    with torch.no_grad():
        expected = torch.softmax(frozen.train()(image(standardised.batch(rows))), 1)
    cached = torch.full((12, 1, 2), 0.5)
    source = batch_statistics_experts(
        [(network, {}, {"normalisation": "clip"})],
        [[tmp_path / "f.h5"]],
        features.track_ids,
        cached=cached,
        memory_gb=1,
    )
    torch.testing.assert_close(source(rows, True)[:, 0], expected)
    # Another batch gives the same clip another probability; the cache does not.
    assert not torch.allclose(source(np.array([0, 1, 2]), True)[0, 0], expected[0], atol=1e-4)
    assert torch.equal(source(rows, False), cached[rows])
    assert torch.equal(network.norms[0].running_mean, before)

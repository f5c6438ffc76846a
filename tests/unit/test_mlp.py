"""The small networks of Jeong 2016 against an independent implementation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import scipy.special
import torch
from genreflow.jeong2016 import training as mlp_training
from genreflow.jeong2016.network import ROWS, Mlp, mlp_from_tensors, mlp_tensors
from genreflow.jeong2016.training import GATHERED, descend, evaluate, train_mlp


class Vectors:
    """A source that holds its vectors in one block."""

    def __init__(self, vectors: np.ndarray, classes: np.ndarray) -> None:
        self.block = (vectors.astype(np.float32), classes)
        self.rows = len(classes)

    def blocks(self, rng: np.random.Generator | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield self.block


def network(*sizes: int, seed: int = 0) -> Mlp:
    rng = np.random.default_rng(seed)
    return Mlp.initialise(sizes, initialisation="glorot_uniform", rng=rng)


def separable(rows: int = 400, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, rows)
    return rng.standard_normal((rows, 6)) + 3 * np.eye(6)[classes], classes


@pytest.mark.parametrize(("inputs", "expected"), [(513, 31310), (108, 11060)])
def test_networks_have_the_published_number_of_parameters(inputs: int, expected: int) -> None:
    assert network(inputs, 50, 50, 50, 10).parameters == expected


@pytest.mark.parametrize("batches", [1, 5])
@pytest.mark.parametrize("hidden", [(), (9, 8, 7)])
def test_steps_are_those_of_torch(hidden: tuple[int, ...], batches: int) -> None:
    # The last batch is not a whole one.
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((16 * batches - 3, 20)).astype(np.float32)
    classes = rng.integers(0, 5, len(vectors))
    own = network(20, *hidden, 5)
    weights = [torch.tensor(w, requires_grad=True) for w in own.weights]
    biases = [torch.tensor(b, requires_grad=True) for b in own.biases]
    optimiser = torch.optim.SGD([*weights, *biases], lr=0.1)
    loss, correct = 0.0, 0
    for start in range(0, len(vectors), 16):
        logits = torch.from_numpy(vectors[start : start + 16])
        target = torch.from_numpy(classes[start : start + 16])
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            logits = logits @ weight + bias
            if layer < len(hidden):
                logits = torch.relu(logits)
        mean = torch.nn.functional.cross_entropy(logits, target)
        optimiser.zero_grad()
        mean.backward()
        optimiser.step()
        loss += mean.item() * len(target)
        correct += int((logits.argmax(1) == target).sum())
    found, found_correct = descend(own, vectors, classes, batch=16, learning_rate=0.1)
    assert found == pytest.approx(loss, rel=1e-6)
    assert found_correct == correct
    for own_weight, weight in zip(own.weights, weights, strict=True):
        np.testing.assert_allclose(own_weight, weight.detach(), atol=1e-6)
    for own_bias, bias in zip(own.biases, biases, strict=True):
        np.testing.assert_allclose(own_bias, bias.detach(), atol=1e-6)


def test_a_loss_that_is_not_finite_stays_so() -> None:
    vectors, classes = separable(40)
    own = network(6, 5, 3)
    own.weights[0][0, 0] = np.nan
    loss, _ = descend(own, vectors.astype(np.float32), classes, batch=10, learning_rate=0.1)
    assert np.isnan(loss)


def test_hidden_features_are_the_last_layer_after_relu() -> None:
    own = network(4, 3, 2, 5)
    vectors = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    first = np.maximum(vectors @ own.weights[0] + own.biases[0], 0)
    expected = np.maximum(first @ own.weights[1] + own.biases[1], 0)
    np.testing.assert_allclose(own.hidden(vectors), expected, atol=1e-6)
    probabilities = np.exp(own.log_probabilities(vectors))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_training_learns_and_is_repeatable() -> None:
    train, valid = Vectors(*separable()), Vectors(*separable(seed=2))
    results = [
        train_mlp(
            network(6, 10, 10, 10, 3), train, valid, learning_rate=0.05, batch=20, epochs=30,
            patience=30, rng=np.random.default_rng(4),
        )
        for _ in range(2)
    ]  # fmt: skip
    assert results[0].curve == results[1].curve
    assert results[0].curve[-1].valid_accuracy > 0.95
    assert results[0].curve[0].valid_loss > results[0].curve[-1].valid_loss


def test_the_network_of_lowest_validation_loss_is_kept_and_patience_ends_training() -> None:
    vectors, classes = separable(60)
    # Labels that can't be learned: the validation loss soon rises.
    valid = Vectors(vectors, np.random.default_rng(9).permutation(classes))
    trained = train_mlp(
        network(6, 10, 10, 10, 3), Vectors(vectors, classes), valid, learning_rate=0.1, batch=5,
        epochs=200, patience=4, rng=np.random.default_rng(4),
    )  # fmt: skip
    losses = [record.valid_loss for record in trained.curve]
    assert trained.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == trained.best_epoch + 4
    kept = mlp_from_tensors(trained.tensors)
    found = -kept.log_probabilities(valid.block[0])[np.arange(60), valid.block[1]].mean()
    assert found == pytest.approx(min(losses), abs=1e-5)


def test_equal_losses_are_no_improvement() -> None:
    # With a rate of 0 every epoch has the loss of the first.
    source = Vectors(*separable(30))
    trained = train_mlp(
        network(6, 4, 4, 4, 3), source, source, learning_rate=0.0, batch=10, epochs=50, patience=3,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert trained.best_epoch == 1
    assert len(trained.curve) == 4


class Streamed:
    """Vectors in two blocks, with a note of who asked for a random order of the clips."""

    def __init__(self, *blocks: tuple[np.ndarray, np.ndarray]) -> None:
        self.parts = [(vectors.astype(np.float32), classes) for vectors, classes in blocks]
        self.rows = sum(len(classes) for _, classes in blocks)
        self.asked: list[bool] = []

    def blocks(self, rng: np.random.Generator | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        self.asked.append(rng is not None)
        yield from self.parts


def test_every_epoch_shuffles_the_vectors_of_a_block_and_the_clips_that_train(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted: list[list[int]] = []

    def note(network: Mlp, vectors: np.ndarray, classes: np.ndarray, **settings: float) -> tuple:
        # A vector's first value is its number.
        assert (classes == vectors[:, 0].astype(int) % 3).all()
        for start in range(0, len(vectors), int(settings["batch"])):
            noted.append(vectors[start:][: int(settings["batch"]), 0].astype(int).tolist())
        return descend(network, vectors, classes, **settings)

    monkeypatch.setattr(mlp_training, "descend", note)
    first, second = 8 * GATHERED + 22, 20
    number = np.arange(first + second)
    vectors = np.stack([number, number % 7, number % 5], axis=1) / 1.0
    train = Streamed(
        *((vectors[part], number[part] % 3) for part in (slice(first), slice(first, None)))
    )
    valid = Streamed((vectors[:10], number[:10] % 3))
    trained = train_mlp(
        network(3, 4, 4, 4, 3), train, valid, learning_rate=1e-4, batch=8, epochs=2, patience=9,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    sizes = [8] * (GATHERED + 2) + [6, 8, 8, 4]
    assert [len(batch) for batch in noted] == sizes * 2
    assert [record.steps for record in trained.curve] == [len(sizes)] * 2
    epochs = [
        [number for batch in part for number in batch]
        for part in (noted[: len(sizes)], noted[len(sizes) :])
    ]
    for order in epochs:
        assert sorted(order[:first]) == list(range(first))
        assert sorted(order[first:]) == list(range(first, first + second))
        assert order[:first] != list(range(first))
    assert epochs[0] != epochs[1]
    # The order of the validation clips changes nothing but the last bits.
    assert train.asked == [True, True]
    assert valid.asked == [False, False]


def test_validation_is_the_mean_over_all_vectors_of_all_blocks() -> None:
    rng = np.random.default_rng(0)
    sizes = (ROWS + 1000, 300)
    blocks = [(rng.standard_normal((n, 4)), rng.integers(0, 3, n)) for n in sizes]
    own = network(4, 5, 3)
    hidden = np.concatenate([vectors for vectors, _ in blocks]).astype(np.float32)
    classes = np.concatenate([classes for _, classes in blocks])
    hidden = np.maximum(hidden.astype(np.float64) @ own.weights[0] + own.biases[0], 0)
    logits = hidden @ own.weights[1] + own.biases[1]
    right = logits[np.arange(len(classes)), classes] - scipy.special.logsumexp(logits, axis=1)
    loss, accuracy = evaluate(own, Streamed(*blocks))
    assert loss == pytest.approx(-right.mean(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(axis=1) == classes).mean(), abs=2e-4)


@pytest.mark.parametrize(
    ("initialisation", "deviation", "uniform"),
    [
        ("glorot_uniform", 2 / 700, True), ("glorot_normal", 2 / 700, False),
        ("he_normal", 2 / 500, False),
    ],
)  # fmt: skip
def test_initial_weights_have_the_stated_distribution(
    initialisation: str, deviation: float, uniform: bool
) -> None:
    rng = np.random.default_rng(0)
    own = Mlp.initialise([500, 200, 7], initialisation=initialisation, rng=rng)
    weight = own.weights[0]
    assert weight.var() == pytest.approx(deviation, rel=0.05)
    # A uniform distribution ends at sqrt(3) deviations; a normal one of 100 000 goes beyond 4.
    largest = np.abs(weight).max() / np.sqrt(deviation)
    assert largest <= np.sqrt(3) if uniform else largest > 4
    assert [bias.any() for bias in own.biases] == [False, False]


def test_weights_survive_being_named() -> None:
    own = network(4, 3, 5)
    again = mlp_from_tensors(mlp_tensors(own))
    for found, expected in zip(
        [*again.weights, *again.biases], [*own.weights, *own.biases], strict=True
    ):
        np.testing.assert_array_equal(found, expected)

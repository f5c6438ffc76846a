"""The small networks of Jeong 2016 (section 4.2), in plain numpy.

A step on a batch of 100 vectors is so short that a framework's own overhead is longer than the
matrix products, on a CPU as on a GPU, so forward and backward passes are written out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from genreflow.curves import EpochRecord

Array = npt.NDArray[np.float32]
Initialisation = Literal["glorot_uniform", "glorot_normal", "he_normal"]
#: Rows of a forward pass outside training; bounds the memory.
ROWS = 8192


@dataclass
class Mlp:
    """A fully connected network: ReLU in every hidden layer, softmax at the end.

    Attributes
    ----------
    weights, biases
        A layer each: (inputs, units) and (units,), float32.
    """

    weights: list[Array]
    biases: list[Array]

    @classmethod
    def initialise(
        cls, sizes: Sequence[int], *, initialisation: Initialisation, rng: np.random.Generator
    ) -> Mlp:
        """Return a network with random weights and zero biases, for layer sizes input to output."""
        weights = []
        for inputs, units in pairwise(sizes):
            if initialisation == "glorot_uniform":
                limit = np.sqrt(6 / (inputs + units))
                values = rng.uniform(-limit, limit, (inputs, units))
            else:
                variance = 2 / (inputs + units) if initialisation == "glorot_normal" else 2 / inputs
                values = rng.normal(0, np.sqrt(variance), (inputs, units))
            weights.append(values.astype(np.float32))
        return cls(weights, [np.zeros(units, np.float32) for units in sizes[1:]])

    @property
    def parameters(self) -> int:
        """Number of parameters: 31 310 for SF and 11 060 for TF with ten classes."""
        return sum(array.size for array in (*self.weights, *self.biases))

    def hidden(self, inputs: Array) -> Array:
        """Return the activations of the last hidden layer after ReLU, shape (n, units)."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs = np.maximum(inputs @ weight + bias, 0)
        return inputs

    def log_probabilities(self, inputs: Array) -> Array:
        """Return the logarithm of the class probabilities, shape (n, classes)."""
        logits: Array = self.hidden(inputs) @ self.weights[-1] + self.biases[-1]
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits

    def step(
        self, inputs: Array, classes: npt.NDArray[np.int64], learning_rate: float
    ) -> tuple[float, int]:
        """Take one step of gradient descent on a batch.

        Returns
        -------
        tuple
            The batch's mean cross-entropy and its number of right classes, before the step.
        """
        activations = [inputs]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            layer = activations[-1] @ weight
            layer += bias
            activations.append(np.maximum(layer, 0, out=layer))
        logits = activations[-1] @ self.weights[-1] + self.biases[-1]
        logits -= logits.max(axis=1, keepdims=True)
        gradient = np.exp(logits)
        total = gradient.sum(axis=1, keepdims=True)
        rows = np.arange(len(classes))
        loss = float(np.mean(np.log(total[:, 0]) - logits[rows, classes]))
        correct = int((logits.argmax(axis=1) == classes).sum())
        gradient /= total
        gradient[rows, classes] -= 1
        # The step's size and the mean over the batch in one factor, on the smallest array.
        gradient *= learning_rate / len(classes)
        for layer_index in range(len(self.weights) - 1, -1, -1):
            below = activations[layer_index]
            back = gradient @ self.weights[layer_index].T if layer_index else None
            self.weights[layer_index] -= below.T @ gradient
            self.biases[layer_index] -= gradient.sum(axis=0)
            if back is not None:
                back *= below > 0
                gradient = back
        return loss, correct

    def copy(self) -> Mlp:
        """Return an independent copy."""
        return Mlp([w.copy() for w in self.weights], [b.copy() for b in self.biases])


class VectorSource(Protocol):
    """Vectors with their classes, as blocks that fit in memory."""

    @property
    def rows(self) -> int:
        """Number of vectors in all."""

    def blocks(
        self, rng: np.random.Generator | None
    ) -> Iterator[tuple[Array, npt.NDArray[np.int64]]]:
        """Yield blocks of vectors (n, inputs) and classes (n,), clips in random order if asked."""


@dataclass
class TrainedMlp:
    """The chosen network, its epoch (from 1) and the learning curve."""

    network: Mlp
    best_epoch: int
    curve: list[EpochRecord] = field(default_factory=list)


def evaluate(network: Mlp, source: VectorSource) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy over all vectors of a source."""
    loss = correct = 0.0
    for vectors, classes in source.blocks(None):
        for start in range(0, len(classes), ROWS):
            chunk = classes[start : start + ROWS]
            log_probabilities = network.log_probabilities(vectors[start : start + ROWS])
            loss -= float(log_probabilities[np.arange(len(chunk)), chunk].sum(dtype=np.float64))
            correct += float((log_probabilities.argmax(axis=1) == chunk).sum())
    return loss / source.rows, correct / source.rows


def train_mlp(
    network: Mlp,
    train: VectorSource,
    valid: VectorSource,
    *,
    learning_rate: float,
    batch: int,
    epochs: int,
    patience: int,
    rng: np.random.Generator,
    report: Callable[[EpochRecord], Any] = lambda record: None,
) -> TrainedMlp:
    """Train by mini-batch gradient descent and keep the network of lowest validation loss.

    Training stops after ``patience`` epochs without a better validation cross-entropy
    (Jeong 2016, section 4.2).  The training loss and accuracy of an epoch are those of its
    batches, each before its step.

    Parameters
    ----------
    network
        Changed in place while training; the chosen state is a copy.
    report
        Called after every epoch.
    """
    best, best_loss, best_epoch = network.copy(), np.inf, 0
    curve = []
    for epoch in range(1, epochs + 1):
        loss, correct, steps, rows = 0.0, 0, 0, 0
        for vectors, classes in train.blocks(rng):
            order = rng.permutation(len(classes))
            for start in range(0, len(order), batch):
                chosen = order[start : start + batch]
                step_loss, step_correct = network.step(
                    vectors[chosen], classes[chosen], learning_rate
                )
                loss, correct = loss + step_loss * len(chosen), correct + step_correct
                steps, rows = steps + 1, rows + len(chosen)
        valid_loss, valid_accuracy = evaluate(network, valid)
        record = EpochRecord(
            epoch, steps, learning_rate, loss / rows, correct / rows, valid_loss, valid_accuracy
        )
        curve.append(record)
        report(record)
        if valid_loss < best_loss:
            best, best_loss, best_epoch = network.copy(), valid_loss, epoch
        elif epoch - best_epoch >= patience:
            break
    return TrainedMlp(best, best_epoch, curve)


def mlp_tensors(network: Mlp) -> dict[str, npt.NDArray[Any]]:
    """Return a small network's weights by name."""
    named = {f"weight_{i}": weight for i, weight in enumerate(network.weights)}
    return named | {f"bias_{i}": bias for i, bias in enumerate(network.biases)}


def mlp_from_tensors(tensors: Mapping[str, npt.NDArray[Any]]) -> Mlp:
    """Return the small network of `mlp_tensors`."""
    layers = sum(name.startswith("weight_") for name in tensors)
    return Mlp(
        [tensors[f"weight_{i}"] for i in range(layers)],
        [tensors[f"bias_{i}"] for i in range(layers)],
    )

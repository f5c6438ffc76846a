"""Training of the small networks of Jeong 2016 (section 4.2).

A step on a batch of 100 vectors is so short that the overhead of a framework, or even of numpy, is
as long as the matrix products, on a CPU as on a GPU.  So a step is compiled as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

# The matrix products of compiled code.  Loaded here, so that a limit of the number of threads,
# which is set later, counts for it too.
import scipy.linalg.cython_blas  # noqa: F401

from genreflow.compiled import compiled
from genreflow.files.checkpoints import Checkpoint, TrainingState, named
from genreflow.files.curves import EpochRecord, check_converging
from genreflow.jeong2016.network import ROWS, Array, Mlp, mlp_tensors

Classes = npt.NDArray[np.int64]
Arrays = tuple[Array, ...]
#: Batches whose vectors are brought together at a time, before their steps.
GATHERED = 8


class VectorSource(Protocol):
    """Vectors with their classes, as blocks that fit in memory."""

    @property
    def rows(self) -> int:
        """Number of vectors in all."""

    def blocks(self, rng: np.random.Generator | None) -> Iterator[tuple[Array, Classes]]:
        """Yield blocks of vectors (n, inputs) and classes (n,), clips in random order if asked."""


@dataclass
class Trained:
    """The chosen epoch's tensors by name, the epoch (from 1) and the learning curve."""

    tensors: dict[str, npt.NDArray[Any]]
    best_epoch: int
    curve: list[EpochRecord]


@dataclass
class Steps:
    """What the steps of an epoch came to: sums over all examples, each before its step."""

    loss: float = 0.0
    correct: int = 0
    number: int = 0
    examples: int = 0


def descend(
    network: Mlp, vectors: Array, classes: Classes, *, batch: int, learning_rate: float
) -> tuple[float, int]:
    """Take steps of gradient descent, on one batch after the other.

    Parameters
    ----------
    network
        Changed in place.
    vectors, classes
        Shapes (n, inputs) and (n,), in the order of the batches.
    batch
        Vectors a step; the last has what is left.

    Returns
    -------
    tuple
        The summed cross-entropy and the number of right classes, each vector's before its step.
    """
    batch = min(batch, len(classes))
    widths = [weight.shape[1] for weight in network.weights]
    loss, correct = _descend(
        tuple(network.weights),
        tuple(network.biases),
        tuple(np.empty((batch, width), np.float32) for width in widths),
        tuple(np.empty((batch, width), np.float32) for width in widths),
        tuple(np.empty_like(weight) for weight in network.weights),
        vectors,
        classes,
        learning_rate,
    )
    return float(loss), int(correct)


@compiled
def _descend(
    weights: Arrays,
    biases: Arrays,
    outputs: Arrays,
    gradients: Arrays,
    changes: Arrays,
    vectors: Array,
    classes: Classes,
    learning_rate: float,
) -> tuple[float, int]:
    # ``outputs`` and ``gradients`` hold those of a batch, layer by layer, and ``changes`` what is
    # taken from the weights.
    last, batch = len(weights) - 1, len(outputs[0])
    zero = np.float32(0)
    loss, correct = 0.0, 0
    for start in range(0, len(classes), batch):
        inputs, chosen = vectors[start : start + batch], classes[start : start + batch]
        rows = len(chosen)
        for layer in range(last + 1):
            out, bias = outputs[layer][:rows], biases[layer]
            below = outputs[layer - 1][:rows] if layer else inputs
            np.dot(below, weights[layer], out)
            least = zero if layer < last else np.float32(-np.inf)
            for row in range(rows):
                for unit in range(len(bias)):
                    value = out[row, unit] + bias[unit]
                    out[row, unit] = least if value < least else value
        # The step's size and the mean over the batch in one factor, on the smallest array.
        factor = np.float32(learning_rate / rows)
        for row in range(rows):
            loss += _softmax_gradient(outputs[last][row], chosen[row], factor, gradients[last][row])
            correct += outputs[last][row].argmax() == chosen[row]
        for layer in range(last, -1, -1):
            gradient, weight, bias = gradients[layer][:rows], weights[layer], biases[layer]
            below = outputs[layer - 1][:rows] if layer else inputs
            np.dot(below.T, gradient, changes[layer])
            if layer:
                back = gradients[layer - 1][:rows]
                np.dot(gradient, weight.T, back)
                for row in range(rows):
                    for unit in range(back.shape[1]):
                        back[row, unit] = back[row, unit] if below[row, unit] > zero else zero
            for row in range(len(weight)):
                for unit in range(len(bias)):
                    weight[row, unit] -= changes[layer][row, unit]
            for row in range(rows):
                for unit in range(len(bias)):
                    bias[unit] -= gradient[row, unit]
    return loss, correct


@compiled
def _softmax_gradient(logits: Array, chosen: int, factor: np.float32, gradient: Array) -> float:
    """Return a vector's cross-entropy, and write its gradient by the logits times a factor."""
    largest, total = logits.max(), np.float32(0)
    for unit in range(len(logits)):
        gradient[unit] = np.exp(logits[unit] - largest)
        total += gradient[unit]
    for unit in range(len(logits)):
        gradient[unit] *= factor / total
    gradient[chosen] -= factor
    return float(np.log(total) - (logits[chosen] - largest))


def evaluate(network: Mlp, source: VectorSource) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy over all vectors of a source."""
    loss = correct = 0.0
    for vectors, classes in source.blocks(None):
        for start in range(0, len(classes), ROWS):
            chunk = classes[start : start + ROWS]
            log_probabilities = network.log_probabilities(vectors[start : start + ROWS])
            loss -= float(log_probabilities[np.arange(len(chunk)), chunk].sum(dtype=np.float64))
            correct += float((log_probabilities.argmax(axis=1) == chunk).sum())
        del vectors
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
    checkpoint: Checkpoint | None = None,
    report: Callable[[EpochRecord], Any] = lambda record: None,
) -> Trained:
    """Train by mini-batch gradient descent and keep the network of lowest validation loss.

    Parameters
    ----------
    network
        Changed in place while training; the chosen state is a copy.
    epochs, patience, rng, checkpoint, report
        As of `train_epochs`.

    Raises
    ------
    UserError
        A loss is no finite number.
    """

    def epoch() -> Steps:
        done = Steps()
        for vectors, classes in train.blocks(rng):
            order = rng.permutation(len(classes))
            gathered = np.empty((GATHERED * batch, vectors.shape[1]), np.float32)
            for start in range(0, len(order), GATHERED * batch):
                chosen = order[start : start + GATHERED * batch]
                loss, correct = descend(
                    network,
                    # In its default mode, numpy would not write into the array at once.
                    vectors.take(chosen, axis=0, out=gathered[: len(chosen)], mode="clip"),
                    classes[chosen],
                    batch=batch,
                    learning_rate=learning_rate,
                )
                done.loss, done.correct = done.loss + loss, done.correct + correct
            done.number -= -len(order) // batch
            done.examples += len(order)
            # Else it would stay in memory while the next block is read.
            del vectors
        return done

    return train_epochs(
        mlp_tensors(network),
        epoch,
        lambda: evaluate(network, valid),
        learning_rate=learning_rate,
        epochs=epochs,
        patience=patience,
        section="dnn",
        rng=rng,
        checkpoint=checkpoint,
        report=report,
    )


def train_epochs(
    tensors: Mapping[str, npt.NDArray[Any]],
    epoch: Callable[[], Steps],
    validate: Callable[[], tuple[float, float]],
    *,
    learning_rate: float,
    epochs: int,
    patience: int,
    section: str,
    rng: np.random.Generator,
    optimiser: Mapping[str, npt.NDArray[Any]] | None = None,
    checkpoint: Checkpoint | None = None,
    report: Callable[[EpochRecord], Any] = lambda record: None,
) -> Trained:
    """Train epoch by epoch, and keep the tensors of lowest validation loss.

    Training stops after ``patience`` epochs without a better validation cross-entropy
    (Jeong 2016, section 4.2).  The training loss and accuracy of an epoch are those of its
    batches, each before its step.

    Parameters
    ----------
    tensors
        What is learned; changed in place while training, the chosen state is a copy.
    epoch
        Takes the steps of an epoch.
    validate
        Returns mean cross-entropy and accuracy on what validates.
    section
        Where the configuration has the learning rate.
    rng
        The generator that ``epoch`` uses.
    optimiser
        What the optimiser keeps from step to step, changed in place.
    checkpoint
        From which the training goes on, and where its state is kept; the result is the same.
    report
        Called after every epoch.

    Raises
    ------
    UserError
        A loss is no finite number.
    """
    best, best_epoch = _copies(tensors), 0
    kept = {"network": tensors, "optimiser": optimiser or {}}
    curve: list[EpochRecord] = []
    if checkpoint and (state := checkpoint.state):
        curve, best_epoch = list(state.curve), state.best_epoch
        best = state.part("best")
        for part, arrays in kept.items():
            for name, values in state.part(part).items():
                arrays[name][...] = values
        rng.bit_generator.state = state.generator
    best_loss = curve[best_epoch - 1].valid_loss if best_epoch else np.inf
    for number in range(len(curve) + 1, epochs + 1):
        done = epoch()
        valid_loss, valid_accuracy = validate()
        record = EpochRecord(
            number,
            done.number,
            learning_rate,
            done.loss / done.examples,
            done.correct / done.examples,
            valid_loss,
            valid_accuracy,
        )
        curve.append(record)
        report(record)
        check_converging(record, epochs=epochs, section=section)
        if valid_loss < best_loss:
            best, best_loss, best_epoch = _copies(tensors), valid_loss, number
        elif number - best_epoch >= patience:
            break
        if checkpoint and checkpoint.due():
            parts = [named(part, arrays) for part, arrays in (kept | {"best": best}).items()]
            arrays = {name: values for part in parts for name, values in part.items()}
            checkpoint.write(TrainingState(curve, best_epoch, rng.bit_generator.state, arrays))
    return Trained(best, best_epoch, curve)


def _copies(tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name: values.copy() for name, values in tensors.items()}

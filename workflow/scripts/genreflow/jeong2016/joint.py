"""Training of the network that learns SF and TF together (Jeong 2016, conclusion).

A segment is an example, and the aggregation is a part of the network.  A step on ten segments has
products of thousands of rows, so numpy is as fast as compiled code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from genreflow.files.checkpoints import Checkpoint
from genreflow.files.curves import EpochRecord
from genreflow.jeong2016.network import PARTS, Joint, Mlp
from genreflow.jeong2016.training import Classes, Steps, Trained, train_epochs
from genreflow.jeong2016.vectors import Block

if TYPE_CHECKING:
    from genreflow.choices import Optimiser

#: Segments of a forward pass outside training; bounds the memory.
SEGMENTS = 64
#: Decay of Adam's moments, and what keeps its steps finite (Kingma & Ba 2015).
ADAM = (0.9, 0.999, 1e-8)


def loss_and_gradients(
    network: Joint, vectors: Sequence[npt.NDArray[Any]], classes: Classes, *, learn: bool = True
) -> tuple[float, int, dict[str, npt.NDArray[Any]]]:
    """Return the cross-entropy of some segments, how many are right, and the gradients.

    Parameters
    ----------
    vectors
        Of each part, shape (segments, members, inputs): frames of SF, quefrencies of TF.
    classes
        Shape (segments,).
    learn
        Without it there are no gradients.

    Returns
    -------
    tuple
        The summed cross-entropy, the number of right segments, and the gradients of the mean
        cross-entropy by the names of the tensors.
    """
    number = len(classes)
    passes = [
        _Pass(network.part(part), values) for part, values in zip(PARTS, vectors, strict=True)
    ]
    features = np.concatenate([found.features for found in passes], axis=1)
    logits = features @ network.tensors["output_weight"] + network.tensors["output_bias"]
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    totals = exponentials.sum(axis=1, keepdims=True)
    chosen = (np.arange(number), classes)
    loss = float((np.log(totals[:, 0]) - logits[chosen]).sum(dtype=np.float64))
    correct = int((logits.argmax(axis=1) == classes).sum())
    if not learn:
        return loss, correct, {}
    change = exponentials / totals
    change[chosen] -= 1
    change /= number
    gradients = {"output_weight": features.T @ change, "output_bias": change.sum(axis=0)}
    back = np.split(change @ network.tensors["output_weight"].T, len(PARTS), axis=1)
    for part, found, values in zip(PARTS, passes, back, strict=True):
        gradients |= {f"{part}_{name}": value for name, value in found.gradients(values).items()}
    return loss, correct, gradients


class _Pass:
    """A part's way from the vectors of some segments to their features, and back.

    Attributes
    ----------
    features
        Mean and variance of the last hidden layer over the members of each segment, shape
        (segments, 2 units): those of `genreflow.jeong2016.segments.aggregate`.
    """

    def __init__(self, network: Mlp, vectors: npt.NDArray[Any]) -> None:
        self._weights = network.weights[:-1]
        segments, self._members, _ = vectors.shape
        self._outputs = [vectors.reshape(segments * self._members, -1)]
        for weight, bias in zip(self._weights, network.biases[:-1], strict=True):
            out = self._outputs[-1] @ weight
            out += bias
            self._outputs.append(np.maximum(out, 0, out=out))
        last = self._outputs[-1].reshape(segments, self._members, -1)
        mean = last.mean(axis=1, keepdims=True)
        self._deviations = last - mean
        variance = np.square(self._deviations).mean(axis=1)
        self.features = np.concatenate([mean[:, 0], variance], axis=1)

    def gradients(self, back: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return the gradients of the layers from that of the features; once only."""
        by_mean, by_variance = np.split(back[:, None] / self._members, 2, axis=2)
        # The mean's own share of the variance's gradient sums to 0 over the members.
        change = self._deviations
        change *= 2 * by_variance
        change += by_mean
        change = change.reshape(-1, change.shape[2])
        found = {}
        for layer in range(len(self._weights) - 1, -1, -1):
            change *= self._outputs[layer + 1] > 0
            found[f"weight_{layer}"] = self._outputs[layer].T @ change
            found[f"bias_{layer}"] = change.sum(axis=0)
            if layer:
                change = change @ self._weights[layer].T
        return found


class Descent:
    """Steps of gradient descent, plain or by Adam (Kingma & Ba 2015).

    Parameters
    ----------
    tensors
        What is to be learned; changed in place.

    Attributes
    ----------
    state
        What Adam keeps from step to step, by name; empty for plain descent.
    """

    def __init__(
        self,
        tensors: Mapping[str, npt.NDArray[Any]],
        *,
        optimiser: Optimiser,
        learning_rate: float,
    ) -> None:
        self._tensors, self._rate = tensors, learning_rate
        self.state: dict[str, npt.NDArray[Any]] = {}
        if optimiser == "adam":
            self.state["steps"] = np.zeros(1, np.int64)
            for name, values in tensors.items():
                self.state[f"mean_{name}"] = np.zeros_like(values)
                self.state[f"square_{name}"] = np.zeros_like(values)

    def step(self, gradients: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take a step."""
        if self.state:
            self.state["steps"] += 1
        for name, values in self._tensors.items():
            values -= self._rate * self._direction(name, gradients[name])

    def _direction(self, name: str, gradient: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not self.state:
            return gradient
        first, second, tiny = ADAM
        steps = int(self.state["steps"][0])
        mean, square = self.state[f"mean_{name}"], self.state[f"square_{name}"]
        mean *= first
        mean += (1 - first) * gradient
        square *= second
        square += (1 - second) * np.square(gradient)
        root = np.sqrt(square / (1 - second**steps))
        root += tiny
        return mean / (1 - first**steps) / root


class SegmentSource(Protocol):
    """Clips with the vectors of both parts, as blocks that fit in memory."""

    def blocks(self, rng: np.random.Generator | None) -> Iterator[Block]:
        """Yield blocks of clips: frames, the windows' modulation vectors, and classes."""


def train_joint(
    network: Joint,
    train: SegmentSource,
    valid: SegmentSource,
    *,
    window_frames: int,
    shift_frames: int,
    optimiser: Optimiser,
    learning_rate: float,
    batch: int,
    epochs: int,
    patience: int,
    rng: np.random.Generator,
    checkpoint: Checkpoint | None = None,
    report: Callable[[EpochRecord], Any] = lambda record: None,
) -> Trained:
    """Train on segments and keep the tensors of lowest validation loss.

    Parameters
    ----------
    network
        Changed in place while training.
    train, valid
        Their blocks have frames (clips, frames, bins) and modulation vectors
        (clips, windows, quefrencies, modulation frequencies).
    batch
        Segments a step.
    epochs, patience, rng, checkpoint, report
        As of `genreflow.jeong2016.training.train_epochs`.

    Raises
    ------
    UserError
        A loss is no finite number.
    """
    descent = Descent(network.tensors, optimiser=optimiser, learning_rate=learning_rate)

    def run(source: SegmentSource, size: int, shuffle: np.random.Generator | None) -> Steps:
        done = Steps()
        for (frames, modulation), classes in source.blocks(shuffle):
            clips, windows = modulation.shape[:2]
            order = np.arange(clips * windows)
            if shuffle is not None:
                order = shuffle.permutation(order)
            for start in range(0, len(order), size):
                clip, window = np.divmod(order[start : start + size], windows)
                first = window * shift_frames
                spectra = [
                    frames[c, f : f + window_frames] for c, f in zip(clip, first, strict=True)
                ]
                loss, correct, gradients = loss_and_gradients(
                    network,
                    [np.stack(spectra), modulation[clip, window]],
                    classes[clip],
                    learn=shuffle is not None,
                )
                if shuffle is not None:
                    descent.step(gradients)
                done.loss, done.correct = done.loss + loss, done.correct + correct
                done.number += 1
            done.examples += len(order)
            # Else they would stay in memory while the next block is read.
            del frames, modulation
        return done

    def validate() -> tuple[float, float]:
        done = run(valid, SEGMENTS, None)
        return done.loss / done.examples, done.correct / done.examples

    # Losses that are not finite are refused after their epoch, in words.
    with np.errstate(over="ignore", invalid="ignore"):
        return train_epochs(
            network.tensors,
            lambda: run(train, batch, rng),
            validate,
            learning_rate=learning_rate,
            epochs=epochs,
            patience=patience,
            section="joint",
            rng=rng,
            optimiser=descent.state,
            checkpoint=checkpoint,
            report=report,
        )

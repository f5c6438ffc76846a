"""The small networks of Jeong 2016 (section 4.2), in plain numpy, without their training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from genreflow.choices import Initialisation

Array = npt.NDArray[np.float32]
#: Rows of a forward pass outside training; bounds the memory.
ROWS = 8192
#: The small networks of which `Joint` has the hidden layers, in the order of their features.
PARTS = ("sf", "tf")


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


@dataclass
class Joint:
    """SF and TF learned together, as the paper intends (its conclusion).

    Two small networks up to their last hidden layers, and one softmax on what both are aggregated
    to in a segment (section 3.3).

    Attributes
    ----------
    tensors
        ``sf_weight_0``, ``sf_bias_0`` and so on of every hidden layer, ``output_weight``
        (4 units, classes) and ``output_bias``.
    """

    tensors: dict[str, npt.NDArray[Any]]

    @classmethod
    def initialise(
        cls,
        inputs: Sequence[int],
        hidden: Sequence[int],
        classes: int,
        *,
        initialisation: Initialisation,
        rng: np.random.Generator,
    ) -> Joint:
        """Return a network with random weights and zero biases, for the inputs of each part."""
        tensors: dict[str, npt.NDArray[Any]] = {}
        layers = {part: [size, *hidden] for part, size in zip(PARTS, inputs, strict=True)}
        for part, sizes in layers.items():
            drawn = Mlp.initialise(sizes, initialisation=initialisation, rng=rng)
            for layer, (weight, bias) in enumerate(zip(drawn.weights, drawn.biases, strict=True)):
                tensors |= {f"{part}_weight_{layer}": weight, f"{part}_bias_{layer}": bias}
        sizes = [2 * len(PARTS) * hidden[-1], classes]
        output = Mlp.initialise(sizes, initialisation=initialisation, rng=rng)
        return cls(tensors | {"output_weight": output.weights[0], "output_bias": output.biases[0]})

    @property
    def parameters(self) -> int:
        """Number of parameters: 43 360 with ten classes."""
        return sum(values.size for values in self.tensors.values())

    def part(self, name: str) -> Mlp:
        """Return a part as a small network: its last layer has the softmax's rows of the part."""
        depth = sum(key.startswith(f"{name}_weight_") for key in self.tensors)
        weights, biases = (
            [self.tensors[f"{name}_{kind}_{layer}"] for layer in range(depth)]
            for kind in ("weight", "bias")
        )
        place = PARTS.index(name)
        rows = np.split(self.tensors["output_weight"], len(PARTS))[place]
        return Mlp([*weights, rows], [*biases, self.tensors["output_bias"]])


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

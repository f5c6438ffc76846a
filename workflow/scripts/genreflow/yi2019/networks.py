"""The k2c2 convolutional network and the recurrent mixer of Yi 2019 (sections III.A and III.B)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from genreflow.files.models import (
    name_normalisation,
    read_model,
    split_normalisation,
    write_model,
)
from genreflow.yi2019 import blocks, recurrence

if TYPE_CHECKING:
    from genreflow.choices import RunningAverage, RunningVariance

BATCHNORM_EPSILON = 1e-3
GRU_UNITS = 64
DENSE_UNITS = 32


def pool_same(maps: Tensor, pool: tuple[int, int]) -> Tensor:
    """Max-pool as TensorFlow's "same" does: padded with -inf, the smaller half first.

    The explicit padding is the smaller half on both sides, and ``ceil_mode`` supplies the one
    missing place at the end, so the windows lie where TensorFlow's lie without a padded copy.
    """
    first = [((-size) % width) // 2 for size, width in zip(maps.shape[2:], pool, strict=True)]
    return functional.max_pool2d(maps, pool, pool, padding=(first[0], first[1]), ceil_mode=True)


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation of maps or vectors with the running statistics of Keras 2.2.4.

    Input (clips, channels, rows, columns) or (clips, size).
    With Keras's momentum m, the first step's statistics *are* the batch's and the initial 0 and 1
    never count: in torch's sense the momentum of step t is (1 - m) / (1 - m^t).  The variance that
    enters the running one is n / (n - 1 - epsilon) of the batch's, and of maps n / (n - 1) of that.

    Parameters
    ----------
    features
        Channels of maps or size of vectors.
    momentum
        Share of the running statistics kept a step (Keras's sense).
    average
        ``zero_debiased`` as above, or ``plain``: from the initial 0 and 1, by 1 - m every step.
    variance
        ``keras224`` as above, or ``plain``: n / (n - 1) of the batch's.
    """

    def __init__(
        self,
        features: int,
        *,
        momentum: float = 0.99,
        average: RunningAverage = "zero_debiased",
        variance: RunningVariance = "keras224",
    ) -> None:
        super().__init__(features, eps=BATCHNORM_EPSILON)
        self._kept, self._average, self._variance = momentum, average, variance
        # Not the buffer of torch: reading it would let a GPU wait in every step.
        self._steps = 0

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        assert self.num_batches_tracked is not None
        self._steps = int(self.num_batches_tracked)

    def _check_input_dim(self, inputs: Tensor) -> None:
        if inputs.ndim not in (2, 4):
            raise ValueError(f"maps (4-D) or vectors (2-D) are expected, not {inputs.ndim}-D")

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised values; in training, by the batch's statistics."""
        self._check_input_dim(inputs)
        if not (self.training and self.track_running_stats):
            return super().forward(inputs)
        assert self.running_mean is not None
        assert self.running_var is not None
        new, factor = self._step(inputs.numel() // inputs.shape[1], inputs.ndim)
        # Copies, since what torch has updated must stay as it is until the gradient.
        mean, variance = self.running_mean.clone(), self.running_var / factor
        out = functional.batch_norm(
            inputs, mean, variance, self.weight, self.bias, True, new, self.eps
        )
        self.running_mean, self.running_var = mean, variance * factor
        return out

    def observe(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """Take the statistics of a batch of maps that another function has normalised.

        Parameters
        ----------
        mean, variance
            Of every channel; the variance is the biased one.
        n
            Values a channel.
        """
        if not self.track_running_stats:
            return
        assert self.running_mean is not None
        assert self.running_var is not None
        new, factor = self._step(n, 4)
        self.running_mean = torch.lerp(self.running_mean, mean.to(self.running_mean), new)
        unbiased = (variance * (factor * n / (n - 1))).to(self.running_var)
        self.running_var = torch.lerp(self.running_var, unbiased, new)

    def _step(self, n: int, dimensions: int) -> tuple[float, float]:
        """Count a step; return the share of its statistics, and what corrects torch's variance."""
        assert self.num_batches_tracked is not None
        self._steps += 1
        self.num_batches_tracked += 1
        new = 1 - self._kept
        if self._average == "zero_debiased":
            new /= 1 - self._kept**self._steps
        if self._variance == "plain":
            return new, 1.0
        # torch itself corrects by n / (n - 1).
        return new, (n if dimensions == 4 else n - 1) / (n - 1 - self.eps)


class K2c2(nn.Module):
    """Five blocks of 3x3 convolution, batch normalisation, ELU and pooling, and a dense layer.

    Input (clips, 1, rows, columns); output logits (clips, classes).  891 722 parameters with
    ten classes, running statistics included.

    Parameters
    ----------
    classes
        Outputs: genres for an expert, experts for the mixer of MoEC.
    pools
        Five (frequency, time) pools that end at a 1x1 map.
    channels
        Of the five blocks.
    batchnorm_momentum, batchnorm_average, batchnorm_variance
        As of `BatchNorm`.
    """

    def __init__(
        self,
        classes: int,
        *,
        pools: Sequence[tuple[int, int]],
        channels: Sequence[int] = (64, 128, 128, 192, 256),
        batchnorm_momentum: float = 0.99,
        batchnorm_average: RunningAverage = "zero_debiased",
        batchnorm_variance: RunningVariance = "keras224",
    ) -> None:
        super().__init__()
        self.pools = [(int(rows), int(columns)) for rows, columns in pools]
        widths = [1, *channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3) for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(
            BatchNorm(
                width,
                momentum=batchnorm_momentum,
                average=batchnorm_average,
                variance=batchnorm_variance,
            )
            for width in channels
        )
        self.dense = nn.Linear(channels[-1], classes)
        # On a CPU the convolutions are a quarter faster with the channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        maps = inputs.contiguous(memory_format=torch.channels_last)
        for convolution, norm, pool in zip(self.convolutions, self.norms, self.pools, strict=True):
            # ELU is monotonic, so it commutes with the maximum and costs an eighth here.
            maps = functional.elu(self._normalised(maps, convolution, norm, pool))
        logits: Tensor = self.dense(maps.flatten(1))
        return logits

    def _normalised(
        self, maps: Tensor, convolution: nn.Module, norm: nn.Module, pool: tuple[int, int]
    ) -> Tensor:
        """Return maps convolved, normalised and pooled; in few passes where that can be."""
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, BatchNorm)
        if not (blocks.computes(maps) and (norm.training or not torch.is_grad_enabled())):
            return pool_same(norm(convolution(maps)), pool)
        assert convolution.bias is not None
        layers = maps, convolution.weight, convolution.bias, norm.weight, norm.bias
        if norm.training:
            out, mean, variance = blocks.train_block(*layers, pool=pool, epsilon=norm.eps)
            norm.observe(mean, variance, len(maps) * (maps.shape[2] - 2) * (maps.shape[3] - 2))
            return out
        assert norm.running_mean is not None
        assert norm.running_var is not None
        statistics = norm.running_mean, norm.running_var
        return blocks.evaluate_block(*layers, *statistics, pool=pool, epsilon=norm.eps)


class Gru(nn.GRU):
    """A bidirectional gated recurrent unit of one layer, in compiled steps on a CPU.

    In float32 also where autocast is on, in which it would take twice the time on a GPU.
    Input (clips, frames, size); output the states, (clips, frames, 2 units), and the last ones.
    """

    def __init__(self, size: int, units: int) -> None:
        super().__init__(size, units, batch_first=True, bidirectional=True)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Go through the frames in both directions, from states of zeros."""
        if recurrence.computes(inputs):
            return recurrence.run_gru(self, inputs)
        with torch.autocast(inputs.device.type, enabled=False):
            found: tuple[Tensor, Tensor] = super().forward(inputs)
        return found


class GruMixer(nn.Module):
    """The recurrent mixer of MoER: two bidirectional GRUs of 64 units and a dense layer of 32.

    Input (clips, frames, bands); output logits (clips, experts).  141 092 parameters with
    96 bands and four experts, running statistics included.

    Parameters
    ----------
    experts
        Outputs.
    bands
        Size of a frame.
    dropout
        Before the first GRU, before the second, and before the dense layer.
    batchnorm_momentum, batchnorm_average, batchnorm_variance
        As of `BatchNorm`.
    """

    def __init__(
        self,
        experts: int,
        *,
        bands: int,
        dropout: Sequence[float] = (0.25, 0.25, 0.5),
        batchnorm_momentum: float = 0.99,
        batchnorm_average: RunningAverage = "zero_debiased",
        batchnorm_variance: RunningVariance = "keras224",
    ) -> None:
        super().__init__()
        self.dropout = [float(rate) for rate in dropout]
        self.first = Gru(bands, GRU_UNITS)
        self.second = Gru(2 * GRU_UNITS, GRU_UNITS)
        self.dense = nn.Linear(2 * GRU_UNITS, DENSE_UNITS)
        self.norm = BatchNorm(
            DENSE_UNITS,
            momentum=batchnorm_momentum,
            average=batchnorm_average,
            variance=batchnorm_variance,
        )
        self.output = nn.Linear(DENSE_UNITS, experts)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits."""

        def drop(values: Tensor, rate: float) -> Tensor:
            return functional.dropout(values, rate, self.training)

        sequence, _ = self.first(drop(frames, self.dropout[0]))
        _, last = self.second(drop(sequence, self.dropout[1]))
        state = drop(torch.cat([last[0], last[1]], dim=1), self.dropout[2])
        logits: Tensor = self.output(functional.elu(self.norm(self.dense(state))))
        return logits


def initialise(network: nn.Module, seed: int) -> None:
    """Set Keras's initial weights: Glorot uniform, orthogonal recurrences, zero biases.

    A GRU's three gates are initialised as Keras does: the input weights as one matrix of
    (inputs, 3 units), each direction's recurrent weights as one orthogonal matrix.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.GRU):
                for name, parameter in module.named_parameters():
                    if "bias" in name:
                        nn.init.zeros_(parameter)
                    elif "weight_ih" in name:
                        nn.init.xavier_uniform_(parameter, generator=generator)
                    else:
                        nn.init.orthogonal_(parameter, generator=generator)


def build_network(architecture: Mapping[str, Any]) -> nn.Module:
    """Return the network that an architecture describes: its name, outputs and own arguments."""
    arguments = dict(architecture)
    kind = {"k2c2": K2c2, "gru_mixer": GruMixer}[arguments.pop("network")]
    network: nn.Module = kind(arguments.pop("outputs"), **arguments)
    return network


def write_network(
    path: Path,
    network: nn.Module,
    statistics: Mapping[str, npt.NDArray[Any]],
    description: Mapping[str, Any],
) -> None:
    """Write a network, its input's statistics and its description as a model file."""
    state = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    write_model(path, {**state, **name_normalisation(statistics)}, description)


def network_from_model(
    path: Path,
) -> tuple[nn.Module, dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return a network as its file describes it, its input's statistics, and the description."""
    tensors, description = read_model(path)
    weights, statistics = split_normalisation(tensors)
    network = build_network(description["architecture"])
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval(), statistics, description

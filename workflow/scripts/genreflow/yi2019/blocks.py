"""A block of the k2c2 network in few passes over its maps, on a CPU (Yi 2019, section III.A).

A block convolves, normalises over the batch and pools.  Its largest array is the map behind the
convolution, and what takes time beside the convolution is going over that map.

Normalisation is monotonic a channel, so the largest normalised value of a window is where the
map's own largest is, or its smallest where the scale is negative.  One pass over the map thus
finds the batch's sums and the place of every window's maximum, and only what is chosen is
normalised.  The gradient behind the pooling is zero but for those places, so its two sums need
no pass, and one more pass turns the map into its own gradient.  A constant that is added to a
channel leaves no trace behind the normalisation: the gradient of the convolution's bias is 0.

The first block's map is the largest and comes from one plane, so it is never stored.  Convolution
and pooling are one loop, and what is summed over the map follows from the first and second
moments of the nine shifted planes.

Arrays have the channels last, as the convolutions of a CPU like them.  The numbers of bfloat16,
which numpy doesn't know, are in uint16 as the upper halves of float32.  Sums are in float64, one
for every row of windows and then over the rows, so the bits are the same whatever the number of
threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

# The matrix product of compiled code.
import scipy.linalg.cython_blas  # noqa: F401
import torch
from numba.extending import overload
from torch import Tensor
from torch.autograd.function import once_differentiable

from genreflow.compiled import compiled

Array = npt.NDArray[Any]

#: Places of a map that are one matrix product: few enough for a BLAS to stay in its thread.
PLACES = 256


def _value(stored: Any) -> Any:
    """Return a stored value as a number: of bfloat16 the float32 that it is the half of."""
    raise NotImplementedError("for compiled code")


def _stored(value: Any, like: Any) -> Any:
    """Return a number as it is stored beside another one, rounded to nearest even."""
    raise NotImplementedError("for compiled code")


@overload(_value, inline="always")
def _value_of_type(stored: Any) -> Any:
    def whole(stored: Any) -> Any:
        return stored

    def half(stored: Any) -> Any:
        return np.uint32(np.uint32(stored) << 16).view(np.float32)

    return half if isinstance(stored, numba.types.Integer) else whole


@overload(_stored, inline="always")
def _stored_as_type(value: Any, like: Any) -> Any:
    def whole(value: Any, like: Any) -> Any:
        return value

    def half(value: Any, like: Any) -> Any:
        bits = np.float32(value).view(np.uint32)
        rounded = np.uint16(np.uint32(bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
        return rounded if value == value else np.uint16(0x7FC0)

    return half if isinstance(like, numba.types.Integer) else whole


@compiled
def _window(index: int, windows: int, pool: int, size: int) -> tuple[int, int]:
    """Return the first place of a window of "same" pooling, and the place behind its last."""
    start = index * pool - (windows * pool - size) // 2
    return max(start, 0), min(start + pool, size)


@compiled
def _keep_larger(value: Any, best: Array, places: Array, channel: int, place: int) -> None:
    """Keep a value and its place where it is larger; a NaN is the largest, as it is for torch."""
    kept = best[channel]
    larger = not (value <= kept) and kept == kept
    best[channel] = value if larger else kept
    places[channel] = place if larger else places[channel]


@compiled
def _pool_rows(
    maps: Array,
    pool: tuple[int, int],
    sign: Array,
    pooled: Array,
    places: Array,
    sums: Array,
    start: int,
    stop: int,
) -> None:
    """Choose each window's largest sign x map, and sum the map and its square."""
    rows, columns, channels = pooled.shape[1:]
    height, width = maps.shape[1:3]
    best = np.empty(channels, pooled.dtype)
    total, squares = np.empty(channels), np.empty(channels)
    for band in range(start, stop):
        clip, row = divmod(band, rows)
        top, bottom = _window(row, rows, pool[0], height)
        total[:] = 0
        squares[:] = 0
        for column in range(columns):
            left, right = _window(column, columns, pool[1], width)
            chosen = places[clip, row, column]
            best[:] = -np.inf
            chosen[:] = 0
            place = 0
            for y in range(top, bottom):
                for x in range(left, right):
                    values = maps[clip, y, x]
                    for channel in range(channels):
                        value = np.float64(_value(values[channel]))
                        total[channel] += value
                        squares[channel] += value * value
                    for channel in range(channels):
                        value = sign[channel] * _value(values[channel])
                        _keep_larger(value, best, chosen, channel, place)
                    place += 1
            for channel in range(channels):
                down, across = divmod(np.int64(chosen[channel]), right - left)
                value = _value(maps[clip, top + down, left + across, channel])
                pooled[clip, row, column, channel] = value
        sums[band, 0], sums[band, 1] = total, squares


@compiled
def _convolve_and_pool_rows(
    planes: Array,
    weights: Array,
    bias: Array,
    pool: tuple[int, int],
    sign: Array,
    pooled: Array,
    places: Array,
    start: int,
    stop: int,
) -> None:
    """Choose each window's largest sign x map of the convolution of one plane."""
    rows, columns, channels = pooled.shape[1:]
    height, width = planes.shape[1] - 2, planes.shape[2] - 2
    best = np.empty(channels, pooled.dtype)
    values = np.empty((pool[0] * pool[1], channels), pooled.dtype)
    for band in range(start, stop):
        clip, row = divmod(band, rows)
        top, bottom = _window(row, rows, pool[0], height)
        for column in range(columns):
            left, right = _window(column, columns, pool[1], width)
            chosen = places[clip, row, column]
            best[:] = -np.inf
            chosen[:] = 0
            place = 0
            for y in range(top, bottom):
                one, two, three = planes[clip, y], planes[clip, y + 1], planes[clip, y + 2]
                for x in range(left, right):
                    a, b, c = one[x], one[x + 1], one[x + 2]
                    d, e, f = two[x], two[x + 1], two[x + 2]
                    g, h, i = three[x], three[x + 1], three[x + 2]
                    found = values[place]
                    for channel in range(channels):
                        found[channel] = (
                            (bias[channel] + a * weights[0, channel])
                            + (b * weights[1, channel] + c * weights[2, channel])
                            + (d * weights[3, channel] + e * weights[4, channel])
                            + (f * weights[5, channel] + g * weights[6, channel])
                            + (h * weights[7, channel] + i * weights[8, channel])
                        )
                    for channel in range(channels):
                        value = sign[channel] * found[channel]
                        _keep_larger(value, best, chosen, channel, place)
                    place += 1
            for channel in range(channels):
                pooled[clip, row, column, channel] = values[chosen[channel], channel]


@compiled
def _normalise_rows(
    pooled: Array, mean: Array, factor: Array, shift: Array, out: Array, start: int, stop: int
) -> None:
    rows, columns, channels = pooled.shape[1:]
    for band in range(start, stop):
        clip, row = divmod(band, rows)
        for column in range(columns):
            values, found = pooled[clip, row, column], out[clip, row, column]
            for channel in range(channels):
                value = (values[channel] - mean[channel]) * factor[channel] + shift[channel]
                found[channel] = _stored(value, found[channel])


@compiled
def _sum_gradient_rows(
    gradient: Array, pooled: Array, mean: Array, sums: Array, start: int, stop: int
) -> None:
    """Sum the gradient, and its product with the distance from the mean."""
    rows, columns, channels = pooled.shape[1:]
    for band in range(start, stop):
        clip, row = divmod(band, rows)
        sums[band] = 0
        for column in range(columns):
            for channel in range(channels):
                slope = np.float64(_value(gradient[clip, row, column, channel]))
                distance = pooled[clip, row, column, channel] - mean[channel]
                sums[band, 0, channel] += slope
                sums[band, 1, channel] += slope * distance


@compiled
def _differentiate_rows(
    maps: Array,
    pool: tuple[int, int],
    gradient: Array,
    places: Array,
    factor: Array,
    constant: Array,
    slope: Array,
    start: int,
    stop: int,
) -> None:
    """Turn a map into constant + slope x map, and + factor x gradient where it was chosen."""
    rows, columns = gradient.shape[1:3]
    height, width, channels = maps.shape[1:]
    for band in range(start, stop):
        clip, row = divmod(band, rows)
        top, bottom = _window(row, rows, pool[0], height)
        for column in range(columns):
            left, right = _window(column, columns, pool[1], width)
            chosen, behind = places[clip, row, column], gradient[clip, row, column]
            place = 0
            for y in range(top, bottom):
                for x in range(left, right):
                    values = maps[clip, y, x]
                    for channel in range(channels):
                        value = constant[channel] + slope[channel] * _value(values[channel])
                        more = value + factor[channel] * _value(behind[channel])
                        value = more if chosen[channel] == place else value
                        values[channel] = _stored(value, values[channel])
                    place += 1


@compiled
def _differentiate_weight_rows(
    planes: Array,
    pool: tuple[int, int],
    gradient: Array,
    places: Array,
    sums: Array,
    start: int,
    stop: int,
) -> None:
    """Sum the gradient times each of the nine values that a chosen one comes from."""
    rows, columns, channels = gradient.shape[1:]
    height, width = planes.shape[1] - 2, planes.shape[2] - 2
    windows = max(PLACES // (pool[0] * pool[1]), 1)
    slopes = np.zeros((windows * pool[0] * pool[1], channels), planes.dtype)
    nearby = np.zeros((9, len(slopes)), planes.dtype)
    part = np.empty((9, channels), planes.dtype)
    for band in range(start, stop):
        clip, row = divmod(band, rows)
        top, bottom = _window(row, rows, pool[0], height)
        sums[band] = 0
        for first in range(0, columns, windows):
            used = 0
            for column in range(first, min(first + windows, columns)):
                left, right = _window(column, columns, pool[1], width)
                chosen, behind = places[clip, row, column], gradient[clip, row, column]
                place = 0
                for y in range(top, bottom):
                    for x in range(left, right):
                        found = slopes[used]
                        for channel in range(channels):
                            slope = _value(behind[channel])
                            found[channel] = slope if chosen[channel] == place else 0
                        for tap in range(9):
                            nearby[tap, used] = planes[clip, y + tap // 3, x + tap % 3]
                        place += 1
                        used += 1
            slopes[used:] = 0
            np.dot(nearby, slopes, part)
            sums[band] += part


@compiled
def _sum_moment_rows(planes: Array, sums: Array, start: int, stop: int) -> None:
    """Sum the products of the nine shifted planes, and (the tenth column) themselves."""
    rows, width = planes.shape[1] - 2, planes.shape[2] - 2
    shifted = np.ones((10, width))
    for band in range(start, stop):
        clip, row = divmod(band, rows)
        for tap in range(9):
            y, x = row + tap // 3, tap % 3
            shifted[tap] = planes[clip, y, x : x + width]
        sums[band] = np.dot(shifted[:9], shifted.T)


@cache
def _executor(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "block")


def _by_threads(kernel: Callable[..., None], *arguments: Any, rows: int) -> None:
    """Run a kernel on all rows, on as many threads as torch has."""
    threads = min(torch.get_num_threads(), rows)
    bounds = [rows * part // threads for part in range(threads + 1)]
    parts = list(pairwise(bounds))
    waiting = [_executor(threads).submit(kernel, *arguments, *part) for part in parts[1:]]
    kernel(*arguments, *parts[0])
    for part in waiting:
        part.result()


def _array(maps: Tensor) -> Array:
    """Return the memory of maps (clips, channels, rows, columns), with the channels last."""
    last = maps.detach().contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    if last.dtype == torch.bfloat16:
        return last.view(torch.int16).numpy().view(np.uint16)
    return last.numpy()


class _Statistics(NamedTuple):
    """Mean and (biased) variance of every channel, float64."""

    mean: Array
    variance: Array


class _Slopes(NamedTuple):
    """Gradients of the scale and the shift of every channel, float64."""

    scale: Array
    shift: Array


class _Chosen(NamedTuple):
    """What pooling chooses of a map: the values, and where they are in their windows.

    Both have the shape (clips, rows, columns, channels).
    """

    values: Array
    places: Array

    @classmethod
    def empty(cls, maps: tuple[int, ...], pool: tuple[int, int], dtype: Any) -> _Chosen:
        """Return memory for the windows of maps of a shape (clips, rows, columns, channels)."""
        clips, height, width, channels = maps
        shape = clips, -(-height // pool[0]), -(-width // pool[1]), channels
        place = np.uint8 if pool[0] * pool[1] <= 256 else np.uint32
        return cls(np.empty(shape, dtype), np.empty(shape, place))

    @property
    def rows(self) -> int:
        """Rows of windows of all clips."""
        clips, rows = self.values.shape[:2]
        return int(clips * rows)


@dataclass(frozen=True)
class _Norm:
    """Batch normalisation: a map's statistics, and the layer's scale, shift and epsilon."""

    mean: Array
    variance: Array
    scale: Array
    shift: Array
    epsilon: float

    @property
    def inverse(self) -> Array:
        """Return 1 / deviation."""
        return 1 / np.sqrt(self.variance + self.epsilon)

    def apply(self, chosen: _Chosen, dtype: torch.dtype) -> Tensor:
        """Return chosen values, normalised, as maps of a type."""
        clips, rows, columns, channels = chosen.values.shape
        out = torch.empty(
            (clips, channels, rows, columns), dtype=dtype, memory_format=torch.channels_last
        )
        factors = (self.mean, self.scale * self.inverse, self.shift)
        _by_threads(
            _normalise_rows,
            chosen.values,
            *(factor.astype(chosen.values.dtype) for factor in factors),
            _array(out),
            rows=chosen.rows,
        )
        return out

    def differentiate(self, gradient: Array, chosen: _Chosen) -> _Slopes:
        """Return the gradients of scale and shift, from that of the chosen values."""
        sums = np.empty((chosen.rows, 2, len(self.mean)))
        _by_threads(_sum_gradient_rows, gradient, chosen.values, self.mean, sums, rows=chosen.rows)
        shift, distance = sums.sum(0)
        return _Slopes(distance * self.inverse, shift)


def _channels(values: Tensor) -> Array:
    return values.detach().numpy().astype(np.float64)


def _choose(maps: Array, scale: Array, pool: tuple[int, int]) -> tuple[_Chosen, _Statistics]:
    """Return what pooling chooses of a map, and the map's statistics."""
    dtype = np.float64 if maps.dtype == np.float64 else np.float32
    chosen = _Chosen.empty(maps.shape, pool, dtype)
    sums = np.empty((chosen.rows, 2, maps.shape[3]))
    sign = np.sign(scale).astype(dtype)
    _by_threads(_pool_rows, maps, pool, sign, *chosen, sums, rows=chosen.rows)
    mean, square = sums.sum(0) / np.prod(maps.shape[:3])
    return chosen, _Statistics(mean, np.maximum(square - mean**2, 0))


@dataclass(frozen=True)
class _Planes:
    """One plane a clip, less a number that they share, and the convolution of it.

    Attributes
    ----------
    values
        Shape (clips, rows, columns).
    weights
        Shape (9, channels), float64.
    bias
        What makes the convolution that of the planes as they were, float64.
    """

    values: Array
    weights: Array
    bias: Array

    @classmethod
    def of(cls, inputs: Tensor, weight: Tensor, bias: Tensor, *, centred: bool) -> _Planes:
        """Return the planes of maps (clips, 1, rows, columns), about their mean if asked.

        About the mean, moments keep their digits; without it, no clip depends on another.
        """
        planes = inputs.detach()[:, 0].numpy()
        middle = planes.dtype.type(planes.mean(dtype=np.float64) if centred else 0)
        weights = np.ascontiguousarray(_channels(weight).reshape(-1, 9).T)
        values = np.ascontiguousarray(planes - middle)
        return cls(values, weights, _channels(bias) + float(middle) * weights.sum(0))

    @property
    def places(self) -> int:
        """Values of the convolution's map, a channel."""
        clips, rows, columns = self.values.shape
        return int(clips * (rows - 2) * (columns - 2))

    def choose(self, scale: Array, pool: tuple[int, int]) -> _Chosen:
        """Return what pooling chooses of the convolution's map."""
        clips, rows, columns = self.values.shape
        dtype = self.values.dtype
        chosen = _Chosen.empty((clips, rows - 2, columns - 2, len(self.bias)), pool, dtype)
        factors = (self.weights.astype(dtype), self.bias.astype(dtype))
        sign = np.sign(scale).astype(dtype)
        _by_threads(
            _convolve_and_pool_rows, self.values, *factors, pool, sign, *chosen, rows=chosen.rows
        )
        return chosen

    @cached_property
    def moments(self) -> tuple[Array, Array]:
        """Means of the nine shifted planes (9,), and their covariances x weights (9, channels)."""
        rows = self.values.shape[0] * (self.values.shape[1] - 2)
        sums = np.empty((rows, 9, 10))
        _by_threads(_sum_moment_rows, self.values, sums, rows=rows)
        found = sums.sum(0) / self.places
        means = found[:, 9]
        return means, (found[:, :9] - np.outer(means, means)) @ self.weights

    def statistics(self) -> _Statistics:
        """Return the batch's statistics."""
        means, spread = self.moments
        variance = np.maximum((self.weights * spread).sum(0), 0)
        return _Statistics(means @ self.weights + self.bias, variance)

    def differentiate(
        self, gradient: Array, chosen: _Chosen, norm: _Norm, slopes: _Slopes, pool: tuple[int, int]
    ) -> tuple[None, Tensor]:
        """Return the gradient of the weight; the planes have none."""
        means, spread = self.moments
        sums = np.empty((chosen.rows, *self.weights.shape))
        _by_threads(
            _differentiate_weight_rows,
            self.values,
            pool,
            gradient,
            chosen.places,
            sums,
            rows=chosen.rows,
        )
        found = sums.sum(0) - np.outer(means, slopes.shift)
        found -= spread * (norm.inverse * slopes.scale)
        found *= norm.scale * norm.inverse
        return None, torch.from_numpy(found.T.reshape(-1, 1, 3, 3))


@dataclass(frozen=True)
class _Maps:
    """Maps and the convolution of them, which is stored.

    Attributes
    ----------
    inputs, weight
        In the type of the convolution.
    values
        The convolution, shape (clips, channels, rows, columns); it becomes its own gradient.
    wanted
        Whether the inputs have a gradient.
    """

    inputs: Tensor
    weight: Tensor
    values: Tensor
    wanted: bool

    @classmethod
    def of(
        cls, inputs: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype, *, wanted: bool
    ) -> _Maps:
        """Return the convolution of maps (clips, channels, rows, columns) in a type."""
        # Nothing is copied here: a network's maps have the channels last.
        inputs = inputs.to(dtype, memory_format=torch.channels_last)
        weight = weight.to(dtype)
        values = torch.conv2d(inputs, weight, bias.to(dtype))
        return cls(inputs, weight, values.contiguous(memory_format=torch.channels_last), wanted)

    def differentiate(
        self, gradient: Array, chosen: _Chosen, norm: _Norm, slopes: _Slopes, pool: tuple[int, int]
    ) -> tuple[Tensor | None, Tensor]:
        """Return the gradients of the inputs, where they have one, and of the weight."""
        maps = _array(self.values)
        factor = norm.scale * norm.inverse
        # factor (gradient - mean of the gradient - normalised map x mean of their product)
        slope = -factor * norm.inverse * slopes.scale / np.prod(maps.shape[:3])
        constant = -factor * slopes.shift / np.prod(maps.shape[:3]) - slope * norm.mean
        factors = (values.astype(chosen.values.dtype) for values in (factor, constant, slope))
        _by_threads(
            _differentiate_rows, maps, pool, gradient, chosen.places, *factors, rows=chosen.rows
        )
        of_inputs, of_weight, _none = torch.ops.aten.convolution_backward(
            self.values, self.inputs, self.weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1,
            [self.wanted, True, False],
        )  # fmt: skip
        return of_inputs, of_weight


class _Block(torch.autograd.Function):
    """A block in training, of which the gradient can be taken once."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        scale: Tensor,
        shift: Tensor,
        pool: tuple[int, int],
        epsilon: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        dtype = _type_of_maps(inputs)
        convolution: _Planes | _Maps
        if _are_planes(inputs) and not ctx.needs_input_grad[0]:
            convolution = _Planes.of(inputs, weight, bias, centred=True)
            chosen = convolution.choose(_channels(scale), pool)
            statistics = convolution.statistics()
        else:
            convolution = _Maps.of(inputs, weight, bias, dtype, wanted=ctx.needs_input_grad[0])
            chosen, statistics = _choose(_array(convolution.values), _channels(scale), pool)
        norm = _Norm(*statistics, _channels(scale), _channels(shift), epsilon)
        ctx.kept = convolution, chosen, norm, pool
        ctx.dtype = weight.dtype
        mean, variance = torch.from_numpy(statistics.mean), torch.from_numpy(statistics.variance)
        ctx.mark_non_differentiable(mean, variance)
        return norm.apply(chosen, dtype), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.kept is None:
            raise RuntimeError(
                "the gradient of a block can be taken once: it takes its map's place"
            )
        convolution, chosen, norm, pool = ctx.kept
        ctx.kept = None
        behind = _array(gradient)
        slopes = norm.differentiate(behind, chosen)
        of_inputs, of_weight = convolution.differentiate(behind, chosen, norm, slopes, pool)
        of_bias = torch.zeros(len(slopes.shift), dtype=ctx.dtype)
        found = (of_weight, of_bias, *map(torch.from_numpy, slopes))
        return of_inputs, *(values.to(ctx.dtype) for values in found), None, None


def _type_of_maps(inputs: Tensor) -> torch.dtype:
    """Return the type in which maps are stored: autocast's, where it is on."""
    if inputs.dtype != torch.float64 and torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu")
    return inputs.dtype


def _are_planes(inputs: Tensor) -> bool:
    """Return whether the convolution of such inputs need not be stored."""
    return inputs.shape[1] == 1 and inputs.dtype != torch.bfloat16


def computes(inputs: Tensor) -> bool:
    """Return whether the blocks of this module take such inputs."""
    types = torch.float32, torch.float64, torch.bfloat16
    return inputs.device.type == "cpu" and _type_of_maps(inputs) in types


def train_block(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor,
    shift: Tensor,
    *,
    pool: tuple[int, int],
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Convolve by 3x3, normalise by the batch's statistics and pool.

    Parameters
    ----------
    inputs
        Maps (clips, channels, rows, columns).
    weight, bias
        Of the convolution.
    scale, shift, epsilon
        Of batch normalisation.
    pool
        (rows, columns), "same" as TensorFlow's.

    Returns
    -------
    tuple
        The pooled maps, and mean and biased variance of each channel (float64, no gradient).
    """
    block: Any = _Block
    found: tuple[Tensor, Tensor, Tensor] = block.apply(
        inputs, weight, bias, scale, shift, pool, epsilon
    )
    return found


def evaluate_block(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    pool: tuple[int, int],
    epsilon: float,
) -> Tensor:
    """Do as `train_block` by given statistics, without a gradient."""
    dtype = _type_of_maps(inputs)
    norm = _Norm(_channels(mean), _channels(variance), _channels(scale), _channels(shift), epsilon)
    if _are_planes(inputs):
        planes = _Planes.of(inputs, weight, bias, centred=False)
        return norm.apply(planes.choose(norm.scale, pool), dtype)
    maps = _Maps.of(inputs, weight, bias, dtype, wanted=False).values
    return norm.apply(_choose(_array(maps), norm.scale, pool)[0], dtype)

"""A gated recurrent unit in compiled steps, on a CPU (Yi 2019, section III.B).

The products of all frames with the weights of the input are one product, and so are the gradients
of all weights.  What is left of a frame is one small product and a few operations on its gates,
for each of which a framework takes longer than the arithmetic does.

The unit is Keras's with ``reset_after``, and torch's:
r = sigmoid(a_r + b_r), z = sigmoid(a_z + b_z), n = tanh(a_n + r b_n), h' = n + z (h - n),
with a of the input and b of the state h, both with their biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# The matrix product of compiled code.
import scipy.linalg.cython_blas  # noqa: F401
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genreflow.compiled import compiled

Array = npt.NDArray[Any]
Single = np.float32


@compiled
def _exp(value: Any) -> Any:
    """Return e^value of a float32, to 1.2e-7 (Moshier's Cephes, expf).

    In operations that a processor does on vectors; the C library's take one value at a time.
    """
    # In this form, what is no number stays none.
    value = Single(-87.0) if value < Single(-87.0) else value
    value = Single(88.0) if value > Single(88.0) else value
    power = np.floor(value * Single(1.44269504088896341) + Single(0.5))
    # ln 2 in two parts, of which the first has so few digits that its product is exact.
    rest = value - power * Single(0.693359375) + power * Single(2.12194440e-4)
    found = Single(1.9875691500e-4) * rest + Single(1.3981999507e-3)
    found = found * rest + Single(8.3334519073e-3)
    found = found * rest + Single(4.1665795894e-2)
    found = found * rest + Single(1.6666665459e-1)
    found = found * rest + Single(5.0000001201e-1)
    found = found * (rest * rest) + rest + Single(1)
    exponent = np.int32(np.int32(power) + np.int32(127))
    return found * np.int32(exponent << np.int32(23)).view(np.float32)


@compiled
def _sigmoid(value: Any) -> Any:
    # Not `/`, which looks for a divisor of 0 first.
    return np.divide(Single(1), Single(1) + _exp(-value))


@compiled
def _tanh(value: Any) -> Any:
    """Return tanh of a float32, to 1.4e-7 (Cephes, tanhf)."""
    square = value * value
    near = Single(-5.70498872745e-3) * square + Single(2.06390887954e-2)
    near = near * square - Single(5.37397155531e-2)
    near = near * square + Single(1.33314422036e-1)
    near = near * square - Single(3.33332819422e-1)
    near = near * square * value + value
    far = Single(1) - np.divide(Single(2), _exp(Single(2) * abs(value)) + Single(1))
    far = -far if value < 0 else far
    return near if abs(value) < Single(0.625) else far


@compiled
def _go(
    inputs: Array, weight: Array, bias: Array, backwards: bool, states: Array, kept: Array
) -> None:
    """Go through the frames: states and what the gradient needs of them.

    Parameters
    ----------
    inputs
        a of every frame: r, z, n; shape (frames, clips, 3 units).
    weight
        Of the state, shape (units, 3 units).
    bias
        Of the state, shape (3 units,).
    states
        h before each frame and after the last, in the order they are gone through, shape
        (frames + 1, clips, units); the first is given.
    kept
        r, z, n and b_n, shape (4, frames, clips, units).
    """
    frames, clips = inputs.shape[:2]
    units = len(weight)
    own = np.empty((clips, 3 * units), inputs.dtype)
    for step in range(frames):
        frame = frames - 1 - step if backwards else step
        np.dot(states[step], weight, own)
        for clip in range(clips):
            a, b, h = inputs[frame, clip], own[clip], states[step, clip]
            r, z = kept[0, step, clip], kept[1, step, clip]
            n, q = kept[2, step, clip], kept[3, step, clip]
            after = states[step + 1, clip]
            for unit in range(units):
                r[unit] = _sigmoid(a[unit] + (b[unit] + bias[unit]))
            for unit in range(units):
                z[unit] = _sigmoid(a[units + unit] + (b[units + unit] + bias[units + unit]))
            for unit in range(units):
                q[unit] = b[2 * units + unit] + bias[2 * units + unit]
            for unit in range(units):
                n[unit] = _tanh(a[2 * units + unit] + r[unit] * q[unit])
            for unit in range(units):
                after[unit] = n[unit] + z[unit] * (h[unit] - n[unit])


@compiled
def _go_back(
    gradient: Array,
    last: Array,
    weight: Array,
    backwards: bool,
    states: Array,
    kept: Array,
    of_inputs: Array,
    of_states: Array,
) -> None:
    """Go back through the frames: the gradients of a and of b.

    Parameters
    ----------
    gradient
        Of every frame's state in the order of time, shape (frames, clips, units), or (0, ...).
    last
        Of the last state; becomes that of the first.
    weight
        Of the state, shape (3 units, units).
    of_inputs, of_states
        Shape (frames, clips, 3 units), in the order of time and of the steps.
    """
    frames, clips = of_inputs.shape[:2]
    units = weight.shape[1]
    before = np.empty((clips, units), weight.dtype)
    for step in range(frames - 1, -1, -1):
        frame = frames - 1 - step if backwards else step
        for clip in range(clips):
            h, slope = states[step, clip], last[clip]
            r, z = kept[0, step, clip], kept[1, step, clip]
            n, q = kept[2, step, clip], kept[3, step, clip]
            a, b = of_inputs[frame, clip], of_states[step, clip]
            if len(gradient):
                more = gradient[frame, clip]
                for unit in range(units):
                    slope[unit] += more[unit]
            for unit in range(units):
                a[2 * units + unit] = slope[unit] * (1 - z[unit]) * (1 - n[unit] * n[unit])
            for unit in range(units):
                a[units + unit] = slope[unit] * (h[unit] - n[unit]) * z[unit] * (1 - z[unit])
            for unit in range(units):
                a[unit] = a[2 * units + unit] * q[unit] * r[unit] * (1 - r[unit])
            b[: 2 * units] = a[: 2 * units]
            for unit in range(units):
                b[2 * units + unit] = a[2 * units + unit] * r[unit]
            for unit in range(units):
                slope[unit] *= z[unit]
        np.dot(of_states[step], weight, before)
        for clip in range(clips):
            for unit in range(units):
                last[clip, unit] += before[clip, unit]


class _Recurrence(torch.autograd.Function):
    """One direction of a gated recurrent unit, from a state of zeros."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        own_weight: Tensor,
        bias: Tensor,
        own_bias: Tensor,
        backwards: bool,
    ) -> tuple[Tensor, Tensor]:
        frames, clips, _ = inputs.shape
        units = own_weight.shape[1]
        flat = inputs.reshape(frames * clips, -1)
        products = torch.addmm(bias, flat, weight.t()).reshape(frames, clips, -1)
        states = np.zeros((frames + 1, clips, units), np.float32)
        kept = np.empty((4, frames, clips, units), np.float32)
        transposed = np.ascontiguousarray(own_weight.detach().numpy().T)
        _go(products.numpy(), transposed, own_bias.detach().numpy(), backwards, states, kept)
        ctx.kept = flat, weight, own_weight, backwards, states, kept
        ctx.set_materialize_grads(False)
        found = torch.from_numpy(states)
        every = found[1:].flip(0) if backwards else found[1:]
        return every, found[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, every: Tensor | None, last: Tensor | None) -> tuple[Tensor | None, ...]:
        flat, weight, own_weight, backwards, states, kept = ctx.kept
        frames, clips, units = kept.shape[1:]
        of_inputs = np.empty((frames, clips, 3 * units), np.float32)
        of_states = np.empty_like(of_inputs)
        gradient = np.empty((0, clips, units), np.float32)
        if every is not None:
            gradient = every.contiguous().numpy()
        carried = np.zeros((clips, units), np.float32)
        if last is not None:
            carried += last.numpy()
        own = own_weight.detach().numpy()
        _go_back(gradient, carried, own, backwards, states, kept, of_inputs, of_states)
        a = torch.from_numpy(of_inputs).reshape(frames * clips, -1)
        b = torch.from_numpy(of_states).reshape(frames * clips, -1)
        before = torch.from_numpy(states[:-1]).reshape(frames * clips, -1)
        of_flat = (a @ weight).reshape(frames, clips, -1) if ctx.needs_input_grad[0] else None
        return of_flat, a.t() @ flat, b.t() @ before, a.sum(0), b.sum(0), None


def computes(inputs: Tensor) -> bool:
    """Return whether `run_gru` takes such inputs."""
    return inputs.device.type == "cpu" and inputs.dtype == torch.float32


def run_gru(gru: nn.GRU, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Do as a bidirectional `torch.nn.GRU` of one layer with ``batch_first``, from zeros.

    Always in float32, also where autocast is on.

    Parameters
    ----------
    inputs
        Shape (clips, frames, size), float32.

    Returns
    -------
    tuple
        The states of both directions, shape (clips, frames, 2 units), and the last ones, shape
        (2, clips, units).
    """
    parts = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    by_frame = inputs.transpose(0, 1).contiguous()
    recurrence: Any = _Recurrence
    with torch.autocast("cpu", enabled=False):
        every, last = zip(
            *(
                recurrence.apply(by_frame, *(getattr(gru, part + end) for part in parts), bool(end))
                for end in ("", "_reverse")
            ),
            strict=True,
        )
    return torch.cat(every, dim=2).transpose(0, 1), torch.stack(last)

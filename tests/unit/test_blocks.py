"""The fused blocks of the k2c2 network beside torch's own operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from genreflow.yi2019 import blocks
from genreflow.yi2019.networks import BatchNorm, K2c2, pool_same
from torch import Tensor, nn
from torch.nn import functional

Results = dict[str, Tensor]


@contextmanager
def plain() -> Iterator[None]:
    """Let networks compute their blocks by torch's own operations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "computes", lambda _inputs: False)
        yield


def layers(
    channels: tuple[int, int], dtype: torch.dtype, scales: list[float] | None = None
) -> tuple[nn.Conv2d, BatchNorm]:
    """Return a convolution and a normalisation with random weights, scales of both signs."""
    torch.manual_seed(channels[0] + channels[1])
    convolution, norm = nn.Conv2d(*channels, 3, dtype=dtype), BatchNorm(channels[1]).to(dtype)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
        if scales:
            norm.weight[: len(scales)] = torch.tensor(scales)
    return convolution, norm


def by_torch(
    inputs: Tensor, convolution: nn.Conv2d, norm: BatchNorm, pool: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a block in the paper's own terms, with the batch's statistics."""
    maps = convolution(inputs)
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), unbiased=False)
    return pool_same(norm(maps), pool), mean, variance


def gradients(
    inputs: Tensor, convolution: nn.Conv2d, norm: BatchNorm, pool: tuple[int, int], *, fused: bool
) -> Results:
    """Return the outputs of a block in training and the gradients of a fixed function of them."""
    inputs = inputs.clone().requires_grad_(inputs.shape[1] > 1)
    convolution, norm = deepcopy(convolution), deepcopy(norm).train()
    parameters = convolution.weight, convolution.bias, norm.weight, norm.bias
    if fused:
        assert convolution.bias is not None
        out, mean, variance = blocks.train_block(inputs, *parameters, pool=pool, epsilon=norm.eps)  # type: ignore[arg-type]
    else:
        out, mean, variance = by_torch(inputs, convolution, norm, pool)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(5))
    (out * weights.to(out.dtype)).sum().backward()
    names = "weight", "bias", "scale", "shift"
    found = {name: value.grad for name, value in zip(names, parameters, strict=True)}
    if inputs.requires_grad:
        found["inputs"] = inputs.grad
    found |= {"out": out.detach(), "mean": mean.detach(), "variance": variance.detach()}
    return found  # type: ignore[return-value]


def compare(found: Results, expected: Results, tolerance: float) -> None:
    """Compare results with the largest of each as the unit; a bias has no gradient at all."""
    assert torch.equal(found.pop("bias"), torch.zeros_like(expected["bias"]))
    for name, value in found.items():
        unit = float(expected[name].abs().max()) or 1.0
        torch.testing.assert_close(
            value.double() / unit,
            expected[name].double() / unit,
            rtol=0,
            atol=tolerance,
            msg=lambda text, name=name: f"{name}: {text}",  # type: ignore[misc]
        )


SHAPES = [
    ((3, 1, 12, 21), (2, 4)),
    ((2, 1, 9, 14), (3, 5)),
    ((2, 1, 7, 40), (1, 1)),
    ((2, 1, 3, 35), (2, 4)),
    ((1, 1, 22, 23), (16, 16)),
    ((2, 1, 40, 40), (17, 19)),
    ((3, 5, 12, 21), (2, 4)),
    ((2, 4, 9, 14), (3, 5)),
    ((4, 3, 3, 3), (1, 1)),
    ((2, 7, 25, 8), (4, 4)),
]


@pytest.mark.parametrize(("shape", "pool"), SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_torchs_own(
    shape: tuple[int, int, int, int], pool: tuple[int, int], dtype: torch.dtype
) -> None:
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype) + 1
    convolution, norm = layers((shape[1], 6), dtype)
    assert (norm.weight < 0).any()
    assert (norm.weight > 0).any()
    found = gradients(inputs, convolution, norm, pool, fused=True)
    expected = gradients(inputs.double(), convolution.double(), norm.double(), pool, fused=False)
    compare(found, expected, 1e-10 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_of_equal_values_the_first_is_chosen(channels: int) -> None:
    # Halves about 0, whose sums are exact in any order: many values of a window are equal.
    generator = torch.Generator().manual_seed(1)
    half = torch.randint(0, 2, (1, channels, 11, 18), generator=generator).double() - 0.5
    inputs = torch.cat([half, -half])
    convolution, norm = layers((channels, 5), torch.float64)
    with torch.no_grad():
        weight = torch.randint(-1, 2, convolution.weight.shape, generator=generator)
        convolution.weight.copy_(weight)
        assert convolution.bias is not None
        convolution.bias.zero_()
    found = gradients(inputs, convolution, norm, (3, 4), fused=True)
    expected = gradients(inputs, convolution, norm, (3, 4), fused=False)
    compare(found, expected, 1e-10)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_scale_of_zero_chooses_the_first_of_a_window(channels: int) -> None:
    inputs = torch.randn(2, channels, 11, 18, generator=torch.Generator().manual_seed(2)).double()
    convolution, norm = layers((channels, 5), torch.float64, scales=[0.0, -0.0])
    found = gradients(inputs, convolution, norm, (2, 4), fused=True)
    expected = gradients(inputs, convolution, norm, (2, 4), fused=False)
    compare(found, expected, 1e-10)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_mean_that_is_large_beside_the_deviation_costs_no_digits(channels: int) -> None:
    inputs = torch.randn(2, channels, 20, 30, generator=torch.Generator().manual_seed(3)) + 300
    convolution, norm = layers((channels, 5), torch.float32)
    found = gradients(inputs, convolution, norm, (2, 4), fused=True)
    own = gradients(inputs, convolution, norm, (2, 4), fused=False)
    exact = gradients(inputs.double(), convolution.double(), norm.double(), (2, 4), fused=False)
    for name in set(found) - {"bias"}:
        ours, torchs = ((each[name] - exact[name]).abs().max() for each in (found, own))
        # Not better than the convolution itself, whose result is float32.
        assert ours <= max(2 * float(torchs), 1e-5 * float(exact[name].abs().max())), name


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_give_the_same_bits_with_any_number_of_threads(
    channels: int, dtype: torch.dtype
) -> None:
    inputs = torch.randn(3, channels, 30, 41, generator=torch.Generator().manual_seed(4))
    convolution, norm = layers((channels, 6), torch.float32)
    maps = convolution(inputs).to(dtype)
    seen = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            if channels == 1:
                found = gradients(inputs, convolution, norm, (2, 4), fused=True)
                seen.append([value.numpy().tobytes() for value in found.values()])
            else:
                array = blocks._array(maps.clone())
                chosen, statistics = blocks._choose(array, np.array([1, -1, 1, 1, 0, 2.0]), (2, 4))
                seen.append([value.tobytes() for value in (*chosen, *statistics)])
    finally:
        torch.set_num_threads(before)
    assert seen[0] == seen[1] == seen[2]


def test_repeated_steps_give_the_same_bits() -> None:
    inputs = torch.randn(4, 3, 30, 41, generator=torch.Generator().manual_seed(4))
    found = [
        gradients(inputs, *layers((3, 6), torch.float32), (2, 4), fused=True) for _ in range(2)
    ]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("channels", [1, 4])
def test_what_is_no_number_is_not_lost_in_a_window(channels: int) -> None:
    inputs = torch.randn(2, channels, 12, 20, generator=torch.Generator().manual_seed(0))
    inputs[1, 0, 5, 7] = torch.nan
    convolution, norm = layers((channels, 5), torch.float32)
    norm.eval()
    assert convolution.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        parameters = convolution.weight, convolution.bias, norm.weight, norm.bias
        found = blocks.evaluate_block(
            inputs,
            *parameters,
            norm.running_mean,
            norm.running_var,
            pool=(2, 4),
            epsilon=norm.eps,
        )
        expected = pool_same(norm(convolution(inputs)), (2, 4))
    assert torch.isnan(expected).any()
    torch.testing.assert_close(found, expected, equal_nan=True)


NETWORK = {"pools": [(2, 3), (2, 2), (1, 1), (1, 1), (4, 4)], "channels": [3, 4, 3, 2, 5]}


def network(**settings: Any) -> K2c2:
    """Return a small network with scales of both signs."""
    torch.manual_seed(0)
    built = K2c2(3, **NETWORK, **settings)  # type: ignore[arg-type]
    with torch.no_grad():
        for norm in built.norms:
            norm.weight.normal_()
    return built


@pytest.mark.parametrize(
    ("average", "variance"), list(product(["zero_debiased", "plain"], ["keras224", "plain"]))
)
def test_a_network_is_trained_as_by_torchs_own_operations(average: str, variance: str) -> None:
    clips = torch.randn(4, 1, 40, 51, generator=torch.Generator().manual_seed(0)).double()
    first = network(batchnorm_average=average, batchnorm_variance=variance).double()
    states = []
    for fused in (True, False):
        trained = deepcopy(first)
        optimiser = torch.optim.SGD(trained.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            if fused:
                loss = functional.cross_entropy(trained(clips), torch.tensor([0, 1, 2, 0]))
            else:
                with plain():
                    loss = functional.cross_entropy(trained(clips), torch.tensor([0, 1, 2, 0]))
            loss.backward()
            optimiser.step()
        states.append(trained.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=1e-9, atol=1e-9)


def test_evaluation_is_that_of_torchs_own_operations() -> None:
    clips = torch.randn(4, 1, 40, 51, generator=torch.Generator().manual_seed(0))
    trained = network().train()
    trained(clips)
    trained.eval()
    with torch.inference_mode():
        found = trained(clips)
        with plain():
            torch.testing.assert_close(found, trained(clips), rtol=1e-5, atol=1e-5)


def test_a_trained_network_gives_the_gradient_of_its_input() -> None:
    clips = torch.randn(2, 1, 40, 51, generator=torch.Generator().manual_seed(0)).requires_grad_()
    network().eval()(clips)[:, 0].sum().backward()
    assert clips.grad is not None
    assert clips.grad.abs().sum() > 0


def test_training_gives_the_gradient_of_its_input_too() -> None:
    clips = torch.randn(4, 1, 40, 51, generator=torch.Generator().manual_seed(0)).double()
    trained = network().double()
    found = []
    for fused in (True, False):
        inputs = clips.clone().requires_grad_()
        if fused:
            trained(inputs)[:, 0].sum().backward()
        else:
            with plain():
                trained(inputs)[:, 0].sum().backward()
        found.append(inputs.grad)
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def test_a_gradient_is_taken_once() -> None:
    inputs = torch.randn(2, 2, 9, 9, requires_grad=True)
    convolution, norm = layers((2, 3), torch.float32)
    assert convolution.bias is not None
    parameters = convolution.weight, convolution.bias, norm.weight, norm.bias
    out, _, _ = blocks.train_block(inputs, *parameters, pool=(2, 2), epsilon=1e-3)
    out.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        out.sum().backward()


def test_numbers_are_rounded_to_bfloat16_as_by_torch() -> None:
    bits = torch.randint(-(2**31), 2**31, (100_000,), dtype=torch.int32)
    halfway = (bits & -65536) | 0x8000
    values = torch.cat(
        [
            bits.view(torch.float32),
            halfway.view(torch.float32),
            torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 3.3895e38, 1e-45]),
        ]
    )
    # Normalised by mean 0, factor 1 and shift 0, a value stays as it is, but for its rounding.
    chosen = values.numpy().reshape(1, 1, -1, 1)
    out = torch.empty((1, 1, 1, len(values)), dtype=torch.bfloat16)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    blocks._normalise_rows(chosen, zero, one, zero, blocks._array(out), 0, 1)
    torch.testing.assert_close(
        out.flatten(), (values + 0.0).bfloat16(), rtol=0, atol=0, equal_nan=True
    )


@pytest.mark.parametrize("channels", [1, 8])
def test_bfloat16_is_float32_with_rounded_maps(channels: int) -> None:
    inputs = torch.randn(4, channels, 20, 33, generator=torch.Generator().manual_seed(0))
    convolution, norm = layers((channels, 16), torch.float32)
    exact = gradients(inputs, convolution, norm, (2, 4), fused=False)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(inputs, convolution, norm, (2, 4), fused=True)
        by_autocast = gradients(inputs, convolution, norm, (2, 4), fused=False)
    assert found["out"].dtype == torch.bfloat16
    assert found["mean"].dtype == torch.float64
    for name in ("out", "weight", "scale", "shift"):
        ours, torchs = ((each[name] - exact[name]).square().mean() for each in (found, by_autocast))
        assert ours <= 1.5 * torchs, name
        assert found[name].dtype == (torch.bfloat16 if name == "out" else torch.float32)


def test_types_that_blocks_dont_know_are_left_to_torch() -> None:
    inputs = torch.randn(4, 1, 40, 51)
    assert blocks.computes(inputs)
    with torch.autocast("cpu", torch.float16):
        assert not blocks.computes(inputs)
        assert network()(inputs).dtype == torch.float16
    assert not blocks.computes(torch.empty(1, device="meta"))

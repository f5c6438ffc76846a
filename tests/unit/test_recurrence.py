"""The compiled recurrent unit beside torch's own."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from genreflow.compiled import compiled
from genreflow.yi2019 import recurrence
from genreflow.yi2019.networks import GruMixer, initialise
from torch import Tensor, nn
from torch.nn import functional


def results(gru: nn.GRU, inputs: Tensor, *, own: bool, of: str = "both") -> dict[str, Tensor]:
    """Return states and last states, and the gradients of a fixed function of either or both."""
    gru = deepcopy(gru)
    inputs = inputs.clone().requires_grad_()
    found = recurrence.run_gru(gru, inputs) if own else gru(inputs)
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(value.shape, generator=generator).to(value.dtype) for value in found]
    sums = [(value * weight).sum() for value, weight in zip(found, weights, strict=True)]
    {"both": sums[0] + sums[1], "states": sums[0], "last": sums[1]}[of].backward()
    assert inputs.grad is not None
    gradients = {name: value.grad for name, value in gru.named_parameters()}
    return {"states": found[0].detach(), "last": found[1].detach(), "inputs": inputs.grad} | {
        name: value for name, value in gradients.items() if value is not None
    }


@pytest.mark.parametrize("of", ["both", "states", "last"])
@pytest.mark.parametrize(
    ("clips", "frames", "size", "units"), [(3, 40, 5, 7), (1, 1, 2, 3), (16, 12, 96, 64)]
)
def test_states_and_gradients_are_torchs_own(
    clips: int, frames: int, size: int, units: int, of: str
) -> None:
    torch.manual_seed(frames)
    gru = nn.GRU(size, units, batch_first=True, bidirectional=True)
    inputs = 2 * torch.randn(clips, frames, size)
    found = results(gru, inputs, own=True, of=of)
    expected = results(gru.double(), inputs.double(), own=False, of=of)
    assert set(found) == set(expected)
    assert len(found) == 3 + 8
    for name, value in found.items():
        unit = float(expected[name].abs().max()) or 1.0
        torch.testing.assert_close(value / unit, expected[name].float() / unit, rtol=0, atol=3e-6)


def test_mixer_is_trained_as_by_torchs_own_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for own in (True, False):
        if not own:
            monkeypatch.setattr(recurrence, "computes", lambda _inputs: False)
        mixer = GruMixer(3, bands=8)
        initialise(mixer, 0)
        torch.manual_seed(0)
        optimiser = torch.optim.SGD(mixer.parameters(), lr=0.1)
        frames = torch.randn(4, 30, 8)
        for _ in range(4):
            optimiser.zero_grad()
            functional.cross_entropy(mixer(frames), torch.tensor([0, 1, 2, 0])).backward()
            optimiser.step()
        states.append(mixer.eval().state_dict())
        with torch.inference_mode():
            states[-1]["logits"] = mixer(frames)
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=1e-5, atol=1e-5)


def test_repeated_steps_give_the_same_bits() -> None:
    torch.manual_seed(0)
    gru = nn.GRU(9, 8, batch_first=True, bidirectional=True)
    inputs = torch.randn(4, 50, 9)
    one, other = (results(gru, inputs, own=True) for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_autocast_leaves_the_unit_in_float32() -> None:
    torch.manual_seed(0)
    gru = nn.GRU(9, 8, batch_first=True, bidirectional=True)
    inputs = torch.randn(4, 20, 9)
    with torch.autocast("cpu", torch.bfloat16):
        states, last = recurrence.run_gru(gru, inputs)
        logits = GruMixer(3, bands=9)(inputs)
    assert states.dtype == last.dtype == torch.float32
    assert torch.equal(states, recurrence.run_gru(gru, inputs)[0])
    assert torch.isfinite(logits).all()


def test_what_is_no_number_stays_none() -> None:
    gru = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    inputs = torch.randn(2, 5, 3)
    inputs[1, 2, 0] = torch.nan
    states, last = recurrence.run_gru(gru, inputs)
    torch.testing.assert_close(states, gru(inputs)[0], equal_nan=True)
    assert torch.isnan(last[:, 1]).all()
    assert torch.isfinite(last[:, 0]).all()


@compiled
def evaluate(
    values: np.ndarray, exponential: np.ndarray, sigmoid: np.ndarray, tanh: np.ndarray
) -> None:
    for place in range(len(values)):
        exponential[place] = recurrence._exp(values[place])
        sigmoid[place] = recurrence._sigmoid(values[place])
        tanh[place] = recurrence._tanh(values[place])


def test_functions_are_right_to_the_last_bits() -> None:
    near = np.logspace(-30, 0, 100_000)
    values = np.concatenate([np.linspace(-86, 87, 1_000_001), near, -near]).astype(np.float32)
    found = [np.empty_like(values) for _ in range(3)]
    evaluate(values, *found)
    wide = values.astype(np.float64)
    expected = np.exp(wide), 1 / (1 + np.exp(-wide)), np.tanh(wide)
    for ours, exact in zip(found, expected, strict=True):
        assert np.max(np.abs(ours - exact) / np.abs(exact)) < 2e-7
    extremes = np.array([-np.inf, np.inf, -1e30, 1e30, 0, -0.0], np.float32)
    found = [np.empty_like(extremes) for _ in range(3)]
    evaluate(extremes, *found)
    np.testing.assert_allclose(found[1], [0, 1, 0, 1, 0.5, 0.5], atol=1e-37)
    np.testing.assert_array_equal(found[2], [-1, 1, -1, 1, 0, 0])

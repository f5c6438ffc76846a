"""The networks of Yi 2019: sizes, pool alignment, conventions of Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from genreflow.networks import (
    GruMixer,
    K2c2,
    count_parameters,
    initialise,
    network_from_model,
    pool_same,
    write_network,
)
from genreflow.pooling import PAPER_POOLS
from torch.nn import functional


@pytest.mark.parametrize(
    ("classes", "expected"), [(8, (891208, 889672)), (10, (891722, 890186)), (4, (890180, 888644))]
)
def test_k2c2_has_the_published_number_of_parameters(
    classes: int, expected: tuple[int, int]
) -> None:
    network = K2c2(classes, pools=PAPER_POOLS["spectrogram"])
    assert count_parameters(network) == expected


def test_gru_mixer_has_the_published_number_of_parameters() -> None:
    assert count_parameters(GruMixer(4, bands=96)) == (141092, 141028)


@pytest.mark.parametrize(
    ("kind", "shape", "maps"),
    [
        ("spectrogram", (96, 1292), [(47, 323), (23, 81), (11, 20), (3, 4), (1, 1)]),
        ("modulation", (96, 646), [(47, 322), (23, 80), (11, 16), (5, 4), (1, 1)]),
        ("mfcc", (60, 1292), [(29, 323), (14, 81), (6, 16), (4, 4), (1, 1)]),
    ],
)
def test_maps_have_the_sizes_of_the_paper(
    kind: str, shape: tuple[int, int], maps: list[tuple[int, int]]
) -> None:
    network = K2c2(10, pools=PAPER_POOLS[kind], channels=[2] * 5).eval()
    seen = []
    for norm, pool in zip(network.norms, network.pools, strict=True):
        norm.register_forward_hook(
            lambda _module, _inputs, out, pool=pool: seen.append(
                tuple(pool_same(out, pool).shape[2:])
            )
        )
    assert network(torch.zeros(1, 1, *shape)).shape == (1, 10)
    assert seen == maps


@pytest.mark.parametrize("size", [7, 8, 9, 10, 11, 22, 23])
@pytest.mark.parametrize("pool", [1, 2, 3, 4, 5])
def test_pooling_lies_where_tensorflow_puts_it(size: int, pool: int) -> None:
    # All negative: a pool that pads by zeros would show.
    maps = -torch.rand(2, 3, size, 9, generator=torch.Generator().manual_seed(size)) - 0.1
    missing = (-size) % pool
    padded = np.pad(
        maps.numpy(),
        [(0, 0), (0, 0), (missing // 2, missing - missing // 2), (0, 0)],
        constant_values=-np.inf,
    )
    expected = padded.reshape(2, 3, -1, pool, 9).max(axis=3)
    np.testing.assert_array_equal(pool_same(maps, (pool, 1)).numpy(), expected)
    transposed = pool_same(maps.transpose(2, 3), (1, pool)).transpose(2, 3)
    np.testing.assert_array_equal(transposed.numpy(), expected)


def test_elu_after_pooling_gives_the_same_bits_as_before() -> None:
    maps = torch.randn(2, 3, 30, 31, generator=torch.Generator().manual_seed(0))
    after = functional.elu(pool_same(maps, (2, 4)))
    before = pool_same(functional.elu(maps), (2, 4))
    assert torch.equal(after, before)


def test_a_clip_alone_is_predicted_as_in_a_batch() -> None:
    network = K2c2(3, pools=PAPER_POOLS["modulation"], channels=[3] * 5).eval()
    initialise(network, 1)
    clips = torch.randn(4, 1, 96, 646, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network(clips)[2:3], network(clips[2:3]), atol=1e-5, rtol=1e-5)


def test_gru_mixer_joins_the_last_states_of_both_directions() -> None:
    mixer = GruMixer(2, bands=5).eval()
    initialise(mixer, 0)
    frames = torch.randn(3, 11, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        sequence, _ = mixer.second(mixer.first(frames)[0])
        # Forwards the state after the last frame, backwards after the first.
        state = torch.cat([sequence[:, -1, :64], sequence[:, 0, 64:]], dim=1)
        expected = mixer.output(functional.elu(mixer.norm(mixer.dense(state))))
        torch.testing.assert_close(mixer(frames), expected)


def test_gru_is_that_of_keras_with_reset_after() -> None:
    mixer = GruMixer(2, bands=5)
    initialise(mixer, 3)
    frames = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0))
    weights = {name: value.detach().numpy() for name, value in mixer.first.named_parameters()}
    state = np.zeros(64)
    for frame in frames[0].numpy():
        inputs = weights["weight_ih_l0"] @ frame + weights["bias_ih_l0"]
        recurrent = weights["weight_hh_l0"] @ state + weights["bias_hh_l0"]
        reset, update = (
            1 / (1 + np.exp(-(inputs[k] + recurrent[k]))) for k in (slice(64), slice(64, 128))
        )
        candidate = np.tanh(inputs[128:] + reset * recurrent[128:])
        state = update * state + (1 - update) * candidate
    with torch.inference_mode():
        np.testing.assert_allclose(mixer.first(frames)[0][0, -1, :64], state, atol=1e-5)


def test_batchnorm_keeps_the_configured_share_of_its_statistics() -> None:
    network = K2c2(2, pools=PAPER_POOLS["modulation"], channels=[2] * 5, batchnorm_momentum=0.9)
    norm = network.norms[0]
    values = torch.randn(8, 2, 5, 7, generator=torch.Generator().manual_seed(0)) * 3 + 1
    out = norm.train()(values)
    mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3), unbiased=False)
    expected = (values - mean[:, None, None]) / torch.sqrt(variance[:, None, None] + 1e-3)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * values.var((0, 2, 3), unbiased=True))


def test_initial_weights_are_those_of_keras() -> None:
    network, mixer = K2c2(10, pools=PAPER_POOLS["spectrogram"]), GruMixer(4, bands=96)
    for module in (network, mixer):
        initialise(module, 0)
    weight = network.convolutions[2].weight
    limit = np.sqrt(6 / (9 * 128 + 9 * 128))
    assert weight.abs().max() <= limit
    assert weight.abs().max() > 0.99 * limit
    assert not network.convolutions[2].bias.any()
    recurrent = mixer.first.weight_hh_l0.detach()
    torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(64), atol=1e-5, rtol=0)
    assert not mixer.first.bias_ih_l0.any()
    other = K2c2(10, pools=PAPER_POOLS["spectrogram"])
    initialise(other, 0)
    assert torch.equal(weight, other.convolutions[2].weight)
    initialise(other, 1)
    assert not torch.equal(weight, other.convolutions[2].weight)


@pytest.mark.parametrize("kind", ["k2c2", "gru_mixer"])
def test_a_model_file_gives_the_network_back(tmp_path: Path, kind: str) -> None:
    own = (
        {"pools": PAPER_POOLS["modulation"], "channels": [2] * 5}
        if kind == "k2c2"
        else {"bands": 96, "dropout": [0.1, 0.2, 0.3]}
    )
    network = (K2c2 if kind == "k2c2" else GruMixer)(3, **own, batchnorm_momentum=0.8)
    initialise(network, 5)
    path = tmp_path / "model.safetensors"
    statistics = {"mean": np.arange(4.0)}
    write_network(
        path,
        network,
        statistics,
        {"architecture": {"network": kind, "outputs": 3, "batchnorm_momentum": 0.8, **own}},
    )
    again, found, _ = network_from_model(path)
    np.testing.assert_array_equal(found["mean"], statistics["mean"])
    inputs = torch.randn(2, 1, 96, 646) if kind == "k2c2" else torch.randn(2, 20, 96)
    with torch.inference_mode():
        assert torch.equal(again(inputs), network.eval()(inputs))
    assert not list(tmp_path.glob(".*"))

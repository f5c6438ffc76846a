"""The networks of Yi 2019: sizes, pool alignment, conventions of Keras."""

from __future__ import annotations

from math import expm1
from pathlib import Path

import numpy as np
import pytest
import torch
from genreflow.errors import UserError
from genreflow.files.models import read_model
from genreflow.yi2019.networks import (
    BatchNorm,
    GruMixer,
    K2c2,
    initialise,
    network_from_model,
    pool_same,
    write_network,
)
from genreflow.yi2019.pools import PAPER_POOLS
from safetensors.numpy import save_file
from torch.nn import functional


def count_parameters(network: torch.nn.Module) -> tuple[int, int]:
    """Return the number of parameters as Keras counts them: all, and the trainable ones."""
    trainable = sum(parameter.numel() for parameter in network.parameters())
    running = sum(buffer.numel() for name, buffer in network.named_buffers() if "running" in name)
    return trainable + running, trainable


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


def pool_by_hand(maps: np.ndarray, pool: tuple[int, int]) -> np.ndarray:
    """Return the largest value of each window of "same" pooling, window by window."""
    (rows, columns), (high, wide) = maps.shape[2:], pool
    # TensorFlow's total padding and its smaller half, which comes first.
    top = (-(-rows // high) * high - rows) // 2
    left = (-(-columns // wide) * wide - columns) // 2
    out = np.empty((*maps.shape[:2], -(-rows // high), -(-columns // wide)))
    for row, column in np.ndindex(out.shape[2:]):
        above, before = row * high - top, column * wide - left
        window = maps[:, :, max(above, 0) : above + high, max(before, 0) : before + wide]
        out[:, :, row, column] = window.max(axis=(2, 3))
    return out


@pytest.mark.parametrize("training", [False, True])
def test_k2c2_is_convolution_batchnorm_elu_pooling_by_hand(training: bool) -> None:
    rng = np.random.default_rng(0)
    pools = [(2, 3), (2, 2), (1, 1), (1, 1), (4, 4)]
    network = K2c2(3, pools=pools, channels=[3, 4, 3, 2, 5]).train(training)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            # Scales of batch normalisation of both signs: it does not commute with the maximum.
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(rng.normal(0, 1, tensor.shape)))
        for norm in network.norms:
            norm.running_var.copy_(torch.from_numpy(rng.uniform(0.001, 0.01, norm.num_features)))
    layers = [
        {name: value.double().numpy().copy() for name, value in module.state_dict().items()}
        for pair in zip(network.convolutions, network.norms, strict=True)
        for module in pair
    ]
    dense = {name: value.double().numpy() for name, value in network.dense.state_dict().items()}
    clips = rng.standard_normal((4, 1, 40, 51))
    maps = clips
    for convolution, norm, pool in zip(layers[::2], layers[1::2], pools, strict=True):
        patches = np.lib.stride_tricks.sliding_window_view(maps, (3, 3), axis=(2, 3))
        maps = np.einsum("ncrsij,ocij->nors", patches, convolution["weight"])
        maps += convolution["bias"][:, None, None]
        mean, variance = norm["running_mean"], norm["running_var"]
        if training:
            mean, variance = maps.mean(axis=(0, 2, 3)), maps.var(axis=(0, 2, 3))
        scale = norm["weight"] / np.sqrt(variance + 1e-3)
        maps = (maps - mean[:, None, None]) * scale[:, None, None] + norm["bias"][:, None, None]
        maps = pool_by_hand(np.where(maps > 0, maps, np.exp(np.minimum(maps, 0)) - 1), pool)
    assert maps.shape == (4, 5, 1, 1)
    expected = maps.reshape(4, 5) @ dense["weight"].T + dense["bias"]
    with torch.no_grad():
        found = network(torch.from_numpy(clips).float()).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


def elu_each(maps: torch.Tensor) -> torch.Tensor:
    """Return ELU of every value by one and the same scalar function."""
    # torch's own gives the last bit by whether a value falls into a vector or into its rest.
    return torch.tensor([v if v > 0 else expm1(v) for v in maps.flatten().tolist()]).view(
        maps.shape
    )


def test_elu_after_pooling_gives_the_same_bits_as_before() -> None:
    # Mostly negative, so that the largest of a window is too.
    maps = torch.randn(2, 3, 30, 31, generator=torch.Generator().manual_seed(0)) - 2
    for pool in ((2, 4), (3, 5)):
        after = elu_each(pool_same(maps, pool))
        assert (after < 0).float().mean() > 0.5
        assert torch.equal(after, pool_same(elu_each(maps), pool))


def test_network_equals_one_with_elu_before_pooling() -> None:
    network = K2c2(3, pools=PAPER_POOLS["modulation"], channels=[3] * 5).eval()
    initialise(network, 1)
    clips = torch.randn(2, 1, 96, 646, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for norm in network.norms:
            norm.bias.fill_(-1)  # most maxima are negative, where ELU bends
        maps = clips.contiguous(memory_format=torch.channels_last)
        for convolution, norm, pool in zip(
            network.convolutions, network.norms, network.pools, strict=True
        ):
            maps = pool_same(functional.elu(norm(convolution(maps))), pool)
        expected = network.dense(maps.flatten(1))
        torch.testing.assert_close(network(clips), expected, rtol=1e-5, atol=1e-6)


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


def gru_by_hand(frames: np.ndarray, weights: dict[str, np.ndarray], suffix: str) -> np.ndarray:
    """Return the states of one direction, clip by clip in the order of the frames given."""
    gates_in, gates_back = weights["weight_ih_l0" + suffix], weights["weight_hh_l0" + suffix]
    bias_in, bias_back = weights["bias_ih_l0" + suffix], weights["bias_hh_l0" + suffix]
    state = np.zeros((len(frames), 64))
    states = []
    for time in range(frames.shape[1]):
        inputs = np.split(frames[:, time] @ gates_in.T + bias_in, 3, axis=1)
        back = np.split(state @ gates_back.T + bias_back, 3, axis=1)
        reset, update = (1 / (1 + np.exp(-inputs[k] - back[k])) for k in (0, 1))
        # After the product, bias included: Keras calls it reset_after.
        candidate = np.tanh(inputs[2] + reset * back[2])
        state = update * state + (1 - update) * candidate
        states.append(state)
    return np.stack(states, axis=1)


def test_gru_mixer_is_two_bidirectional_layers_by_hand() -> None:
    rng = np.random.default_rng(0)
    mixer = GruMixer(3, bands=5).eval()
    with torch.no_grad():
        for tensor in (*mixer.parameters(), *mixer.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(rng.normal(0, 0.3, tensor.shape)))
        mixer.norm.running_var.copy_(torch.from_numpy(rng.uniform(0.001, 0.01, 32)))
    own = {name: value.double().numpy() for name, value in mixer.state_dict().items()}
    frames = rng.standard_normal((2, 7, 5))
    sequence = frames
    for layer in ("first", "second"):
        weights = {k.removeprefix(f"{layer}."): v for k, v in own.items() if k.startswith(layer)}
        forwards = gru_by_hand(sequence, weights, "")
        backwards = gru_by_hand(sequence[:, ::-1], weights, "_reverse")
        last = np.concatenate([forwards[:, -1], backwards[:, -1]], axis=1)
        sequence = np.concatenate([forwards, backwards[:, ::-1]], axis=2)
    dense = last @ own["dense.weight"].T + own["dense.bias"]
    dense = (dense - own["norm.running_mean"]) / np.sqrt(own["norm.running_var"] + 1e-3)
    dense = dense * own["norm.weight"] + own["norm.bias"]
    dense = np.where(dense > 0, dense, np.exp(np.minimum(dense, 0)) - 1)
    expected = dense @ own["output.weight"].T + own["output.bias"]
    with torch.inference_mode():
        found = mixer(torch.from_numpy(frames).float()).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_dropout_acts_at_its_place_and_in_training_only(place: int) -> None:
    rates = [0.0, 0.0, 0.0]
    rates[place] = 1.0  # drops everything, so that what follows sees zeros
    mixer, plain = GruMixer(2, bands=5, dropout=rates), GruMixer(2, bands=5)
    initialise(mixer, 0)
    plain.load_state_dict(mixer.state_dict())
    frames = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(0))
    # The running statistics, since equal rows have no variance.
    mixer.train().norm.eval()
    plain.eval()
    with torch.inference_mode():
        sequence = plain.first(frames * (place != 0))[0]
        last = plain.second(sequence * (place != 1))[1]
        state = torch.cat([last[0], last[1]], dim=1) * (place != 2)
        expected = plain.output(functional.elu(plain.norm(plain.dense(state))))
        torch.testing.assert_close(mixer(frames), expected)
        whole = plain(frames)
        assert place == 2 or not torch.allclose(expected, whole, atol=1e-4)
        torch.testing.assert_close(mixer.eval()(frames), whole)


def test_default_dropout_rates_are_those_of_the_authors() -> None:
    assert GruMixer(4, bands=96).dropout == [0.25, 0.25, 0.5]


def test_share_that_dropout_drops_is_the_rate() -> None:
    mixer = GruMixer(2, bands=400, dropout=[0.1, 0.0, 0.0]).train()
    seen = []
    mixer.first.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    torch.manual_seed(0)
    mixer(torch.ones(5, 20, 400))
    assert float((seen[0] == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    # What is kept makes up for what is dropped.
    assert float(seen[0].max()) == pytest.approx(1 / 0.9)


def steps_of(shape: tuple[int, ...], steps: int) -> list[torch.Tensor]:
    """Return a batch of maps or vectors for each step, of mean 5 and deviation 3 or so."""
    generator = torch.Generator().manual_seed(0)
    return [5 + 3 * torch.randn(shape, generator=generator) for _ in range(steps)]


def moments(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return mean and variance (ddof 0) of each channel, and how many values they are of."""
    axes = [0, *range(2, batch.ndim)]
    return batch.mean(axes), batch.var(axes, unbiased=False), batch.numel() // batch.shape[1]


@pytest.mark.parametrize("shape", [(4, 2, 5, 7), (8, 2)])
@pytest.mark.parametrize("average", ["zero_debiased", "plain"])
@pytest.mark.parametrize("variance", ["keras224", "plain"])
def test_batchnorm_normalises_by_the_batch_whatever_its_running_statistics(
    shape: tuple[int, ...], average: str, variance: str
) -> None:
    [batch] = steps_of(shape, 1)
    out = BatchNorm(2, average=average, variance=variance).train()(batch)
    mean, spread, _ = moments(batch)
    axes = (slice(None), *[None] * (batch.ndim - 2))
    # Keras's epsilon is 1e-3.
    expected = (batch - mean[axes]) / torch.sqrt(spread[axes] + 1e-3)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["k2c2", "gru_mixer"])
def test_running_statistics_are_the_first_batch_s_after_a_step(kind: str) -> None:
    if kind == "k2c2":
        norm, shape = K2c2(2, pools=PAPER_POOLS["modulation"]).norms[0], (4, 64, 3, 5)
    else:
        norm, shape = GruMixer(2, bands=5).norm, (8, 32)
    first, second = steps_of(shape, 2)
    norm.train()(first)
    (mean, variance, n), (mean_two, variance_two, _) = moments(first), moments(second)
    # Keras corrects once, TensorFlow maps once more before.
    factor = n / (n - 1.001) * (n / (n - 1) if kind == "k2c2" else 1)
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(norm.running_var, factor * variance, rtol=1e-6, atol=0)
    norm(second)
    # (0.99 * 0.01 a + 0.01 b) / (1 - 0.99^2) = (0.99 a + b) / 1.99
    torch.testing.assert_close(norm.running_mean, (0.99 * mean + mean_two) / 1.99)
    torch.testing.assert_close(
        norm.running_var, factor * (0.99 * variance + variance_two) / 1.99, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize(("kind", "corrected"), [("k2c2", 12 / 11), ("gru_mixer", 8 / 7)])
def test_plain_running_statistics_start_from_0_and_1(kind: str, corrected: float) -> None:
    plain = {"batchnorm_average": "plain", "batchnorm_variance": "plain"}
    if kind == "k2c2":
        network = K2c2(2, pools=PAPER_POOLS["modulation"], channels=[2] * 5, **plain)
        norm, shape = network.norms[0], (2, 2, 2, 3)
    else:
        norm, shape = GruMixer(2, bands=5, **plain).norm, (8, 32)
    [batch] = steps_of(shape, 1)
    norm.train()(batch)
    mean, variance, _ = moments(batch)
    torch.testing.assert_close(norm.running_mean, 0.01 * mean)
    torch.testing.assert_close(norm.running_var, 0.99 + 0.01 * corrected * variance)


class KerasStatistics:
    """The running statistics of Keras 2.2.4 on TensorFlow 1, as their sources have them.

    TensorFlow's `assign_moving_average` with `zero_debias` keeps a biased average, which starts
    at 0, and the number of steps; the variable is the biased average over 1 - momentum^steps.
    """

    def __init__(self, momentum: float) -> None:
        self.momentum, self.steps, self.biased = momentum, 0, np.zeros(2)

    def update(self, value: np.ndarray) -> np.ndarray:
        self.biased -= (self.biased - value) * (1 - self.momentum)
        self.steps += 1
        return self.biased / (1 - self.momentum**self.steps)


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (6, 2)])
@pytest.mark.parametrize("momentum", [0.99, 0.6])
def test_running_statistics_are_those_of_keras(shape: tuple[int, ...], momentum: float) -> None:
    norm = BatchNorm(2, momentum=momentum).train()
    mean, variance = KerasStatistics(momentum), KerasStatistics(momentum)
    for batch in steps_of(shape, 30):
        norm(batch)
        values = np.moveaxis(batch.double().numpy(), 1, 0).reshape(2, -1)
        n = values.shape[1]
        # TensorFlow's fused operation, which Keras uses for maps, has Bessel's correction.
        found = values.var(axis=1, ddof=1 if len(shape) == 4 else 0)
        expected_mean = mean.update(values.mean(axis=1))
        expected_variance = variance.update(found * n / (n - (1 + 1e-3)))
    np.testing.assert_allclose(norm.running_mean, expected_mean, rtol=1e-5)
    np.testing.assert_allclose(norm.running_var, expected_variance, rtol=1e-5)


def test_frozen_running_statistics_stay_as_they_are() -> None:
    norm = BatchNorm(2).train()
    first, second = steps_of((4, 2, 3, 3), 2)
    norm(first)
    mean, variance = norm.running_mean.clone(), norm.running_var.clone()
    norm.track_running_stats = False
    out = norm(second)
    assert abs(float(out.detach().mean())) < 1e-5  # normalised by the batch's own
    norm.track_running_stats = True
    norm.eval()(second)
    assert torch.equal(norm.running_mean, mean)
    assert torch.equal(norm.running_var, variance)


def test_batchnorm_refuses_what_is_neither_map_nor_vector() -> None:
    with pytest.raises(ValueError, match="not 3-D"):
        BatchNorm(2)(torch.zeros(4, 2, 3))


def assert_glorot_uniform(weight: torch.Tensor, fans: int) -> None:
    """Check that weights fill the interval that inputs and outputs together give."""
    limit = np.sqrt(6 / fans)
    assert weight.abs().max() <= limit
    assert weight.abs().max() > 0.95 * limit
    assert float(weight.detach().var()) == pytest.approx(limit**2 / 3, rel=0.2)


def test_initial_weights_are_those_of_keras() -> None:
    network, mixer = K2c2(10, pools=PAPER_POOLS["spectrogram"]), GruMixer(4, bands=96)
    for module in (network, mixer):
        initialise(module, 0)
    weight = network.convolutions[2].weight
    assert_glorot_uniform(weight, 9 * 128 + 9 * 128)
    assert not network.convolutions[2].bias.any()
    for layer, inputs in ((mixer.first, 96), (mixer.second, 128)):
        for direction in ("l0", "l0_reverse"):
            recurrent = getattr(layer, f"weight_hh_{direction}").detach()
            torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(64), atol=1e-5, rtol=0)
            assert_glorot_uniform(getattr(layer, f"weight_ih_{direction}"), inputs + 192)
            assert not getattr(layer, f"bias_ih_{direction}").any()
            assert not getattr(layer, f"bias_hh_{direction}").any()
    for dense, inputs, units in (
        (network.dense, 256, 10), (mixer.dense, 128, 32), (mixer.output, 32, 4),
    ):  # fmt: skip
        assert_glorot_uniform(dense.weight, inputs + units)
        assert not dense.bias.any()
    other = K2c2(10, pools=PAPER_POOLS["spectrogram"])
    initialise(other, 0)
    assert torch.equal(weight, other.convolutions[2].weight)
    initialise(other, 1)
    assert not torch.equal(weight, other.convolutions[2].weight)


@pytest.mark.parametrize(
    "metadata",
    [None, {"genreflow": '{"format": "genreflow-model", "format_version": 2}'},
     {"genreflow": '{"format": "other", "format_version": 1}'}],
)  # fmt: skip
def test_a_file_that_is_no_model_of_this_version_is_the_users_error(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"weight": np.zeros(3)}, tmp_path / "m.safetensors", metadata=metadata)
    with pytest.raises(UserError, match="Expected: 'genreflow-model', version 1"):
        read_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize("kind", ["k2c2", "gru_mixer"])
def test_a_model_file_gives_the_network_back(tmp_path: Path, kind: str) -> None:
    own = (
        {"pools": PAPER_POOLS["modulation"], "channels": [2] * 5}
        if kind == "k2c2"
        else {"bands": 96, "dropout": [0.1, 0.2, 0.3]}
    )
    norm = {"batchnorm_momentum": 0.8, "batchnorm_average": "plain"}
    network = (K2c2 if kind == "k2c2" else GruMixer)(3, **own, **norm)
    initialise(network, 5)
    path = tmp_path / "model.safetensors"
    statistics = {"mean": np.arange(4.0)}
    write_network(
        path,
        network,
        statistics,
        {"architecture": {"network": kind, "outputs": 3, **norm, **own}},
    )
    again, found, _ = network_from_model(path)
    np.testing.assert_array_equal(found["mean"], statistics["mean"])
    inputs = torch.randn(2, 1, 96, 646) if kind == "k2c2" else torch.randn(2, 20, 96)
    with torch.inference_mode():
        assert torch.equal(again(inputs), network.eval()(inputs))
    assert not list(tmp_path.glob(".*"))

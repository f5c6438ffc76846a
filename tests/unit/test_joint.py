"""SF and TF learned together, and in series: against torch and what the paper's words come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from genreflow.errors import UserError
from genreflow.features.registry import FEATURES
from genreflow.files.models import name_normalisation
from genreflow.files.store import FeatureSet, FeatureWriter, feature_sets
from genreflow.jeong2016.joint import Descent, loss_and_gradients, train_joint
from genreflow.jeong2016.network import PARTS, Joint, Mlp, mlp_tensors
from genreflow.jeong2016.segments import segments_for
from genreflow.jeong2016.training import Trained
from genreflow.jeong2016.vectors import (
    ClipBlocks,
    ClipVectors,
    activation_spectra,
    bin_moments,
    series_vectors,
)

Array = np.ndarray[Any, np.dtype[Any]]
WINDOW, SHIFT = 6, 3
WINDOWS = {"window_frames": WINDOW, "shift_frames": SHIFT}


def joint_network(inputs: tuple[int, int] = (7, 4), classes: int = 3, seed: int = 0) -> Joint:
    rng = np.random.default_rng(seed)
    network = Joint.initialise(inputs, [6, 5, 4], classes, initialisation="he_normal", rng=rng)
    for name, values in network.tensors.items():
        # Else no test would see that a bias is left out.
        if "bias" in name:
            values[...] = rng.normal(0, 0.3, values.shape)
    return network


def torch_log_probabilities(tensors: dict[str, torch.Tensor], vectors: list[Array]) -> torch.Tensor:
    """Return what the paper's text says, step by step, of segments (n, members, inputs)."""
    features = []
    for part, values in zip(PARTS, vectors, strict=True):
        hidden = torch.from_numpy(values)
        for layer in range(3):
            hidden = hidden @ tensors[f"{part}_weight_{layer}"] + tensors[f"{part}_bias_{layer}"]
            hidden = torch.relu(hidden)
        features += [hidden.mean(dim=1), hidden.var(dim=1, correction=0)]
    logits = torch.cat(features, dim=1) @ tensors["output_weight"] + tensors["output_bias"]
    return torch.log_softmax(logits, dim=1)


def segments(number: int = 9, seed: int = 1) -> tuple[list[Array], Array]:
    rng = np.random.default_rng(seed)
    vectors = [rng.standard_normal((number, 8, 7)), rng.standard_normal((number, 5, 4))]
    return vectors, rng.integers(0, 3, number)


def test_the_network_has_the_stated_number_of_parameters() -> None:
    rng = np.random.default_rng(0)
    network = Joint.initialise([513, 108], [50] * 3, 10, initialisation="glorot_uniform", rng=rng)
    # Those of SF and TF up to their last hidden layers, and 200 values to ten classes.
    assert network.parameters == (31310 - 510) + (11060 - 510) + 2010 == 43360
    assert not any(v.any() for name, v in network.tensors.items() if "bias" in name)
    assert network.tensors["output_weight"].std() == pytest.approx(np.sqrt(2 / 210), rel=0.05)


def test_loss_and_gradients_are_those_of_torch_in_double_precision() -> None:
    network = joint_network()
    network.tensors = {name: v.astype(np.float64) for name, v in network.tensors.items()}
    vectors, classes = segments()
    tensors = {n: torch.tensor(v, requires_grad=True) for n, v in network.tensors.items()}
    found = torch_log_probabilities(tensors, vectors)
    expected = torch.nn.functional.nll_loss(found, torch.from_numpy(classes))
    expected.backward()
    loss, correct, gradients = loss_and_gradients(network, vectors, classes)
    assert loss / len(classes) == pytest.approx(expected.item(), rel=1e-12)
    assert correct == int((found.argmax(dim=1).numpy() == classes).sum())
    assert gradients.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert tensor.grad is not None
        assert np.abs(gradients[name]).max() > 0
        np.testing.assert_allclose(gradients[name], tensor.grad, rtol=1e-9, atol=1e-13)


def test_gradients_are_finite_differences_of_the_loss() -> None:
    network = joint_network()
    network.tensors = {name: v.astype(np.float64) for name, v in network.tensors.items()}
    vectors, classes = segments()
    _, _, gradients = loss_and_gradients(network, vectors, classes)
    rng = np.random.default_rng(2)
    for name, values in network.tensors.items():
        place = tuple(rng.integers(0, size) for size in values.shape)
        losses = []
        kept = values[place]
        for step in (1e-6, -1e-6):
            values[place] = kept + step
            losses.append(loss_and_gradients(network, vectors, classes, learn=False)[0])
        values[place] = kept
        slope = (losses[0] - losses[1]) / 2e-6 / len(classes)
        assert gradients[name][place] == pytest.approx(slope, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_steps_are_those_of_torch(optimiser: str) -> None:
    network = joint_network()
    network.tensors = {name: v.astype(np.float64) for name, v in network.tensors.items()}
    tensors = {n: torch.tensor(v.copy(), requires_grad=True) for n, v in network.tensors.items()}
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimiser]
    theirs = kind(list(tensors.values()), lr=0.02)
    ours = Descent(network.tensors, optimiser=optimiser, learning_rate=0.02)  # type: ignore[arg-type]
    for seed in range(4):
        vectors, classes = segments(seed=seed)
        theirs.zero_grad()
        found = torch_log_probabilities(tensors, vectors)
        torch.nn.functional.nll_loss(found, torch.from_numpy(classes)).backward()
        theirs.step()
        ours.step(loss_and_gradients(network, vectors, classes)[2])
    for name, tensor in tensors.items():
        np.testing.assert_allclose(network.tensors[name], tensor.detach(), rtol=1e-9, atol=1e-12)


class Clips:
    """Clips in blocks, with a note of who asked for a random order."""

    def __init__(self, *blocks: tuple[Array, Array, Array]) -> None:
        self.parts = [
            ((frames.astype(np.float32), modulation.astype(np.float32)), classes)
            for frames, modulation, classes in blocks
        ]
        self.asked: list[bool] = []

    def blocks(self, rng: np.random.Generator | None) -> Iterator[tuple[Any, Array]]:
        self.asked.append(rng is not None)
        yield from self.parts


def clips(number: int, seed: int = 0, lift: float = 1.0) -> tuple[Array, Array, Array]:
    """Return clips whose classes differ in both parts: 13 frames are three windows."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, number)
    frames = rng.standard_normal((number, 13, 7)) + lift * np.eye(7)[classes][:, None]
    modulation = rng.standard_normal((number, 3, 5, 4))
    modulation += lift * np.eye(4)[classes][:, None, None]
    return frames, modulation, classes


def fit(train: Clips, valid: Clips, **changes: Any) -> Trained:
    settings = {
        "optimiser": "adam", "learning_rate": 0.01, "batch": 4, "epochs": 12, "patience": 12,
    } | changes  # fmt: skip
    return train_joint(
        joint_network(), train, valid, **WINDOWS, **settings, rng=np.random.default_rng(3)
    )


def test_training_learns_and_is_repeatable() -> None:
    train, valid = Clips(clips(40, lift=2)), Clips(clips(40, seed=1, lift=2))
    once, again = fit(train, valid), fit(train, valid)
    assert once.curve == again.curve
    for name, values in once.tensors.items():
        np.testing.assert_array_equal(values, again.tensors[name])
    assert once.curve[-1].valid_accuracy > 0.9
    assert once.curve[0].steps == 30
    assert train.asked == [True] * 24
    assert valid.asked == [False] * 24


def test_the_segments_of_the_lowest_validation_loss_are_kept() -> None:
    frames, modulation, classes = clips(12)
    # Labels that can't be learned: the validation loss soon rises.
    valid = (frames, modulation, np.random.default_rng(9).permutation(classes))
    trained = fit(Clips((frames, modulation, classes)), Clips(valid), epochs=60, patience=4)
    losses = [record.valid_loss for record in trained.curve]
    assert trained.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == trained.best_epoch + 4
    tensors = {name: torch.tensor(values) for name, values in trained.tensors.items()}
    starts = (0, 3, 6)
    vectors = [
        np.stack([clip[start : start + WINDOW] for clip in frames for start in starts]),
        modulation.reshape(-1, 5, 4),
    ]
    found = torch_log_probabilities(tensors, [v.astype(np.float32) for v in vectors])
    expected = -found[torch.arange(36), torch.from_numpy(np.repeat(valid[2], 3))].mean()
    assert min(losses) == pytest.approx(expected.item(), rel=1e-5)


def test_every_epoch_takes_each_segment_once_in_a_new_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted: list[list[int]] = []

    def note(network: Joint, vectors: list[Array], classes: Array, *, learn: bool) -> Any:
        spectra, modulation = vectors
        # Every frame has its place, every window its number, and a clip's class follows from both.
        first = spectra[:, 0, 0].astype(int)
        assert (spectra[:, :, 0] - first[:, None] == np.arange(WINDOW)).all()
        clip, start = np.divmod(first, 100)
        np.testing.assert_array_equal(modulation[:, 0, 0], clip * 3 + start // SHIFT)
        np.testing.assert_array_equal(classes, clip % 3)
        if learn:
            noted.append((clip * 3 + start // SHIFT).tolist())
        return loss_and_gradients(network, vectors, classes, learn=learn)

    monkeypatch.setattr("genreflow.jeong2016.joint.loss_and_gradients", note)

    def numbered(first: int, number: int) -> tuple[Array, Array, Array]:
        clip = np.arange(first, first + number)
        frames = np.zeros((number, 13, 7)) + (100 * clip[:, None] + np.arange(13))[..., None]
        modulation = (
            np.zeros((number, 3, 5, 4)) + (clip[:, None] * 3 + np.arange(3))[..., None, None]
        )
        return frames, modulation, clip % 3

    fit(
        Clips(numbered(0, 5), numbered(5, 2)), Clips(numbered(0, 2)), epochs=2,
        learning_rate=1e-9,
    )  # fmt: skip
    # Blocks of 15 and 6 segments.
    sizes = [4, 4, 4, 3, 4, 2]
    assert [len(batch) for batch in noted] == sizes * 2
    orders = [[n for batch in part for n in batch] for part in (noted[:6], noted[6:])]
    for order in orders:
        assert sorted(order[:15]) == list(range(15))
        assert sorted(order[15:]) == list(range(15, 21))
        assert order[:15] != list(range(15))
    assert orders[0] != orders[1]


def test_a_training_that_diverges_is_refused() -> None:
    train = Clips(clips(12))
    train.parts[0][0][0][0, 0, 0] = np.inf
    with pytest.raises(UserError, match=r"(?s)the training diverged.*joint\.learning_rate"):
        fit(train, Clips(clips(12)))


# The caches.


def write_caches(folder: Path, names: str = "abcdef") -> list[Path]:
    """Write an STFT of 7 bins and 14 frames and its cepstral modulation, in two shards each."""
    rng = np.random.default_rng(4)
    paths = []
    for feature, shape in (("stft", (7, 14)), ("cepstral_modulation", (5, 3, 4))):
        for shard in range(2):
            path = folder / feature / f"{shard}.h5"
            path.parent.mkdir(exist_ok=True)
            with FeatureWriter(
                path,
                FEATURES[feature].layout(shape),
                parameters={"cepstral_modulation": WINDOWS} if len(shape) == 3 else {},
                sample_rate=1,
                hop=1,
                attributes={"uncentred_start": 1, "uncentred_stop": 14},
            ) as out:
                for name in names[shard::2]:
                    out.append(name, rng.normal(0, 3, shape).astype(np.float16))
            paths.append(path)
    return paths


def sf_statistics(rng: np.random.Generator) -> dict[str, Array]:
    return {"mean": rng.uniform(-1, 1, 7), "deviation": rng.uniform(1, 2, 7)}


def tf_statistics(rng: np.random.Generator) -> dict[str, Array]:
    return {
        "mean": rng.uniform(-1, 1, 5), "deviation": rng.uniform(1, 2, 5),
        "modulation_mean": rng.uniform(0, 1, 4), "modulation_deviation": rng.uniform(1, 2, 4),
    }  # fmt: skip


def test_several_features_are_opened_together_in_their_order(tmp_path: Path) -> None:
    stft, modulation = feature_sets(write_caches(tmp_path))
    assert [cache.attributes["feature"] for cache in (stft, modulation)] == [
        "stft", "cepstral_modulation",
    ]  # fmt: skip
    assert stft.track_ids == modulation.track_ids == list("abcdef")


def test_blocks_have_both_inputs_of_the_same_clips(tmp_path: Path) -> None:
    caches = feature_sets(write_caches(tmp_path))
    inputs = [(cache, lambda values: values.astype(np.float32)) for cache in caches]
    names, classes = list("fbadce"), [0, 1, 2, 0, 1, 2]
    # A clip has (7 * 14 + 5 * 3 * 4) values of 4 bytes.
    source = ClipBlocks(inputs, names, classes, memory_gb=2 * 632 / 1e9)
    assert source.shapes == [(7, 14), (5, 3, 4)]
    found: list[str] = []
    for (stft, modulation), chosen in source.blocks(np.random.default_rng(1)):
        assert len(stft) == len(modulation) == len(chosen) == 2
        for row in range(2):
            (name,) = (n for n in names if (caches[0].clip(n) == stft[row]).all())
            np.testing.assert_array_equal(caches[1].clip(name), modulation[row])
            assert classes[names.index(name)] == chosen[row]
            found.append(name)
    assert sorted(found) == sorted(names)
    assert found != names
    (whole,) = ClipBlocks(inputs, names, classes, memory_gb=1).blocks(np.random.default_rng(1))
    np.testing.assert_array_equal(whole[1], classes)


def test_segments_of_joint_are_those_of_its_two_parts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    caches = feature_sets(write_caches(tmp_path))
    own = {"sf": sf_statistics(rng), "tf": tf_statistics(rng)}
    network = joint_network()
    named = {f"{part}_{name}": v for part in PARTS for name, v in own[part].items()}
    models = {"joint": {**network.tensors, **name_normalisation(named)}}
    found = segments_for("joint", models, caches, **WINDOWS)([c.clip("d") for c in caches])
    assert found.shape == (3, 16)
    alone = []
    for part, cache in zip(PARTS, caches, strict=True):
        mlp = network.part(part)
        model = {part: {**mlp_tensors(mlp), **name_normalisation(own[part])}}
        alone.append(segments_for(part, model, [cache], **WINDOWS)([cache.clip("d")]))
    np.testing.assert_array_equal(found, np.concatenate(alone, axis=1))
    # The softmax that it was trained with is on these values, in this order.
    frames = caches[0].clip("d")[:, 1:14].astype(float).T - own["sf"]["mean"]
    frames /= own["sf"]["deviation"]
    stats = own["tf"]
    modulation = caches[1].clip("d").astype(float)
    modulation[..., 0] = np.abs(modulation[..., 0] - WINDOW * stats["mean"][:, None])
    modulation /= stats["deviation"][:, None, None]
    modulation = (modulation - stats["modulation_mean"]) / stats["modulation_deviation"]
    vectors = [
        np.stack([frames[start : start + WINDOW] for start in (0, 3, 6)]),
        np.ascontiguousarray(modulation.transpose(1, 0, 2)),
    ]
    tensors = {name: torch.tensor(v.astype(np.float64)) for name, v in network.tensors.items()}
    expected = torch_log_probabilities(tensors, vectors)
    logits = torch.from_numpy(found.astype(np.float64)) @ tensors["output_weight"]
    again = torch.log_softmax(logits + tensors["output_bias"], dim=1)
    np.testing.assert_allclose(again, expected, atol=1e-5)


# In series.


def sf_model(units: int = 4, *, silent: int | None = None) -> tuple[dict[str, Array], Mlp]:
    rng = np.random.default_rng(6)
    network = Mlp.initialise([7, 6, units, 3], initialisation="he_normal", rng=rng)
    if silent is not None:
        network.weights[1][:, silent], network.biases[1][silent] = 0, -1
    return {**mlp_tensors(network), **name_normalisation(sf_statistics(rng))}, network


def plain_spectra(stft: FeatureSet, name: str, model: dict[str, Array], network: Mlp) -> Array:
    """Return what the paper's words come to, value by value: windows, units, frequencies."""
    frames = stft.clip(name)[:, 1:14].astype(float).T
    frames = (frames - model["normalisation_mean"]) / model["normalisation_deviation"]
    hidden = np.maximum(frames @ network.weights[0] + network.biases[0], 0)
    hidden = np.maximum(hidden @ network.weights[1] + network.biases[1], 0)
    found = np.empty((3, hidden.shape[1], WINDOW // 2 + 1))
    for place, start in enumerate((0, 3, 6)):
        for unit in range(hidden.shape[1]):
            series = hidden[start : start + WINDOW, unit]
            for frequency in range(WINDOW // 2 + 1):
                wave = np.exp(-2j * np.pi * frequency * np.arange(WINDOW) / WINDOW)
                found[place, unit, frequency] = abs((series * wave).sum())
    return found


def test_spectra_of_activations_are_their_discrete_fourier_transform(tmp_path: Path) -> None:
    stft, _ = feature_sets(write_caches(tmp_path))
    model, network = sf_model()
    spectra = activation_spectra(model, stft, **WINDOWS)
    for name in "af":
        found = spectra(stft.clip(name))
        expected = plain_spectra(stft, name, model, network)
        assert expected.max() > 1
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_series_are_normalised_by_frequency_over_the_training_clips(tmp_path: Path) -> None:
    stft, _ = feature_sets(write_caches(tmp_path))
    model, network = sf_model(silent=2)
    spectra = activation_spectra(model, stft, **WINDOWS)
    train = list("dbae")
    centre, spread = bin_moments(stft, train, spectra)
    pooled = np.concatenate(
        [plain_spectra(stft, name, model, network).reshape(-1, 4) for name in train]
    )
    np.testing.assert_allclose(centre, pooled.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(spread, pooled.std(axis=0), rtol=1e-5)
    statistics = {"modulation_mean": centre, "modulation_deviation": spread}
    normalise = series_vectors(spectra, statistics)
    # A unit that never fires is an example like any other: nothing at every frequency.
    silent = normalise(stft.clip("c"))[:, 2]
    np.testing.assert_allclose(silent, np.tile(-centre / spread, (3, 1)), rtol=1e-4)
    source = ClipVectors(stft, train, [0, 1, 2, 0], normalise=normalise, memory_gb=1)
    ((vectors, classes),) = source.blocks(None)
    assert vectors.shape == (4 * 3 * 4, 4)
    np.testing.assert_array_equal(classes, np.repeat([0, 1, 2, 0], 12))
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(vectors.std(axis=0), 1, atol=1e-5)


def test_series_of_a_network_that_never_fires_stay_finite(tmp_path: Path) -> None:
    stft, _ = feature_sets(write_caches(tmp_path))
    model, _ = sf_model()
    for name in ("weight_0", "weight_1"):
        model[name] = np.zeros_like(model[name])
    model["bias_1"] = np.full_like(model["bias_1"], -1)
    spectra = activation_spectra(model, stft, **WINDOWS)
    centre, spread = bin_moments(stft, list("abc"), spectra)
    statistics = {"modulation_mean": centre, "modulation_deviation": spread}
    assert not series_vectors(spectra, statistics)(stft.clip("d")).any()


def test_segments_of_series_are_mean_and_variance_over_the_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    stft, _ = feature_sets(write_caches(tmp_path))
    below, network = sf_model()
    top = Mlp.initialise([4, 5, 3, 2], initialisation="he_normal", rng=rng)
    centre, spread = rng.uniform(0, 1, 4), rng.uniform(1, 2, 4)
    statistics = {"modulation_mean": centre, "modulation_deviation": spread}
    models = {"sf": below, "series": {**mlp_tensors(top), **name_normalisation(statistics)}}
    found = segments_for("series", models, [stft], **WINDOWS)([stft.clip("e")])
    vectors = (plain_spectra(stft, "e", below, network) - centre) / spread
    hidden = np.maximum(vectors @ top.weights[0] + top.biases[0], 0)
    hidden = np.maximum(hidden @ top.weights[1] + top.biases[1], 0)
    expected = np.concatenate([hidden.mean(axis=1), hidden.var(axis=1)], axis=1)
    assert found.shape == (3, 6)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

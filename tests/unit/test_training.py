"""Training of experts and mixers, on inputs of which the answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from genreflow.errors import UserError
from genreflow.features.normalisation import input_normaliser
from genreflow.features.registry import FEATURES
from genreflow.files.assignments import Assignment
from genreflow.files.curves import EpochRecord
from genreflow.files.layouts import as_stored
from genreflow.files.store import FeatureSet, FeatureWriter
from genreflow.yi2019.mixture import align_probabilities, batch_statistics_experts
from genreflow.yi2019.networks import K2c2, initialise
from genreflow.yi2019.training import (
    ClipInputs,
    TrainingSet,
    batches,
    check_precision,
    classification_objective,
    frames,
    make_deterministic,
    mix,
    mixture_objective,
    predict_probabilities,
    seconds_a_step,
    train_network,
    training_set,
)
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

POOLS = [(1, 1), (1, 1), (1, 1), (1, 1), (3, 3)]
SHAPE = (12, 12)
MEL = FEATURES["mel_original"]


@pytest.fixture
def features(tmp_path: Path) -> FeatureSet:
    """Twelve clips; the sign of a clip's mean is its class."""
    rng = np.random.default_rng(0)
    with FeatureWriter(
        tmp_path / "f.h5", MEL.layout(SHAPE), parameters={}, sample_rate=1, hop=1
    ) as out:
        for i in range(12):
            out.append(f"t{i:02d}", rng.standard_normal(SHAPE) + (3 if i % 2 else -3))
        out.leave_out("gone")
    return FeatureSet([tmp_path / "f.h5"])


def plain(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def image(values: torch.Tensor) -> torch.Tensor:
    return values.unsqueeze(1)


def dataset(features: FeatureSet, memory_gb: float = 1) -> TrainingSet:
    """Return eight clips that train and four that validate."""
    inputs = ClipInputs(features, features.track_ids, normalise=plain, memory_gb=memory_gb)
    classes = torch.arange(12) % 2
    return TrainingSet(features.track_ids, inputs, classes, np.arange(8), np.arange(8, 12), {})


def train(features: FeatureSet, *, seed: int = 0, memory_gb: float = 1, **changes: object):
    network = K2c2(2, pools=POOLS, channels=[3] * 5, batchnorm_momentum=0.5)
    initialise(network, seed)
    data = dataset(features, memory_gb)
    settings = {
        "prepare": image, "epochs": 6, "batch": 4, "learning_rate": 0.05, "decay": 0.0,
        "model": "lowest_val_loss", "seed": seed,
    }  # fmt: skip
    best, curve = train_network(
        network, data, classification_objective(data.classes), **(settings | changes)
    )
    return network, best, curve


def test_clips_are_those_of_the_fold_that_are_not_in_quarantine(features: FeatureSet) -> None:
    assignments = [
        Assignment(0, "t01", "b", "train"),
        Assignment(0, "t02", "a", "valid"),
        Assignment(0, "t03", "b", "test"),
        Assignment(0, "gone", "a", "train"),
        Assignment(0, "t05", "a", "train"),
    ]
    data = training_set(
        features,
        assignments,
        labels=["a", "b"],
        normalisation="clip",
        memory_gb=1,
        device=torch.device("cpu"),
    )
    assert data.track_ids == ["t01", "t02", "t05"]
    assert data.train.tolist() == [0, 2]
    assert data.valid.tolist() == [1]
    assert data.classes.tolist() == [1, 0, 0]
    found = data.inputs.batch(np.array([2]))[0]
    assert float(found.mean()) == pytest.approx(0, abs=1e-5)
    assert float(found.std(unbiased=False)) == pytest.approx(1, abs=1e-5)


def test_an_expert_learns_and_is_repeatable(features: FeatureSet) -> None:
    network, _, curve = train(features)
    again, _, repeated = train(features)
    assert curve == repeated
    assert curve[-1].valid_accuracy == 1
    for found, expected in zip(again.parameters(), network.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_inputs_read_again_for_every_batch_give_the_same_training(features: FeatureSet) -> None:
    assert train(features, memory_gb=1e-9)[2] == train(features)[2]


def test_clips_are_read_once_when_they_fit_in_memory_and_else_for_every_batch(
    features: FeatureSet,
) -> None:
    read = []

    def noted(values: np.ndarray) -> np.ndarray:
        read.append(values)
        return plain(values)

    for memory_gb, expected in ((1, 12), (1e-9, 6)):
        read.clear()
        inputs = ClipInputs(features, features.track_ids, normalise=noted, memory_gb=memory_gb)
        for _ in range(2):
            inputs.batch(np.array([0, 5, 7]))
        assert len(read) == expected


@pytest.mark.parametrize("memory_gb", [1, 1e-9])
def test_batches_are_on_the_device_that_is_asked_for(
    features: FeatureSet, memory_gb: float
) -> None:
    inputs = ClipInputs(
        features, features.track_ids, normalise=plain, memory_gb=memory_gb,
        device=torch.device("meta"),
    )  # fmt: skip
    found = inputs.batch(np.array([3, 4]))
    assert found.device.type == "meta"
    assert found.shape == (2, *SHAPE)


@pytest.mark.parametrize(("free", "kept_on"), [(10**9, "meta"), (10, "cpu")])
def test_a_gpu_without_room_leaves_the_inputs_to_the_host(
    features: FeatureSet, monkeypatch: pytest.MonkeyPatch, free: int, kept_on: str
) -> None:
    class Gpu:
        """Looks like a GPU where its kind is asked for, and holds nothing."""

        type = "cuda"

    placed = []

    def to(tensor: torch.Tensor, device: object) -> torch.Tensor:
        placed.append("meta" if isinstance(device, Gpu) else str(device))
        return tensor

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * 10**9))
    monkeypatch.setattr(torch.Tensor, "to", to)
    ClipInputs(features, features.track_ids, normalise=plain, memory_gb=1, device=Gpu())
    assert placed == [kept_on]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("memory_gb", [1, 1e-9])
def test_values_of_a_clip_that_are_not_finite_are_named(
    tmp_path: Path, value: float, memory_gb: float
) -> None:
    with FeatureWriter(
        tmp_path / "f.h5", MEL.layout(SHAPE), parameters={}, sample_rate=1, hop=1
    ) as out:
        out.append("good", np.ones(SHAPE))
        # All the same, as silence is, which would otherwise be normalised to zeros.
        out.append("bad", np.full(SHAPE, value))
    features = FeatureSet([tmp_path / "f.h5"])
    normalise = input_normaliser("clip", {})
    with pytest.raises(UserError) as caught:
        ClipInputs(features, ["good", "bad"], normalise=normalise, memory_gb=memory_gb).batch(
            np.array([0, 1])
        )
    assert "144 of 144 values of clip 'bad' are NaN or infinite" in str(caught.value)
    assert "features/mel_original" in str(caught.value)
    assert "learning_rate" not in str(caught.value)


def test_probabilities_that_are_not_finite_are_named() -> None:
    file = {"track_id": np.array(["a", "b"]), "data": np.array([[0.5, 0.5], [np.nan, 1]])}
    with pytest.raises(UserError, match="1 of 2 probabilities of clip 'b'") as caught:
        align_probabilities([file | {"data": np.ones((2, 2))}, file], ["a", "b"])
    assert "expert 2 of 2" in str(caught.value)
    assert align_probabilities([file], ["a"]).shape == (1, 1, 2)


def test_rate_falls_with_the_step(features: FeatureSet) -> None:
    _, _, curve = train(features, decay=0.5)
    # Two steps an epoch; the last step of epoch e has number 2 e - 1, counted from 0.
    assert [record.learning_rate for record in curve] == pytest.approx(
        [0.05 / (1 + 0.5 * (2 * epoch - 1)) for epoch in range(1, 7)]
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("lowest_val_loss", lambda c: min(c, key=lambda r: r.valid_loss).epoch),
        ("val_accuracy", lambda c: max(c, key=lambda r: r.valid_accuracy).epoch),
        ("last", lambda c: c[-1].epoch),
    ],
)
def test_the_configured_epoch_is_kept(features: FeatureSet, model: str, expected: object) -> None:
    # A rate that makes the validation loss jump, so that the choices differ from the last.
    network, best, curve = train(features, model=model, learning_rate=0.5)
    assert best == expected(curve)
    inputs = ClipInputs(features, features.track_ids, normalise=plain, memory_gb=1)
    with torch.inference_mode():
        logits = network(image(inputs.batch(np.arange(8, 12))))
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(8, 12) % 2)
    assert float(loss) == pytest.approx(curve[best - 1].valid_loss, rel=1e-4)


class Linear(nn.Module):
    """A layer whose gradients are known in closed form, and a note of the mode of each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(SHAPE[0] * SHAPE[1], 2)
        with torch.no_grad():
            self.dense.weight.normal_(0, 1, generator=torch.Generator().manual_seed(3))
            self.dense.bias.fill_(0.25)
        self.modes: list[bool] = []

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.modes.append(self.training)
        return self.dense(values.flatten(1))


#: From 1 down to 1e-9: the smallest gradients are below Adam's epsilon, so that it shows.
SCALES = np.geomspace(1, 1e-9, SHAPE[0] * SHAPE[1])


def scaled(values: torch.Tensor) -> torch.Tensor:
    return values * torch.from_numpy(SCALES.reshape(SHAPE)).float()


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


class PlainTraining:
    """A linear layer trained for three epochs of three batches, with a note of the batches."""

    def __init__(self, features: FeatureSet, seed: int = 5) -> None:
        self.network = Linear()
        self.start = self.network.dense.weight.detach().double().numpy().copy()
        data = dataset(features)
        objective = classification_objective(data.classes)
        self.training: list[bool] = []
        self.batches: list[np.ndarray] = []

        def noted(
            logits: torch.Tensor, rows: np.ndarray, training: bool
        ) -> tuple[torch.Tensor, torch.Tensor]:
            self.training.append(training)
            self.batches.append(rows)
            return objective(logits, rows, training)

        _, self.curve = train_network(
            self.network, data, noted, prepare=scaled, epochs=3, batch=3, learning_rate=0.05,
            decay=0.5, model="last", seed=seed,
        )  # fmt: skip

    def epochs(self) -> Iterator[list[np.ndarray]]:
        """Yield the training batches of every epoch."""
        rows = [
            rows for rows, training in zip(self.batches, self.training, strict=True) if training
        ]
        yield from (rows[start : start + 3] for start in (0, 3, 6))


def test_adam_its_rate_and_its_epsilon_are_the_plain_ones(features: FeatureSet) -> None:
    found = PlainTraining(features)
    values = np.stack([features.clip(i) for i in features.track_ids]).reshape(12, -1) * SCALES
    classes = np.arange(12) % 2
    weight, bias = found.start, np.full(2, 0.25)
    moments = [np.zeros_like(weight), np.zeros_like(weight), np.zeros(2), np.zeros(2)]
    step = 0
    for record, rows_of_epoch in zip(found.curve, found.epochs(), strict=True):
        loss, correct = 0.0, 0
        for rows in rows_of_epoch:
            logits = values[rows] @ weight.T + bias
            loss -= log_softmax(logits)[np.arange(len(rows)), classes[rows]].sum()
            correct += (logits.argmax(axis=1) == classes[rows]).sum()
            error = (np.exp(log_softmax(logits)) - np.eye(2)[classes[rows]]) / len(rows)
            rate = 0.05 / (1 + 0.5 * step)
            step += 1
            for place, gradient in ((0, error.T @ values[rows]), (2, error.sum(axis=0))):
                moments[place] = 0.9 * moments[place] + 0.1 * gradient
                moments[place + 1] = 0.999 * moments[place + 1] + 0.001 * gradient**2
                first = moments[place] / (1 - 0.9**step)
                second = moments[place + 1] / (1 - 0.999**step)
                change = rate * first / (np.sqrt(second) + 1e-7)
                if place == 0:
                    weight = weight - change
                else:
                    bias = bias - change
        assert record.train_loss == pytest.approx(loss / 8, rel=1e-4)
        assert record.train_accuracy == correct / 8
        logits = values[8:] @ weight.T + bias
        right = log_softmax(logits)[np.arange(4), classes[8:]]
        assert record.valid_loss == pytest.approx(-right.mean(), rel=1e-4)
        assert record.valid_accuracy == (logits.argmax(axis=1) == classes[8:]).mean()
    assert step == found.curve[-1].steps == 9
    # The nine steps are 0.05 and less each; a thousandth of that is the tolerance.
    np.testing.assert_allclose(found.network.dense.weight.detach(), weight, rtol=0, atol=5e-5)
    np.testing.assert_allclose(found.network.dense.bias.detach(), bias, rtol=0, atol=5e-5)


def test_every_epoch_takes_the_training_clips_in_an_order_of_its_own(features: FeatureSet) -> None:
    found = PlainTraining(features)
    orders = [np.concatenate(batches_of_epoch).tolist() for batches_of_epoch in found.epochs()]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    again, other = PlainTraining(features), PlainTraining(features, seed=6)
    assert [np.concatenate(e).tolist() for e in again.epochs()] == orders
    assert [np.concatenate(e).tolist() for e in other.epochs()] != orders


def test_batches_train_in_training_mode_and_validate_in_evaluation_mode(
    features: FeatureSet,
) -> None:
    found = PlainTraining(features)
    # Eight clips train in three batches; the fourth that validates joins the other three.
    assert found.training == [True, True, True, False] * 3
    assert found.network.modes == found.training
    assert not found.network.training


def test_first_of_several_equally_good_epochs_is_kept(features: FeatureSet) -> None:
    data = dataset(features)
    for model, expected in (("lowest_val_loss", 1), ("val_accuracy", 1), ("last", 4)):
        best, _ = train_network(
            Linear(), data, classification_objective(data.classes), prepare=scaled, epochs=4,
            batch=4, learning_rate=0.0, decay=0.0, model=model, seed=0,
        )  # fmt: skip
        assert best == expected


def test_patience_ends_a_training_that_has_settled(features: FeatureSet) -> None:
    data = dataset(features)

    def curve_of(patience: int | None, **changes: Any) -> list[EpochRecord]:
        settings = {"learning_rate": 0.0, "epochs": 9, "model": "lowest_val_loss"} | changes
        _, curve = train_network(
            Linear(), data, classification_objective(data.classes), prepare=scaled,
            batch=4, decay=0.0, seed=0, patience=patience, **settings,
        )  # fmt: skip
        return curve

    # Without a rate nothing is learned: the first epoch's loss is never bettered.
    assert [len(curve_of(patience)) for patience in (1, 3, 8, 9, None)] == [2, 4, 9, 9, 9]
    assert len(curve_of(3, model="last")) == 4
    # An ended training is the beginning of one that goes on.
    whole = curve_of(None, learning_rate=0.5, epochs=30)
    losses = [record.valid_loss for record in whole]
    ended = curve_of(2, learning_rate=0.5, epochs=30)
    assert ended == whole[: len(ended)]
    expected = next(n for n in range(3, 31) if min(losses[: n - 2]) <= min(losses[n - 2 : n]))
    assert len(ended) == expected < 30


def test_bfloat16_rounds_maps_and_keeps_weights_whole(features: FeatureSet) -> None:
    network, _, curve = train(features, precision="bfloat16")
    _, _, expected = train(features)
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert {norm.running_mean.dtype for norm in network.norms} == {torch.float32}
    assert curve == train(features, precision="bfloat16")[2]
    for one, other in zip(curve, expected, strict=True):
        assert one.valid_loss != other.valid_loss
        assert one.valid_loss == pytest.approx(other.valid_loss, abs=0.1)


@pytest.mark.parametrize(
    ("found", "able"),
    [({"avx512_f": True}, False), ({"amx_bf16": False}, False), ({"avx512_bf16": True}, True)],
)
def test_bfloat16_is_refused_where_nothing_computes_with_it(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, bool], able: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {**found, "cpu_name": "Some CPU"})
    check_precision("float32", torch.device("cpu"))
    if able:
        check_precision("bfloat16", torch.device("cpu"))
    else:
        with pytest.raises(UserError, match="Some CPU has no units for bfloat16"):
            check_precision("bfloat16", torch.device("cpu"))


def test_products_of_compiled_code_stay_in_their_thread() -> None:
    with threadpool_limits(2, user_api="blas"):
        make_deterministic(torch.get_num_threads())
        # float32 is not rounded to TF32 either.
        assert not torch.backends.cudnn.allow_tf32
        found = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    assert found == {1}


def test_a_step_is_timed_without_a_trace(features: FeatureSet) -> None:
    network = K2c2(2, pools=POOLS, channels=[3] * 5)
    initialise(network, 0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    data = dataset(features)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    seconds = seconds_a_step(
        nn.Sequential(network, nn.Dropout()),
        data,
        classification_objective(data.classes),
        prepare=image,
        batch=4,
    )
    assert 0 < seconds < 60
    assert torch.rand(1) == expected
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_dropout_depends_on_the_seed_alone(features: FeatureSet) -> None:
    data = dataset(features)
    curves = []
    for global_seed, seed in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(global_seed)
        network = nn.Sequential(nn.Dropout(0.5), Linear())
        _, curve = train_network(
            network, data, classification_objective(data.classes), prepare=scaled, epochs=2,
            batch=8, learning_rate=0.05, decay=0.0, model="last", seed=seed,
        )  # fmt: skip
        curves.append([record.train_loss for record in curve])
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


def test_probabilities_are_the_softmax_of_every_clip_in_evaluation_mode(
    features: FeatureSet,
) -> None:
    network, _, _ = train(features)
    inputs = ClipInputs(features, features.track_ids, normalise=plain, memory_gb=1)
    with torch.no_grad():
        logits = network.eval()(image(inputs.batch(np.arange(12)))).double().numpy()
    found = predict_probabilities(network.train(), inputs, prepare=image, batch=5)
    np.testing.assert_allclose(found, np.exp(log_softmax(logits)), atol=1e-6)


def test_recurrent_mixer_sees_a_clip_as_a_sequence_of_frames() -> None:
    values = torch.arange(24.0).reshape(2, 3, 4)  # clips, bands, frames
    found = frames(values)
    assert found.shape == (2, 4, 3)
    assert found[1, 2].tolist() == [values[1, band, 2] for band in range(3)]


@pytest.mark.parametrize("mode", ["clip", "clip_freq", "train_freq"])
def test_inputs_are_normalised_as_configured_and_by_the_training_clips_alone(
    tmp_path: Path, mode: str
) -> None:
    rng = np.random.default_rng(1)
    layout = MEL.layout((4, 30))
    values = {
        name: as_stored(layout, 5 * rng.standard_normal((4, 30)) - 20).astype(np.float64)
        for name in "abcd"
    }
    with FeatureWriter(tmp_path / "m.h5", layout, parameters={}, sample_rate=1, hop=1) as out:
        for name, clip in values.items():
            out.append(name, clip)
    roles = {"a": "train", "b": "train", "c": "valid", "d": "test"}
    data = training_set(
        FeatureSet([tmp_path / "m.h5"]),
        [Assignment(0, name, "x", role) for name, role in roles.items()],
        labels=["x"],
        normalisation=mode,  # type: ignore[arg-type]
        memory_gb=1,
        device=torch.device("cpu"),
    )
    found = data.inputs.batch(np.array([2]))[0]  # the validation clip
    clip = values["c"]
    if mode == "clip":
        expected = (clip - np.mean(clip)) / np.std(clip)
    elif mode == "clip_freq":
        expected = np.stack([(row - row.mean()) / row.std() for row in clip])
    else:
        train_rows = np.concatenate([values["a"], values["b"]], axis=1)
        expected = np.stack(
            [
                (row - known.mean()) / known.std()
                for row, known in zip(clip, train_rows, strict=True)
            ]
        )
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert bool(data.statistics) == (mode == "train_freq")


@pytest.mark.parametrize(
    ("rows", "size", "sizes"), [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (1, 4, [1])]
)
def test_no_clip_is_alone_in_a_batch(rows: int, size: int, sizes: list[int]) -> None:
    found = list(batches(np.arange(rows), size))
    assert [len(batch) for batch in found] == sizes
    np.testing.assert_array_equal(np.concatenate(found), np.arange(rows))


def test_mixture_is_the_weighted_sum_and_its_loss_the_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.dirichlet(np.ones(4), 5))
    probabilities = torch.from_numpy(rng.dirichlet(np.ones(3), (5, 4)))
    expected = np.stack(
        [sum(weights[n, m] * probabilities[n, m] for m in range(4)) for n in range(5)]
    )
    np.testing.assert_allclose(mix(weights, probabilities), expected)
    classes = torch.tensor([0, 2, 1, 1, 0])
    objective = mixture_objective(lambda rows, training: probabilities[rows], classes)
    rows = np.array([4, 1])
    losses, scores = objective(torch.log(weights[rows]), rows, True)
    np.testing.assert_allclose(scores, expected[rows])
    np.testing.assert_allclose(losses, -np.log(expected[rows, classes[rows]]))


def test_a_mixture_probability_of_zero_costs_a_finite_loss() -> None:
    objective = mixture_objective(
        lambda rows, training: torch.tensor([[[1.0, 0.0]]]), torch.tensor([1])
    )
    losses, _ = objective(torch.zeros(1, 1), np.array([0]), True)
    assert float(losses) == pytest.approx(-np.log(1e-7), rel=1e-5)


def test_probabilities_are_aligned_by_track(features: FeatureSet) -> None:
    files = [
        {"track_id": np.array(["b", "a"]), "data": np.array([[0.1, 0.9], [0.2, 0.8]])},
        {"track_id": np.array(["a", "b"]), "data": np.array([[0.3, 0.7], [0.4, 0.6]])},
    ]
    aligned = align_probabilities(files, ["a", "b"])
    np.testing.assert_array_equal(aligned[0], [[0.2, 0.8], [0.3, 0.7]])
    np.testing.assert_array_equal(aligned[1], [[0.1, 0.9], [0.4, 0.6]])


def test_keras_experts_use_the_batch_while_training_and_the_cache_else(
    features: FeatureSet, tmp_path: Path
) -> None:
    network, _, _ = train(features)
    before = network.norms[0].running_mean.clone()
    rows = np.array([0, 3, 5])
    frozen = K2c2(2, pools=POOLS, channels=[3] * 5)
    frozen.load_state_dict(network.state_dict())
    standardised = ClipInputs(
        features,
        features.track_ids,
        normalise=input_normaliser("clip", {}),
        memory_gb=1,
    )
    with torch.no_grad():
        expected = torch.softmax(frozen.train()(image(standardised.batch(rows))), 1)
    cached = torch.full((12, 1, 2), 0.5)
    source = batch_statistics_experts(
        [(network, {}, {"normalisation": "clip"})],
        [[tmp_path / "f.h5"]],
        features.track_ids,
        cached=cached,
        memory_gb=1,
    )
    torch.testing.assert_close(source(rows, True)[:, 0], expected)
    # Another batch gives the same clip another probability; the cache does not.
    assert not torch.allclose(source(np.array([0, 1, 2]), True)[0, 0], expected[0], atol=1e-4)
    assert torch.equal(source(rows, False), cached[rows])
    assert torch.equal(network.norms[0].running_mean, before)

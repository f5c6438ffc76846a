"""Inputs, aggregation and decisions of Jeong 2016."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from genreflow.errors import UserError
from genreflow.features.normalisation import pooled_moments
from genreflow.features.registry import FEATURES
from genreflow.files.store import FeatureSet, FeatureWriter
from genreflow.jeong2016.forest import clip_shares
from genreflow.jeong2016.network import ROWS, Mlp
from genreflow.jeong2016.segments import aggregate, frame_windows, hidden_features
from genreflow.jeong2016.vectors import ClipVectors, modulation_moments, vectors_for

WINDOW = 6


def write_modulation(path: Path, clips: dict[str, np.ndarray], windows: int = 3) -> Path:
    """Write cepstral modulation of 5 quefrencies and T = 6; return the path."""
    with FeatureWriter(
        path,
        FEATURES["cepstral_modulation"].layout((5, windows, WINDOW // 2 + 1)),
        parameters={"cepstral_modulation": {"window_frames": WINDOW, "shift_frames": 3}},
        sample_rate=1,
        hop=1,
    ) as out:
        for track_id, values in clips.items():
            out.append(track_id, values)
    return path


@pytest.fixture
def modulation(tmp_path: Path) -> FeatureSet:
    """Six clips of cepstral modulation in two shards: 5 quefrencies, 3 windows, T = 6."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for shard, path in enumerate(paths):
        names = [f"t{2 * clip + shard}" for clip in range(3)]
        write_modulation(path, {name: rng.standard_normal((5, 3, 4)) * 3 + 1 for name in names})
    return FeatureSet(paths)


def statistics(modulation: FeatureSet) -> dict[str, np.ndarray]:
    mean, deviation = np.arange(5) / 10, np.arange(1, 6) / 2
    centre, spread = modulation_moments(
        modulation, modulation.track_ids, mean=mean, deviation=deviation, window_frames=WINDOW
    )
    return {
        "mean": mean, "deviation": deviation,
        "modulation_mean": centre, "modulation_deviation": spread,
    }  # fmt: skip


def test_training_vectors_have_zero_mean_and_unit_deviation_by_modulation_frequency(
    modulation: FeatureSet,
) -> None:
    normalise = vectors_for("tf", statistics(modulation), modulation)
    vectors = np.concatenate(
        [normalise(modulation.clip(t)).reshape(-1, 4) for t in modulation.track_ids]
    )
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(vectors.std(axis=0), 1, atol=1e-5)


def test_modulation_moments_have_the_same_bits_whatever_the_order_of_the_clips(
    tmp_path: Path,
) -> None:
    # Values of many sizes: their sums do round, so another order would give other bits.
    rng = np.random.default_rng(3)
    names = [f"t{clip:02d}" for clip in rng.permutation(20)]
    features = FeatureSet(
        [
            write_modulation(
                tmp_path / "a.h5",
                {n: np.minimum(rng.lognormal(0, 4, (5, 3, 4)), 6e4) for n in names},
            )
        ]
    )
    found = [
        modulation_moments(
            features, order, mean=np.zeros(5), deviation=np.ones(5), window_frames=WINDOW
        )
        for order in (names, names[::-1], sorted(names))
    ]
    assert np.isfinite(found[0]).all()
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])


def test_modulation_moments_are_accumulated_in_double_precision(tmp_path: Path) -> None:
    # A level 2000 times the deviation: sums of squares in single precision would lose it.
    rng = np.random.default_rng(0)
    clips = {name: 1000.0 + rng.integers(0, 2, (5, 300, 4)) for name in "abc"}
    for values in clips.values():
        values[..., 2] = 1000
    path = write_modulation(tmp_path / "a.h5", clips, windows=300)
    mean, deviation = modulation_moments(
        FeatureSet([path]), list("abc"), mean=np.zeros(5), deviation=np.ones(5),
        window_frames=WINDOW,
    )  # fmt: skip
    everything = np.concatenate([values.reshape(-1, 4) for values in clips.values()])
    np.testing.assert_allclose(mean, everything.mean(axis=0), rtol=1e-12)
    changing = [0, 1, 3]
    np.testing.assert_allclose(deviation[changing], everything.std(axis=0)[changing], rtol=1e-6)
    # A modulation frequency that never changes must not divide by 0.
    assert deviation[2] > 0


def test_a_window_s_vectors_lie_together(modulation: FeatureSet) -> None:
    found = statistics(modulation)
    vectors = vectors_for("tf", found, modulation)(modulation.clip("t0"))
    assert vectors.shape == (3, 5, 4)
    cached = modulation.clip("t0").astype(float)
    expected = np.abs(cached[2, 1, 0] - WINDOW * found["mean"][2]) / found["deviation"][2]
    expected = (expected - found["modulation_mean"][0]) / found["modulation_deviation"][0]
    assert vectors[1, 2, 0] == pytest.approx(expected, abs=1e-4)
    expected = cached[2, 1, 3] / found["deviation"][2] - found["modulation_mean"][3]
    assert vectors[1, 2, 3] == pytest.approx(expected / found["modulation_deviation"][3], abs=1e-4)


def test_spectral_vectors_are_the_counted_frames_normalised_by_bin(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with FeatureWriter(
        tmp_path / "s.h5", FEATURES["stft"].layout((4, 9)), parameters={}, sample_rate=1, hop=1,
        attributes={"uncentred_start": 1, "uncentred_stop": 8},
    ) as out:  # fmt: skip
        for clip in range(3):
            out.append(f"t{clip}", rng.random((4, 9)), moments_over=slice(1, 8))
    features = FeatureSet([tmp_path / "s.h5"])
    mean, deviation = pooled_moments(features, ["t0", "t2"])
    normalise = vectors_for("sf", {"mean": mean, "deviation": deviation}, features)
    train = np.concatenate([normalise(features.clip(t)) for t in ("t0", "t2")])
    assert train.shape == (14, 4)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)


def test_streamed_vectors_are_those_kept_in_memory(modulation: FeatureSet) -> None:
    normalise = vectors_for("tf", statistics(modulation), modulation)
    classes = [0, 1, 2, 0, 1, 2]

    def source(memory_gb: float) -> ClipVectors:
        return ClipVectors(
            modulation, modulation.track_ids, classes, normalise=normalise, memory_gb=memory_gb
        )

    (whole,) = source(1).blocks(None)
    blocks = list(source(500 / 1e9).blocks(None))
    assert len(blocks) == 3
    np.testing.assert_array_equal(np.concatenate([b[0] for b in blocks]), whole[0])
    np.testing.assert_array_equal(np.concatenate([b[1] for b in blocks]), whole[1])
    assert source(1).rows == 6 * 15
    shuffled = list(source(1e-9).blocks(np.random.default_rng(0)))
    order = [int(np.flatnonzero((whole[0][::15] == b[0][0]).all(axis=1))[0]) for b in shuffled]
    assert sorted(order) == list(range(6))
    assert order != list(range(6))
    assert [int(b[1][0]) for b in shuffled] == [classes[i] for i in order]


def test_vectors_that_are_not_finite_are_named(tmp_path: Path) -> None:
    values = np.ones((5, 3, 4))
    values[2, 1, 0] = np.inf
    path = write_modulation(tmp_path / "a.h5", {"good": np.ones((5, 3, 4)), "bad": values})
    features = FeatureSet([path])
    normalised = {"window_frames": WINDOW, "mean": np.zeros(5), "deviation": np.ones(5)}
    named = "1 of 60 values of clip 'bad' are NaN or infinite"
    with pytest.raises(UserError, match=named):
        modulation_moments(features, ["good", "bad"], **normalised)
    found = statistics(FeatureSet([write_modulation(tmp_path / "b.h5", {"a": np.ones((5, 3, 4))})]))
    vectors = ClipVectors(
        features, ["good", "bad"], [0, 1], normalise=vectors_for("tf", found, features),
        memory_gb=1,
    )  # fmt: skip
    with pytest.raises(UserError, match=named):
        next(vectors.blocks(None))


def test_moments_that_are_not_finite_are_named(tmp_path: Path) -> None:
    with FeatureWriter(
        tmp_path / "s.h5", FEATURES["stft"].layout((4, 9)), parameters={}, sample_rate=1, hop=1
    ) as out:
        out.append("good", np.ones((4, 9)))
        out.append("bad", np.full((4, 9), np.nan))
    features = FeatureSet([tmp_path / "s.h5"])
    with pytest.raises(UserError, match="4 of 4 moments of clip 'bad' are NaN or infinite"):
        pooled_moments(features, ["good", "bad"])
    assert np.isfinite(pooled_moments(features, ["good"])).all()


def test_aggregation_is_mean_and_population_variance() -> None:
    values = np.array([[[1.0, 0.0], [3.0, 0.0]], [[2.0, 4.0], [2.0, 8.0]]], np.float32)
    np.testing.assert_array_equal(aggregate(values), [[2, 0, 1, 0], [2, 6, 0, 4]])


def test_aggregation_is_in_double_precision() -> None:
    # A deviation of a thousandth of the level, over as many members as there are quefrencies.
    values = np.random.default_rng(0).normal(1000, 1, (2, 513, 3)).astype(np.float32)
    exact = values.astype(np.float64)
    expected = [[*exact[i].mean(axis=0), *exact[i].var(axis=0)] for i in range(2)]
    np.testing.assert_allclose(aggregate(values), expected, rtol=1e-7)


def test_windows_of_30_seconds_are_eleven() -> None:
    frames = np.arange(1290, dtype=np.float32)[:, None]
    windows = frame_windows(frames, window_frames=214, shift_frames=107)
    assert windows.shape == (11, 214, 1)
    assert windows[3, 0, 0] == 321
    assert windows[10, -1, 0] == 1283


def test_activations_do_not_depend_on_how_they_are_cut(modulation: FeatureSet) -> None:
    rng = np.random.default_rng(0)
    network = Mlp.initialise([4, 3, 2], initialisation="he_normal", rng=rng)
    vectors = rng.standard_normal((3, ROWS // 2, 4)).astype(np.float32)
    found = hidden_features(network, vectors)
    assert found.shape == (3, ROWS // 2, 3)
    np.testing.assert_allclose(found[2], network.hidden(vectors[2]), atol=1e-6)


def test_majority_counts_segments_and_mean_proba_weighs_them() -> None:
    segments = np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]])
    np.testing.assert_allclose(clip_shares(segments, "majority"), [2 / 3, 1 / 3])
    np.testing.assert_allclose(clip_shares(segments, "mean_proba"), [0.4, 0.6])


def test_ties_go_to_the_lowest_class_and_a_class_without_votes_has_none() -> None:
    # Segments that can't decide between the second and the third class of four.
    segments = np.array([[0.0, 0.5, 0.5, 0.0], [0.1, 0.1, 0.8, 0.0], [0.2, 0.3, 0.25, 0.25]])
    np.testing.assert_allclose(clip_shares(segments, "majority"), [0, 2 / 3, 1 / 3, 0])
    even = clip_shares(segments[:2], "majority")
    np.testing.assert_allclose(even, [0, 1 / 2, 1 / 2, 0])
    assert np.argmax(even) == 1

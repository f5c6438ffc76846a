"""Means and deviations from cached moments, and a clip's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from genreflow.features.cepstrum import compute_cepstral_modulation, normalise_cepstral_modulation
from genreflow.features.normalisation import SMALLEST_DEVIATION, pooled_moments, standardise_clip
from genreflow.features.registry import FEATURES
from genreflow.files.store import FeatureSet, FeatureWriter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

ROWS, COLUMNS = 6, 40
IDS = [f"clip{i}" for i in (3, 0, 11, 2, 7)]


def write_shards(
    folder: Path, values: dict[str, NDArray[np.float64]], shards: list[list[str]]
) -> FeatureSet:
    paths = []
    for index, members in enumerate(shards):
        paths.append(folder / f"{len(shards)}-{index}.h5")
        with FeatureWriter(
            paths[-1], FEATURES["stft"].layout((ROWS, COLUMNS)), parameters={}, sample_rate=1, hop=1
        ) as writer:
            for track_id in members:
                writer.append(track_id, values[track_id])
    return FeatureSet(paths)


@pytest.fixture
def values() -> dict[str, NDArray[np.float64]]:
    random = np.random.default_rng(5)
    made = {track_id: random.lognormal(0, 2, (ROWS, COLUMNS)) for track_id in IDS}
    for clip in made.values():
        clip[4] = -9.25
    return made


def test_pooled_moments_equal_those_of_all_the_values(
    tmp_path: Path, values: dict[str, NDArray[np.float64]]
) -> None:
    training = IDS[:3]
    with write_shards(tmp_path, values, [IDS]) as features:
        mean, deviation = pooled_moments(features, training)
    everything = np.concatenate([values[i].astype(np.float32) for i in training], axis=1)
    assert mean.dtype == deviation.dtype == np.float64
    assert np.allclose(mean, everything.astype(float).mean(axis=1), rtol=1e-13)
    changing = np.arange(ROWS) != 4
    assert np.allclose(deviation[changing], everything.astype(float).std(axis=1)[changing])


def test_pooled_moments_have_the_same_bits_whatever_the_shards_and_the_order(
    tmp_path: Path, values: dict[str, NDArray[np.float64]]
) -> None:
    with write_shards(tmp_path, values, [IDS]) as features:
        expected = pooled_moments(features, set(IDS))
        found = [pooled_moments(features, IDS), pooled_moments(features, IDS[::-1])]
    for shards in ([IDS[::-1]], [[name] for name in IDS], [IDS[3:], IDS[:3]]):
        with write_shards(tmp_path, values, shards) as features:
            found.append(pooled_moments(features, IDS))
    # Float32 values of many sizes: their sums do round, so another order gives other bits.
    for one in found:
        assert np.array_equal(one, expected)


def test_constant_row_becomes_zeros(tmp_path: Path, values: dict[str, NDArray[np.float64]]) -> None:
    with write_shards(tmp_path, values, [IDS]) as features:
        mean, deviation = pooled_moments(features, IDS)
        normalised = (features.clip(IDS[0]) - mean[:, None]) / deviation[:, None]
    assert deviation[4] >= SMALLEST_DEVIATION
    assert np.abs(normalised[4]).max() < 1e-6
    assert np.isfinite(normalised).all()


def test_a_variance_that_rounds_below_zero_is_zero(tmp_path: Path) -> None:
    # Of fifty clips of 1/7, 2/7, ... the mean of the squares, rounded, is below that of the mean.
    levels = np.float32([1, 2, 4, 8, 9, 11]) / np.float32(7)
    names = [f"clip{i}" for i in range(50)]
    values = np.tile(levels[:, None], COLUMNS).astype(np.float64)
    with write_shards(tmp_path, dict.fromkeys(names, values), [names]) as features:
        moments = [features.moments(name) for name in names]
        mean, squares = (sum(m[k] for m in moments) / (50 * COLUMNS) for k in (0, 1))
        assert (squares - mean**2 < 0).any()
        _, deviation = pooled_moments(features, names)
    assert (deviation == SMALLEST_DEVIATION).all()


@pytest.mark.parametrize("training", [IDS[:2], IDS[2:], IDS])
def test_any_partitions_modulation_follows_from_the_one_cache(
    tmp_path: Path, values: dict[str, NDArray[np.float64]], training: list[str]
) -> None:
    with write_shards(tmp_path, values, [IDS]) as features:
        mean, deviation = pooled_moments(features, training)
        cepstrogram = features.clip(IDS[3]).astype(np.float64)
    found = normalise_cepstral_modulation(
        compute_cepstral_modulation(cepstrogram, window_frames=20, shift_frames=10),
        mean=mean, deviation=deviation, window_frames=20,
    )  # fmt: skip
    normalised = (cepstrogram - mean[:, None]) / deviation[:, None]
    windows = np.stack([normalised[:, start : start + 20] for start in (0, 10, 20)], axis=1)
    changing = np.arange(ROWS) != 4
    expected = np.abs(scipy.fft.rfft(windows, axis=2))
    assert np.allclose(found[changing], expected[changing], rtol=1e-6, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 6), st.integers(2, 9)),
    level=st.floats(-1000, 1000),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**16),
    per=st.sampled_from(["clip", "clip_freq"]),
)
def test_standardised_clip_has_mean_0_and_deviation_1(
    shape: tuple[int, int], level: float, scale: float, seed: int, per: str
) -> None:
    values = level + scale * np.random.default_rng(seed).standard_normal(shape)
    found = standardise_clip(values, per=per)  # type: ignore[arg-type]
    assert found.dtype == np.float32
    axis = None if per == "clip" else 1
    assert np.allclose(found.mean(axis=axis, dtype=np.float64), 0, atol=1e-6)
    assert np.allclose(found.std(axis=axis, dtype=np.float64), 1, atol=1e-6)


def test_one_mean_for_the_clip_keeps_the_differences_between_bands() -> None:
    values = np.array([[1.0, 3.0], [5.0, 7.0]])
    assert np.allclose(standardise_clip(values, per="clip"), (values - 4) / np.sqrt(5))
    assert np.allclose(standardise_clip(values, per="clip_freq"), [[-1, 1], [-1, 1]])


@pytest.mark.parametrize("per", ["clip", "clip_freq"])
def test_clip_is_standardised_in_double_precision(per: str) -> None:
    # A level 10 000 times the deviation: single precision would leave an error of 1e-3.
    values = (1000 + 0.1 * np.random.default_rng(0).standard_normal((96, 200))).astype(np.float32)
    exact = values.astype(np.float64)
    expected = [(row - row.mean()) / row.std() for row in exact]
    if per == "clip":
        expected = (exact - exact.mean()) / exact.std()
    found = standardise_clip(values, per=per)  # type: ignore[arg-type]
    assert np.allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, -100.0, 0.1, 1e30])
@pytest.mark.parametrize("per", ["clip", "clip_freq"])
def test_constant_clip_gives_zeros_not_nan(level: float, per: str) -> None:
    # 0.1: the mean of equal float32 values differs from them by a rounding.
    found = standardise_clip(np.full((7, 13), level, np.float32), per=per)  # type: ignore[arg-type]
    assert np.array_equal(found, np.zeros((7, 13)))


def test_constant_band_gives_zeros_and_leaves_the_others() -> None:
    values = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 3.0]])
    found = standardise_clip(values, per="clip_freq")
    assert np.array_equal(found[0], np.zeros(3))
    assert np.allclose(found[1], np.sqrt(1.5) * np.array([-1, 0, 1]))

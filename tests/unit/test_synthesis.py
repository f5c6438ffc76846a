"""The planted truth of the demo: what the classes share, and what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from genreflow.features.synthesis import (
    BALANCES,
    ONSETS_PER_BAR,
    RHYTHMS,
    TIMBRES,
    PlantedClip,
    class_label,
    clip_table,
    onset_times,
    synthesise_clip,
)
from numpy.typing import NDArray

RATE = 22050
SECONDS = 10.0

Rendered = list[tuple[PlantedClip, NDArray[np.float32]]]


@pytest.fixture(scope="module")
def table() -> list[PlantedClip]:
    return clip_table(seeds=(0, 1, 2), artists=8)


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    """Every clip of four artists: 32 clips, four of each class."""
    clips = clip_table(seeds=(0,), artists=4)
    return [(clip, synthesise_clip(clip, sample_rate=RATE, seconds=SECONDS)) for clip in clips]


def magnitude(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """Magnitude of the frames of 1024 samples every 512, shape (frames, 513)."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, 1024)[::512]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(1025)[:-1], axis=1)))


def mean_over(
    rendered: Rendered,
    factor: str,
    level: str,
    measure: Callable[[NDArray[np.float32]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Mean of a measure over the clips with one level of a factor: twins in all else."""
    values = [measure(signal) for clip, signal in rendered if getattr(clip, factor) == level]
    assert len(values) == len(rendered) // 2
    return np.asarray(np.mean(values, axis=0))


# The table


def test_default_table_counts(table: list[PlantedClip]) -> None:
    assert len(table) == 192
    assert Counter(clip.split for clip in table) == {"train": 96, "valid": 48, "test": 48}
    assert set(Counter(clip.label for clip in table).values()) == {24}
    assert len({clip.label for clip in table}) == 8


def test_every_artist_has_each_class_once(table: list[PlantedClip]) -> None:
    pairs = Counter((clip.group, clip.label) for clip in table)
    assert len({clip.group for clip in table}) == 24
    assert len(pairs) == 24 * 8
    assert set(pairs.values()) == {1}


def test_split_is_disjoint_by_artist_and_balanced_in_every_seed(table: list[PlantedClip]) -> None:
    splits = {(clip.seed, clip.group, clip.split) for clip in table}
    assert len(splits) == 24
    for seed in (0, 1, 2):
        count = Counter(split for of_seed, _, split in splits if of_seed == seed)
        assert count == {"train": 4, "valid": 2, "test": 2}


def test_ids_are_unique_and_stable(table: list[PlantedClip]) -> None:
    assert len({clip.track_id for clip in table}) == 192
    assert table[0].track_id == "s0-a00-dull_even_tonal"
    assert table[-1].track_id == "s2-a07-bright_clustered_percussive"
    # A larger collection holds the smaller one, unchanged.
    assert set(table) < set(clip_table(seeds=(2, 5, 0, 1), artists=12))


def test_label_names_the_factors(table: list[PlantedClip]) -> None:
    for clip in table:
        assert clip.label == class_label(
            timbre=clip.timbre, rhythm=clip.rhythm, balance=clip.balance
        )
        assert clip.label.split("_") == [clip.timbre, clip.rhythm, clip.balance]
        assert clip.track_id == f"{clip.group}-{clip.label}"


@pytest.mark.parametrize("artists", [-4, 0, 3, 6])
def test_artists_must_be_a_multiple_of_four(artists: int) -> None:
    with pytest.raises(ValueError, match=f"artists = {artists}, expected .* multiple of 4"):
        clip_table(seeds=(0,), artists=artists)


@pytest.mark.parametrize("seeds", [(0, 0), (-1,)])
def test_seeds_must_be_distinct_and_not_negative(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="distinct integers >= 0"):
        clip_table(seeds=seeds, artists=4)


# The samples


@pytest.mark.parametrize(("rate", "seconds"), [(22050, 10.0), (22050, 1.2345), (8000, 2.0)])
def test_samples_are_finite_float32_of_the_right_length(
    table: list[PlantedClip], rate: int, seconds: float
) -> None:
    signal = synthesise_clip(table[5], sample_rate=rate, seconds=seconds)
    assert signal.dtype == np.float32
    assert signal.shape == (round(rate * seconds),)
    assert np.isfinite(signal).all()


def test_samples_use_the_range_without_clipping(
    rendered: Rendered,
) -> None:
    for clip, signal in rendered:
        assert 0.05 < np.abs(signal).max() < 0.9, clip.track_id


@pytest.mark.parametrize(("rate", "seconds"), [(4000, 10.0), (22050, 0.0)])
def test_impossible_requests_are_refused(
    table: list[PlantedClip], rate: int, seconds: float
) -> None:
    with pytest.raises(ValueError, match=f"sample_rate = {rate}, seconds = {seconds}"):
        synthesise_clip(table[0], sample_rate=rate, seconds=seconds)


def test_rendering_does_not_depend_on_order_or_subset(
    rendered: Rendered,
) -> None:
    for clip, signal in rendered[::-5]:
        again = synthesise_clip(clip, sample_rate=RATE, seconds=SECONDS)
        np.testing.assert_array_equal(again, signal)


def test_every_clip_sounds_different(
    rendered: Rendered,
) -> None:
    other_seed = clip_table(seeds=(1,), artists=4)[:8]
    signals = [signal for _, signal in rendered]
    signals += [synthesise_clip(clip, sample_rate=RATE, seconds=SECONDS) for clip in other_seed]
    normal = np.stack([signal / np.linalg.norm(signal) for signal in signals])
    correlation = np.abs(normal @ normal.T - np.eye(len(signals)))
    assert correlation.max() < 0.3


def test_artist_colours_the_sound(table: list[PlantedClip]) -> None:
    clip = table[0]
    others = [replace(clip, artist=artist) for artist in range(8)]
    db = [
        20 * np.log10(magnitude(synthesise_clip(c, sample_rate=RATE, seconds=SECONDS)).mean(0))
        for c in others
    ]
    # Above 5 kHz only the equalisation curve, the room and the level differ.
    spread = np.std([spectrum[232:].mean() for spectrum in db])
    assert 0.5 < spread < 6.0


# The planted truth


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_a_bar_has_eight_onsets(table: list[PlantedClip], rhythm: str) -> None:
    for clip in [clip for clip in table if clip.rhythm == rhythm][:12]:
        onsets = onset_times(clip, seconds=SECONDS)
        bars = onsets[ONSETS_PER_BAR:] - onsets[:-ONSETS_PER_BAR]
        np.testing.assert_allclose(bars, bars[0], rtol=1e-9)
        assert 4 * 60 / 125 <= bars[0] <= 4 * 60 / 95
        gaps = np.diff(onsets) / bars[0] * 16
        expected = {"even": {2}, "clustered": {1, 5}}[rhythm]
        assert set(np.round(gaps, 6)) == expected
        assert onsets[0] < bars[0]
        assert onsets[-1] > SECONDS - bars[0]


def test_sounds_start_at_the_onsets(
    rendered: Rendered,
) -> None:
    for clip, signal in rendered:
        energy = np.cumsum(np.square(signal, dtype=np.float64))
        onsets = onset_times(clip, seconds=SECONDS)
        onsets = onsets[(onsets > 0.05) & (onsets < SECONDS - 0.05)]
        at = (onsets * RATE).astype(int)
        width = int(0.02 * RATE)
        after = energy[at + width] - energy[at]
        before = energy[at] - energy[at - width]
        assert np.median(after) > 10 * np.median(before), clip.track_id


def test_rhythm_twins_share_the_long_term_spectrum(
    rendered: Rendered,
) -> None:
    def bands_db(signal: NDArray[np.float32]) -> NDArray[np.float64]:
        power = np.square(magnitude(signal)).mean(axis=0)[1:]
        return np.asarray(10 * np.log10(power.reshape(16, 32).mean(axis=1)))

    even, clustered = (mean_over(rendered, "rhythm", level, bands_db) for level in RHYTHMS)
    assert np.abs(even - clustered).max() < 1.0


def test_rhythm_twins_share_the_distribution_of_frame_levels(
    rendered: Rendered,
) -> None:
    def quantiles_db(signal: NDArray[np.float32]) -> NDArray[np.float64]:
        level = 10 * np.log10(np.square(magnitude(signal)).sum(axis=1))
        return np.asarray(np.quantile(level, [0.1, 0.3, 0.5, 0.7, 0.9]))

    even, clustered = (mean_over(rendered, "rhythm", level, quantiles_db) for level in RHYTHMS)
    assert np.abs(even - clustered).max() < 2.0


def test_rhythm_twins_differ_in_modulation(
    rendered: Rendered,
) -> None:
    def slow_share(signal: NDArray[np.float32]) -> NDArray[np.float64]:
        level = np.log(np.square(magnitude(signal)).sum(axis=1))
        power = np.square(np.abs(np.fft.rfft((level - level.mean()) * np.hanning(level.size))))
        frequency = np.fft.rfftfreq(level.size, d=512 / RATE)
        # The half bar lasts 0.96 to 1.26 s: only clusters repeat at its rate.
        slow = power[(frequency > 0.7) & (frequency < 1.2)].sum()
        return np.asarray(slow / power[frequency > 0.7].sum())

    even, clustered = (mean_over(rendered, "rhythm", level, slow_share) for level in RHYTHMS)
    assert clustered > 5 * even


def test_timbre_twins_differ_in_spectral_centroid(
    rendered: Rendered,
) -> None:
    def centroid_hz(signal: NDArray[np.float32]) -> NDArray[np.float64]:
        # Below 4 kHz the tones outweigh the noise bursts.
        spectrum = magnitude(signal).mean(axis=0)[: round(4000 * 1024 / RATE)]
        frequency = np.arange(spectrum.size) * RATE / 1024
        return np.asarray((frequency * spectrum).sum() / spectrum.sum())

    dull, bright = (mean_over(rendered, "timbre", level, centroid_hz) for level in TIMBRES)
    assert bright > 1.05 * dull


def test_timbre_twins_share_the_level(
    rendered: Rendered,
) -> None:
    def level_db(signal: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(10 * np.log10(np.square(signal, dtype=np.float64).mean()))

    dull, bright = (mean_over(rendered, "timbre", level, level_db) for level in TIMBRES)
    assert abs(dull - bright) < 0.5


def test_balance_twins_differ_in_percussive_energy(
    rendered: Rendered,
) -> None:
    def burst_share_db(signal: NDArray[np.float32]) -> NDArray[np.float64]:
        # Above 8 kHz there are few partials: what is there comes from the bursts.
        power = np.square(magnitude(signal)).mean(axis=0)
        return np.asarray(10 * np.log10(power[372:].sum() / power.sum()))

    tonal, percussive = (
        mean_over(rendered, "balance", level, burst_share_db) for level in BALANCES
    )
    assert percussive > tonal + 3.0

"""Harmonic/percussive separation: clicks against tones, scipy's medians, librosa's masks."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import pytest
from genreflow.features.hpss import round_to_half, separate_hpss, soft_mask
from genreflow.features.stft import compute_stft
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

Signal = Callable[..., NDArray[np.float32]]
PAPER = {"kernel": 31, "power": 2.0, "margin": 1.0, "conserve": "magnitude"}


@pytest.fixture(scope="module")
def magnitude(make_signal: Signal) -> NDArray[np.float32]:
    return compute_stft(make_signal("music", seconds=4), n_fft=1024, hop=512)


def test_tone_is_harmonic_and_clicks_are_percussive(make_signal: Signal) -> None:
    tone = compute_stft(make_signal("sine", amplitude=0.5), n_fft=1024, hop=512)
    clicks = compute_stft(make_signal("clicks"), n_fft=1024, hop=512)
    for samples, kept in ((tone, 0), (clicks, 1)):
        parts = separate_hpss(samples, **PAPER)  # type: ignore[arg-type]
        energy = [float(np.square(part, dtype=np.float64).sum()) for part in parts]
        # The reflection at the ends is a click in the tone.
        assert energy[kept] > 0.98 * np.square(samples, dtype=np.float64).sum()
        assert energy[1 - kept] < 0.01 * energy[kept]


@pytest.mark.parametrize("margin", [1.0, 1.5])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_equals_librosa(magnitude: NDArray[np.float32], power: float, margin: float) -> None:
    expected = librosa.decompose.hpss(
        magnitude, kernel_size=31, power=power, mask=False, margin=margin
    )
    found = separate_hpss(magnitude, kernel=31, power=power, margin=margin, conserve="magnitude")
    for part, reference in zip(found, expected, strict=True):
        assert part.dtype == np.float32
        assert np.allclose(part, reference, rtol=2e-6, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.sampled_from([1e-30, 1e-6, 1.0, 500.0]))
def test_parts_sum_to_the_whole(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    magnitude = (scale * random.exponential(1, (20, 25))).astype(np.float32)
    magnitude[random.random((20, 25)) < 0.5] = 0
    for conserve, exponent in (("magnitude", 1), ("power", 2)):
        harmonic, percussive = (
            part.astype(np.float64) / scale
            for part in separate_hpss(
                magnitude,
                kernel=5,
                power=2.0,
                margin=1.0,
                conserve=conserve,  # type: ignore[arg-type]
            )
        )
        whole = (magnitude.astype(np.float64) / scale) ** exponent
        assert np.allclose(harmonic**exponent + percussive**exponent, whole, rtol=1e-5, atol=1e-7)


def test_silence_gives_zeros() -> None:
    for part in separate_hpss(np.zeros((40, 50), np.float32), **PAPER):  # type: ignore[arg-type]
        assert np.array_equal(part, np.zeros((40, 50)))


@pytest.mark.parametrize("conserve", ["magnitude", "power"])
def test_parts_as_halves_are_the_rounded_parts(
    magnitude: NDArray[np.float32], conserve: str
) -> None:
    settings_ = {**PAPER, "conserve": conserve}
    exact = separate_hpss(magnitude, **settings_)  # type: ignore[arg-type]
    halves = separate_hpss(magnitude, **settings_, halves=True)  # type: ignore[arg-type]
    for part, rounded in zip(exact, halves, strict=True):
        assert rounded.dtype == np.float16
        assert np.array_equal(rounded, part.astype(np.float16))


def test_rounding_to_halves_has_numpys_bits() -> None:
    # Every half, what lies in the middle of two, and the floats next to those: ties go to even.
    halves = np.arange(0x7C01, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves[-1] = 65536
    middles = (halves[:-1] + halves[1:]) / 2
    random = np.random.default_rng(0).integers(0, 0x7F800000, 100_000, dtype=np.int32)
    values = [halves, middles, *(np.nextafter(middles, np.float32(to)) for to in (0, np.inf))]
    for part in (*values, random.view(np.float32)):
        found = np.empty(part.shape, np.float16)
        round_to_half(part, found.view(np.uint16))
        with np.errstate(over="ignore"):
            assert np.array_equal(found, part.astype(np.float16))


def mask(kept: float, other: float, power: float, margin: float) -> float:
    return float(soft_mask(*np.float32([kept, other, power, margin])))


def test_mask_is_a_half_where_both_are_silent_and_nothing_with_a_margin() -> None:
    assert mask(0, 0, power=2, margin=1) == 0.5
    assert mask(0, 0, power=2, margin=2) == 0


def test_mask_follows_the_ratio_of_the_powers() -> None:
    for kept, other, expected in ((3, 1, 0.9), (0, 2, 0), (2, 0, 1)):
        assert mask(kept, other, power=2, margin=1) == pytest.approx(expected)
    for kept, other, expected in ((3, 1, 0.5), (0, 2, 0), (2, 0, 1)):
        assert mask(kept, other, power=1, margin=3) == pytest.approx(expected)

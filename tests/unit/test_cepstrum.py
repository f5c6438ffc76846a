"""Cepstrogram and cepstral modulation: echoes, amplitude modulation, and a plain double loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from genreflow.features.cepstrum import (
    compute_cepstral_modulation,
    compute_cepstrogram,
    normalise_cepstral_modulation,
)
from genreflow.features.stft import compute_stft
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

N_FFT, HOP, EPSILON, WINDOW_FRAMES, SHIFT_FRAMES = 1024, 512, 1e-4, 214, 107
Signal = Callable[..., NDArray[np.float32]]


def modulation_of(cepstrogram: NDArray[np.float64]) -> NDArray[np.float64]:
    return compute_cepstral_modulation(
        cepstrogram, window_frames=WINDOW_FRAMES, shift_frames=SHIFT_FRAMES
    )


@pytest.mark.parametrize("lag", [60, 100, 200])
def test_echo_shows_as_a_peak_at_its_lag(make_signal: Signal, lag: int) -> None:
    samples = make_signal("noise", seconds=10)
    samples[lag:] += 0.6 * samples[:-lag]
    magnitude = compute_stft(samples, n_fft=N_FFT, hop=HOP)
    cepstrum = compute_cepstrogram(magnitude, epsilon=EPSILON).mean(axis=1)
    # Low quefrencies hold the envelope of the window's noise.
    assert 20 + np.argmax(cepstrum[20:]) == lag
    # Half of ln|1 + a exp(-iwq)|'s first term a; the window sees less of the echo.
    assert 0.15 < cepstrum[lag] < 0.31


def test_flat_spectrum_has_only_quefrency_zero() -> None:
    cepstrum = compute_cepstrogram(np.full((513, 3), 2.0, np.float32), epsilon=EPSILON)
    assert np.allclose(cepstrum[0], np.log(2 + EPSILON), rtol=1e-12)
    assert np.abs(cepstrum[1:]).max() < 1e-14


def test_silence_has_the_logarithm_of_epsilon_at_quefrency_zero() -> None:
    cepstrum = compute_cepstrogram(np.zeros((513, 2), np.float32), epsilon=EPSILON)
    assert np.allclose(cepstrum[0], np.log(EPSILON), rtol=1e-12)
    assert np.abs(cepstrum[1:]).max() < 1e-14


def test_cosine_over_frequency_keeps_its_sign_and_its_quefrency() -> None:
    # The even extension of cos(2 pi q k / N) is itself, so its cepstrum is 1/2 at q alone.
    bins = np.arange(513)[:, None]
    magnitude = np.exp(-np.cos(2 * np.pi * 40 * bins / N_FFT)) - EPSILON
    cepstrum = compute_cepstrogram(magnitude.astype(np.float32), epsilon=EPSILON)
    assert np.isclose(cepstrum[40, 0], -0.5, atol=1e-6)
    assert np.abs(np.delete(cepstrum[:, 0], 40)).max() < 1e-6


def test_equals_the_inverse_transform_of_the_whole_symmetric_spectrum(make_signal: Signal) -> None:
    magnitude = compute_stft(make_signal("music"), n_fft=N_FFT, hop=HOP)
    logarithm = np.log(magnitude.astype(np.float64) + EPSILON)
    symmetric = np.concatenate([logarithm, logarithm[-2:0:-1]])
    k = np.arange(N_FFT)
    cosines = np.cos(2 * np.pi * np.outer(np.arange(513), k) / N_FFT) / N_FFT
    expected = cosines @ symmetric
    found = compute_cepstrogram(magnitude, epsilon=EPSILON)
    assert np.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("frequency", [1, 5, 107])
def test_cosine_over_time_lands_in_its_modulation_frequency(frequency: int) -> None:
    time = np.arange(WINDOW_FRAMES)
    rows = np.stack([3 + np.cos(2 * np.pi * frequency * time / WINDOW_FRAMES), -2.0 + 0 * time])
    modulation = modulation_of(rows)[:, 0]
    # At the Nyquist frequency the two halves of the cosine's spectrum fall together.
    height = WINDOW_FRAMES / (1 if frequency == WINDOW_FRAMES // 2 else 2)
    assert np.isclose(modulation[0, frequency], height)
    assert np.abs(np.delete(modulation[0], [0, frequency])).max() < 1e-10
    # Frequency 0 is the signed sum.
    assert np.allclose(modulation[:, 0], [3 * WINDOW_FRAMES, -2 * WINDOW_FRAMES])


def test_amplitude_modulated_noise_peaks_at_the_modulation_frequency(make_signal: Signal) -> None:
    # 8 cycles in 214 frames; quefrency 0 is the level, so it follows the loudness.
    samples = make_signal("noise", seconds=6)
    period = WINDOW_FRAMES * HOP / 8
    samples *= (1.2 + np.cos(2 * np.pi * np.arange(samples.size) / period)).astype(np.float32)
    cepstrogram = compute_cepstrogram(compute_stft(samples, n_fft=N_FFT, hop=HOP), epsilon=EPSILON)
    assert 1 + np.argmax(modulation_of(cepstrogram)[0, 0, 1:]) == 8


@pytest.mark.parametrize("window_frames", [*range(1, 18), 30, 31, 214, 215, 216])
def test_every_window_has_its_discrete_fourier_transform(window_frames: int) -> None:
    # A level far above the variation, as quefrency 0 has it.
    cepstrogram = np.random.default_rng(0).standard_normal((300, 300)) - 50
    found = compute_cepstral_modulation(cepstrogram, window_frames=window_frames, shift_frames=40)
    windows = np.lib.stride_tricks.sliding_window_view(cepstrogram, window_frames, axis=1)
    windows = windows[:, ::40]
    expected = np.abs(np.fft.rfft(windows, axis=2))
    assert found.shape == expected.shape
    assert np.abs(found[..., 1:] - expected[..., 1:]).max(initial=0) < 1e-10
    assert np.allclose(found[..., 0], windows.sum(axis=2), rtol=1e-12)


def test_thirty_seconds_give_the_papers_shape() -> None:
    assert modulation_of(np.zeros((513, 1290))).shape == (513, 11, 108)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), level=st.floats(-20, 20))
def test_normalising_afterwards_equals_transforming_the_normalised_cepstrogram(
    seed: int, level: float
) -> None:
    random = np.random.default_rng(seed)
    cepstrogram = level + random.standard_normal((4, 40))
    mean, deviation = random.normal(level, 1, 4), random.uniform(0.01, 3, 4)
    found = normalise_cepstral_modulation(
        compute_cepstral_modulation(cepstrogram, window_frames=12, shift_frames=6),
        mean=mean,
        deviation=deviation,
        window_frames=12,
    )
    normalised = (cepstrogram - mean[:, None]) / deviation[:, None]
    turns = np.exp(-2j * np.pi * np.outer(np.arange(7), np.arange(12)) / 12)
    expected = np.stack(
        [np.abs(normalised[:, start : start + 12] @ turns.T) for start in range(0, 29, 6)], axis=1
    )
    assert found.shape == expected.shape == (4, 5, 7)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-6 * expected.max())

"""Mel spectrograms, modulation and MFCC: closed forms and librosa with every argument given."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import pytest
import scipy.signal
from genreflow.features.mel import compute_mel, mel_filters
from genreflow.features.mfcc import compute_mfcc
from genreflow.features.modulation import compute_modulation
from genreflow.features.stft import compute_stft
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

RATE, N_FFT, HOP, BANDS = 22050, 1024, 512, 96
Signal = Callable[..., NDArray[np.float32]]
FILTERS = mel_filters(sample_rate=RATE, n_fft=N_FFT, n_mels=BANDS, fmin=0, fmax=11025)


@pytest.fixture(scope="module")
def magnitude(make_signal: Signal) -> NDArray[np.float32]:
    return compute_stft(make_signal("music", seconds=4), n_fft=N_FFT, hop=HOP)


@pytest.fixture(scope="module")
def mel(magnitude: NDArray[np.float32]) -> NDArray[np.float64]:
    return compute_mel(magnitude, filters=FILTERS, top_db=80)


def slaney_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Hz by Slaney's scale: linear to 1 kHz (15 mels), then 27 steps a factor of 6.4."""
    linear, logarithmic = 200 / 3 * mel, 1000 * 6.4 ** ((mel - 15) / 27)
    return np.where(mel < 15, linear, logarithmic)


def test_filters_are_slaneys_triangles_of_unit_area() -> None:
    top = 15 + 27 * np.log(11025 / 1000) / np.log(6.4)
    edges = slaney_hertz(np.linspace(0, top, BANDS + 2))
    frequencies = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    expected = np.zeros((BANDS, N_FFT // 2 + 1))
    for band, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        up, down = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
        expected[band] = np.maximum(0, np.minimum(up, down)) * 2 / (high - low)
    assert np.allclose(FILTERS, expected, rtol=1e-9, atol=1e-12)


def test_equals_librosa(make_signal: Signal, mel: NDArray[np.float64]) -> None:
    power = librosa.feature.melspectrogram(
        y=make_signal("music", seconds=4).astype(np.float64), sr=RATE, n_fft=N_FFT, hop_length=HOP,
        win_length=N_FFT, window="hann", center=True, pad_mode="reflect", power=2.0, n_mels=BANDS,
        fmin=0, fmax=11025, htk=False, norm="slaney", dtype=np.float64,
    )  # fmt: skip
    expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=80)
    assert np.allclose(mel, expected, rtol=0, atol=1e-5)


def test_power_is_that_of_the_given_magnitude_in_double_precision(
    magnitude: NDArray[np.float32], mel: NDArray[np.float64]
) -> None:
    power = librosa.feature.melspectrogram(
        S=magnitude.astype(np.float64) ** 2, sr=RATE, n_mels=BANDS, fmin=0, fmax=11025,
        htk=False, norm="slaney", dtype=np.float64,
    )  # fmt: skip
    expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=80)
    assert np.allclose(mel, expected, rtol=0, atol=1e-10)


def test_filters_span_the_given_frequencies_and_no_others() -> None:
    filters = mel_filters(sample_rate=RATE, n_fft=N_FFT, n_mels=20, fmin=500, fmax=4000)
    frequencies = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    passed = frequencies[filters.any(axis=0)]
    assert 500 < passed.min() < 500 + 2 * RATE / N_FFT
    assert 4000 - 2 * RATE / N_FFT < passed.max() < 4000


def test_ten_times_the_magnitude_is_twenty_decibels_more(
    magnitude: NDArray[np.float32], mel: NDArray[np.float64]
) -> None:
    louder = compute_mel(10 * magnitude, filters=FILTERS, top_db=80)
    assert np.allclose(louder - mel, 20, atol=1e-4)


@pytest.mark.parametrize("top_db", [20.0, 80.0])
def test_floor_lies_top_db_below_the_clips_maximum(
    magnitude: NDArray[np.float32], top_db: float
) -> None:
    found = compute_mel(magnitude, filters=FILTERS, top_db=top_db)
    # The signal has a silent stretch, so the floor is reached.
    assert np.isclose(found.min(), found.max() - top_db, atol=1e-12)


def test_silence_is_minus_100_decibels_everywhere() -> None:
    assert (compute_mel(np.zeros((513, 4), np.float32), filters=FILTERS, top_db=80) == -100).all()


def test_modulation_of_a_cosine_is_in_its_bin_alone() -> None:
    frames, cycles = 100, 7
    band = np.cos(2 * np.pi * cycles * np.arange(frames) / frames)
    found = compute_modulation(np.stack([-30 + 5 * band, -30 - 5 * band]), spectrogram="log")
    assert found.shape == (2, 50)
    # Standardised, the cosine has amplitude sqrt(2) and its bin frames / 2 times that.
    assert np.allclose(found[:, cycles], np.sqrt(2) * frames / 2)
    assert np.abs(np.delete(found, cycles, axis=1)).max() < 1e-10


def test_modulation_standardises_by_one_mean_and_deviation_for_all_bands() -> None:
    found = compute_modulation(np.array([[10.0] * 8, [30.0] * 8]), spectrogram="log")
    # Bands a deviation below and above the mean keep a DC of 8 frames each.
    assert np.allclose(found, [[8, 0, 0, 0], [8, 0, 0, 0]])


def test_modulation_of_power_undoes_the_logarithm() -> None:
    power = np.random.default_rng(0).uniform(0.1, 10, (3, 16))
    found = compute_modulation(10 * np.log10(power), spectrogram="power")
    assert np.allclose(found, compute_modulation(power, spectrogram="log"))


@pytest.mark.parametrize("spectrogram", ["log", "power"])
@pytest.mark.parametrize("level", [-100.0, 0.0, -33.3])
def test_modulation_of_a_constant_is_zero(spectrogram: str, level: float) -> None:
    found = compute_modulation(np.full((7, 13), level), spectrogram=spectrogram)  # type: ignore[arg-type]
    assert np.array_equal(found, np.zeros((7, 6)))


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-100, 100), seed=st.integers(0, 2**16))
def test_modulation_ignores_level_and_range(gain: float, offset: float, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((3, 20))
    found = compute_modulation(gain * values + offset, spectrogram="log")
    assert np.allclose(found, compute_modulation(values, spectrogram="log"), atol=1e-8)


def test_mfcc_and_deltas_equal_librosa(mel: NDArray[np.float64]) -> None:
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=20, dct_type=2, norm="ortho", lifter=0)
    deltas = [
        librosa.feature.delta(mfcc, width=9, order=order, axis=-1, mode="interp")
        for order in (1, 2)
    ]
    found = compute_mfcc(mel, n_mfcc=20, delta_width=9)
    assert np.allclose(found, np.concatenate([mfcc, *deltas]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("width", [5, 9, 13])
def test_deltas_are_fits_over_the_given_width(mel: NDArray[np.float64], width: int) -> None:
    found = compute_mfcc(mel, n_mfcc=3, delta_width=width)
    middle, half = 40, width // 2
    time = np.arange(-half, half + 1)
    for row in range(3):
        around = found[row, middle - half : middle + half + 1]
        # The slope of a fitted line, and twice the curvature of a fitted parabola.
        assert np.isclose(found[3 + row, middle], np.polyfit(time, around, 1)[0])
        assert np.isclose(found[6 + row, middle], 2 * np.polyfit(time, around, 2)[0])


def test_second_derivative_is_a_local_parabola_not_the_delta_of_the_delta(
    mel: NDArray[np.float64],
) -> None:
    mfcc, _, second = np.split(compute_mfcc(mel, n_mfcc=20, delta_width=9), 3)
    parabola = scipy.signal.savgol_filter(mfcc, 9, polyorder=2, deriv=2, axis=-1, mode="interp")
    assert np.allclose(second, parabola, atol=1e-9)


def test_mfcc_of_a_flat_band_profile_is_c0_and_a_ramp_has_its_slope() -> None:
    ramp = np.tile(0.5 * np.arange(30.0), (BANDS, 1))
    mfcc, first, second = np.split(compute_mfcc(ramp, n_mfcc=20, delta_width=9), 3)
    assert np.allclose(mfcc[0], np.sqrt(BANDS) * ramp[0])
    assert np.allclose(mfcc[1:], 0, atol=1e-9)
    assert np.allclose(first[0], 0.5 * np.sqrt(BANDS))
    assert np.allclose(second, 0, atol=1e-9)


def test_thirty_seconds_give_the_papers_shapes() -> None:
    mel = compute_mel(np.zeros((513, 1292), np.float32), filters=FILTERS, top_db=80)
    assert mel.shape == (96, 1292)
    assert compute_modulation(mel, spectrogram="log").shape == (96, 646)
    assert compute_mfcc(mel, n_mfcc=20, delta_width=9).shape == (60, 1292)

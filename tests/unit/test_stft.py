"""The magnitude spectrogram: closed forms, librosa, and one cache for both papers' frames."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal
from genreflow.features.stft import compute_stft, uncentred_frames
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

N_FFT, HOP, RATE = 1024, 512, 22050
WINDOW = scipy.signal.get_window("hann", N_FFT, fftbins=True)
Signal = Callable[..., NDArray[np.float32]]


def stft(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return compute_stft(samples, n_fft=N_FFT, hop=HOP)


@pytest.mark.parametrize("bin_", [1, 37, 300, 511])
def test_sine_at_a_bin_centre_has_half_the_sum_of_the_window(
    make_signal: Signal, bin_: int
) -> None:
    magnitude = stft(make_signal("sine", frequency=bin_ * RATE / N_FFT, amplitude=0.5))
    inner = magnitude[:, 2:-2]
    assert np.allclose(inner[bin_], 0.5 * WINDOW.sum() / 2, rtol=1e-5)
    # The Hann window reaches one bin to each side, with half the height, and no further.
    others = np.delete(inner, [bin_ - 1, bin_, bin_ + 1], axis=0)
    assert others.max() < 1e-3
    if 1 < bin_ < 511:
        assert np.allclose(inner[bin_ + 1], inner[bin_] / 2, rtol=1e-4)


def test_impulse_has_a_flat_spectrum_as_high_as_the_window_there() -> None:
    samples = np.zeros(4 * N_FFT, np.float32)
    position = 3 * HOP + 100
    samples[position] = 0.5
    magnitude = stft(samples)
    for frame in (3, 4):
        height = 0.5 * WINDOW[position - frame * HOP + N_FFT // 2]
        assert np.allclose(magnitude[:, frame], height, rtol=1e-6)
    assert not magnitude[:, :3].any()
    assert not magnitude[:, 5:].any()


def test_silence_is_exactly_zero() -> None:
    assert not stft(np.zeros(5000, np.float32)).any()


def test_thirty_seconds_give_the_papers_shapes() -> None:
    magnitude = stft(np.zeros(661500, np.float32))
    assert magnitude.shape == (513, 1292)
    assert magnitude.dtype == np.float32
    assert magnitude.flags.c_contiguous
    frames = uncentred_frames(661500, n_fft=N_FFT, hop=HOP)
    assert (frames.start, frames.stop) == (1, 1291)
    assert magnitude[:, frames].shape == (513, 1290)


def test_equals_librosa_in_double_precision(make_signal: Signal) -> None:
    samples = make_signal("music")
    expected = np.abs(
        librosa.stft(
            samples.astype(np.float64),
            n_fft=N_FFT,
            hop_length=HOP,
            win_length=N_FFT,
            window="hann",
            center=True,
            pad_mode="reflect",
            dtype=np.complex128,
        )
    )
    assert np.allclose(stft(samples), expected, rtol=1e-7, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(2 * N_FFT, 4 * N_FFT),
    hop=st.sampled_from([512, 256, 128]),
    seed=st.integers(0, 2**16),
)
def test_centred_frames_inside_the_signal_are_the_uncentred_frames_bit_for_bit(
    size: int, hop: int, seed: int
) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, size).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), N_FFT)[::hop]
    uncentred = np.abs(scipy.fft.rfft(frames * WINDOW, axis=1)).T.astype(np.float32)
    centred = compute_stft(samples, n_fft=N_FFT, hop=hop)
    assert np.array_equal(centred[:, uncentred_frames(size, n_fft=N_FFT, hop=hop)], uncentred)


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 300), (1024, 1024), (1023, 512), (1025, 512)])
def test_frames_that_would_not_coincide_are_refused(n_fft: int, hop: int) -> None:
    with pytest.raises(ValueError, match=rf"{n_fft / 2:g} is not a multiple of hop = {hop}"):
        uncentred_frames(661500, n_fft=n_fft, hop=hop)

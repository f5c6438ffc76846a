"""How exact the caches are: the bounds of SPEC section 11, by its measures, against float64.

Everything on the right-hand side is computed here in float64 from the samples.  The left-hand
side goes the way of the workflow: each feature from the *cached* one before it, and stored.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal
from genreflow.features import extraction
from genreflow.features.audio import decode, prepare_clip
from genreflow.features.cepstrum import (
    compute_cepstral_modulation,
    compute_cepstrogram,
    normalise_cepstral_modulation,
)
from genreflow.features.hpss import separate_hpss
from genreflow.features.mel import compute_mel, mel_filters
from genreflow.features.mfcc import compute_mfcc
from genreflow.features.modulation import compute_modulation
from genreflow.features.registry import FEATURES
from genreflow.features.running_median import running_median
from genreflow.features.stft import compute_stft, uncentred_frames
from genreflow.files.layouts import as_stored
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from threadpoolctl import threadpool_info

RATE, N_FFT, HOP, EPSILON = 22050, 1024, 512, 1e-4
WINDOWS = {"window_frames": 214, "shift_frames": 107}
FILTERS = mel_filters(sample_rate=RATE, n_fft=N_FFT, n_mels=96, fmin=0, fmax=11025)
HPSS = ("hpss_harmonic", "hpss_percussive")
MELS = ("mel_original", "mel_harmonic", "mel_percussive")
Wide = NDArray[np.float64]
Samples = NDArray[np.float32]


def as_cached(feature: str, values: NDArray[np.floating]) -> NDArray[Any]:
    return as_stored(FEATURES[feature].layout(values.shape), values)


def exact_stft(samples: Samples) -> Wide:
    padded = np.pad(samples.astype(np.float64), N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    return np.abs(scipy.fft.rfft(frames * scipy.signal.get_window("hann", N_FFT), axis=1)).T


def exact_hpss(magnitude: Wide) -> list[Wide]:
    medians = []
    for values in (magnitude, magnitude.T):
        rows = np.stack([median_filter(row, size=31, mode="reflect") for row in values])
        medians.append(np.square(rows if values is magnitude else rows.T))
    whole = medians[0] + medians[1]
    return [
        magnitude * np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.5)
        for part in medians
    ]


def exact_cepstrogram(magnitude: Wide) -> Wide:
    return scipy.fft.irfft(np.log(magnitude[:, 1:1291] + EPSILON), N_FFT, axis=0)[:513]


def exact_windows(cepstrogram: Wide) -> Wide:
    starts = range(0, cepstrogram.shape[1] - 213, 107)
    return np.stack([cepstrogram[:, start : start + 214] for start in starts], axis=1)


def exact_mel(magnitude: Wide) -> Wide:
    power = librosa.feature.melspectrogram(
        S=magnitude**2, sr=RATE, n_mels=96, fmin=0, fmax=11025, htk=False, norm="slaney",
        dtype=np.float64,
    )  # fmt: skip
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=80)


def exact_modulation(mel: Wide) -> Wide:
    return np.abs(scipy.fft.fft((mel - mel.mean()) / mel.std(), axis=1))[:, : mel.shape[1] // 2]


def exact_mfcc(mel: Wide) -> Wide:
    mfcc = scipy.fft.dct(mel, norm="ortho", axis=0)[:20]
    deltas = [
        scipy.signal.savgol_filter(mfcc, 9, polyorder=order, deriv=order, axis=1, mode="interp")
        for order in (1, 2)
    ]
    return np.concatenate([mfcc, *deltas])


def real_samples(emotify: Path) -> list[Samples]:
    with (emotify / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    # The first of each genre, and one with a pure, loud rhythm: the largest modulation of all.
    chosen = {row["label"]: row for row in reversed(rows)} | {
        "rhythm": next(row for row in rows if row["track_id"] == "electronic.026")
    }
    return [
        prepare_clip(
            decode(emotify / row["path"], seconds=30),
            sample_rate=RATE,
            length=661500,
            resampler="soxr_hq",
        )[0]
        for row in chosen.values()
    ]


@pytest.fixture(scope="module", params=["real", "generated"])
def clips(
    request: pytest.FixtureRequest, make_signal: Callable[..., Samples]
) -> list[tuple[Samples, Wide]]:
    """Return the samples and the exact STFT of each clip."""
    if request.param == "real":
        samples = real_samples(request.getfixturevalue("emotify"))
    else:
        music = make_signal("music", seconds=30)
        # The second is at -40 dB, where the small bins fall below float16's normal numbers.  The
        # third swells: steady white noise spreads over 2.8 dB of mel alone, of which float16
        # hpss leaves an error of 1.4e-3; the bound is for real clips, which spread over 8 dB.
        swelling = make_signal("noise", seconds=30) * np.geomspace(1e-3, 1, 661500)
        samples = [music, 0.01 * music[::-1], swelling.astype(np.float32)]
    return [(values, exact_stft(values)) for values in samples]


def assert_spectrum_within(found: NDArray[np.floating], exact: Wide, bound: float) -> None:
    error = np.abs(found.astype(np.float64) - exact)
    loud = exact > 1e-4
    assert (error[loud] / exact[loud]).max(initial=0) <= bound
    assert error[~loud].max(initial=0) <= 1e-7


def assert_in_deviations(
    found: list[Wide], exact: list[Wide], deviation: Wide, *, rms: float, largest: float
) -> None:
    """Check errors in units of each row's training deviation, all of them and row by row."""
    errors = [(one - other) / deviation[:, None] for one, other in zip(found, exact, strict=True)]
    error = np.concatenate(errors, axis=1)
    assert np.sqrt(np.mean(error**2, axis=1)).max() <= rms
    assert np.abs(error).max() <= largest


def test_stft_is_within_its_bound(clips: list[tuple[Samples, Wide]]) -> None:
    for samples, exact in clips:
        computed = compute_stft(samples, n_fft=N_FFT, hop=HOP)
        assert_spectrum_within(computed, exact, 1e-5)
        assert_spectrum_within(as_cached("stft", computed), exact, 1e-3)


def test_hpss_mel_modulation_and_mfcc_are_within_their_bounds(
    clips: list[tuple[Samples, Wide]],
) -> None:
    for samples, exact in clips:
        stft = as_cached("stft", compute_stft(samples, n_fft=N_FFT, hop=HOP)).astype(np.float32)
        parts = separate_hpss(stft, kernel=31, power=2.0, margin=1.0, conserve="magnitude")
        exact_parts = exact_hpss(exact)
        spectra = [(stft, exact)]
        for feature, part, exact_part in zip(HPSS, parts, exact_parts, strict=True):
            cached = as_cached(feature, part)
            assert_spectrum_within(cached, exact_part, 1e-3)
            spectra.append((cached.astype(np.float32), exact_part))
        pairs = []
        for feature, (spectrum, exact_spectrum) in zip(MELS, spectra, strict=True):
            computed = compute_mel(spectrum, filters=FILTERS, top_db=80)
            mel = as_cached(feature, computed).astype(np.float32)
            pairs.append((mel, exact_mel(exact_spectrum)))
        mel, exact_original = pairs[0]
        modulation = compute_modulation(mel, spectrogram="log")
        pairs.append((as_cached("modulation", modulation), exact_modulation(exact_original)))
        mfcc = compute_mfcc(mel, n_mfcc=20, delta_width=9)
        pairs.append((as_cached("mfcc", mfcc), exact_mfcc(exact_original)))
        for found, expected in pairs:
            assert np.abs(found - expected).max() <= 1e-3 * expected.std()


def test_hpss_before_storage_has_single_precision(clips: list[tuple[Samples, Wide]]) -> None:
    samples, exact = clips[0]
    stft = compute_stft(samples, n_fft=N_FFT, hop=HOP)
    parts = separate_hpss(stft, kernel=31, power=2.0, margin=1.0, conserve="magnitude")
    for part, exact_part in zip(parts, exact_hpss(exact), strict=True):
        assert_spectrum_within(part, exact_part, 1e-5)


def test_mel_modulation_and_mfcc_before_storage_have_single_precision(
    clips: list[tuple[Samples, Wide]],
) -> None:
    for samples, exact in clips[:3]:
        mel = compute_mel(compute_stft(samples, n_fft=N_FFT, hop=HOP), filters=FILTERS, top_db=80)
        expected = exact_mel(exact)
        for found, wide in (
            (mel, expected),
            (compute_modulation(mel, spectrogram="log"), exact_modulation(expected)),
            (compute_mfcc(mel, n_mfcc=20, delta_width=9), exact_mfcc(expected)),
        ):
            assert np.abs(found - wide).max() <= 1e-5 * wide.std()


def test_one_stft_serves_both_papers_bit_for_bit(clips: list[tuple[Samples, Wide]]) -> None:
    for samples, _ in clips:
        window = scipy.signal.get_window("hann", N_FFT)
        frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), N_FFT)[::HOP]
        uncentred = np.abs(scipy.fft.rfft(frames * window, axis=1)).T
        counted = uncentred_frames(samples.size, n_fft=N_FFT, hop=HOP)
        found = as_cached("stft", compute_stft(samples, n_fft=N_FFT, hop=HOP))[:, counted]
        assert uncentred.shape == (513, 1290)
        assert np.array_equal(found, uncentred.astype(found.dtype))


def test_medians_have_the_bits_of_scipys_two_dimensional_filter(
    clips: list[tuple[Samples, Wide]],
) -> None:
    for _, exact in clips[:2]:
        part = exact[:, 300:400].astype(np.float32)
        for values in (part, np.ascontiguousarray(part.T)):
            expected = median_filter(values, size=(31, 1), mode="reflect")
            assert np.array_equal(running_median(values, 31), expected)


def test_cepstrogram_and_its_modulation_are_within_their_bounds(
    clips: list[tuple[Samples, Wide]],
) -> None:
    exact = [exact_cepstrogram(spectrum) for _, spectrum in clips]
    everything = np.concatenate(exact, axis=1)
    mean, deviation = everything.mean(axis=1), everything.std(axis=1)
    stfts = [as_cached("stft", compute_stft(samples, n_fft=N_FFT, hop=HOP)) for samples, _ in clips]
    recomputed = [
        compute_cepstrogram(stft[:, 1:1291].astype(np.float32), epsilon=EPSILON) for stft in stfts
    ]
    cached = [as_cached("cepstrogram", values).astype(np.float64) for values in recomputed]
    computed = [
        compute_cepstrogram(spectrum[:, 1:1291].astype(np.float32), epsilon=EPSILON)
        for _, spectrum in clips
    ]
    assert_in_deviations(computed, exact, deviation, rms=1e-5, largest=1e-5)
    for found in (recomputed, cached):
        assert_in_deviations(found, exact, deviation, rms=2e-3, largest=2e-2)

    # The network's inputs: one row a modulation frequency, of all clips, windows, quefrencies.
    exact_inputs = [
        np.abs(scipy.fft.rfft(exact_windows((c - mean[:, None]) / deviation[:, None]), axis=2))
        .reshape(-1, 108)
        .T
        for c in exact
    ]
    spread = np.concatenate(exact_inputs, axis=1).std(axis=1)

    def inputs(modulation: NDArray[np.floating]) -> Wide:
        normalised = normalise_cepstral_modulation(
            modulation.astype(np.float64), mean=mean, deviation=deviation, window_frames=214
        )
        return normalised.reshape(-1, 108).T.astype(np.float64)

    def check(cepstrograms: list[Wide], *, stored: bool, rms: float, largest: float) -> None:
        found = []
        for values in cepstrograms:
            modulation = compute_cepstral_modulation(values, **WINDOWS)
            found.append(
                inputs(as_cached("cepstral_modulation", modulation) if stored else modulation)
            )
        assert_in_deviations(found, exact_inputs, spread, rms=rms, largest=largest)

    check(computed, stored=False, rms=1e-5, largest=1e-5)
    for cepstrograms in (computed, recomputed, cached):
        for stored in (False, True):
            check(cepstrograms, stored=stored, rms=2e-3, largest=2e-2)


def test_clip_in_memory_is_computed_on_one_thread_as_in_its_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = []

    def count_threads(samples: Samples, parameters: extraction.Parameters) -> NDArray[np.float32]:
        threads.extend(pool["num_threads"] for pool in threadpool_info())
        return compute_stft(samples, **parameters["stft"])

    monkeypatch.setitem(extraction.COMPUTE, "stft", count_threads)
    extraction.extract_clip(
        np.zeros(RATE, np.float32),
        ["stft"],
        {
            "audio": {"clip_seconds": 1, "sample_rate": RATE},
            "stft": {"n_fft": N_FFT, "hop": HOP},
        },
    )
    assert threads
    assert set(threads) == {1}


def test_loudest_usable_clip_does_not_overflow_its_cache() -> None:
    # A square wave at the peak that audio.LARGEST_PEAK still lets in.
    samples = np.where(np.arange(8192) // 16 % 2, 100, -100).astype(np.float32)
    stft = compute_stft(samples, n_fft=N_FFT, hop=HOP)
    parts = separate_hpss(stft, kernel=31, power=2.0, margin=1.0, conserve="magnitude")
    for feature, values in (("stft", stft), *zip(HPSS, parts, strict=True)):
        assert np.isfinite(as_cached(feature, values)).all()
    mel = compute_mel(stft, filters=FILTERS, top_db=80)
    np.testing.assert_allclose(as_cached("mel_original", mel), mel, atol=1e-3)

"""Decoding and preparing clips: formats, rates, lengths, and files that must be set aside."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from genreflow.features.audio import (
    LARGEST_PEAK,
    Decoded,
    UnusableClip,
    decode,
    describe_versions,
    prepare_clip,
    resample,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

RATE = 22050
Signal = Callable[..., NDArray[np.float32]]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def prepare(decoded: Decoded, length: int = 2 * RATE) -> tuple[NDArray[np.float32], int]:
    return prepare_clip(decoded, sample_rate=RATE, length=length, resampler="soxr_hq")


def sine_of(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Return frequency in Hz and amplitude of the strongest sine of one second after a half."""
    part = samples[RATE // 2 : RATE // 2 + RATE].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(part)) / (part.size / 2)
    return float(np.argmax(spectrum)), float(spectrum.max())


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [
        ("wav", 8000, 1), ("wav", 22050, 2), ("wav", 96000, 6), ("flac", 44100, 2),
        ("flac", 16000, 1), ("ogg", 48000, 2), ("mp3", 44100, 2), ("mp3", 24000, 1),
    ],
)  # fmt: skip
def test_sine_survives_every_format_rate_and_channel_count(
    make_signal: Signal, tmp_path: Path, suffix: str, rate: int, channels: int
) -> None:
    mono = make_signal("sine", frequency=1000, amplitude=0.5, seconds=2.5, rate=rate)
    path = tmp_path / f"a clip.{suffix}"
    soundfile.write(path, np.tile(mono[:, None], channels), rate)
    decoded = decode(path, seconds=2)
    assert decoded.decoder == "libsndfile"
    assert decoded.sample_rate == rate
    assert decoded.samples.shape[1] == channels
    clip, used = prepare(decoded)
    assert (clip.dtype, clip.shape, used) == (np.float32, (2 * RATE,), 2 * RATE)
    frequency, amplitude = sine_of(clip)
    assert frequency == 1000
    # Lossy codecs change the level a little.
    assert amplitude == pytest.approx(0.5, rel=0.02 if suffix in ("mp3", "ogg") else 1e-3)


@pytest.mark.parametrize("resampler", ["soxr_hq", "soxr_vhq", "kaiser_fast"])
@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_resampling_keeps_frequency_and_amplitude_and_cuts_what_would_alias(
    make_signal: Signal, resampler: str, rate: int
) -> None:
    if resampler == "kaiser_fast":
        pytest.importorskip("resampy")
    low = make_signal("sine", frequency=700, amplitude=0.5, rate=rate)
    found = resample(low, rate, RATE, resampler=resampler)
    assert abs(found.size - 2 * RATE) <= 1
    frequency, amplitude = sine_of(found)
    assert frequency == 700
    assert amplitude == pytest.approx(0.5, rel=2e-3)
    if rate > 2 * 13000:
        high = make_signal("sine", frequency=13000, amplitude=0.5, rate=rate)
        assert sine_of(resample(high, rate, RATE, resampler=resampler))[1] < 1e-3


def test_each_resampler_is_the_one_that_it_is_called(make_signal: Signal) -> None:
    samples = make_signal("noise", seconds=0.5, rate=44100)
    found = {
        name: resample(samples, 44100, RATE, resampler=name) for name in ("soxr_hq", "soxr_vhq")
    }
    for name, quality in (("soxr_hq", soxr.HQ), ("soxr_vhq", soxr.VHQ)):
        assert np.array_equal(found[name], soxr.resample(samples, 44100, RATE, quality))
    assert not np.array_equal(found["soxr_hq"], found["soxr_vhq"])
    resampy = pytest.importorskip("resampy")
    fast, best = (
        resampy.resample(samples, 44100, RATE, filter=name)
        for name in ("kaiser_fast", "kaiser_best")
    )
    found["kaiser_fast"] = resample(samples, 44100, RATE, resampler="kaiser_fast")
    assert np.array_equal(found["kaiser_fast"], fast)
    assert not np.array_equal(found["kaiser_fast"], best)


def test_resampling_to_the_same_rate_changes_nothing(make_signal: Signal) -> None:
    samples = make_signal("noise")
    assert np.array_equal(resample(samples, RATE, RATE, resampler="soxr_hq"), samples)


def test_channels_are_averaged() -> None:
    left = np.linspace(-1, 1, RATE, dtype=np.float32)
    stereo = np.stack([left, np.zeros_like(left)], axis=1)
    assert np.array_equal(prepare(Decoded(stereo, RATE, ""), RATE)[0], left / 2)
    opposed = np.stack([left, -left], axis=1)
    assert not prepare(Decoded(opposed, RATE, ""), RATE)[0].any()


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 3000),
    length=st.integers(1, 3000),
    rate=st.sampled_from([8000, 22050, 44100]),
    channels=st.integers(1, 3),
)
def test_clip_has_exactly_its_length_with_zeros_at_the_end(
    size: int, length: int, rate: int, channels: int
) -> None:
    samples = np.random.default_rng(size).uniform(-1, 1, (size, channels)).astype(np.float32)
    clip, used = prepare(Decoded(samples, rate, ""), length)
    assert clip.shape == (length,)
    assert abs(used - min(length, size * RATE / rate)) <= 1
    assert not clip[used:].any()
    if rate == RATE:
        assert np.allclose(clip[:used], samples[:used].mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_trimming_while_decoding_equals_trimming_the_whole_file(
    make_signal: Signal, tmp_path: Path, rate: int
) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, make_signal("noise", seconds=6, rate=rate), rate, subtype="FLOAT")
    decoded = decode(path, seconds=2)
    assert decoded.samples.shape == (3 * rate, 1)
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    expected, _ = prepare(Decoded(whole, rate, ""))
    # Without the second of margin the filter would ring at the cut: 1e-2 there.
    assert np.abs(prepare(decoded)[0] - expected).max() <= 1e-6


def test_missing_file_is_set_aside(tmp_path: Path) -> None:
    with pytest.raises(UnusableClip, match="file not found"):
        decode(tmp_path / "nothing.wav", seconds=2)
    with pytest.raises(UnusableClip, match="file not found"):
        decode(tmp_path, seconds=2)


@pytest.mark.parametrize("suffix", ["mp3", "wav", "ogg", "raw", "txt", ""])
@pytest.mark.parametrize("content", [b"", b"This is no music, but a letter.\n" * 40])
def test_file_without_audio_is_set_aside_with_a_reason(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"letter.{suffix}"
    path.write_bytes(content)
    with pytest.raises(UnusableClip) as caught:
        decode(path, seconds=2)
    reason = str(caught.value)
    assert reason
    assert "\n" not in reason
    assert str(tmp_path) not in reason


def test_without_ffmpeg_the_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genreflow.features.audio.shutil.which", lambda name: None)
    path = tmp_path / "letter.mp3"
    path.write_text("no music")
    with pytest.raises(UnusableClip, match=r"libsndfile: .*no ffmpeg") as caught:
        decode(path, seconds=2)
    assert str(tmp_path) not in str(caught.value)
    assert describe_versions()["ffmpeg"] == ""


def test_a_killed_job_leaves_no_decoded_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In ffmpeg's place: it notes what is in the folder for temporary files while it runs.
    temporary, programs = tmp_path / "temporary", tmp_path / "bin"
    temporary.mkdir()
    programs.mkdir()
    soundfile.write(tmp_path / "tone.wav", np.full(RATE, 0.5), RATE, "FLOAT")
    ffmpeg = programs / "ffmpeg"
    ffmpeg.write_text(
        "#!/bin/sh\n"
        f"ls -A '{temporary}' > '{tmp_path}/seen'\n"
        "for last; do :; done\n"
        f"cat '{tmp_path}/tone.wav' > \"${{last#file:}}\"\n"
    )
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    (tmp_path / "song.m4a").write_bytes(b"libsndfile does not read this")
    decoded = decode(tmp_path / "song.m4a", seconds=2)
    assert decoded.decoder == "ffmpeg"
    assert decoded.samples[:, 0].tolist() == [0.5] * RATE
    assert (tmp_path / "seen").read_text() == ""


def test_file_with_a_header_and_no_samples_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros((0, 2), np.float32), RATE)
    with pytest.raises(UnusableClip, match="no samples"):
        prepare(decode(path, seconds=2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_set_aside(tmp_path: Path, value: float) -> None:
    samples = np.zeros((RATE, 2), np.float32)
    samples[100, 1] = value
    path = tmp_path / "broken.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with pytest.raises(UnusableClip, match="not finite"):
        prepare(decode(path, seconds=2))


def test_integers_that_nobody_scaled_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "integers.wav"
    soundfile.write(path, np.full(RATE, -20000, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(UnusableClip, match=r"peak 2e\+04: .*\[-1, 1\]"):
        prepare(decode(path, seconds=2))
    # A float file may overshoot 1 without being wrong.
    loud = np.full((RATE, 1), 1.5, np.float32)
    assert prepare(Decoded(loud, RATE, ""), RATE)[0].max() == 1.5
    assert LARGEST_PEAK > 1.5


def test_silence_is_kept() -> None:
    clip, used = prepare(Decoded(np.zeros((RATE, 1), np.float32), RATE, ""))
    assert not clip.any()
    assert used == RATE


@needs_ffmpeg
def test_ffmpeg_reads_what_libsndfile_cannot(make_signal: Signal, tmp_path: Path) -> None:
    wav, m4a = tmp_path / "clip.wav", tmp_path / "-clip%d.m4a"
    soundfile.write(wav, make_signal("sine", frequency=1000, amplitude=0.5, seconds=5), RATE)
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(wav),
        "-c:a",
        "aac",
        "-b:a",
        "128k",
        f"file:{m4a}",
    ]
    encoded = subprocess.run(command, capture_output=True, check=False)
    if encoded.returncode:
        pytest.skip("this ffmpeg has no AAC encoder")
    decoded = decode(m4a, seconds=2)
    assert decoded.decoder == "ffmpeg"
    assert decoded.samples.shape[0] == pytest.approx(3 * RATE, abs=1024)
    frequency, amplitude = sine_of(prepare(decoded)[0])
    assert frequency == 1000
    assert amplitude == pytest.approx(0.5, rel=0.02)


def test_versions_name_every_decoder_and_resampler() -> None:
    versions = describe_versions()
    assert set(versions) == {"libsndfile", "soundfile", "soxr", "ffmpeg"}
    assert all(versions[name][0].isdigit() for name in ("libsndfile", "soundfile", "soxr"))


def test_real_clip_decodes_to_thirty_seconds(emotify: Path) -> None:
    decoded = decode(emotify / "rock" / "002.mp3", seconds=30)
    assert (decoded.decoder, decoded.sample_rate) == ("libsndfile", 44100)
    clip, used = prepare(decoded, 661500)
    assert clip.shape == (661500,)
    assert used > 29 * RATE
    assert 0.01 < np.abs(clip).max() < 2

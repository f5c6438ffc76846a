"""Decoding and preparing clips: formats, rates, lengths, and files that must be set aside."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from genreflow.errors import UserError
from genreflow.features.audio import (
    LARGEST_PEAK,
    Decoded,
    UnusableClip,
    check_complete,
    decode,
    describe_versions,
    prepare_clip,
    reading,
    resample,
    verify_file,
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
    with pytest.raises(UnusableClip, match="it is a folder"):
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


# One file's faults, and the job's.


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genreflow.features.audio.shutil.which", lambda name: None)


def fake_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script in ffmpeg's place; its last argument names the output."""
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    pipe, circle = tmp_path / "pipe.wav", tmp_path / "circle.wav"
    os.mkfifo(pipe)
    circle.symlink_to(circle)
    (tmp_path / "file").write_text("")
    cases = {
        tmp_path: "it is a folder",
        pipe: "it is a pipe",
        Path("/dev/zero"): "it is a device",
        circle: "its links lead in a circle",
        tmp_path / ("n" * 300): "its path is too long",
        tmp_path / "file" / "song.wav": "a part of its path is no folder",
        tmp_path / "a\0b.wav": "NUL",
        tmp_path / "song\ud800.wav": "characters that no path can have",
    }
    for path, reason in cases.items():
        for attempt in (
            lambda p: decode(p, seconds=2),
            lambda p: verify_file(p, sha1="0" * 40),
        ):
            with pytest.raises(UnusableClip, match=reason):
                attempt(path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ESTALE, "Stale file handle"), "stale handle"),
        (OSError(errno.EIO, "Input/output error"), "the disk can't read it"),
        (PermissionError(errno.EACCES, "Permission denied"), "no permission"),
        (OSError(errno.ENOTCONN, "Transport endpoint is not connected"), "not connected"),
        (MemoryError(), "more memory than there is"),
    ],
)
def test_any_fault_of_a_file_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    monkeypatch.setattr("genreflow.features.audio.os.open", refuse)
    with pytest.raises(UnusableClip, match=reason):
        decode(path, seconds=2)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC])
def test_a_fault_of_the_job_blames_no_file(tmp_path: Path, number: int) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"")
    with pytest.raises(OSError, match="job"), reading(path):
        raise OSError(number, "job")


def test_ffmpeg_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ffmpeg(tmp_path / "bin", monkeypatch, "exec tail -f /dev/null")
    monkeypatch.setattr("genreflow.features.audio.FFMPEG_SECONDS", -1.9)
    (tmp_path / "song.m4a").write_bytes(b"no music")
    with pytest.raises(UnusableClip, match=r"ffmpeg: not done after 1\.1 s"):
        decode(tmp_path / "song.m4a", seconds=2)


def test_ffmpeg_has_its_limits_and_opens_nothing_but_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit is set as soon as it has started, so it waits until it sees one.
    script = (
        'until [ "$(ulimit -v)" != unlimited ]; do :; done\n'
        f"ulimit -v > '{tmp_path}/limit'\n"
        f'printf "%s\\n" "$@" > \'{tmp_path}/arguments\'\n'
        "echo '[fatal] no' >&2; exit 1"
    )
    fake_ffmpeg(tmp_path / "bin", monkeypatch, script)
    monkeypatch.chdir(tmp_path)
    for name in ("-i", "concat:a|b", "http:", "a; touch gone"):
        Path(name).write_bytes(b"no music")
        with pytest.raises(UnusableClip, match=r"ffmpeg: no$"):
            decode(Path(name), seconds=2)
        arguments = (tmp_path / "arguments").read_text().splitlines()
        assert f"file:{name}" in arguments
        at = arguments.index("-protocol_whitelist")
        assert arguments[at + 1] == "file"
        assert at < arguments.index("-i")
    assert int((tmp_path / "limit").read_text()) == 2 * 2**20
    assert not Path("gone").exists()


def test_no_room_for_what_ffmpeg_writes_stops_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ffmpeg(tmp_path / "bin", monkeypatch, "echo 'No space left on device' >&2; exit 1")
    (tmp_path / "song.m4a").write_bytes(b"no music")
    with pytest.raises(UserError, match="no space left on device"):
        decode(tmp_path / "song.m4a", seconds=2)


@needs_ffmpeg
def test_what_ffmpeg_says_is_put_in_words(tmp_path: Path) -> None:
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n"
    (tmp_path / "list.m3u8").write_text(playlist + "#EXT-X-ENDLIST\n")
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nla la\n")
    (tmp_path / "letter.m4a").write_text("no music")
    for name, reason in {
        "words.srt": "it has no sound",
        "letter.m4a": "moov atom",
        "list.m3u8": "ffmpeg: ",
    }.items():
        with pytest.raises(UnusableClip, match=reason) as caught:
            decode(tmp_path / name, seconds=2)
        assert "trailing" not in str(caught.value)


# Files of which a part is gone.


def write(path: Path, seconds: float = 8, **more: str) -> bytes:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE))
    soundfile.write(path, samples, RATE, **more)
    return path.read_bytes()


CONTAINERS = ("wav", "rf64", "w64", "aiff", "au", "caf")


@pytest.mark.parametrize("suffix", [*CONTAINERS, "mp3", "flac", "ogg"])
def test_whole_files_have_nothing_to_say(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    write(path)
    for seconds in (2, 8, 30):
        decoded = decode(path, seconds=seconds)
        assert decoded.decoder == "libsndfile"
        assert check_complete(decoded, seconds=seconds, max_missing=0) == ""


@pytest.mark.parametrize("suffix", [*CONTAINERS[:-1], "mp3"])
def test_a_file_that_breaks_off_is_named_with_both_numbers(
    no_ffmpeg: None, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"song.{suffix}"
    content = write(path)
    path.write_bytes(content[: len(content) // 2])
    decoded = decode(path, seconds=30)
    with pytest.raises(UnusableClip, match=r"^8\.00\d s by its header, .* only [34]\.\d+ s"):
        check_complete(decoded, seconds=30, max_missing=0.05)
    note = check_complete(decoded, seconds=30, max_missing=0.6)
    assert note.startswith("8.00")
    # What is gone is no part of a clip of three seconds.
    assert check_complete(decode(path, seconds=3), seconds=3, max_missing=0) == ""


def test_a_little_less_is_kept_with_a_note(no_ffmpeg: None, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    content = write(path)
    for gone, note in ((0.05, ""), (0.3, "8.000 s by its header, of which only 7.700 s")):
        path.write_bytes(content[: -round(gone * RATE) * 2])
        decoded = decode(path, seconds=30)
        assert check_complete(decoded, seconds=30, max_missing=0.05).startswith(note)
    assert note


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_size_that_was_not_known_is_no_promise(
    no_ffmpeg: None, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "streamed.wav"
    content = bytearray(write(path, 2))
    at = content.index(b"data") + 4
    content[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert decode(path, seconds=30).promised is None


def test_an_estimate_from_the_bit_rate_is_no_promise(no_ffmpeg: None, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    content = write(path)
    assert decode(path, seconds=30).promised == 8 * RATE
    for tag in (b"Xing", b"Info"):
        content = content.replace(tag, b"none")
    path.write_bytes(content[: len(content) // 2])
    assert decode(path, seconds=30).promised is None


def test_the_longer_of_both_decoders_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, whole = tmp_path / "song.wav", tmp_path / "whole.wav"
    content = write(song)
    song.write_bytes(content[: len(content) // 2])
    for seconds, decoder in ((1, "libsndfile"), (7, "ffmpeg")):
        write(whole, seconds, subtype="FLOAT")
        fake_ffmpeg(tmp_path / decoder, monkeypatch, f"cat '{whole}' > \"${{last#file:}}\"")
        decoded = decode(song, seconds=30)
        assert decoded.decoder == decoder
        assert decoded.promised == pytest.approx(8 * RATE, abs=2)
    assert len(decoded.samples) == 7 * RATE


def test_a_damaged_file_that_ffmpeg_patches_up_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, whole = tmp_path / "song.flac", tmp_path / "whole.wav"
    content = bytearray(write(song))
    content[len(content) // 2] ^= 0x10
    song.write_bytes(content)
    write(whole, 7.7, subtype="FLOAT")
    fake_ffmpeg(tmp_path / "bin", monkeypatch, f"cat '{whole}' > \"${{last#file:}}\"")
    note = check_complete(decode(song, seconds=30), seconds=30, max_missing=0.05)
    assert note.startswith("damaged: ")
    assert "8.000 s by its header, of which only 7.700 s" in note


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_real_damage_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    content = bytearray(write(path))
    content[len(content) // 8 : len(content) // 4] = bytes(len(content) // 4 - len(content) // 8)
    path.write_bytes(content)
    with pytest.raises(UnusableClip, match=r"8\.000 s by its header"):
        check_complete(decode(path, seconds=30), seconds=30, max_missing=0.05)

"""Decoding, mixing down, resampling and fitting to length (both papers)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from math import ceil
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from soundfile import SoundFile

    from genreflow.choices import Resampler

#: Seconds decoded past the end of a clip, so that the resampling filter never sees the cut.
MARGIN_SECONDS = 1.0
#: Above this peak the samples are integers that nobody scaled; they would also overflow float16.
LARGEST_PEAK = 100.0

Samples = npt.NDArray[np.float32]


class UnusableClip(Exception):
    """A clip that must be set aside, with the reason."""


@dataclass(frozen=True)
class Decoded:
    """A decoded clip: samples (n, channels), their rate in Hz, and what decoded them.

    Its first ``lead`` frames are there for the resampling alone.
    """

    samples: Samples
    sample_rate: int
    decoder: str
    lead: int = 0


def verify_file(path: Path, *, sha1: str) -> None:
    """Refuse a file that is there and is not the published one.

    Raises
    ------
    UnusableClip
        Its SHA-1 differs.
    """
    if path.is_file():
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha1").hexdigest()
        if found != sha1:
            raise UnusableClip("not the published file: its SHA-1 is not that in `checksums`")


def decode(path: Path, *, seconds: float) -> Decoded:
    """Return at most ``seconds`` of an audio file, as libsndfile or else ffmpeg reads it.

    Raises
    ------
    UnusableClip
        The file is missing or neither decoder can read it.
    """
    if not path.is_file():
        raise UnusableClip("file not found")
    try:
        return _decode_soundfile(path, seconds)
    except (RuntimeError, TypeError) as error:  # TypeError: the suffix .raw, without a rate
        # libsndfile's own words; the whole message would name the path, which stands beside it.
        reason = str(getattr(error, "error_string", error)).strip().splitlines()[-1]
    if shutil.which("ffmpeg") is None:
        raise UnusableClip(f"libsndfile: {reason} (and there is no ffmpeg to try)")
    return _decode_ffmpeg(path, seconds)


def decode_clips(path: Path, *, seconds: float) -> Iterator[Decoded]:
    """Yield the clips of an audio file of any length, one after the other from its start.

    The first is that of `decode`; the others have a margin before them as well, so that no
    resampling filter sees a cut.  A rest of less than half a clip is dropped.  No more than two
    clips are in memory at a time.

    Raises
    ------
    UnusableClip
        As of `decode`.
    """
    import soundfile

    first = decode(path, seconds=seconds)
    yield first
    if len(first.samples) < first.sample_rate * min(1.5 * seconds, seconds + MARGIN_SECONDS):
        return
    try:
        with ExitStack() as stack:
            converted = first.decoder == "ffmpeg"
            file = stack.enter_context(_converted(path, None)) if converted else path
            audio = stack.enter_context(soundfile.SoundFile(file))
            for samples, lead in _later_clips(audio, seconds):
                yield Decoded(samples, audio.samplerate, first.decoder, lead)
    except RuntimeError as error:
        raise UnusableClip(f"libsndfile: {getattr(error, 'error_string', error)}") from None


def cut_clips(samples: Samples, sample_rate: int, *, seconds: float) -> Iterator[Decoded]:
    """Yield the clips of samples (n, channels) in memory, as `decode_clips` does of a file's."""
    yield Decoded(samples[: ceil((seconds + MARGIN_SECONDS) * sample_rate)], sample_rate, "")
    for number in count(1):
        begin, start, end = _bounds(number, seconds, sample_rate)
        if len(samples) - start < seconds * sample_rate / 2:
            return
        yield Decoded(samples[begin:end], sample_rate, "", start - begin)


def prepare_clip(
    decoded: Decoded, *, sample_rate: int, length: int, resampler: Resampler
) -> tuple[Samples, int]:
    """Return a mono clip of exactly ``length`` samples, and how many of them came from the file.

    The channels are averaged; a longer clip loses its end, a shorter one gets zeros there.

    Raises
    ------
    UnusableClip
        There are no samples, or some are not finite, or they are far outside [-1, 1].
    """
    if decoded.samples.size == 0:
        raise UnusableClip("no samples")
    if not np.isfinite(decoded.samples).all():
        raise UnusableClip("samples that are not finite")
    peak = float(np.abs(decoded.samples).max())
    if peak > LARGEST_PEAK:
        raise UnusableClip(f"peak {peak:.4g}: samples are not scaled to [-1, 1]")
    mono = decoded.samples.mean(axis=1, dtype=np.float32)
    mono = resample(mono, decoded.sample_rate, sample_rate, resampler=resampler)
    mono = mono[round(decoded.lead * sample_rate / decoded.sample_rate) :][:length]
    return np.pad(mono, (0, length - mono.size)), int(mono.size)


def resample(samples: Samples, original: int, target: int, *, resampler: Resampler) -> Samples:
    """Return mono samples at another rate, unchanged when the rates agree.

    ``resampler`` is ``soxr_hq`` or ``soxr_vhq``, or ``kaiser_fast`` as in the librosa of 2019.
    """
    if original == target:
        return samples
    if resampler == "kaiser_fast":
        import resampy

        resampled = resampy.resample(samples, original, target, filter="kaiser_fast")
    else:
        import soxr

        quality = resampler.removeprefix("soxr_").upper()
        resampled = soxr.resample(samples, original, target, quality=quality)
    return np.asarray(resampled, np.float32)


def describe_versions() -> dict[str, str]:
    """Return the versions of what turns files into samples, for the cache."""
    import soundfile

    return {
        "libsndfile": soundfile.__libsndfile_version__,
        "soundfile": version("soundfile"),
        "soxr": version("soxr"),
        "ffmpeg": _ffmpeg_version(),
    }


def _decode_soundfile(file: Path | IO[bytes], seconds: float) -> Decoded:
    import soundfile

    with soundfile.SoundFile(file) as audio:
        frames = ceil((seconds + MARGIN_SECONDS) * audio.samplerate)
        samples = audio.read(frames, dtype="float32", always_2d=True)
        return Decoded(samples, audio.samplerate, "libsndfile")


def _bounds(number: int, seconds: float, sample_rate: int) -> tuple[int, int, int]:
    """Return where a later clip begins with its margin, where it starts, and where both end."""
    start, stop = (round((number + more) * seconds * sample_rate) for more in (0, 1))
    margin = ceil(MARGIN_SECONDS * sample_rate)
    return max(0, start - margin), start, stop + margin


def _later_clips(audio: SoundFile, seconds: float) -> Iterator[tuple[Samples, int]]:
    """Yield every clip of an open file after the first, with the length of its lead."""
    # One pass and no seeking, which is not exact in every format.
    held, held_from = np.empty((0, audio.channels), np.float32), 0
    for number in count(1):
        begin, start, end = _bounds(number, seconds, audio.samplerate)
        read = audio.read(end - held_from - len(held), dtype="float32", always_2d=True)
        held = np.concatenate(
            [held[max(0, begin - held_from) :], read[max(0, begin - held_from - len(held)) :]]
        )
        held_from = begin
        if len(held) - (start - begin) < seconds * audio.samplerate / 2:
            return
        yield held, start - begin


def _decode_ffmpeg(path: Path, seconds: float) -> Decoded:
    with _converted(path, seconds + MARGIN_SECONDS) as wav:
        decoded = _decode_soundfile(wav, seconds)
    return replace(decoded, decoder="ffmpeg")


@contextmanager
def _converted(path: Path, seconds: float | None) -> Iterator[IO[bytes]]:
    """Open what ffmpeg makes of a file, or of its first seconds, as WAV in float32."""
    # A file without a name, on the machine's own disk: whatever kills the job, nothing is left.
    with tempfile.TemporaryFile() as wav:
        # "file:" keeps ffmpeg from reading a protocol or an option into the name.
        command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", f"file:{path}"]
        command += ["-map", "0:a:0", *(() if seconds is None else ("-t", str(seconds)))]
        command += ["-c:a", "pcm_f32le", "-f", "wav", f"file:/dev/fd/{wav.fileno()}"]
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=[wav.fileno()],
        )
        if result.returncode or not os.fstat(wav.fileno()).st_size:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            reason = lines[-1].replace(str(path), path.name) if lines else "no audio stream"
            raise UnusableClip(f"ffmpeg: {reason}")
        wav.seek(0)
        yield wav


def _ffmpeg_version() -> str:
    if shutil.which("ffmpeg") is None:
        return ""
    lines = subprocess.run(
        ["ffmpeg", "-version"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return lines[0].split(" Copyright")[0] if lines else ""

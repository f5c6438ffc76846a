"""Decoding, mixing down, resampling and fitting to length (both papers)."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import resource
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from math import ceil, isfinite
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from genreflow.errors import UserError

if TYPE_CHECKING:
    from soundfile import SoundFile

    from genreflow.choices import Resampler

#: Seconds decoded past the end of a clip, so that the resampling filter never sees the cut.
MARGIN_SECONDS = 1.0
#: Above this peak the samples are integers that nobody scaled; they would also overflow float16.
LARGEST_PEAK = 100.0
#: Above this rate in Hz the header is damaged: no music has it, and resamplers fail silently.
LARGEST_RATE = 1_000_000
#: Seconds that a decoder may lack before anything is said: encoders' delays and rounding are less.
TOLERANCE_SECONDS = 0.1
#: Seconds for ffmpeg to convert a clip, beside its length: it takes less than one, but a network
#: disk may let it wait.  A whole file may be of many hours.
FFMPEG_SECONDS, FFMPEG_SECONDS_WHOLE = 120.0, 3600.0
#: Address space of ffmpeg in bytes: on one thread it takes a fifth of it for any sound file.
FFMPEG_MEMORY = 2 * 2**30
#: From this size of its data on, a header was written before the end was known (0x7FFFF000, -1).
PLACEHOLDER = 0x7FFFF000

#: What the system says of a file, in a person's words.
_FAULTS = {
    errno.ENOENT: "file not found",
    errno.ENOTDIR: "file not found: a part of its path is no folder",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ENAMETOOLONG: "its path is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.ESTALE: "the file server does not know it any more (stale handle)",
    errno.EIO: "the disk can't read it (input/output error)",
    errno.ENOMEM: "it needs more memory than there is",
}
#: Faults of the job, not of a file.
_OF_THE_JOB = {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
#: What ffmpeg says, in a person's words.
_FFMPEG_WORDS = (
    ("matches no streams", "it has no sound"),
    ("does not contain any stream", "it has no sound"),
    ("moov atom not found", "a part without which nothing can be read is missing (moov atom)"),
    ("Protocol not found", "it refers to other addresses, which are not opened"),
    ("not on whitelist", "it refers to other addresses, which are not opened"),
    ("Cannot allocate memory", "it needs more memory than ffmpeg may take"),
    ("Invalid data found", "it is no sound file, or its beginning is damaged"),
)

Samples = npt.NDArray[np.float32]


class UnusableClip(Exception):
    """A clip that must be set aside, with the reason."""


@dataclass(frozen=True)
class Decoded:
    """A decoded clip: samples (n, channels), their rate in Hz, and what decoded them.

    Its first ``lead`` frames are there for the resampling alone.  ``promised`` is how many frames
    the file's header declares, None where it does not, and ``fault`` what libsndfile said of a file
    that ffmpeg then read.
    """

    samples: Samples
    sample_rate: int
    decoder: str
    lead: int = 0
    promised: int | None = None
    fault: str = ""


def verify_file(path: Path, *, sha1: str) -> None:
    """Refuse a file that is there and is not the published one.

    Raises
    ------
    UnusableClip
        Its SHA-1 differs, or it can't be read.
    """
    with reading(path), path.open("rb") as file:
        found = hashlib.file_digest(file, "sha1").hexdigest()
    if found != sha1:
        raise UnusableClip("not the published file: its SHA-1 is not that in `checksums`")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with one file, but not with the job, into a reason to set it aside.

    Only what reads the file belongs inside.

    Raises
    ------
    UnusableClip
        It is no file, or the system can't find, open or read it.
    """
    try:
        if "\0" in str(path):
            raise UnusableClip("file not found: its path has a NUL character")
        mode = path.stat().st_mode
        # Before anything opens it: a pipe would wait for its writer for ever.
        for is_kind, kind in _KINDS:
            if is_kind(mode):
                raise UnusableClip(f"it is {kind}")
        yield
    except OSError as error:
        if error.errno in _OF_THE_JOB:
            raise
        reason = _FAULTS.get(error.errno or 0, error.strerror or str(error))
        raise UnusableClip(reason) from None
    except UnicodeError:
        raise UnusableClip(
            "file not found: its path has characters that no path can have"
        ) from None
    except MemoryError:
        raise UnusableClip(_FAULTS[errno.ENOMEM]) from None


def decode(path: Path, *, seconds: float) -> Decoded:
    """Return at most ``seconds`` of an audio file, as libsndfile or else ffmpeg reads it.

    Where libsndfile reads less than the header promises, ffmpeg tries too, and the longer of both
    is taken.

    Raises
    ------
    UnusableClip
        The file is missing, is no file or neither decoder can read it.
    UserError
        ffmpeg has no room for its output, or can't be started.
    """
    import soundfile  # noqa: F401 - where it can't be loaded, no file is to blame

    with reading(path):
        os.close(os.open(path, os.O_RDONLY))
        cut = _cut(path)
        try:
            decoded = _decode_soundfile(path, seconds, path)
            reason = decoded.fault
        except (RuntimeError, TypeError) as error:  # TypeError: the suffix .raw, without a rate
            decoded, reason = None, _libsndfile_reason(error)
    if decoded and not reason and not _lacks(decoded, seconds):
        return decoded
    if shutil.which("ffmpeg") is None:
        if decoded and not reason:
            return decoded
        raise UnusableClip(f"libsndfile: {reason} (and there is no ffmpeg to try)")
    try:
        other = _decode_ffmpeg(path, seconds)
    except UnusableClip:
        if decoded and len(decoded.samples):
            return decoded
        raise
    if decoded is None:
        if other.promised is None and cut and len(other.samples) < seconds * other.sample_rate:
            other = replace(other, promised=round(len(other.samples) * cut))
        known = "not recognised" in reason or "unknown format" in reason.lower()
        return other if known else replace(other, fault=reason)
    if len(other.samples) * decoded.sample_rate <= len(decoded.samples) * other.sample_rate:
        return decoded
    promised = decoded.promised
    if promised is not None:
        promised = round(promised * other.sample_rate / decoded.sample_rate)
    return replace(other, promised=promised, fault=reason)


def check_complete(decoded: Decoded, *, seconds: float, max_missing: float) -> str:
    """Return what is to be said of a file's damage, empty where there is none.

    What counts is the part of the file that a clip of ``seconds`` takes: a song that breaks off
    after three minutes has its first thirty seconds all the same.

    Raises
    ------
    UnusableClip
        Of that part, more than the share ``max_missing`` of what the header promises is gone.
    """
    notes = [f"damaged: {decoded.fault}"] if decoded.fault else []
    if decoded.promised is not None and _lacks(decoded, seconds):
        rate, found = decoded.sample_rate, len(decoded.samples)
        expected = min(decoded.promised, round(seconds * rate))
        notes.append(
            f"{decoded.promised / rate:.3f} s by its header, "
            f"of which only {found / rate:.3f} s can be read"
        )
        if 1 - found / expected > max_missing:
            raise UnusableClip("; ".join(notes))
    return "; ".join(notes)


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
            file = stack.enter_context(_converted(path, None))[0] if converted else path
            audio = stack.enter_context(soundfile.SoundFile(file))
            for samples, lead in _later_clips(audio, seconds):
                yield Decoded(samples, audio.samplerate, first.decoder, lead)
    except RuntimeError as error:
        raise UnusableClip(f"libsndfile: {_libsndfile_reason(error)}") from None


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
        There are no samples, or some are not finite, or they are far outside [-1, 1], or at a
        rate that music has not, or too few for one sample of the clip.
    """
    rate = decoded.sample_rate
    if decoded.samples.size == 0:
        raise UnusableClip("no samples")
    if rate > LARGEST_RATE:
        raise UnusableClip(f"a sample rate of {rate} Hz: its header is damaged")
    # Neither is finite where a sample is NaN.
    lowest, highest = float(decoded.samples.min()), float(decoded.samples.max())
    if not (isfinite(lowest) and isfinite(highest)):
        raise UnusableClip("samples that are not finite")
    peak = max(-lowest, highest)
    if peak > LARGEST_PEAK:
        raise UnusableClip(f"peak {peak:.4g}: samples are not scaled to [-1, 1]")
    if decoded.samples.shape[1] == 1:
        mono = np.ascontiguousarray(decoded.samples[:, 0], np.float32)
    else:
        mono = decoded.samples.mean(axis=1, dtype=np.float32)
    mono = resample(mono, rate, sample_rate, resampler=resampler)
    if mono.size == 0:
        raise UnusableClip("it is shorter than a sample of the clip")
    mono = mono[round(decoded.lead * sample_rate / rate) :][:length]
    missing = length - mono.size
    return np.pad(mono, (0, missing)) if missing else mono, int(mono.size)


def resample(samples: Samples, original: int, target: int, *, resampler: Resampler) -> Samples:
    """Return mono samples at another rate, unchanged when the rates agree.

    ``resampler`` is ``soxr_hq`` or ``soxr_vhq``, or ``kaiser_fast`` as in the librosa of 2019.
    """
    if original == target:
        return samples
    if resampler == "kaiser_fast":
        import resampy

        # Of none resampy makes an error, and soxr nothing.
        if len(samples) * target < original:
            return np.zeros(0, np.float32)
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


def _libsndfile_reason(error: Exception) -> str:
    # libsndfile's own words; the whole message would name the path, which stands beside it.
    words = str(getattr(error, "error_string", error)).strip().splitlines()[-1]
    return words.removeprefix("Error : ").rstrip(".")


def _lacks(decoded: Decoded, seconds: float) -> bool:
    """Return whether there is clearly less of a clip than the header promises."""
    if decoded.promised is None:
        return False
    expected = min(decoded.promised, round(seconds * decoded.sample_rate))
    return expected - len(decoded.samples) > TOLERANCE_SECONDS * decoded.sample_rate


def _decode_soundfile(file: Path | IO[bytes], seconds: float, path: Path | None = None) -> Decoded:
    import soundfile

    with soundfile.SoundFile(file) as audio:
        frames = ceil((seconds + MARGIN_SECONDS) * audio.samplerate)
        promised = _promised_frames(audio, path) if path else None
        try:
            samples = audio.read(frames, dtype="float32", always_2d=True)
        except RuntimeError as error:
            samples = np.empty((0, audio.channels), np.float32)
            return Decoded(
                samples,
                audio.samplerate,
                "libsndfile",
                promised=promised,
                fault=_libsndfile_reason(error),
            )
        return Decoded(samples, audio.samplerate, "libsndfile", promised=promised)


def _promised_frames(audio: SoundFile, path: Path) -> int | None:
    """Return how many frames the header of an open file declares; None where it only guesses."""
    if audio.format in ("FLAC", "OGG"):
        # FLAC's header may leave it open; libsndfile then says the largest number that it knows.
        return audio.frames if 0 < audio.frames < 2**48 else None
    if audio.format in ("MP3", "MPEG"):
        return audio.frames if _counts_frames(path) else None
    cut = _cut(path)
    # Of other formats libsndfile counts what is there, whatever the header says.
    return round(audio.frames * cut) if cut else None


def _counts_frames(path: Path) -> bool:
    """Return whether an MP3 has its number of frames; else decoders estimate from the bit rate."""
    with path.open("rb") as file:
        head = file.read(10)
        while head[:3] == b"ID3" and len(head) == 10:
            # An ID3v2 tag: its size is four times seven bits.
            size = sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(head[6:]))
            file.seek(size + (10 if head[5] & 0x10 else 0), os.SEEK_CUR)
            head = file.read(10)
        # Longer than any first frame, and zeros for a name at the very end.
        frame = head + file.read(4096) + bytes(8)
    for name, flags, number in ((b"Xing", 7, 8), (b"Info", 7, 8), (b"VBRI", None, 14)):
        at = frame.find(name)
        if at >= 0 and (flags is None or frame[at + flags] & 1):
            return any(frame[at + number : at + number + 4])
    return False


def _cut(path: Path) -> float | None:
    """Return how many times the bytes that are there a header declares, of formats that do.

    WAV, RF64, W64, AIFF, AU and CAF declare the size of their data.  None where that is no more
    than is there, or was not known when the header was written.
    """
    with path.open("rb") as file:
        found = _declared_data(file)
        available = os.fstat(file.fileno()).st_size - file.tell()
    return found / available if found and 0 < available < found else None


def _declared_data(file: IO[bytes]) -> int | None:
    """Return the declared bytes of the data, at whose first byte the file then is."""
    head = file.read(12)
    kind, large = head[:4], None
    if kind == b".snd":
        file.seek(int.from_bytes(head[4:8], "big"))
        declared = int.from_bytes(head[8:12], "big")
        return declared if declared < PLACEHOLDER else None
    if kind in (b"RIFF", b"RF64", b"FORM"):
        order: Literal["little", "big"] = "big" if kind == b"FORM" else "little"
        wanted, name_bytes, size_bytes, own = (b"SSND" if order == "big" else b"data"), 4, 4, 0
    elif kind == b"caff":
        order, wanted, name_bytes, size_bytes, own = "big", b"data", 4, 8, 0
        file.seek(8)
    elif kind == b"riff":
        # W64: names of 16 bytes, sizes with their own header, everything in steps of 8 bytes.
        order, wanted, name_bytes, size_bytes, own = "little", b"data", 16, 8, 24
        file.seek(40)
    else:
        return None
    # A damaged file may have chunks of no size for ever.
    for _ in range(1000):
        chunk = file.read(name_bytes + size_bytes)
        if len(chunk) < name_bytes + size_bytes:
            return None
        size = int.from_bytes(chunk[name_bytes:], order) - own
        if chunk[:4] == wanted:
            if size == 0xFFFFFFFF and large is not None:
                return large
            return size if size < (2**48 if size_bytes == 8 else PLACEHOLDER) else None
        if size < 0 or size >= 2**48:
            return None
        start = file.tell()
        if chunk[:4] == b"ds64":
            large = int.from_bytes(file.read(16)[8:], "little")
        step = 8 if own else 1 if kind == b"caff" else 2
        file.seek(start + -(-size // step) * step)
    return None


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
    with _converted(path, seconds + MARGIN_SECONDS) as (wav, said):
        decoded = _decode_soundfile(wav, seconds)
    return replace(decoded, decoder="ffmpeg", promised=_promised_by(said, decoded.sample_rate))


def _promised_by(said: str, sample_rate: int) -> int | None:
    """Return the frames that a header declares by what ffmpeg says of it; None where it guesses."""
    found = re.search(r"Duration: (\d+):(\d+):(\d+\.\d+)", said)
    films = [
        line for line in said.splitlines() if ": Video:" in line and "attached pic" not in line
    ]
    # A film's length may be that of its pictures.
    if found is None or films or "Estimating duration" in said:
        return None
    hours, minutes, seconds = (float(part) for part in found.groups())
    return round((hours * 3600 + minutes * 60 + seconds) * sample_rate)


@contextmanager
def _converted(path: Path, seconds: float | None) -> Iterator[tuple[IO[bytes], str]]:
    """Open what ffmpeg makes of a file, or of its first seconds, as WAV in float32; what it said.

    Raises
    ------
    UnusableClip
        ffmpeg can't read it, or needs more time or memory than it may take.
    UserError
        There is no room for the WAV, or ffmpeg can't be started.
    """
    try:
        # A file without a name, on the machine's own disk: whatever kills the job, nothing is left.
        temporary = tempfile.TemporaryFile()  # noqa: SIM115 - left below
    except OSError as error:
        raise _no_room(error.strerror or str(error)) from None
    with temporary as wav:
        # "file:" keeps ffmpeg from reading a protocol or an option into the name, the list of
        # protocols from following what the file may name, and one thread within the memory.
        command = ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-v", "level+info", "-y"]
        command += ["-threads", "1", "-protocol_whitelist", "file", "-i", f"file:{path}"]
        command += ["-map", "0:a:0", *(() if seconds is None else ("-t", str(seconds)))]
        command += ["-c:a", "pcm_f32le", "-f", "wav", f"file:/dev/fd/{wav.fileno()}"]
        status, said = _run_ffmpeg(command, wav, seconds)
        if status or not os.fstat(wav.fileno()).st_size:
            if "No space left on device" in said:
                raise _no_room("no space left on device")
            raise UnusableClip(f"ffmpeg: {_ffmpeg_reason(said, path)}")
        wav.seek(0)
        yield wav, said


def _run_ffmpeg(command: list[str], wav: IO[bytes], seconds: float | None) -> tuple[int, str]:
    """Run ffmpeg within its limits; return its status and what it said."""
    limit = FFMPEG_SECONDS_WHOLE if seconds is None else FFMPEG_SECONDS + seconds
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=[wav.fileno()],
        )
    except OSError as error:
        raise UserError(
            f"ffmpeg can't be started: {error.strerror}.", where=shutil.which("ffmpeg") or "ffmpeg"
        ) from None
    with process:
        # From outside, since nothing of Python may run in the child of a process with threads.
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (FFMPEG_MEMORY, FFMPEG_MEMORY))
        try:
            _, said = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            raise UnusableClip(f"ffmpeg: not done after {limit:g} s, and so ended") from None
        except BaseException:
            process.kill()
            raise
    return process.returncode, said


def _ffmpeg_reason(said: str, path: Path) -> str:
    """Return the reason why ffmpeg failed, in a person's words where they are known."""
    for fragment, words in _FFMPEG_WORDS:
        if fragment in said:
            return words
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "[error]" in line or "[fatal]" in line] or lines
    if not errors:
        return "it has no sound"
    return re.sub(r"\[[^]]*\] ", "", errors[-1]).replace(str(path), path.name).strip()


def _no_room(found: str) -> UserError:
    return UserError(
        f"ffmpeg's output can't be written: {found}.",
        where=tempfile.gettempdir(),
        hint="free some space there, or let TMPDIR name another folder.",
    )


def _ffmpeg_version() -> str:
    if shutil.which("ffmpeg") is None:
        return ""
    lines = subprocess.run(
        ["ffmpeg", "-version"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return lines[0].split(" Copyright")[0] if lines else ""

"""What the caches take on disk and in time, beside a copy of their bytes, and how jobs start."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

import h5py
import numpy as np
import numpy.typing as npt
from genreflow.features.cepstrum import compute_cepstral_modulation, compute_cepstrogram
from genreflow.features.hpss import separate_hpss
from genreflow.features.mel import compute_mel, mel_filters
from genreflow.features.mfcc import compute_mfcc
from genreflow.features.modulation import compute_modulation
from genreflow.features.registry import FEATURES
from genreflow.features.stft import compute_stft, uncentred_frames
from genreflow.files.integrity import digest
from genreflow.files.layouts import as_stored
from genreflow.files.store import DIGEST, MOMENTS_DIGEST, FeatureFile, FeatureWriter
from measuring import REPOSITORY, run, times
from page import Bounded, Row, Section
from sound import RATE, SETTINGS, music

ROUNDS = 3
CLIPS = 20
MB = 1e6
JOBS = (
    "write_shard", "resample_audio", "compute_stft", "compute_cepstrogram",
    "compute_cepstral_modulation", "separate_hpss", "compute_mel", "compute_modulation",
    "compute_mfcc", "make_partition", "train_dnn", "evaluate_forest", "train_expert",
)  # fmt: skip


def features_of_a_clip() -> dict[str, npt.NDArray[np.floating]]:
    """Return every feature as its job computes it, before it is rounded."""
    samples = music()
    stft = SETTINGS.stft.model_dump()
    magnitude = compute_stft(samples, **stft)
    counted = uncentred_frames(samples.size, **stft)
    cepstrogram = compute_cepstrogram(magnitude[:, counted], epsilon=SETTINGS.cepstrum.epsilon)
    harmonic, percussive = separate_hpss(magnitude, **SETTINGS.hpss.model_dump())
    mel = SETTINGS.mel.model_dump()
    top_db = mel.pop("top_db")
    filters = mel_filters(sample_rate=RATE, n_fft=stft["n_fft"], **mel)
    mels = [
        compute_mel(part, filters=filters, top_db=top_db)
        for part in (magnitude, harmonic, percussive)
    ]
    return {
        "audio": samples,
        "stft": magnitude,
        "cepstrogram": cepstrogram,
        "cepstral_modulation": compute_cepstral_modulation(
            cepstrogram, **SETTINGS.cepstral_modulation.model_dump()
        ),
        "hpss_harmonic": harmonic,
        "hpss_percussive": percussive,
        "mel_original": mels[0],
        "mel_harmonic": mels[1],
        "mel_percussive": mels[2],
        "modulation": compute_modulation(mels[0], **SETTINGS.modulation.model_dump()),
        "mfcc": compute_mfcc(mels[0], **SETTINGS.mfcc.model_dump()),
    }


def write_cache(path: Path, feature: str, values: npt.NDArray[np.floating]) -> None:
    """Write a cache of some clips as a job does."""
    with FeatureWriter(
        path, FEATURES[feature].layout(values.shape), parameters={}, sample_rate=RATE, hop=1
    ) as out:
        for clip in range(CLIPS):
            out.append(f"{clip:04d}", values)


def read_cache(path: Path) -> None:
    """Read all clips of a cache."""
    with FeatureFile(path) as file:
        for _ in file:
            pass


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes clip by clip, as a cache is."""
    size = len(content) // CLIPS
    with path.open("wb") as file:
        for clip in range(CLIPS):
            file.write(content[clip * size : (clip + 1) * size])


def measure_storage() -> list[Section]:
    """Write and read every cache beside a plain file of as many bytes; the size has a bound."""
    rows: list[Row] = []
    totals = np.zeros(5)
    with tempfile.TemporaryDirectory() as name:
        cache, plain = Path(name, "cache.h5"), Path(name, "plain")
        for feature, values in features_of_a_clip().items():
            write_cache(cache, feature, values)
            content = cache.read_bytes()
            with FeatureFile(cache) as file:
                error = np.sqrt(np.mean(np.square(file.clip(0) - values.astype(np.float64))))
            seconds = times(
                {
                    "write": lambda f=feature, v=values: write_cache(cache, f, v),
                    "write plain": lambda c=content: write_bytes(plain, c),
                    "read": lambda: read_cache(cache),
                    "read plain": lambda: plain.read_bytes(),
                },
                rounds=ROUNDS,
            )
            taken = {what: median(found) for what, found in seconds.items()}
            size = len(content) / MB
            totals += [size, *taken.values()]
            rows.append(
                row(feature, FEATURES[feature].dtype, size, *taken.values())
                | {"error [deviations]": f"{error / values.std():.1g}" if error else "0"}
            )
    together = row("together", "", *totals)
    rows.append(
        together
        | {
            "MB a clip": Bounded(totals[0] / CLIPS, 12),
            "error [deviations]": "",
        }
    )
    text = (
        f"{CLIPS} clips of 30 s in a file, as far as the system's own memory and back, the median "
        f"of {ROUNDS} rounds; a copy is a plain file of as many bytes. Writing includes the "
        "moments and the rounding, whose root mean square error is given in the clip's deviations; "
        "docs/architecture.md has the errors by the measures that count."
    )
    return [Section("Caches", text, rows)]


def measure_digests() -> list[Section]:
    """Time the digests of a clip: written with each cache, checked by each job that reads it."""
    clip = {
        feature: as_stored(FEATURES[feature].layout(values.shape), values)
        for feature, values in features_of_a_clip().items()
    }
    readers = Counter(feature.parent for feature in FEATURES.values())

    def digests() -> None:
        for feature, values in clip.items():
            for _ in range(1 + readers[feature]):
                digest(b"0000", values)

    seconds = times({"features": features_of_a_clip, "digests": digests}, rounds=ROUNDS)
    taken = {what: 1000 * median(found) for what, found in seconds.items()}
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name, "cache.h5")
        write_cache(cache, "mfcc", clip["mfcc"])
        with h5py.File(cache) as file:
            stored = sum(file[part].id.get_storage_size() for part in (DIGEST, MOMENTS_DIGEST))
    rows: list[Row] = [
        {
            "of a clip": "all features",
            "arithmetic [ms]": taken["features"],
            "digests [ms]": taken["digests"],
            "share [%]": Bounded(100 * taken["digests"] / taken["features"], 10),
            "bytes in each cache": int(stored / CLIPS),
        }
    ]
    text = (
        "The digests of a clip's caches, once for the job that writes one and once for each job "
        "that computes another from it, beside the arithmetic of all features; one core, the "
        f"median of {ROUNDS} rounds. Reading and writing, as above, come on top of the arithmetic."
    )
    return [Section("Digests", text, rows)]


def row(
    feature: str,
    kind: str,
    size: float,
    write: float,
    write_plain: float,
    read: float,
    read_plain: float,
) -> dict[str, str | float | Bounded]:
    """Return a row of the table from megabytes and seconds."""
    return {
        "cache": feature,
        "type": kind,
        "MB a clip": f"{size / CLIPS:.2f}",
        "written [MB/s]": size / write,
        "of a copy": f"{write_plain / write:.2f}",
        "read [MB/s]": size / read,
        "of a copy's reading": f"{read_plain / read:.2f}",
    }


def measure_starts() -> list[Section]:
    """Time the start of jobs: Python and what a script imports."""
    scripts = REPOSITORY / "workflow" / "scripts"
    found = times(
        {
            name: lambda name=name: run([sys.executable, "-c", f"import {name}"], folder=scripts)
            for name in JOBS
        },
        rounds=ROUNDS,
    )
    rows: list[Row] = [
        {"script": name, "start [ms]": 1000 * median(seconds)} for name, seconds in found.items()
    ]
    text = (
        f"From the start of Python to the end of a script's imports, the median of {ROUNDS}. "
        "Every job has it once."
    )
    return [Section("Starts of jobs", text, rows)]

"""The feature stage as users run it: beside librosa in memory, and as collections grow.

The clips are generated, half a minute of 16-bit audio at 22 050 Hz each, as GTZAN's are.  Nothing
large is imported here, since the memory of a process that is started counts what this one has.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
import yaml
from genreflow.features.audio import decode, prepare_clip
from genreflow.features.registry import clip_shape
from measuring import REPOSITORY, Run, spread, times
from page import Bounded, Row, Section
from planning import FMA_FULL, FMA_SMALL, planned_jobs, snakemake
from sound import RATE, SETTINGS, music
from threadpoolctl import threadpool_limits

ROUNDS = 3
CORES = 2
#: Clips of which librosa's rate is measured in every round; it has nothing to start.
REFERENCE_CLIPS = 40
SIZES = (50, 100, 200, 400)
FIGURE = REPOSITORY / "docs" / "images" / "growth.png"


@dataclass(frozen=True)
class Stage:
    """A run of the whole stage: its command, its caches, and what its jobs say that they took."""

    clips: int
    cores: int
    shards: int
    jobs: int
    run: Run
    job_seconds: float
    cache_bytes: int


@contextmanager
def collection(clips: int, *, shards: int | None = None) -> Iterator[Path]:
    """Give a folder with so many clips in two classes, and its configuration."""
    samples = music()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label in "ab":
            (folder / "music" / label).mkdir(parents=True)
        for number in range(clips):
            path = folder / "music" / "ab"[number % 2] / f"{number:04d}.au"
            soundfile.write(path, np.roll(samples, 997 * number), RATE, subtype="PCM_16")
        config = {
            "datasets": {"collection": {"source": "folder", "folder": "music", "shards": shards}},
            "experiments": [],
        }
        (folder / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        yield folder


def run_stage(clips: int, *, cores: int, shards: int | None = None) -> Stage:
    """Run the feature stage of a collection from nothing."""
    with collection(clips, shards=shards) as folder:
        planned = planned_jobs(snakemake(folder, "-n", "--", "features").output)
        finished = snakemake(folder, "--", "features", cores=cores)
        logs = (folder / "results" / "logs").rglob("*.log")
        caches = (folder / "results").rglob("*.h5")
        cache_bytes = sum(path.stat().st_size for path in caches)
        inside = [re.findall(r"done in ([\d.]+) s", path.read_text("utf-8")) for path in logs]
    return Stage(
        clips,
        cores,
        planned["write_shard"],
        planned["total"],
        finished,
        sum(float(seconds) for found in inside for seconds in found),
        cache_bytes,
    )


def librosa_features(path: Path) -> None:
    """Compute both papers' features of a file in memory, and write nothing."""
    import librosa
    from features import librosa_jeong, librosa_yi

    with threadpool_limits(1):
        samples, _ = librosa.load(path, sr=RATE)
        librosa_yi(samples)
        librosa_jeong(samples)


def librosa_seconds() -> float:
    """Return the seconds a clip of librosa's way on all cores, without any start."""
    with (
        collection(REFERENCE_CLIPS) as folder,
        get_context("spawn").Pool(CORES) as pool,
    ):
        paths = sorted((folder / "music").rglob("*.au"))
        pool.map(librosa_features, paths[: 2 * CORES], chunksize=1)
        started = time.perf_counter()
        pool.map(librosa_features, paths, chunksize=1)
        return (time.perf_counter() - started) / len(paths)


def compare_whole_stage() -> list[Section]:
    """Run the stage on 200 and on 1 000 clips beside librosa in memory; both have bounds."""
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(librosa_seconds())
        ours.append(run_stage(200, cores=CORES))
    large = run_stage(1000, cores=CORES)
    whole = [them * each.clips / each.run.seconds for them, each in zip(theirs, ours, strict=True)]
    inside = [
        them * each.clips / (each.job_seconds / CORES)
        for them, each in zip(theirs, ours, strict=True)
    ]
    of_large = [them * large.clips / large.run.seconds for them in theirs]
    seconds = [each.run.seconds for each in ours]
    rows: list[Row] = [
        {
            "what": what,
            "clips": clips,
            "time [s]": taken,
            "librosa in memory [s]": f"{clips * median(theirs):.0f}",
            "times as fast": Bounded(median(ratios), at_least=bound),
            "spread": spread(ratios),
        }
        for what, clips, taken, ratios, bound in (
            ("inside the jobs", 200, spread([s.job_seconds / CORES for s in ours]), inside, 6),
            ("with Snakemake", 200, spread(seconds), whole, 3),
            ("with Snakemake", 1000, f"{large.run.seconds:.1f}", of_large, 4),
        )
    ]
    text = (
        f"`snakemake --cores {CORES} -- features` on generated clips, from audio files to all "
        "eleven caches on disk, against decoding and computing the same with librosa in "
        f"{CORES} processes that are started already and write nothing.\n"
        f"Librosa's rate is of {REFERENCE_CLIPS} clips in each of {ROUNDS} rounds; the run of "
        "1 000 clips is one. `inside the jobs` is what the jobs' own work takes, without the "
        "start of Python and Snakemake."
    )
    return [Section("The feature stage beside librosa", text, rows)]


def measure_growth() -> list[Section]:
    """Run the stage on more and more clips, with one core and with two."""
    stages = [run_stage(clips, cores=cores) for cores in (1, 2) for clips in SIZES]
    one_shard = run_stage(SIZES[-1], cores=CORES, shards=1)
    plot(stages)
    larger = {}
    for each in (FMA_SMALL, FMA_FULL):
        with each.folder() as folder:
            dry = snakemake(folder, "-n", "--", "features")
        larger[each.name] = each.clips, planned_jobs(dry.output)["total"]
    return growth_sections(stages, one_shard, larger, decoding=mp3_seconds())


def growth_sections(
    stages: Sequence[Stage],
    one_shard: Stage,
    larger: Mapping[str, tuple[int, int]],
    *,
    decoding: float,
) -> list[Section]:
    """Return what the runs show, and what follows for larger collections: their clips and jobs."""
    rows: list[Row] = [
        {
            "clips": each.clips,
            "cores": each.cores,
            "shards": each.shards,
            "jobs": each.jobs,
            "time [s]": each.run.seconds,
            "inside the jobs [s]": each.job_seconds,
            "CPU time [s]": each.run.cpu_seconds,
            "memory of the largest process [MiB]": Bounded(each.run.peak_mib, 1024),
        }
        for each in (*stages, one_shard)
    ]
    exponents: list[Row] = []
    for cores in (1, 2):
        own = [each for each in stages if each.cores == cores]
        exponents.append(
            {
                "cores": cores,
                "exponent of the jobs' work": exponent(SIZES, [each.job_seconds for each in own]),
                "exponent of time": exponent(SIZES, [each.run.seconds for each in own]),
                "exponent of memory": exponent(SIZES, [each.run.peak_mib for each in own]),
            }
        )
    a_clip, a_job = marginal_costs(stages)
    extrapolated: list[Row] = []
    for name, (clips, jobs) in larger.items():
        hours = (clips * (a_clip + decoding) + jobs * a_job) / 3600
        extrapolated.append(
            {
                "collection": name,
                "clips": clips,
                "jobs": jobs,
                "core hours": hours,
                "hours on 2 cores": hours / 2,
                "hours on 16 cores": hours / 16,
                "caches [GB]": clips * one_shard.cache_bytes / one_shard.clips / 1e9,
            }
        )
    return [
        Section(
            "How the feature stage grows",
            "One run each. The last has all its clips in one shard: a job holds one clip at a "
            f"time.\n\n![Time and memory by clips](images/{FIGURE.name})",
            rows,
        ),
        Section(
            "Exponents",
            "Slopes of the logarithms over 50 to 400 clips. The start of Snakemake and of the "
            "jobs, which does not grow with the clips, keeps that of time below 1.",
            exponents,
        ),
        Section(
            "Features of larger collections",
            f"An extrapolation from these runs on paper: {1000 * a_clip:.0f} ms of a core a clip "
            f"inside the jobs and {1000 * a_job:.0f} ms a job for everything else (least squares), "
            f"and {1000 * decoding:.0f} ms more to decode a stereo MP3 at 44 100 Hz and resample "
            "it. It assumes that more cores have as much disk and memory each, and that no job "
            "waits.",
            extrapolated,
        ),
    ]


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the power of the sizes that the values grow with."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def marginal_costs(stages: Sequence[Stage]) -> tuple[float, float]:
    """Return the core seconds of a clip inside the jobs, and of a job for all else, that fit best.

    One after the other, since clips and jobs grow together here and in a large collection don't.
    """

    def slope(counts: list[int], seconds: list[float]) -> float:
        return float(np.dot(counts, seconds) / np.dot(counts, counts))

    inside = [each.job_seconds for each in stages]
    rest = [
        each.run.seconds * each.cores - seconds
        for each, seconds in zip(stages, inside, strict=True)
    ]
    return (
        slope([each.clips for each in stages], inside),
        slope([each.jobs for each in stages], rest),
    )


def mp3_seconds() -> float:
    """Return what decoding a clip's stereo MP3 and resampling it takes more than a plain file."""
    samples = np.repeat(music(), 2)
    (length,) = clip_shape("audio", SETTINGS)
    audio = {"sample_rate": RATE, "length": length, "resampler": "soxr_hq"}
    with tempfile.TemporaryDirectory() as name:
        mp3, plain = Path(name, "a.mp3"), Path(name, "a.au")
        soundfile.write(mp3, np.stack([samples, samples[::-1]], 1), 2 * RATE, format="MP3")
        soundfile.write(plain, music(), RATE, subtype="PCM_16")
        found = times(
            {
                str(path): lambda path=path: prepare_clip(decode(path, seconds=30), **audio)
                for path in (mp3, plain)
            },
            rounds=ROUNDS,
        )
    return median(found[str(mp3)]) - median(found[str(plain)])


def plot(stages: Sequence[Stage]) -> None:
    """Draw time and memory by clips."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for cores, marker in ((1, "o"), (2, "s")):
        own = [each for each in stages if each.cores == cores]
        label = f"{cores} core{'s' if cores > 1 else ''}"
        axes[0].plot(SIZES, [each.run.seconds for each in own], marker=marker, label=label)
        axes[1].plot(SIZES, [each.run.peak_mib for each in own], marker=marker, label=label)
    for axis in axes:
        axis.set_xscale("log", base=2)
        axis.set_xticks(SIZES, [str(size) for size in SIZES])
        axis.set_xlabel("clips of 30 s")
        axis.legend(loc="upper left")
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log", base=2)
    axes[0].yaxis.set_major_formatter("{x:g}")
    axes[0].set_ylabel("time [s]")
    axes[0].set_ylim(4, 128)
    axes[1].set_ylim(0, 1.4 * max(each.run.peak_mib for each in stages))
    axes[1].set_ylabel("memory of the largest process [MiB]")
    figure.savefig(FIGURE, dpi=120)
    plt.close(figure)

"""Thousands of short clips by the whole workflow: memory, open files, temporary files, disk.

A stand-in for the jobs' Python runs each of them and writes down what it took.  Nothing large is
imported here, since the memory of a process that is started counts what this one has.
"""

from __future__ import annotations

import csv
import json
import resource
import shlex
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing import get_context
from os import scandir
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import soundfile
import yaml
from genreflow.features.registry import FEATURES
from genreflow.features.synthesis import PlantedClip, clip_table, synthesise_clip
from measuring import Run
from page import Bounded, Row, Section, show
from planning import EVERYTHING, YI, on_split, planned_jobs, snakemake

CLIPS = 5000
#: A tenth of them, to see what grows with the clips.
FEWER = 500
CORES = 2
#: Files that a process may have open at a time; most systems allow 1024.
OPEN_FILES = 256
CLIP_SECONDS = 5.0
#: Of the clips: some are cut, others are padded.
SECONDS = (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0)
#: Suffix and sample rate.
FORMATS = (("wav", 22050), ("flac", 16000), ("mp3", 22050))
#: What is wrong with the first clips of every so many.
DAMAGED_OF = 500
DAMAGE = ("missing", "empty", "cut to a third", "a text")
EPOCHS = 1
#: A quarter of the paper's, since what grows with the clips is looked for and no network does.
CHANNELS = (16, 32, 32, 48, 64)
#: The inputs of every network fit for the fewer clips, and for the others don't.
MEMORY_GB = 0.15
INTERVAL = 1.0
MB = 1e6
DATASET = "collection"
WATCHING = Path(__file__).with_name("watching.py")


def write_clip(folder: Path, number: int, clip: PlantedClip) -> None:
    """Render a clip into a file, and damage it if it is its turn."""
    damage = dict(enumerate(DAMAGE)).get(number % DAMAGED_OF)
    path = folder / name_of(number)
    if damage == "missing":
        return
    rate = FORMATS[number % len(FORMATS)][1]
    seconds = SECONDS[number % len(SECONDS)]
    soundfile.write(path, synthesise_clip(clip, sample_rate=rate, seconds=seconds), rate)
    content = path.read_bytes()
    if damage:
        left = {"empty": b"", "cut to a third": content[: len(content) // 3], "a text": b"text\n"}
        path.write_bytes(left[damage])


def name_of(number: int) -> str:
    """Return a clip's path in its collection."""
    return f"{number // 1000:03d}/{number:05d}.{FORMATS[number % len(FORMATS)][0]}"


@contextmanager
def collection(clips: int) -> Iterator[Path]:
    """Give a folder with so many clips in eight classes, and its configuration."""
    table = clip_table(seeds=[0], artists=-(-clips // 32) * 4)[:clips]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(0, clips, 1000):
            (folder / name_of(number)).parent.mkdir()
        with get_context("spawn").Pool(CORES) as pool:
            pool.starmap(write_clip, zip(repeat(folder), range(clips), table), chunksize=50)
        with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(["track_id", "path", "label", "group", "split"])
            for number, clip in enumerate(table):
                writer.writerow(
                    [clip.track_id, name_of(number), clip.label, clip.group, clip.split]
                )
        (folder / "my.yaml").write_text(yaml.safe_dump(configuration()), encoding="utf-8")
        yield folder


def configuration() -> dict[str, Any]:
    """Return what is run: all systems in one epoch on one split, and windows for short clips."""
    return {
        "datasets": {DATASET: {"source": "manifest", "manifest": "manifest.csv"}},
        "experiments": on_split("SF", "TF", "SF+TF", *YI),
        "audio": {"clip_seconds": CLIP_SECONDS},
        "cepstral_modulation": {"window_frames": 86, "shift_frames": 43},
        "dnn": {"epochs": EPOCHS},
        "expert": {"epochs": EPOCHS, "channels": list(CHANNELS)},
        "mixer": {"epochs": EPOCHS},
        "training": {"memory_gb": MEMORY_GB, "device": "cpu"},
        "keep": [],
    }


@dataclass
class Watch:
    """What a run has on disk and open while it goes on, looked at once a second.

    Attributes
    ----------
    now, most
        Bytes by what they belong to, at the last look and the most of all looks.
    half_files, temporary
        The most files under their temporary names, and in the folder of temporary files.
    files
        The most that Snakemake itself had open.
    """

    folder: Path
    temporary_folder: Path
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    half_files: int = 0
    temporary: int = 0
    files: int = 0

    def look(self) -> None:
        """Look at it now."""
        self.now = Counter()
        for path, size in sizes(self.folder / "results"):
            self.now[owner(path.removeprefix(f"{self.folder}/"))] += size
        self.now["`.snakemake`"] = sum(size for _, size in sizes(self.folder / ".snakemake"))
        self.now["together"] = self.now.total()
        self.most |= self.now
        self.half_files = max(self.half_files, len(half_files(self.folder)))
        self.temporary = max(self.temporary, len(list(sizes(self.temporary_folder))))
        for process in psutil.Process().children():
            try:
                self.files = max(self.files, process.num_fds())
            except psutil.Error:
                continue

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()
        return self

    def _go_on(self) -> None:
        while not self._stop.wait(INTERVAL):
            self.look()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            self.look()


def sizes(folder: Path | str) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder with their sizes, while others write there."""
    with suppress(FileNotFoundError), scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from sizes(entry.path)
            else:
                with suppress(FileNotFoundError):
                    yield entry.path, entry.stat(follow_symlinks=False).st_size


def half_files(folder: Path) -> list[str]:
    """Return the files under their temporary names."""
    return [path for path, _ in sizes(folder / "results") if path.endswith(".part")]


def owner(path: str) -> str:
    """Return what a file of the results belongs to: a cache, or everything else."""
    _, dataset, *rest = path.split("/")
    return rest[1] if dataset == DATASET and rest[0] == "features" else "everything else"


@dataclass(frozen=True)
class Loaded:
    """A finished run of everything.

    Attributes
    ----------
    jobs
        What each job of a rule took.
    memory_mb
        What a job of each rule asks for, in MB.
    temporary_left
        Files in the folder of temporary files at the end.
    statuses
        Clips by what became of them.
    """

    clips: int
    planning: Run
    run: Run
    repeated: Run
    jobs: Mapping[str, Sequence[Mapping[str, float]]]
    memory_mb: Mapping[str, float]
    watch: Watch
    temporary_left: int
    half_files_left: int
    statuses: Mapping[str, int]


def run_everything(clips: int) -> Loaded:
    """Run the workflow on so many clips from nothing, with few open files allowed."""
    with collection(clips) as folder, tempfile.TemporaryDirectory() as temporary:
        records = folder / "records"
        stand_in = folder / "stand-in"
        command = [sys.executable, "-IS", str(WATCHING), str(records), sys.executable]
        stand_in.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
        stand_in.chmod(0o755)
        dry = snakemake(folder, "-n", "--", *EVERYTHING)
        with few_open_files(), Watch(folder, Path(temporary)) as watch:
            finished = snakemake(
                folder,
                "--",
                *EVERYTHING,
                cores=CORES,
                stand_in=stand_in,
                environment={"TMPDIR": temporary},
            )
        repeated = snakemake(folder, "--", *EVERYTHING)
        if "Nothing to be done" not in repeated.output:
            sys.exit(f"the run of {clips} clips was not finished:\n{repeated.output}")
        statuses = statuses_of(folder / "results" / DATASET / "audio_report.csv")
        if statuses["quarantined"] != len(DAMAGE) * clips // DAMAGED_OF:
            sys.exit(f"other clips than the damaged ones are in quarantine: {statuses}")
        return Loaded(
            clips,
            dry,
            finished,
            repeated,
            jobs_of(records),
            asked_memory(dry.output),
            watch,
            len(list(sizes(temporary))),
            len(half_files(folder)),
            statuses,
        )


@contextmanager
def few_open_files() -> Iterator[None]:
    """Let every process that is started have no more than so many files open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def jobs_of(records: Path) -> dict[str, list[dict[str, float]]]:
    """Return what the jobs took, by rule, which the place of a log names."""
    jobs = defaultdict(list)
    for line in records.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        log = record.pop("log").removeprefix("results/logs/")
        jobs[log.partition("/")[0].removesuffix(".log")].append(record)
    return dict(jobs)


def asked_memory(output: str) -> dict[str, float]:
    """Return the most memory in MB that a job of each rule asks for, from a dry run."""
    asked: dict[str, float] = {}
    rule = ""
    for line in output.splitlines():
        if line.startswith(("rule ", "localrule ")):
            rule = line.split()[1].rstrip(":")
        elif line.startswith("    resources: "):
            amounts = dict(part.split("=") for part in line.split(": ")[1].split(", "))
            asked[rule] = max(asked.get(rule, 0), float(amounts.get("mem_mb", 0)))
    return asked


def statuses_of(report: Path) -> dict[str, int]:
    """Return how many clips became what, from the report of all files."""
    with report.open(newline="", encoding="utf-8") as handle:
        rows = csv.DictReader(line for line in handle if not line.startswith("#"))
        return Counter(row["status"] for row in rows)


def measure_load() -> list[Section]:
    """Run everything on thousands of clips and on fewer; what a rule takes has bounds."""
    fewer, more = run_everything(FEWER), run_everything(CLIPS)
    return [whole_runs([fewer, more]), by_rule(fewer, more), on_disk(more)]


def whole_runs(runs: Sequence[Loaded]) -> Section:
    """Return what planning and the whole runs took, and what they left."""
    rows: list[Row] = []
    for each in runs:
        rows.append(
            {
                "clips": each.clips,
                "of them padded": each.statuses["padded"],
                "in quarantine": each.statuses["quarantined"],
                "jobs": planned_jobs(each.planning.output)["total"],
                "planning [s]": each.planning.seconds,
                "its memory [MB]": in_mb(each.planning),
                "run [s]": each.run.seconds,
                "nothing to do [s]": each.repeated.seconds,
                "open files of Snakemake": each.watch.files,
                "temporary files at a time": each.watch.temporary,
                "temporary files left": Bounded(each.temporary_left, 0),
                "half-written files at a time": each.watch.half_files,
                "half-written files left": Bounded(each.half_files_left, 0),
            }
        )
    *kinds, last = DAMAGE
    text = (
        f"Generated clips of {min(SECONDS):g} to {max(SECONDS):g} s as WAV, FLAC and MP3, cut or "
        f"padded to {CLIP_SECONDS:g} s, in eight classes; of every {DAMAGED_OF}, "
        f"{len(DAMAGE)} are damaged ({', '.join(kinds)} or {last}).\n"
        f"`--cores {CORES}` makes everything: all caches, the eleven systems on one split in "
        f"{EPOCHS} epoch, the experts with a quarter of their channels, tables, figures and the "
        "report.\n"
        f"`keep` is empty, and `training.memory_gb` is {MEMORY_GB:g}: the inputs of the networks "
        f"are in memory for {show(FEWER)} clips and streamed for {show(CLIPS)}.\n"
        f"No process may have more than {OPEN_FILES} files open."
    )
    return Section(f"{show(runs[-1].clips)} short clips", text, rows)


def in_mb(run: Run) -> float:
    """Return a run's memory in the unit in which rules ask for theirs."""
    return run.peak_mib * 1024**2 / MB


def by_rule(fewer: Loaded, more: Loaded) -> Section:
    """Return what the jobs of each rule took."""
    rows: list[Row] = []
    for rule, jobs in sorted(more.jobs.items()):
        few, many = (max(job["memory"] for job in each.jobs[rule]) / MB for each in (fewer, more))
        rows.append(
            {
                "rule": rule,
                "jobs": len(jobs),
                "longest [s]": max(job["seconds"] for job in jobs),
                f"memory, {show(fewer.clips)} clips [MB]": few,
                f"memory, {show(more.clips)} clips [MB]": Bounded(many, more.memory_mb[rule]),
                "more [kB a clip]": max(0.0, (many - few) * 1000 / (more.clips - fewer.clips)),
                "most open files": Bounded(int(max(job["files"] for job in jobs)), OPEN_FILES),
            }
        )
    text = (
        "The largest job of each rule, of the runs above. The bound of its memory is what the "
        "rule asks a cluster for."
    )
    return Section(f"{show(more.clips)} short clips, by rule", text, rows)


def on_disk(loaded: Loaded) -> Section:
    """Return what the caches took on disk while the run went on and at its end."""
    caches = [feature for feature in FEATURES if feature in loaded.watch.most]
    rows: list[Row] = [
        {
            "cache": name,
            "most [MB]": loaded.watch.most[name] / MB,
            "at the end [MB]": loaded.watch.now[name] / MB,
            "of the most, kB a clip": loaded.watch.most[name] / 1000 / loaded.clips,
        }
        for name in (*caches, "everything else", "`.snakemake`", "together")
    ]
    text = (
        "Looked at once a second. Snakemake removes `audio` and `hpss` after their last use, "
        "since `keep` is empty here."
    )
    return Section(f"{show(loaded.clips)} short clips, on disk", text, rows)

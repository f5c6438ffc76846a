"""What planning takes, how many jobs a collection makes, and how many files a run leaves.

The collections have the sizes of the published ones and empty files: planning opens none.
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from genreflow.systems import SYSTEMS
from measuring import REPOSITORY, Run, run
from page import Bounded, Row, Section

#: All rules: the default target, every cache, the figures and the report.
EVERYTHING = ("all", "features", "report")
#: Runs Snakemake with a stand-in for the Python of its jobs.
WITH_STAND_IN = "import sys; sys.executable = sys.argv.pop(1); import snakemake.cli as s; s.main()"
#: Makes the files that a job names, empty, in a millisecond.
STAND_IN = """#!/bin/sh
for path in "$@"; do
  case $path in
    results/*) [ -e "$path" ] || { mkdir -p "${path%/*}" && : > "$path"; } ;;
  esac
done
"""


@dataclass(frozen=True)
class Collection:
    """A published collection's size, and what is run on it."""

    name: str
    clips: int
    labels: int
    experiments: list[dict[str, Any]]
    variants: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a folder with the collection's empty files, its manifest and its configuration."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as handle:
                writer = csv.writer(handle)
                writer.writerow(["track_id", "path", "label", "group", "split"])
                for i in range(self.clips):
                    path = f"clips/{i // 1000:03d}/{i:06d}.mp3"
                    if not i % 1000:
                        (folder / path).parent.mkdir(parents=True)
                    open(f"{name}/{path}", "w").close()
                    split = ("valid", "test", *["train"] * 8)[i % 10]
                    label = f"label {i // 10 % self.labels:02d}"
                    writer.writerow([f"{i:06d}", path, label, f"artist {i // 10}", split])
            variants = {
                name: {"like": "collection", "settings": settings}
                for name, settings in self.variants.items()
            }
            collection = {"source": "manifest", "manifest": "manifest.csv"}
            config = {
                "datasets": {"collection": collection, **variants},
                "experiments": [
                    {**experiment, "dataset": dataset}
                    for dataset in ("collection", *variants)
                    for experiment in self.experiments
                ],
            }
            (folder / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
            yield folder


def shipped(name: str) -> list[dict[str, Any]]:
    """Return the experiments of a shipped configuration, on a split in the place of own lists."""
    text = (REPOSITORY / "config" / f"{name}.yaml").read_text(encoding="utf-8")
    for own in ("fault_filtered", "official"):
        text = text.replace(f"partition: {own}", "partition: split")
    found: list[dict[str, Any]] = yaml.safe_load(text)["experiments"]
    return found


GTZAN = Collection("GTZAN", 1000, 10, shipped("gtzan"))
FMA_SMALL = Collection("FMA-small", 8000, 8, shipped("fma_small"))
FMA_FULL = Collection("FMA-full", 106574, 16, [{"partition": "split", "systems": list(SYSTEMS)}])
COLLECTIONS = (GTZAN, FMA_SMALL, FMA_FULL)
#: Ten values of each of three keys: of a feature, of trainings, and of forests.
MANY = replace(
    GTZAN,
    name="GTZAN and 30 variants",
    variants={
        f"{section}{number}": {section: {key: first + number}}
        for section, key, first in (
            ("hpss", "power", 3),
            ("dnn", "patience", 11),
            ("rf", "trees", 9),
        )
        for number in range(10)
    },
)
EXPERIMENTS = (
    "GTZAN: both papers' experiments, as in `config/gtzan.yaml`, and the same of it and 30 "
    "variants. FMA-small: as in `config/fma_small.yaml`. FMA-full: all systems on one split."
)


def snakemake(
    folder: Path,
    *arguments: str,
    cores: int = 2,
    stand_in: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run the workflow in a folder, with a stand-in for its jobs' Python if there is one."""
    python = [
        sys.executable,
        *(["-c", WITH_STAND_IN, stand_in] if stand_in else ["-m", "snakemake"]),
    ]
    command = [*python, "--snakefile", REPOSITORY / "Snakefile", "--directory", folder]
    return run(
        [*command, "--cores", str(cores), "--configfile", "my.yaml", *arguments],
        folder=folder,
        environment=environment,
    )


def planned_jobs(output: str) -> dict[str, int]:
    """Return the number of jobs of each rule, from the table at the end of a dry run."""
    table = output.rpartition("Job stats:")[2]
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def plan_runs() -> list[Section]:
    """Measure planning and dry runs, and count their jobs."""
    times: list[Row] = []
    jobs: dict[str, dict[str, int]] = {}
    #: By collection and target, the most seconds.
    most = {("FMA-full", "features"): 60, (MANY.name, "tables"): 10}
    for collection in (*COLLECTIONS, MANY):
        wanted = {"tables": ("tables",)}
        if collection in COLLECTIONS:
            wanted = {"features": ("features",), "everything": EVERYTHING}
        with collection.folder() as folder:
            for target, targets in wanted.items():
                named = snakemake(folder, "-n", "--", *targets)
                planned = planned_jobs(named.output)
                quiet = snakemake(folder, "-n", "--quiet", "--", *targets)
                limit = most.get((collection.name, target))
                times.append(
                    {
                        "collection": collection.name,
                        "clips": collection.clips,
                        "shards": planned["write_shard"],
                        "target": target,
                        "jobs": planned["total"],
                        "time [s]": Bounded(quiet.seconds, limit) if limit else quiet.seconds,
                        "CPU time [s]": quiet.cpu_seconds,
                        "memory [MiB]": Bounded(quiet.peak_mib, 1024) if limit else quiet.peak_mib,
                        "every job named [s]": named.seconds,
                    }
                )
                if collection in COLLECTIONS:
                    jobs[collection.name] = planned
    # The jobs are those of the last target, everything.
    rules = sorted({rule for planned in jobs.values() for rule in planned} - {"total"})
    counts: list[Row] = [
        {"rule": rule, **{name: planned.get(rule, 0) for name, planned in jobs.items()}}
        for rule in (*rules, "total")
    ]
    planning = (
        "Planning with nothing made yet (`snakemake -n --quiet`), as a run does before its first "
        "job, and a dry run that names every job with its command (`snakemake -n`).\n"
        f"`everything` is every cache, the tables, the figures and the report.\n{EXPERIMENTS}"
    )
    return [
        Section("Planning", planning, times),
        Section("Jobs", "The jobs of `everything`.", counts),
    ]


def repeat_finished_runs() -> list[Section]:
    """Measure what a run takes in which nothing is left to do, and count the files of a run."""
    rows: list[Row] = []
    for collection in COLLECTIONS:
        with collection.folder() as folder:
            stand_in = folder / "stand-in"
            stand_in.write_text(STAND_IN, encoding="utf-8")
            stand_in.chmod(0o755)
            # Many at a time, since they have nothing to do.
            hollow = snakemake(folder, "--", *EVERYTHING, cores=32, stand_in=stand_in)
            repeated = snakemake(folder, "--", *EVERYTHING)
            if "Nothing to be done" not in repeated.output:
                sys.exit(f"the run of {collection.name} was not finished:\n{repeated.output}")
            seconds = repeated.seconds
            results = folder / "results"
            logs, benchmarks = (files_in(results / name) for name in ("logs", "benchmarks"))
            rows.append(
                {
                    "collection": collection.name,
                    "nothing to do [s]": Bounded(seconds, 10) if collection is GTZAN else seconds,
                    "CPU time [s]": repeated.cpu_seconds,
                    "memory [MiB]": repeated.peak_mib,
                    "jobs without their work, CPU [s]": hollow.cpu_seconds,
                    "results": files_in(results) - logs - benchmarks,
                    "logs": logs,
                    "benchmarks": benchmarks,
                    "`.snakemake`": files_in(folder / ".snakemake"),
                }
            )
    text = (
        "The same command again after all of `everything` is made, and the number of files that "
        "are there then.\nThe jobs were Snakemake's own, with a program in their Python's place "
        "that makes empty files: `jobs without their work` is what Snakemake itself takes for "
        "them."
    )
    return [Section("A finished run, and its files", text, rows)]


def files_in(folder: Path) -> int:
    """Return how many files a folder holds, at any depth."""
    return sum(path.is_file() for path in folder.rglob("*"))

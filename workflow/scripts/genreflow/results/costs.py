"""What the jobs of each rule took, by Snakemake's measurements."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from genreflow.files.benchmarks import Measurement, read_measurement


@dataclass(frozen=True)
class RuleCost:
    """The jobs of a rule: how many, their time in all, the longest, and the largest memory."""

    rule: str
    jobs: int
    seconds: float
    longest: float
    memory_mb: float | None


def costs_by_rule(folder: Path, names: Collection[str]) -> list[RuleCost]:
    """Return what the jobs of each rule took, the rule with the most time first.

    Jobs whose measurement is missing or not whole are left out: they change no result.

    Parameters
    ----------
    folder
        ``results/benchmarks``.
    names
        Datasets, studies and collections whose jobs count; those of no dataset count as well.
    """
    jobs: dict[str, list[Measurement]] = {}
    for rule, measurement in _measurements(folder, names):
        jobs.setdefault(rule, []).append(measurement)
    costs = [
        RuleCost(
            rule=rule,
            jobs=len(found),
            seconds=sum(job.seconds for job in found),
            longest=max(job.seconds for job in found),
            memory_mb=max((job.memory_mb for job in found if job.memory_mb), default=None),
        )
        for rule, found in jobs.items()
    ]
    return sorted(costs, key=lambda cost: (-cost.seconds, cost.rule))


def _measurements(folder: Path, names: Collection[str]) -> Iterator[tuple[str, Measurement]]:
    """Yield the rule and the measurement of each job: {rule}.tsv or {rule}/{name}/... .tsv."""
    for path in sorted(folder.rglob("*.tsv")):
        rule, *variant = path.relative_to(folder).with_suffix("").parts
        if variant and variant[0] not in names:
            continue
        # Snakemake writes it after the job: a run that goes on may be writing one.
        with suppress(OSError, ValueError, KeyError, StopIteration):
            yield rule, read_measurement(path)

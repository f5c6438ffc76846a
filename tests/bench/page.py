"""The page of all benchmarks: tables, bounds, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import inf
from pathlib import Path

PACKAGES = ("snakemake", "numpy", "scipy", "h5py", "librosa", "scikit-learn", "torch", "numba")


@dataclass(frozen=True)
class Bounded:
    """A measured value that must not exceed a bound, or must reach one."""

    value: float
    at_most: float = inf
    at_least: float = -inf

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound."""
        return self.at_least <= self.value <= self.at_most

    @property
    def bound(self) -> str:
        """The bound in words, with the verdict where it does not hold."""
        if self.at_least > -inf:
            return f"{'at least' if self.holds else '**misses**'} {show(self.at_least)}"
        return f"{'at most' if self.holds else '**exceeds**'} {show(self.at_most)}"


Value = str | int | float | Bounded
Row = Mapping[str, Value]


@dataclass(frozen=True)
class Section:
    """What one benchmark found: its rows have the same keys, which are the table's columns."""

    title: str
    text: str
    rows: Sequence[Row]


def exceeded(sections: Iterable[Section]) -> list[str]:
    """Return a line for every value of which the bound does not hold."""
    return [
        f"{section.title}, {next(iter(row.values()))}: {column} is {show(value)}"
        for section in sections
        for row in section.rows
        for column, value in row.items()
        if isinstance(value, Bounded) and not value.holds
    ]


def show(value: Value) -> str:
    """Return a value as it stands in a table."""
    if isinstance(value, Bounded):
        return f"{show(value.value)} ({value.bound})"
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else value


def table(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[show(row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(sections: Iterable[Section], earlier: str = "") -> str:
    """Return the whole page, or an earlier one with these sections in the place of its own."""
    texts = {
        section.title: "\n\n".join([f"## {section.title}", section.text, table(section.rows)])
        for section in sections
    }
    if earlier:
        head, *others = earlier.rstrip("\n").split("\n\n## ")
        kept = {other.partition("\n")[0]: f"## {other}" for other in others}
        return "\n\n".join([head, *(kept | texts).values()]) + "\n"
    parts = [
        "# Benchmarks",
        "Written by `make bench`, which measures all of this anew and fails where a bound does "
        "not hold.\nTimes of planning and of finished runs are of one run each on a machine that "
        "may have had other work; CPU times are of all processes together.",
        table(machine()),
    ]
    return "\n\n".join([*parts, *texts.values()]) + "\n"


def machine() -> list[Row]:
    """Return what the machine is made of and runs, without its name."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return [
        {"machine": "processor", "": _processor()},
        {"machine": "cores", "": len(os.sched_getaffinity(0))},
        {"machine": "memory", "": f"{memory:.0f} GiB"},
        {"machine": "system", "": system},
        {"machine": "Python", "": platform.python_version()},
        {"machine": "packages", "": packages},
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

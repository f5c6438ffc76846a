"""Running a command and saying what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

#: As the rules let jobs keep their memory.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
REPOSITORY = Path(__file__).resolve().parents[2]
MIB = 1024**2


@dataclass(frozen=True)
class Run:
    """A finished command: its output, and what it and the processes that it started took."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(
    command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str] | None = None
) -> Run:
    """Run a command in a folder; one that fails ends the benchmark with the end of its output.

    What is set about memory is not handed on, but what ``environment`` says is.
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    # Bytecode is neither written nor counted, as in the tests.
    variables = {**others, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{text[-3000:]}")
    # Linux counts the peak in KiB, of the largest process.
    return Run(text, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MIB)


def times(functions: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each function in every round, after one that is not counted.

    In turn, so that a machine whose speed drifts is as slow for one as for the other.
    """
    found: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            found[name].append(time.perf_counter() - started)
    return {name: values[1:] for name, values in found.items()}


def spread(values: Sequence[float], unit: float = 1.0) -> str:
    """Return the median of some values, with the smallest and the largest."""
    low, middle, high = (unit * value for value in (min(values), median(values), max(values)))
    return f"{middle:.1f} ({low:.1f} – {high:.1f})"

"""Running a command and saying what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MIB = 1024**2


@dataclass(frozen=True)
class Run:
    """A finished command: its output, and what it and the processes that it started took."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(command: Sequence[str | Path], *, folder: Path) -> Run:
    """Run a command in a folder; one that fails ends the benchmark with the end of its output."""
    # Bytecode is neither written nor counted, as in the tests.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
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

"""What a run says on the terminal with ``--logger genreflow``: one line a finished job.

A plugin of Snakemake, which finds it where the package is installed.  It is on its own: which copy
of genreflow a workflow belongs to is known only once the workflow is read.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from logging import LogRecord
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

__all__ = ["LogHandler"]

#: Tells the scripts of jobs that what they came to is shown here (`genreflow.jobs.job`).
LINE_A_JOB = "GENREFLOW_LINE_A_JOB"
#: Lines of a log that are shown where it has no message of ours.
LAST_LINES = 5
#: Less than this is not worth saying while some rule's time is not known.
SHORTEST_BOUND = 60.0
#: What Snakemake says of every job without a mark to tell it by, and of every failed one besides.
NOISE = re.compile(
    r"Select jobs to execute|Execute \d|Exiting because a job execution failed"
    r"|RuleException:\nCalledProcessError"
)


@dataclass
class StartedJob:
    """A job that Snakemake has announced."""

    rule: str
    name: str
    logs: list[str]
    started: float


@dataclass
class Work:
    """What there is to do, and how long jobs take: from this run, else from the run before.

    Attributes
    ----------
    planned
        Jobs of each rule.
    seconds
        What finished jobs of each rule took.
    """

    planned: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    benchmarks: Path = Path("results/benchmarks")
    begun: float = field(default_factory=lambda: time.monotonic())

    @property
    def done(self) -> int:
        """How many jobs have finished."""
        return sum(map(len, self.seconds.values()))

    def expected(self, rule: str) -> float | None:
        """Return what a job of a rule takes on average, if that is known."""
        seconds = self.seconds.get(rule) or earlier_seconds(self.benchmarks / rule)
        return sum(seconds) / len(seconds) if seconds else None

    def left(self, running: Iterable[StartedJob], now: float) -> str:
        """Return the time left in words, from the work that is left and the jobs at once."""
        running = list(running)
        at_once = (
            sum(map(sum, self.seconds.values())) + sum(now - job.started for job in running)
        ) / max(now - self.begun, 1e-3)
        elapsed: defaultdict[str, float] = defaultdict(float)
        for job in running:
            elapsed[job.rule] += now - job.started
        seconds, unknown = 0.0, False
        for rule, planned in self.planned.items():
            if count := planned - len(self.seconds.get(rule, ())):
                expected = self.expected(rule)
                unknown |= expected is None
                seconds += max(count * (expected or 0.0) - elapsed[rule], 0.0)
        seconds /= max(at_once, 1.0)
        if not unknown:
            return f", about {in_words(seconds)} left"
        # Of some rule no job has finished yet, so all that is known is a bound.
        return f", over {in_words(seconds)} left" if seconds > SHORTEST_BOUND else ""


class LogHandler(LogHandlerBase):
    """The terminal: a line a finished job, and every failed job once, at the end."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        # A dry run is about the jobs' blocks, and --verbose is asked for when something is wrong.
        self._plain = settings.dryrun or settings.verbose
        quiet = set(settings.quiet or ())
        if not self._plain:
            quiet |= {Quietness.RULES, Quietness.PROGRESS, Quietness.HOST, Quietness.REASON}
            os.environ[LINE_A_JOB] = "1"
        self._silent = Quietness.ALL in quiet
        self._jobs: dict[int, StartedJob] = {}
        self._failed: dict[int, str] = {}
        self._work = Work()
        self._terminal = ColorizingTextHandler(
            nocolor=settings.nocolor,
            stream=sys.stdout if settings.stdout else sys.stderr,
            formatter=DefaultFormatter(quiet, settings.show_failed_logs),
            filter=DefaultFilter(
                quiet,
                settings.debug_dag,
                settings.verbose,
                settings.dryrun,
                settings.printshellcmds,
            ),
        )

    def emit(self, record: LogRecord) -> None:
        """Write what a record of Snakemake comes to."""
        # What Snakemake adds to a record depends on the event.
        said: Any = record
        event = getattr(record, "event", None)
        if self._plain or self._silent:
            self._terminal.handle(record)
        elif event == LogEvent.RUN_INFO:
            stats = {rule: count for rule, count in said.stats.items() if rule != "total"}
            self._work = Work(Counter(stats))
            self._write(f"{sum(stats.values())} jobs of {len(stats)} rules to run")
        elif event == LogEvent.JOB_INFO:
            self._jobs[said.jobid] = StartedJob(
                said.rule_name, name_of(said), list(said.log), time.monotonic()
            )
        elif event == LogEvent.JOB_FINISHED:
            self._failed.pop(said.job_id, None)  # tried again, with success
            self._finished(self._jobs.pop(said.job_id, None))
        elif event == LogEvent.JOB_ERROR:
            self._failed_job(said)
        elif not NOISE.match(str(record.msg)):
            self._terminal.handle(record)

    def close(self) -> None:
        """Name the jobs that failed, with their reasons."""
        if self._failed and not self._silent:
            self._write(f"\nFailed, {len(self._failed)} in all:")
            self._write("\n".join(self._failed.values()))
            self._failed = {}
        super().close()

    def _finished(self, job: StartedJob | None) -> None:
        if job is None:
            return
        now = time.monotonic()
        took = now - job.started
        self._work.seconds[job.rule].append(took)
        total = sum(self._work.planned.values())
        left = self._work.left(self._jobs.values(), now) if self._work.done < total else ""
        told = result(job.logs)
        came_to = f": {told}" if told else ""
        self._write(f"[{self._work.done} of {total}{left}] {job.name}{came_to}, {in_words(took)}")

    def _failed_job(self, said: Any) -> None:
        self._jobs.pop(said.jobid, None)
        name = name_of(said)
        if said.jobid not in self._failed:
            self._write(f"failed: {name}; the reason is given at the end")
        lines = [f"{name}:", *reason(said.log), *(f"log: {path}" for path in said.log)]
        lines += [f"{key}: {value}" for key, value in said.aux.items()]
        self._failed[said.jobid] = "\n    ".join(lines)

    def _write(self, text: str) -> None:
        self._terminal.stream.write(f"{text}\n")
        self._terminal.flush()


def name_of(said: Any) -> str:
    """Return a job's name: where its log lies, from the rule to the last wildcard."""
    for log in said.log:
        _, found, name = str(log).partition("logs/")
        if found:
            return str(Path(name).with_suffix(""))
    return str(said.rule_name)


def result(logs: Iterable[str]) -> str:
    """Return what a job came to, from the last line of its log."""
    found = re.findall(r" done in \S+ s: (.*)", _text(logs))
    return found[-1] if found else ""


def reason(logs: Iterable[str]) -> list[str]:
    """Return why a job failed: from the last error in its log to the end, or its last lines."""
    text = _text(logs)
    if not text.strip():
        return ["it left no word in its log: it was killed, or could not begin"]
    if text.rstrip().endswith("KeyboardInterrupt"):
        return ["it was interrupted; the same command goes on"]
    position = max(text.rfind(" Error: "), text.rfind("Traceback"))
    if position >= 0:
        return text[position:].strip().splitlines()
    return text.strip().splitlines()[-LAST_LINES:]


def _text(logs: Iterable[str]) -> str:
    return "".join(
        Path(log).read_text(encoding="utf-8", errors="replace")
        for log in logs
        if Path(log).is_file()
    )


@cache
def earlier_seconds(folder: Path) -> list[float]:
    """Return what a rule's jobs of earlier runs took, from their benchmarks (column ``s``)."""
    found = []
    for path in folder.rglob("*.tsv"):
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        if len(rows) > 1 and rows[0][0] == "s":
            found.append(float(rows[1][0]))
    return found


def in_words(seconds: float) -> str:
    """Return a duration as people say it: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

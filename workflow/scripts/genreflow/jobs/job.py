"""What every script shares: arguments, the log, and errors without a traceback."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genreflow import __version__
from genreflow.errors import UserError, printable
from genreflow.files.atomic import explain_fault
from genreflow.files.integrity import check_seals, seal
from genreflow.files.layouts import Layout
from genreflow.files.store import check_parameters
from genreflow.jobs.limits import check_limits

log = logging.getLogger("genreflow")

#: Set by snakemake_logger_plugin_genreflow, which shows what jobs came to when they are done.
LINE_A_JOB = "GENREFLOW_LINE_A_JOB"


def _escape(record: logging.LogRecord) -> bool:
    """Make a message harmless to terminals: it may hold names of files, tags and labels."""
    record.msg, record.args = printable(record.getMessage()), ()
    return True


log.addFilter(_escape)


class Job:
    """The arguments of a script: ``--name value ...`` for files, ``--params`` for the rest.

    Attributes
    ----------
    params
        What the rule depends on: the parts below, and the digest of its code.
    settings
        The part of the configuration that the rule depends on.
    wildcards
        Those that the result depends on; ``fold`` and ``seed`` are numbers.
    planned
        What was known before any job ran, and the result depends on.
    untracked
        What changes no result, and so is no reason to run a job again.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        parser = argparse.ArgumentParser(allow_abbrev=False)
        parser.add_argument("--params", type=json.loads, default={})
        parser.add_argument("--untracked", type=json.loads, default={})
        parser.add_argument("--log", type=Path)
        parser.add_argument("--written", default="")
        known, rest = parser.parse_known_args(arguments)
        self.params: dict[str, Any] = known.params
        self.settings: Any = self.params.get("settings", {})
        self.wildcards: dict[str, Any] = self.params.get("wildcards", {})
        self.planned: dict[str, Any] = self.params.get("planned", {})
        self.untracked: dict[str, Any] = known.untracked
        self.log_path: Path | None = known.log
        self._written: list[str] = known.written.split(",")
        self._words: dict[str, list[str]] = {}
        name = ""
        for word in rest:
            if word.startswith("--"):
                # As argparse does.
                name = word[2:].replace("-", "_")
                self._words[name] = []
            else:
                self._words[name].append(word)

    @property
    def outputs(self) -> list[Path]:
        """What the job writes."""
        return [path for name in self._words if name in self._written for path in self.paths(name)]

    @property
    def inputs(self) -> list[Path]:
        """The words of all other arguments, most of them files."""
        return [
            path for name in self._words if name not in self._written for path in self.paths(name)
        ]

    def path(self, name: str) -> Path:
        """Return the only file of an argument."""
        (path,) = self.paths(name)
        return path

    def paths(self, name: str) -> list[Path]:
        """Return all files of an argument."""
        return [Path(word) for word in self._words[name]]

    def number(self, name: str) -> int:
        """Return an argument that is a whole number: a resource, which changes no result."""
        (word,) = self._words[name]
        return int(word)

    def caches(self, *names: str) -> dict[Path, Layout]:
        """Return the feature caches to write, in the order of their layouts as planned."""
        layouts = map(Layout.from_json, self.planned["layouts"])
        return dict(zip(map(self.path, names), layouts, strict=True))


def run(script: str, arguments: Sequence[str]) -> None:
    """Run a script's ``main``: log to its file and to the terminal, and end with a clear message.

    A `UserError` ends the process with its message and status 1, and so does a disk that is full or
    can't be written; the traceback of anything else goes to the log.
    """
    job = Job(arguments)
    started = time.monotonic()
    # Beside its error, HDF5 complains of every object that can't be closed on a full disk.
    sys.excepthook = lambda *error: log.debug("at the end", exc_info=error)
    sys.unraisablehook = lambda _: None
    try:
        said = _configure(script, job.log_path)
        log.debug("genreflow %s, Python %s", __version__, platform.python_version())
        log.debug("parameters %s", json.dumps(job.params, sort_keys=True))
        check_seals(job.inputs)
        if expected := os.environ.get("GENREFLOW_PARAMETERS"):
            check_parameters(job.inputs, json.loads(expected))
        if limits := os.environ.get("GENREFLOW_LIMITS"):
            check_limits(job.inputs, json.loads(limits))
        importlib.import_module(script).main(job)
        seal(job.outputs)
    except UserError as error:
        log.error("Error: %s", error)
        sys.exit(1)
    except Exception as error:
        if fault := explain_fault(error, job.outputs):
            log.debug("what the system said", exc_info=True)
            log.error("Error: %s", fault)
            logging.shutdown()
            # At a usual exit HDF5 would try to write what is still open, and crash.
            os._exit(1)
        log.exception("unexpected error: please report it with this log")
        sys.exit(1)
    log.debug("done in %.1f s: %s", time.monotonic() - started, said.last)


class _LastWord(logging.Handler):
    """Keeps the last message: what a script says last is what its job came to."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Return whether a message is shown where the terminal has a line a finished job."""
    return record.levelno >= logging.WARNING or getattr(record, "progress", False)


def _configure(script: str, path: Path | None) -> _LastWord:
    log.setLevel(logging.DEBUG)
    # A log that can't be written is no reason to say so at every line.
    logging.raiseExceptions = False
    said = _LastWord(logging.INFO)
    log.addHandler(said)
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO)
    if os.environ.get(LINE_A_JOB):
        terminal.addFilter(_worth_a_line)
    # A log's place says which job it is: results/logs/{rule}/{wildcards}.log
    name = str(path.with_suffix("")).rpartition("logs/")[2] if path else script
    terminal.setFormatter(logging.Formatter(f"[{name.replace('%', '%%')}] %(message)s"))
    log.addHandler(terminal)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(file)
    return said

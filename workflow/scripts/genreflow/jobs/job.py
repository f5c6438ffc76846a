"""What every script shares: arguments, the log, and errors without a traceback."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genreflow import __version__
from genreflow.errors import UserError
from genreflow.files.layouts import Layout

log = logging.getLogger("genreflow")


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
        known, rest = parser.parse_known_args(arguments)
        self.params: dict[str, Any] = known.params
        self.settings: Any = self.params.get("settings", {})
        self.wildcards: dict[str, Any] = self.params.get("wildcards", {})
        self.planned: dict[str, Any] = self.params.get("planned", {})
        self.untracked: dict[str, Any] = known.untracked
        self.log_path: Path | None = known.log
        self._words: dict[str, list[str]] = {}
        name = ""
        for word in rest:
            if word.startswith("--"):
                # As argparse does.
                name = word[2:].replace("-", "_")
                self._words[name] = []
            else:
                self._words[name].append(word)

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

    A `UserError` ends the process with its message and status 1; the traceback of anything else
    goes to the log.
    """
    job = Job(arguments)
    _configure(script, job.log_path)
    log.debug("genreflow %s, Python %s", __version__, platform.python_version())
    log.debug("parameters %s", json.dumps(job.params, sort_keys=True))
    started = time.monotonic()
    try:
        importlib.import_module(script).main(job)
    except UserError as error:
        log.error("Error: %s", error)
        sys.exit(1)
    except Exception:
        log.exception("unexpected error: please report it with this log")
        sys.exit(1)
    log.debug("done in %.1f s", time.monotonic() - started)


def _configure(name: str, path: Path | None) -> None:
    log.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(logging.Formatter(f"[{name}] %(message)s"))
    log.addHandler(terminal)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(file)

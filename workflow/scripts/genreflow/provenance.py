"""Which source files a script's results depend on, by content."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "genreflow"
#: Modules that can't change a result: a change there reruns nothing.  What `sources` finds is in
#: the parameters of the rules that use it, by content, so that a new source touches no other's, and
#: what is downloaded is known by its checksum.
NEUTRAL = frozenset(
    f"genreflow.{name}" for name in ("runtime", "errors", "sources", "retrieval", "remotes")
)


@cache
def code_digest(script: str, folder: Path) -> str:
    """Return a digest of a script and of every module of the package that it imports.

    It follows imports within functions too, and ignores times: a fresh clone gives the same.

    Parameters
    ----------
    script
        Name without its ending.
    folder
        The folder that holds the script and the package.
    """
    digests = {name: _digest(path) for name, path in sources(script, folder).items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]


def sources(script: str, folder: Path) -> dict[str, Path]:
    """Return the script and the modules of the package that it imports, by name."""
    found: dict[str, Path] = {}
    pending = [script]
    while pending:
        name = pending.pop()
        path = folder / (name.replace(".", "/") + ".py")
        if name in found or name in NEUTRAL or not path.is_file():
            continue
        found[name] = path
        pending += _imports(path)
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield str(node.module)
            # `from genreflow import stft` names a module too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

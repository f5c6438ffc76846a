"""Which code a script's results depend on, by content, without what is said to people."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

PACKAGE = "genreflow"
#: Modules, or folders of them, that can't change a result.  What is planned and where clips come
#: from is in the parameters of the rules that use it, by content, so that a new source touches no
#: other's; what is downloaded is known by its checksum; checks let through or refuse.
NEUTRAL = tuple(
    f"{PACKAGE}.{name}"
    for name in (
        "errors", "jobs", "plan", "partitions.checks",
        "collections.sources", "collections.remotes", "collections.download",
        "collections.unpacking",
    )
)  # fmt: skip
#: What may have a docstring.
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
#: Calls whose arguments are messages.
MESSAGES = ("UserError", "log.debug", "log.info", "log.warning", "log.error", "log.exception")

#: A string, or a comment.  No string of this code holds its own quotes within braces.
STRINGS_AND_COMMENTS = re.compile(
    r'''"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\''''
    r"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(?P<comment>#[^\n]*)""",
    re.DOTALL,
)
#: The same, or what may be at the end of a line and in lines without code.
GAPS = re.compile(rf"{STRINGS_AND_COMMENTS.pattern}|(?P<gap>([ \t]*(#[^\n]*)?\n)+)", re.DOTALL)


@cache
def code_digest(script: str, folder: Path) -> str:
    """Return a digest of a script and of every module of the package that it imports.

    It is of the text without comments, docstrings, messages and blank lines, so that other words
    run nothing again, and is the same on every version of Python.  It follows imports within
    functions too, and ignores times: a fresh clone gives the same.

    Parameters
    ----------
    script
        Name without its ending.
    folder
        The folder that holds the script and the package.
    """
    digests = {name: _read(path)[0] for name, path in sources(script, folder).items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]


def sources(script: str, folder: Path) -> dict[str, Path]:
    """Return the script and the modules of the package that it imports, by name."""
    found: dict[str, Path] = {}
    pending = [script]
    while pending:
        name = pending.pop()
        path = folder / (name.replace(".", "/") + ".py")
        # Asked for itself, as the module of a collection is, even a neutral one counts.
        neutral = name != script and f"{name}.".startswith(tuple(f"{one}." for one in NEUTRAL))
        if name in found or neutral or not path.is_file():
            continue
        found[name] = path
        pending += _read(path)[1]
    return found


@cache
def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a module's code, and the modules of the package that it imports."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    digest = hashlib.sha256(code_text(text, tree).encode()).hexdigest()
    return digest, tuple(_imports(tree))


def code_text(text: str, tree: ast.Module) -> str:
    """Return the text of a module without comments, docstrings, messages and blank lines.

    Messages are the arguments of the calls in `MESSAGES`: they are read by people alone.
    ``tree`` is the text, parsed.
    """
    kept, done = [], 0
    for start, end in sorted(_words(text, tree)):
        kept.append(text[done:start])
        done = max(done, end)
    code = "".join([*kept, text[done:]])
    # What is within a string stays as it is.
    return GAPS.sub(lambda m: "" if m["comment"] else "\n" if m["gap"] else m[0], code).strip()


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of the package that a module imports, but for its annotations alone."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield str(node.module)
            # `from genreflow.features import stft` names a module too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
        else:
            pending += ast.iter_child_nodes(node)


def _words(text: str, tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Yield where the docstrings and the arguments of the messages start and end."""
    lines = text.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]

    def place(line: int, byte: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:byte].decode())

    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            words: Any = node.body[0]
            start = place(words.lineno, words.col_offset)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in MESSAGES:
            words = node
            start = place(words.func.end_lineno, words.func.end_col_offset)
        else:
            continue
        yield start, place(words.end_lineno, words.end_col_offset)

"""The folder that a classifier is: its files, their checksums, what is read of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genreflow.errors import UserError
from genreflow.files.atomic import write_whole

FORMAT = "genreflow-classifier"
FORMAT_VERSION = 1
DESCRIPTION = "classifier.json"
FOREST = "forest.safetensors"
CARD = "MODEL_CARD.md"
SUMS = "SHA256SUMS"


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a classifier's files and their checksums; what is there already stays untouched.

    Files that are not the classifier's own are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sums = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(files.items())
    )
    # The checksums last: a folder without them, or with others, is not whole.
    for name, content in {**files, SUMS: sums.encode()}.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            write_whole(path, content)


def describe(description: Mapping[str, Any]) -> bytes:
    """Return a description as the file `classifier.json` has it."""
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **description}
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_folder(folder: Path) -> dict[str, Any]:
    """Return a classifier's description, after every file but the card was checked.

    Raises
    ------
    UserError
        It is no classifier, of another version, or one of its files is missing or damaged.
    """
    if not (folder / DESCRIPTION).is_file():
        raise UserError(
            "this is no classifier.",
            where=str(folder),
            expected=f"a folder that holds {DESCRIPTION}",
            hint="`snakemake ... -- results/{dataset}/classifiers/{system}` makes one.",
        )
    for name, expected in _sums(folder).items():
        path = folder / name
        # The card is text for people, who may add to it.
        if name != CARD and (not path.is_file() or _sha256(path) != expected):
            raise UserError(
                f"the file is {'damaged' if path.exists() else 'missing'}.",
                where=str(path),
                expected=f"the file of which {SUMS} has the checksum",
                hint="copy the classifier's folder again, as a whole.",
            )
    description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_bytes())
    found = (description.get("format"), description.get("format_version"))
    if found != (FORMAT, FORMAT_VERSION):
        raise UserError(
            f"the classifier is {found[0]!r}, version {found[1]!r}.",
            where=str(folder / DESCRIPTION),
            expected=f"{FORMAT!r}, version {FORMAT_VERSION}",
        )
    return description


def _sums(folder: Path) -> dict[str, str]:
    """Return the checksum of every file of a classifier, by name."""
    path = folder / SUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    sums = {name: found for found, _, name in (line.partition("  ") for line in lines)}
    # No name leads out of the folder.
    if DESCRIPTION not in sums or any(Path(name).name != name for name in sums):
        raise UserError(
            "the list of checksums is missing or damaged.",
            where=str(path),
            hint="copy the classifier's folder again, as a whole.",
        )
    return sums


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

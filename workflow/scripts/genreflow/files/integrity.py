"""That what a job reads is what a job wrote: digests of caches, and seals beside other files.

A cache is read clip by clip, so it holds a digest of each (`genreflow.files.store`).  Every other
file has its seal in a hidden file beside it: a line of ``sha256sum``, with the file's place below
``results``.  So a file that was cut, altered or put in the place of another one is refused.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128

from genreflow.errors import UserError
from genreflow.files.atomic import write_whole

RESULTS = "results"
AGAIN = "delete the file and run again: Snakemake makes it anew."
#: Length of a `digest`.
DIGEST_BYTES = 16
#: Attempts, a second apart, to see a seal that another machine has just written.
ATTEMPTS = 5


def place_of(path: Path) -> str:
    """Return a file's place below the folder of results, as jobs name it; else its name."""
    parts = path.parts
    if RESULTS not in parts[:-1]:
        return path.name
    return "/".join(parts[len(parts) - parts[::-1].index(RESULTS) :])


def digest(*contents: bytes | npt.NDArray[np.generic]) -> bytes:
    """Return 16 bytes that tell apart any contents but those that were made to be confused.

    XXH3 takes less than a tenth of the time that reading takes; a cryptographic one, longer.
    """
    state = xxh3_128()
    for content in contents:
        if isinstance(content, np.ndarray):
            part = np.ascontiguousarray(content).reshape(-1).view(np.uint8).data
        else:
            part = memoryview(content)
        # Its length too, so that nothing can move from one content to the next.
        state.update(part.nbytes.to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def digest_parameters(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return a digest of the settings of each section that shapes features."""
    return {
        section: digest(json.dumps(settings, sort_keys=True).encode()).hex()
        for section, settings in parameters.items()
    }


def is_sealed(path: Path) -> bool:
    """Return whether a path that a job was given is that of a file with a seal.

    Those of the workflow are relative and below ``results``.  A classifier's folder has checksums
    of its own, and rendered clips are audio.
    """
    if path.is_absolute() or RESULTS not in path.parts[:-1]:
        return False
    kinds = place_of(path).split("/")[1:2]
    return not {"features", "classifiers", "audio"} & set(kinds)


def seal_of(path: str) -> str:
    """Return the seal of a file by its name, path, pattern or address in a bucket."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}.sha256"


def seal(paths: Iterable[Path]) -> None:
    """Write the seals of files that a job has written."""
    for path in paths:
        if is_sealed(path) and path.is_file():
            write_whole(path.with_name(seal_of(path.name)), _line(path).encode())


def check_seals(paths: Iterable[Path]) -> None:
    """Refuse files that are not as the job that wrote them left them.

    Raises
    ------
    UserError
        A file was changed, comes from another place, or has no seal.
    """
    for path in paths:
        if not is_sealed(path) or not path.is_file():
            continue
        if not (found := _read_seal(path)):
            raise UserError(
                "the file has no seal: it was not written by this version, or only in part.",
                where=str(path),
                expected=f"its checksum in {seal_of(path.name)} beside it",
                hint=AGAIN,
            )
        if found != _line(path):
            _, _, place = found.rstrip("\n").partition("  ")
            moved = f", or is that of {place}" if place != place_of(path) else ""
            raise UserError(
                f"the file is not as the job that wrote it left it{moved}.",
                where=str(path),
                hint=AGAIN,
            )


def _line(path: Path) -> str:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    # As sha256sum writes a name with a newline or a backslash.
    place = place_of(path)
    escaped = place.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{'' if escaped == place else chr(92)}{found}  {escaped}\n"


def _read_seal(path: Path) -> str:
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(1)
        try:
            return path.with_name(seal_of(path.name)).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
    return ""

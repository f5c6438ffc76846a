"""Files appear whole: they are written under another name, and renamed."""

from __future__ import annotations

from pathlib import Path


def temporary_name(path: Path) -> Path:
    """Return the name under which a file is written until it is whole.

    Always the same one, so that what a killed job left behind is overwritten by the next.  Nobody
    else writes it, since Snakemake's lock keeps a target to one run: so HDF5's own lock, which
    network file systems often refuse, is off for writers too.
    """
    return path.with_name(f".{path.name}.part")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, under its name only when it is whole."""
    temporary = temporary_name(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

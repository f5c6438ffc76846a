"""The clips of a collection and of a shard, as the workflow's own files have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genreflow.files.records import read_records, write_records


@dataclass(frozen=True)
class Clip:
    """One clip of a collection; ``label``, ``group`` and ``split`` are empty where not given."""

    track_id: str
    path: str
    label: str
    group: str = ""
    split: str = ""


@dataclass(frozen=True)
class ShardClip:
    """A clip of a shard: what its samples depend on, and nothing else.

    ``sha1`` is that of the published file, or empty where there is none to compare with.  The
    others are of an original that the file may be, or may be a copy of with another header.
    """

    track_id: str
    path: str
    sha1: str = ""
    original_sha256: str = ""
    original_bytes: int = 0


def labels(clips: Iterable[Clip]) -> list[str]:
    """Return the labels in alphabetical order: a label's place is its class index."""
    return sorted({clip.label for clip in clips if clip.label})


def write_clips(clips: Iterable[Clip], path: Path) -> None:
    """Write clips as a manifest with every column."""
    write_records(clips, Clip, path)


def read_clips(path: Path) -> list[Clip]:
    """Return the clips of a manifest that the workflow itself wrote."""
    return read_records(path, Clip)

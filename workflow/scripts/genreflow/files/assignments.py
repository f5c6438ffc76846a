"""Partition files: each clip's role in each fold, and what quarantine leaves of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genreflow.errors import UserError
from genreflow.files.records import read_records, write_records

Role = Literal["train", "valid", "test"]
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Assignment:
    """The role of a clip in a fold."""

    fold: int
    track_id: str
    label: str
    role: str


def read_assignments(path: Path, fold: int | None = None) -> list[Assignment]:
    """Return a partition file's assignments, of one fold or of all."""
    return [row for row in read_records(path, Assignment) if fold is None or row.fold == fold]


def usable(
    assignments: Iterable[Assignment], present: Container[str], *, roles: Sequence[str] = SPLITS
) -> list[Assignment]:
    """Return the clips of some roles that are in the caches, without those in quarantine.

    Raises
    ------
    UserError
        A role has no clip left.
    """
    clips = [a for a in assignments if a.role in roles and a.track_id in present]
    for role in roles:
        if not any(clip.role == role for clip in clips):
            raise UserError(
                f"every clip of the {role} part is in quarantine.",
                hint="see quarantine.csv of the dataset; repair the files or change the partition.",
            )
    return clips


def shortfall(assignments: Sequence[Assignment], quarantined: Container[str]) -> str:
    """Return how many clips of each role are in quarantine, in words; empty where none is.

    Clips of all folds are counted together, so that one that several folds train counts in each.
    """
    sizes = Counter(assignment.role for assignment in assignments)
    lost = Counter(a.role for a in assignments if a.track_id in quarantined)
    parts = [f"{lost[role]} of {sizes[role]} {role}" for role in SPLITS if lost[role]]
    if not parts:
        return ""
    folds = len({assignment.fold for assignment in assignments})
    where = f" in {folds} folds" if folds > 1 else ""
    wrong = ", the test clips counted as wrong" if lost["test"] else ""
    return f"quarantined clips{where}: {', '.join(parts)}{wrong}"


def write_assignments(assignments: Iterable[Assignment], path: Path) -> None:
    """Write a partition file."""
    write_records(assignments, Assignment, path)

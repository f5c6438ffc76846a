"""Partition files: each clip's role in each fold, and what quarantine leaves of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from genreflow.errors import UserError
from genreflow.files.records import read_records, write_records

log = logging.getLogger("genreflow")

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


class CachedClips(Protocol):
    """The clips of a collection's caches, and those that are in quarantine instead."""

    @property
    def quarantined(self) -> Sequence[str]:
        """Track ids of the clips in quarantine."""

    def __contains__(self, track_id: object) -> bool: ...


def check_present(
    assignments: Iterable[Assignment], present: Container[str], quarantined: Iterable[str]
) -> None:
    """Refuse a partition with clips that are neither in the caches nor in quarantine.

    Raises
    ------
    UserError
        There is such a clip.
    """
    known = set(quarantined)
    missing = {
        a.track_id for a in assignments if a.track_id not in present and a.track_id not in known
    }
    if missing:
        named = ", ".join(repr(track_id) for track_id in sorted(missing)[:5])
        raise UserError(
            f"{len(missing)} clips of the partition are neither in the caches nor in quarantine: "
            f"{named}{', ...' if len(missing) > 5 else ''}.",
            hint="delete the partition's file and the caches of the dataset, and run again.",
        )


def usable(
    assignments: Iterable[Assignment], cached: CachedClips, *, roles: Sequence[str] = SPLITS
) -> list[Assignment]:
    """Return the clips of some roles that are in the caches, without those in quarantine.

    Raises
    ------
    UserError
        A role has no clip left, or as `check_present`.
    """
    wanted = [a for a in assignments if a.role in roles]
    check_present(wanted, cached, cached.quarantined)
    clips = [a for a in wanted if a.track_id in cached]
    for role in roles:
        if not any(clip.role == role for clip in clips):
            raise UserError(
                f"every clip of the {role} part is in quarantine.",
                hint="see quarantine.csv of the dataset; repair the files or change the partition.",
            )
    if labels := _untrained(wanted, set(cached.quarantined)):
        log.warning("every training clip of %s is in quarantine: nothing can learn it", labels)
    return clips


def shortfall(assignments: Sequence[Assignment], quarantined: Container[str]) -> str:
    """Return how many clips of each role are in quarantine, in words; empty where none is.

    A label that has no training clip left in a fold is named.

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
    labels = _untrained(assignments, quarantined)
    untrained = f"; no training clip is left of {labels}" if labels else ""
    return f"quarantined clips{where}: {', '.join(parts)}{wrong}{untrained}"


def _untrained(assignments: Iterable[Assignment], quarantined: Container[str]) -> str:
    """Return the labels that lose all their training clips of a fold, in words."""
    training = [a for a in assignments if a.role == "train"]
    left = {(a.fold, a.label) for a in training if a.track_id not in quarantined}
    lost = sorted({a.label for a in training if (a.fold, a.label) not in left})
    return ", ".join(map(repr, lost[:5])) + (f" and {len(lost) - 5} more" if lost[5:] else "")


def write_assignments(assignments: Iterable[Assignment], path: Path) -> None:
    """Write a partition file."""
    write_records(assignments, Assignment, path)

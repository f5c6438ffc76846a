"""Partitions of a collection into training, validation and test clips."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genreflow.errors import UserError
from genreflow.manifest import SPLITS, Clip
from genreflow.records import write_records

Role = Literal["train", "valid", "test"]
WithoutGroup = Literal["refuse", "leave_out"]
QUARTERS = 4
SWAPPED = "_swapped"
GROUP_DISJOINT = "_group_disjoint"
FAULT_FILTERED = "fault_filtered"
OFFICIAL = "official"
#: Partitions that the clips' own splits give.
GIVEN = ("split", FAULT_FILTERED, OFFICIAL)


@dataclass(frozen=True)
class Assignment:
    """The role of a clip in a fold."""

    fold: int
    track_id: str
    label: str
    role: str


def base_partition(partition_id: str) -> str:
    """Return the partition that a swapped one exchanges valid and test of."""
    return partition_id.replace(SWAPPED, "")


def partition_name(partition_id: str) -> str:
    """Return a partition's name without its form."""
    return base_partition(partition_id).removesuffix(GROUP_DISJOINT)


def number_of_folds(partition_id: str) -> int:
    """Return how many folds a partition has."""
    return {**dict.fromkeys(GIVEN, 1), "random": 4, "cv10": 10}[partition_name(partition_id)]


def drawn_with(partition_id: str) -> set[str]:
    """Return the keys of ``partitions`` that decide how a partition is drawn, and no other."""
    own = {"random": {"seed", "random_draws"}, "cv10": {"seed", "cv_validation_folds"}}
    groups = {"without_group"} if is_group_disjoint(partition_id) else set()
    return own.get(partition_name(partition_id), set()) | groups


def is_group_disjoint(partition_id: str) -> bool:
    """Return whether no group may be on two sides; FMA's official split never allows it."""
    return GROUP_DISJOINT in partition_id or partition_name(partition_id) == OFFICIAL


def check_partition(
    clips: Sequence[Clip],
    partition_id: str,
    *,
    dataset: str,
    without_group: WithoutGroup = "refuse",
) -> None:
    """Refuse a partition that a collection can't fill; needs no draw, so it runs at planning.

    Parameters
    ----------
    without_group
        What becomes of clips without a group in a group-disjoint partition.

    Raises
    ------
    UserError
        A clip without the split or group that the partition needs, a class with fewer clips or
        groups than the partition has parts, a class without training clips, or a group on two
        sides of a given split.
    """
    where = f"dataset `{dataset}`, partition `{partition_id}`"
    disjoint = is_group_disjoint(partition_id)
    # A class that is left out altogether is refused, not forgotten.
    labels = sorted({clip.label for clip in clips})
    clips = _divided(clips, partition_id, without_group)
    if disjoint:
        _require(clips, "group", where)
    if partition_name(partition_id) in GIVEN:
        _check_split(clips, labels, where, disjoint)
        return
    parts = QUARTERS if partition_id.startswith("random") else number_of_folds(partition_id)
    members: dict[str, set[str]] = {label: set() for label in labels}
    for clip in clips:
        members[clip.label].add(clip.group if disjoint else clip.track_id)
    unit = "groups" if disjoint else "clips"
    for label, units in members.items():
        if len(units) < parts:
            raise UserError(
                f"class {label!r} has {len(units)} {unit}.",
                where=where,
                expected=f"at least {parts} {unit} a class, one for each part",
                hint="add clips, leave the class out, or choose a partition with fewer parts.",
            )


def make_partition(
    clips: Sequence[Clip],
    partition_id: str,
    *,
    dataset: str,
    seed: int = 0,
    random_draws: Literal["rotations", "independent"] = "rotations",
    cv_validation_folds: int = 1,
    without_group: WithoutGroup = "refuse",
    sizes: Mapping[str, int] | None = None,
) -> list[Assignment]:
    """Return every clip's role in every fold, by fold and track id.

    ``split`` takes the manifest's column, and so do ``official`` and ``fault_filtered``; the latter
    leaves clips without a split out.  ``random`` cuts the clips into four parts, stratified by
    label, and tests each once (50/25/25, the next part validates).  ``cv10`` tests each of ten
    parts once and validates on the next.  Group-disjoint forms keep every group within a part.  The
    swapped form exchanges valid and test.  `drawn_with` says which of the keys count.

    Parameters
    ----------
    without_group
        Whether group-disjoint partitions leave out the clips whose group is not known.
    sizes
        How many clips the published lists give each role, before any exchange.

    Raises
    ------
    UserError
        As in `check_partition`, a drawn fold has no training clip of some class, or the lists have
        other sizes.
    """
    check_partition(clips, partition_id, dataset=dataset, without_group=without_group)
    clips = _divided(clips, partition_id, without_group)
    clips.sort(key=lambda clip: clip.track_id)
    if sizes is not None:
        _check_sizes(clips, sizes, f"dataset `{dataset}`, partition `{partition_id}`")
    assignments = []
    for fold in range(number_of_folds(partition_id)):
        if partition_name(partition_id) in GIVEN:
            roles = {clip.track_id: clip.split for clip in clips}
        else:
            parts, validation, draw = QUARTERS, 1, 0
            if partition_id.startswith("cv10"):
                parts, validation = number_of_folds(partition_id), cv_validation_folds
            elif random_draws == "independent":
                draw = fold
            part = _draw_parts(clips, parts, seed + draw, is_group_disjoint(partition_id))
            roles = {
                clip.track_id: _rotate((part[clip.track_id] - fold) % parts, validation)
                for clip in clips
            }
        if SWAPPED in partition_id:
            swap = {"train": "train", "valid": "test", "test": "valid"}
            roles = {track_id: swap[role] for track_id, role in roles.items()}
        fold_assignments = [Assignment(fold, c.track_id, c.label, roles[c.track_id]) for c in clips]
        _check_fold(
            fold_assignments, f"dataset `{dataset}`, partition `{partition_id}`, fold {fold}"
        )
        assignments += fold_assignments
    return assignments


def read_assignments(path: Path, fold: int | None = None) -> list[Assignment]:
    """Return a partition file's assignments, of one fold or of all."""
    with path.open(newline="", encoding="utf-8") as handle:
        rows = [Assignment(int(row.pop("fold")), **row) for row in csv.DictReader(handle)]
    return [row for row in rows if fold is None or row.fold == fold]


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


def _divided(clips: Sequence[Clip], partition_id: str, without_group: WithoutGroup) -> list[Clip]:
    """Return the clips that a partition divides.

    Fault filtering leaves out those in no list, and group-disjoint forms, if they are told to,
    those of which the group is not known.
    """
    filtered = partition_name(partition_id) == FAULT_FILTERED
    known = is_group_disjoint(partition_id) and without_group == "leave_out"
    return [clip for clip in clips if (clip.split or not filtered) and (clip.group or not known)]


def _check_sizes(clips: Sequence[Clip], sizes: Mapping[str, int], where: str) -> None:
    found = Counter(clip.split for clip in clips)
    if found != sizes:
        raise UserError(
            "the lists have other sizes: " + "/".join(str(found[role]) for role in SPLITS) + ".",
            where=where,
            expected="/".join(str(sizes[role]) for role in SPLITS) + " clips (train/valid/test)",
        )


def _draw_parts(clips: Sequence[Clip], parts: int, seed: int, disjoint: bool) -> dict[str, int]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = (StratifiedGroupKFold if disjoint else StratifiedKFold)(
        n_splits=parts, shuffle=True, random_state=seed
    )
    labels = [clip.label for clip in clips]
    groups = [clip.group for clip in clips] if disjoint else None
    part = {}
    for index, (_, held_out) in enumerate(splitter.split(labels, labels, groups)):
        part.update({clips[i].track_id: index for i in held_out})
    return part


def _rotate(distance: int, validation: int) -> Role:
    """Return the role of a part by how far it lies behind the one under test."""
    if distance == 0:
        return "test"
    return "valid" if distance <= validation else "train"


def _require(clips: Sequence[Clip], column: Literal["group", "split"], where: str) -> None:
    missing = [clip.track_id for clip in clips if not getattr(clip, column)]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(clips)} clips have no `{column}`, first {missing[0]!r}.",
            where=where,
            expected=f"a `{column}` for every clip",
            hint=f"fill in the manifest's column `{column}`, or choose another partition"
            + (", or set partitions.without_group: leave_out." if column == "group" else "."),
        )


def _check_split(clips: Sequence[Clip], labels: Sequence[str], where: str, disjoint: bool) -> None:
    _require(clips, "split", where)
    counts = Counter((clip.label, clip.split) for clip in clips)
    for role in SPLITS:
        if not any(clip.split == role for clip in clips):
            raise UserError(f"no clip has split {role!r}.", where=where)
    for label in labels:
        if not counts[label, "train"]:
            raise UserError(
                f"class {label!r} has no training clip.",
                where=where,
                hint="give some of its clips the split `train`, or leave the class out.",
            )
    if disjoint:
        sides: dict[str, set[str]] = defaultdict(set)
        for clip in clips:
            sides[clip.group].add(clip.split)
        crossing = sorted(group for group, roles in sides.items() if len(roles) > 1)
        if crossing:
            raise UserError(
                f"{len(crossing)} groups are on two sides of the split, the first is "
                f"{crossing[0]!r} ({', '.join(sorted(sides[crossing[0]]))}).",
                where=where,
                expected="every group within one of train, valid, test",
                hint="move its clips, or use `partition: random` with group_disjoint.",
            )


def _check_fold(assignments: Sequence[Assignment], where: str) -> None:
    present: dict[str, set[str]] = defaultdict(set)
    for assignment in assignments:
        present[assignment.role].add(assignment.label)
    for label in sorted({assignment.label for assignment in assignments}):
        if label not in present["train"]:
            raise UserError(
                f"class {label!r} has no training clip.",
                where=where,
                hint="its groups are too few or too large: add groups, or use the partition "
                "without group_disjoint.",
            )
    for role in SPLITS:
        if not present[role]:
            raise UserError(f"the {role} part is empty.", where=where, hint="add clips or groups.")

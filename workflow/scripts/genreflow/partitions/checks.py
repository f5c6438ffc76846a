"""Partitions that a collection can't fill, refused with a reason."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from genreflow.choices import WithoutGroup
from genreflow.errors import UserError
from genreflow.files.assignments import SPLITS, Assignment
from genreflow.files.clips import Clip
from genreflow.partitions.names import (
    ALL,
    GIVEN,
    QUARTERS,
    divided_clips,
    is_group_disjoint,
    number_of_folds,
    partition_name,
)


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
    if partition_id == ALL:
        # What no experiment has may have come without labels.
        _require(clips, "label", where)
        check_labels(clips, where=where)
    disjoint = is_group_disjoint(partition_id)
    # A class that is left out altogether is refused, not forgotten.
    labels = sorted({clip.label for clip in clips})
    clips = divided_clips(clips, partition_id, without_group)
    if disjoint:
        _require(clips, "group", where)
    if partition_name(partition_id) in GIVEN:
        _check_split(clips, labels, where, disjoint)
        return
    parts = {"random": QUARTERS, ALL: 2}.get(
        partition_name(partition_id), number_of_folds(partition_id)
    )
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


def check_labels(clips: Sequence[Clip], *, where: str) -> None:
    """Refuse a collection that holds fewer than two labels, or a label with one clip."""
    counts = Counter(clip.label for clip in clips)
    if len(counts) < 2:
        raise UserError(
            f"the manifest has {len(clips)} clips and {len(counts)} labels.",
            where=where,
            expected="at least two labels",
        )
    for label, count in sorted(counts.items()):
        if count < 2:
            close = difflib.get_close_matches(label, [k for k in counts if k != label], n=1)
            typo = f"; is it a typing error of {close[0]}?" if close else "."
            raise UserError(
                f"label {label!r} has one clip.",
                where=where,
                expected="at least two clips a label",
                hint=f"add clips or leave the label out{typo}",
            )


def similar_labels(clips: Iterable[Clip]) -> list[str]:
    """Return the labels that are most likely one, each with its other spellings, in words.

    They differ only in capitals, in spaces, or in how Unicode writes a letter.
    """
    counts = Counter(clip.label for clip in clips if clip.label)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        spellings["".join(unicodedata.normalize("NFKC", label).casefold().split())].append(label)
    found = []
    for alike in spellings.values():
        # What looks the same is told by its code points.
        same = len({unicodedata.normalize("NFKC", label) for label in alike}) < len(alike)
        shown = [f"{(ascii if same else repr)(label)} ({counts[label]})" for label in alike]
        found += [" and ".join(shown)] if len(alike) > 1 else []
    return found


def check_sizes(clips: Sequence[Clip], sizes: Mapping[str, int], where: str) -> None:
    """Refuse published lists that give the roles other numbers of clips."""
    found = Counter(clip.split for clip in clips)
    if found != sizes:
        raise UserError(
            "the lists have other sizes: " + "/".join(str(found[role]) for role in SPLITS) + ".",
            where=where,
            expected="/".join(str(sizes[role]) for role in SPLITS) + " clips (train/valid/test)",
        )


def _require(clips: Sequence[Clip], column: Literal["label", "group", "split"], where: str) -> None:
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


def check_fold(
    assignments: Sequence[Assignment], where: str, *, roles: Sequence[str] = SPLITS
) -> None:
    """Refuse a drawn fold with an empty part, or without training clips of some class."""
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
    for role in roles:
        if not present[role]:
            raise UserError(f"the {role} part is empty.", where=where, hint="add clips or groups.")

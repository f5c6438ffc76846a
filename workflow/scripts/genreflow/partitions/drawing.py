"""Partitions of a collection into training, validation and test clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from genreflow.files.assignments import Assignment, Role
from genreflow.files.clips import Clip
from genreflow.partitions.checks import check_fold, check_partition, check_sizes
from genreflow.partitions.names import (
    ALL,
    GIVEN,
    QUARTERS,
    SWAPPED,
    divided_clips,
    is_group_disjoint,
    number_of_folds,
    partition_name,
)

if TYPE_CHECKING:
    from genreflow.choices import RandomDraws, WithoutGroup


def make_partition(
    clips: Sequence[Clip],
    partition_id: str,
    *,
    dataset: str,
    seed: int = 0,
    random_draws: RandomDraws = "rotations",
    cv_validation_folds: int = 1,
    final_validation: float = 0.1,
    without_group: WithoutGroup = "refuse",
    sizes: Mapping[str, int] | None = None,
) -> list[Assignment]:
    """Return every clip's role in every fold, by fold and track id.

    ``split`` takes the manifest's column, and so do ``official`` and ``fault_filtered``; the latter
    leaves clips without a split out.  ``random`` cuts the clips into four parts, stratified by
    label, and tests each once (50/25/25, the next part validates).  ``cv10`` tests each of ten
    parts once and validates on the next.  Group-disjoint forms keep every group within a part.  The
    swapped form exchanges valid and test.  ``all``, for classifiers, has no test clips: a share
    validates, without a group on both sides where there are groups.  `drawn_with` says which of
    the keys count.

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
    clips = divided_clips(clips, partition_id, without_group)
    clips.sort(key=lambda clip: clip.track_id)
    if sizes is not None:
        check_sizes(clips, sizes, f"dataset `{dataset}`, partition `{partition_id}`")
    if partition_id == ALL:
        return _draw_validation(clips, seed, final_validation, f"dataset `{dataset}`")
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
        check_fold(
            fold_assignments, f"dataset `{dataset}`, partition `{partition_id}`, fold {fold}"
        )
        assignments += fold_assignments
    return assignments


def _draw_validation(
    clips: Sequence[Clip], seed: int, share: float, where: str
) -> list[Assignment]:
    """Return the partition `all`: a stratified share validates, the rest trains."""
    # A clip whose group is not known is a group of its own.
    alone = [replace(clip, group=clip.group or f"\0{clip.track_id}") for clip in clips]
    disjoint = any(clip.group for clip in clips)
    units: dict[str, set[str]] = defaultdict(set)
    for clip in alone:
        units[clip.label].add(clip.group if disjoint else clip.track_id)
    parts = max(2, min(round(1 / share), *map(len, units.values())))
    part = _draw_parts(alone, parts, seed, disjoint)

    def divided(held_out: int) -> list[Assignment]:
        return [
            Assignment(0, c.track_id, c.label, "valid" if part[c.track_id] == held_out else "train")
            for c in clips
        ]

    def trains_every_label(assignments: Sequence[Assignment]) -> bool:
        return {a.label for a in assignments if a.role == "train"} == units.keys()

    # A class of one group must train.
    drawn = map(divided, range(parts))
    assignments = next(filter(trains_every_label, drawn), divided(0))
    check_fold(assignments, f"{where}, partition `{ALL}`", roles=("train", "valid"))
    return assignments


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

"""What the name of a partition says: its form, its folds, the keys that it is drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genreflow.files.clips import Clip

if TYPE_CHECKING:
    from genreflow.choices import WithoutGroup

QUARTERS = 4
SWAPPED = "_swapped"
GROUP_DISJOINT = "_group_disjoint"
FAULT_FILTERED = "fault_filtered"
OFFICIAL = "official"
#: Partitions that the clips' own splits give.
GIVEN = ("split", FAULT_FILTERED, OFFICIAL)
#: Every partition that an experiment may have, with how many folds it has.
FOLDS = {"split": 1, "random": QUARTERS, "cv10": 10, FAULT_FILTERED: 1, OFFICIAL: 1}
#: The one of classifiers, which has no test clips: every clip trains, or chooses the epoch.
ALL = "all"


def base_partition(partition_id: str) -> str:
    """Return the partition that a swapped one exchanges valid and test of."""
    return partition_id.replace(SWAPPED, "")


def partition_name(partition_id: str) -> str:
    """Return a partition's name without its form."""
    return base_partition(partition_id).removesuffix(GROUP_DISJOINT)


def number_of_folds(partition_id: str) -> int:
    """Return how many folds a partition has."""
    return 1 if partition_id == ALL else FOLDS[partition_name(partition_id)]


def drawn_with(partition_id: str) -> set[str]:
    """Return the keys of ``partitions`` that decide how a partition is drawn, and no other."""
    own = {
        "random": {"seed", "random_draws"},
        "cv10": {"seed", "cv_validation_folds"},
        ALL: {"seed", "final_validation"},
    }
    groups = {"without_group"} if is_group_disjoint(partition_id) else set()
    return own.get(partition_name(partition_id), set()) | groups


def is_group_disjoint(partition_id: str) -> bool:
    """Return whether no group may be on two sides; FMA's official split never allows it."""
    return GROUP_DISJOINT in partition_id or partition_name(partition_id) == OFFICIAL


def divided_clips(
    clips: Sequence[Clip], partition_id: str, without_group: WithoutGroup
) -> list[Clip]:
    """Return the clips that a partition divides.

    Fault filtering leaves out those in no list, and group-disjoint forms, if they are told to,
    those of which the group is not known.
    """
    filtered = partition_name(partition_id) == FAULT_FILTERED
    known = is_group_disjoint(partition_id) and without_group == "leave_out"
    return [clip for clip in clips if (clip.split or not filtered) and (clip.group or not known)]

"""Partitions: sizes, disjointness, stratification, determinism, and what can't be filled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from genreflow.errors import UserError
from genreflow.files.assignments import (
    Assignment,
    read_assignments,
    shortfall,
    usable,
    write_assignments,
)
from genreflow.files.clips import Clip
from genreflow.partitions.checks import check_partition, similar_labels
from genreflow.partitions.drawing import make_partition
from genreflow.partitions.names import base_partition, drawn_with, number_of_folds
from hypothesis import given, settings
from hypothesis import strategies as st

GENRES = ("blues", "metal", "pop")


def collection(each: int = 40, groups: int = 10) -> list[Clip]:
    """Return clips of three genres whose groups cross the genres."""
    return [
        Clip(f"{genre}.{i:03d}", f"/{genre}/{i}", genre, f"artist{i % groups}")
        for genre in GENRES
        for i in range(each)
    ]


class Cached(set[str]):
    """Stands in for caches: the clips in them, and those in quarantine, a letter each."""

    def __init__(self, present: str, *, lost: str) -> None:
        super().__init__(present)
        self.quarantined = list(lost)


def draw(clips: Sequence[Clip], partition_id: str, **options: Any) -> list[Assignment]:
    defaults = {"seed": 0, "random_draws": "rotations", "cv_validation_folds": 1}
    return make_partition(clips, partition_id, dataset="mine", **(defaults | options))


def by_fold(assignments: list[Assignment]) -> dict[int, dict[str, set[str]]]:
    folds: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for assignment in assignments:
        folds[assignment.fold][assignment.role].add(assignment.track_id)
    return folds


def refusal(clips: Sequence[Clip], partition_id: str) -> str:
    """Return the message that both the check at planning and the drawing end with."""
    with pytest.raises(UserError) as caught:
        check_partition(clips, partition_id, dataset="mine")
    with pytest.raises(UserError) as drawn:
        draw(clips, partition_id)
    assert str(drawn.value) == str(caught.value)
    assert f"dataset `mine`, partition `{partition_id}`" in str(caught.value)
    return str(caught.value)


def test_random_is_50_25_25_in_every_class_and_tests_each_clip_once() -> None:
    clips = collection(each=40)
    folds = by_fold(draw(clips, "random"))
    assert sorted(folds) == [0, 1, 2, 3]
    for roles in folds.values():
        for role, share in (("train", 20), ("valid", 10), ("test", 10)):
            assert Counter(name.split(".")[0] for name in roles[role]) == dict.fromkeys(
                GENRES, share
            )
    tested = Counter(name for roles in folds.values() for name in roles["test"])
    assert tested == Counter(clip.track_id for clip in clips)
    validated = Counter(name for roles in folds.values() for name in roles["valid"])
    assert validated == tested


def test_independent_draws_are_four_different_partitions() -> None:
    folds = by_fold(draw(collection(), "random", random_draws="independent"))
    tests = [roles["test"] for roles in folds.values()]
    assert all(len(test) == 30 for test in tests)
    # Disjoint quarters would cover all 120 clips.
    assert len(set().union(*tests)) < 120
    assert all(one != other for one in tests for other in tests if one is not other)


@pytest.mark.parametrize("validation", [1, 2])
def test_cv10_tests_each_clip_once_and_never_on_what_it_selects_on(validation: int) -> None:
    clips = collection(each=30)
    folds = by_fold(draw(clips, "cv10", cv_validation_folds=validation))
    assert len(folds) == 10
    for roles in folds.values():
        assert len(roles["test"]) == 9
        assert len(roles["valid"]) == 9 * validation
        assert len(roles["train"]) == 90 - 9 - 9 * validation
        for genre in GENRES:
            assert sum(name.startswith(genre) for name in roles["test"]) == 3
    tested = Counter(name for roles in folds.values() for name in roles["test"])
    assert tested == Counter(clip.track_id for clip in clips)


@pytest.mark.parametrize("partition_id", ["random", "cv10", "split"])
def test_each_clip_has_one_role_a_fold_in_the_order_of_ids(partition_id: str) -> None:
    clips = [
        replace(clip, split=("train", "valid", "test")[i % 3])
        for i, clip in enumerate(collection())
    ]
    assignments = draw(clips, partition_id)
    ids = sorted(clip.track_id for clip in clips)
    for fold in range(number_of_folds(partition_id)):
        own = [assignment for assignment in assignments if assignment.fold == fold]
        assert [assignment.track_id for assignment in own] == ids
        assert all(a.label == a.track_id.split(".")[0] for a in own)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    partition=st.sampled_from(["random", "cv10"]),
    random_draws=st.sampled_from(["rotations", "independent"]),
)
def test_no_group_is_on_two_sides_of_a_group_disjoint_fold(
    seed: int, partition: str, random_draws: str
) -> None:
    clips = collection(each=48, groups=16)
    group = {clip.track_id: clip.group for clip in clips}
    assignments = draw(clips, f"{partition}_group_disjoint", seed=seed, random_draws=random_draws)
    for roles in by_fold(assignments).values():
        sides = [{group[name] for name in names} for names in roles.values()]
        assert sum(len(side) for side in sides) == len(set().union(*sides)) == 16
    # Without the condition groups do cross, or this test would test nothing.
    plain = by_fold(draw(clips, partition, seed=seed))[0]
    assert {group[name] for name in plain["train"]} & {group[name] for name in plain["test"]}


@pytest.mark.parametrize("partition_id", ["random", "cv10", "random_group_disjoint", "split"])
def test_swapped_exchanges_validation_and_test(partition_id: str) -> None:
    clips = [
        replace(clip, split=("train", "valid", "test", "train")[i % 4])
        for i, clip in enumerate(collection())
    ]
    name, _, form = partition_id.partition("_")
    swapped_id = f"{name}_swapped" + (f"_{form}" if form else "")
    plain, swapped = by_fold(draw(clips, partition_id)), by_fold(draw(clips, swapped_id))
    assert base_partition(swapped_id) == partition_id
    for fold, roles in plain.items():
        assert swapped[fold]["train"] == roles["train"]
        assert swapped[fold]["valid"] == roles["test"]
        assert swapped[fold]["test"] == roles["valid"]


def test_split_is_the_manifests_column() -> None:
    clips = [replace(clip, split="test" if i % 5 == 0 else "valid" if i % 5 == 1 else "train")
             for i, clip in enumerate(collection())]  # fmt: skip
    assignments = draw(clips, "split")
    assert {a.track_id: a.role for a in assignments} == {c.track_id: c.split for c in clips}
    assert {a.fold for a in assignments} == {0}


@pytest.mark.parametrize("partition_id", ["random", "cv10", "random_group_disjoint"])
def test_draw_depends_on_the_seed_and_not_on_the_order_of_the_clips(partition_id: str) -> None:
    clips = collection()
    shuffled = [clips[i] for i in np.random.default_rng(0).permutation(len(clips))]
    expected = draw(clips, partition_id)
    assert draw(shuffled, partition_id) == expected
    assert draw(clips, partition_id, seed=1) != expected


@pytest.mark.parametrize(
    ("partition_id", "parts", "unit"),
    [("random", 4, "clips"), ("cv10", 10, "clips"), ("random_group_disjoint", 4, "groups")],
)
def test_class_that_cannot_fill_the_parts_is_named(
    partition_id: str, parts: int, unit: str
) -> None:
    clips = collection(each=12, groups=12)
    few = parts - 1
    kept = [clip for clip in clips if clip.label != "metal"]
    kept += [clip for clip in clips if clip.label == "metal"][:few]
    message = refusal(kept, partition_id)
    assert f"class 'metal' has {few} {unit}" in message
    assert f"at least {parts} {unit}" in message


def test_missing_groups_and_splits_are_counted_and_the_first_is_named() -> None:
    clips = [
        replace(clip, group="") if i in (3, 5) else clip for i, clip in enumerate(collection())
    ]
    for partition_id, found, first in (
        ("random_group_disjoint", "2 of 120 clips have no `group`", "'blues.003'"),
        ("split", "120 of 120 clips have no `split`", "'blues.000'"),
    ):
        message = refusal(clips, partition_id)
        assert found in message
        assert first in message


def test_group_across_a_given_split_is_named_with_its_sides() -> None:
    sides = ("train", "train", "valid", "test")
    clips = [
        replace(clip, split=sides[int(clip.group.removeprefix("artist")) % 4])
        for clip in collection(groups=8)
    ]
    check_partition(clips, "split_group_disjoint", dataset="mine")
    clips[0] = replace(clips[0], split="test")
    message = refusal(clips, "split_group_disjoint")
    assert "two sides" in message
    assert "'artist0'" in message


@pytest.mark.parametrize("role", ["train", "valid", "test"])
def test_split_without_a_part_is_refused(role: str) -> None:
    others = [name for name in ("train", "valid", "test") if name != role]
    clips = [replace(clip, split=others[i % 2]) for i, clip in enumerate(collection())]
    assert f"no clip has split '{role}'" in refusal(clips, "split")


def test_class_without_a_training_clip_is_named() -> None:
    clips = [
        replace(clip, split="test" if clip.label == "pop" else ("train", "valid")[i % 2])
        for i, clip in enumerate(collection())
    ]
    assert "class 'pop' has no training clip" in refusal(clips, "split")


def fault_filtered(each: int = 40) -> list[Clip]:
    """Return clips of which every fourth is in no list."""
    splits = ("train", "valid", "test", "")
    return [replace(clip, split=splits[i % 4]) for i, clip in enumerate(collection(each))]


@pytest.mark.parametrize(
    ("partition_id", "sizes"),
    [
        ("fault_filtered", {"train": 443, "valid": 197, "test": 290}),
        ("fault_filtered_swapped", {"train": 443, "valid": 290, "test": 197}),
        ("fault_filtered_group_disjoint", {"train": 443, "valid": 197, "test": 290}),
        ("fault_filtered_swapped_group_disjoint", {"train": 443, "valid": 290, "test": 197}),
    ],
)
def test_fault_filtered_divides_the_clips_of_the_lists_and_no_others(
    partition_id: str, sizes: dict[str, int]
) -> None:
    splits = ["train"] * 443 + ["valid"] * 197 + ["test"] * 290 + [""] * 70
    # Interleaved, so that every genre is in every part; a group stays within its part.
    clips = [
        Clip(f"{i:04d}", "", GENRES[i % 3], f"{split} {i % 7}", split)
        for i, split in enumerate(splits)
    ]
    assignments = draw(clips, partition_id)
    assert number_of_folds(partition_id) == 1
    assert {assignment.fold for assignment in assignments} == {0}
    assert Counter(assignment.role for assignment in assignments) == sizes
    swap = {"train": "train", "valid": "test", "test": "valid"}
    swapped = "swapped" in partition_id
    assert {a.track_id: a.role for a in assignments} == {
        clip.track_id: swap[clip.split] if swapped else clip.split for clip in clips if clip.split
    }
    assert [a.track_id for a in assignments] == sorted(a.track_id for a in assignments)


def test_networks_of_the_swapped_fault_filtered_are_those_of_the_plain_one() -> None:
    assert base_partition("fault_filtered_swapped") == "fault_filtered"
    assert base_partition("fault_filtered_swapped_group_disjoint") == (
        "fault_filtered_group_disjoint"
    )


def test_split_still_requires_a_split_of_every_clip() -> None:
    clips = fault_filtered()
    for partition_id in ("split", "split_swapped", "split_group_disjoint"):
        assert "30 of 120 clips have no `split`" in refusal(clips, partition_id)


def test_fault_filtered_group_disjoint_looks_at_the_clips_of_the_lists_alone() -> None:
    # A group a role; the clips in no list share a group with train, or have none.
    clips = [replace(clip, group=clip.split) for clip in fault_filtered()]
    clips[3] = replace(clips[3], group="train")
    assert len(draw(clips, "fault_filtered_group_disjoint")) == 90
    crossing = [replace(clips[0], group="test"), *clips[1:]]
    message = refusal(crossing, "fault_filtered_group_disjoint")
    assert "1 groups are on two sides" in message
    assert "'test' (test, train)" in message
    assert len(draw(crossing, "fault_filtered")) == 90
    unknown = [replace(clips[0], group=""), *clips[1:]]
    message = refusal(unknown, "fault_filtered_group_disjoint")
    assert "1 of 90 clips have no `group`" in message


def test_fault_filtered_without_lists_or_without_a_part_is_refused() -> None:
    assert "no clip has split 'train'" in refusal(collection(), "fault_filtered")
    clips = [clip for clip in fault_filtered() if clip.split != "valid"]
    assert "no clip has split 'valid'" in refusal(clips, "fault_filtered")


def test_class_that_no_list_names_is_refused() -> None:
    clips = [replace(c, split="") if c.label == "pop" else c for c in fault_filtered()]
    assert "class 'pop' has no training clip" in refusal(clips, "fault_filtered")


def test_assignments_are_read_back_whole_or_by_fold(tmp_path: Path) -> None:
    assignments = draw(collection(), "random")
    write_assignments(assignments, tmp_path / "p.csv")
    assert read_assignments(tmp_path / "p.csv") == assignments
    assert read_assignments(tmp_path / "p.csv", 2) == [a for a in assignments if a.fold == 2]


def test_clips_in_quarantine_are_left_out_until_a_part_is_empty() -> None:
    assignments = [
        Assignment(0, "a", "x", "train"),
        Assignment(0, "b", "x", "train"),
        Assignment(0, "c", "y", "valid"),
    ]
    found = usable(assignments, Cached("ac", lost="b"), roles=["train", "valid"])
    assert [clip.track_id for clip in found] == ["a", "c"]
    with pytest.raises(UserError, match="every clip of the valid part is in quarantine"):
        usable(assignments, Cached("ab", lost="c"), roles=["train", "valid"])


def test_a_label_that_loses_all_its_training_clips_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    labels = {"a": "x", "b": "it's {odd}", "c": "it's {odd}", "d": "z"}
    assignments = [Assignment(0, track_id, label, "train") for track_id, label in labels.items()]
    assignments += [Assignment(0, "e", "y", "test")]
    assert len(usable(assignments, Cached("acde", lost="b"), roles=["train"])) == 3
    # A label that only tests has no training clip to lose.
    assert usable(assignments, Cached("e", lost="abcd"), roles=["test"])
    assert caplog.messages == []
    for lost, named in (("bc", '"it\'s {odd}"'), ("abc", "\"it's {odd}\", 'x'")):
        left = "".join(sorted(set("abcde") - set(lost)))
        usable(assignments, Cached(left, lost=lost), roles=["train"])
        assert f"every training clip of {named} is in quarantine" in caplog.messages[-1]
        assert shortfall(assignments, lost).endswith(f"; no training clip is left of {named}")
    assert "left" not in shortfall(assignments, "b")


@pytest.mark.parametrize(
    ("spellings", "shown"),
    [
        (["Rock", "rock"], "'Rock' (2) and 'rock' (2)"),
        (["hip hop", "Hip  Hop", "hiphop"], "'Hip  Hop' (2) and 'hip hop' (2) and 'hiphop' (2)"),
        (["Café", "Cafe\u0301"], r"'Cafe\u0301' (2) and 'Caf\xe9' (2)"),
        (["STRASSE", "straße"], "'STRASSE' (2) and 'straße' (2)"),
    ],
)
def test_labels_that_are_most_likely_one_are_told_in_both_spellings(
    spellings: list[str], shown: str
) -> None:
    labels = [*spellings, *spellings, "jazz", "jazzy", "", ""]
    clips = [Clip(f"t{number}", "", label) for number, label in enumerate(labels)]
    assert similar_labels(clips) == [shown]
    assert similar_labels(clip for clip in clips if clip.label != spellings[0]) == (
        [] if len(spellings) == 2 else ["'Hip  Hop' (2) and 'hiphop' (2)"]
    )


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ([], ""),
        (["elsewhere"], ""),
        (["a"], "quarantined clips in 2 folds: 1 of 2 train, 1 of 2 test, the test clips counted "
                "as wrong; no training clip is left of 'x'"),
        (["v"], "quarantined clips in 2 folds: 2 of 2 valid"),
    ],
)  # fmt: skip
def test_shortfall_is_counted_over_the_folds(lost: list[str], expected: str) -> None:
    roles = [
        {"a": "train", "v": "valid", "b": "test"},
        {"b": "train", "v": "valid", "a": "test"},
    ]
    assignments = [
        Assignment(fold, track_id, "x", role)
        for fold, found in enumerate(roles)
        for track_id, role in found.items()
    ]
    assert shortfall(assignments, lost) == expected


def test_shortfall_of_one_fold_does_not_speak_of_folds() -> None:
    assignments = [Assignment(0, "a", "x", "train"), Assignment(0, "b", "x", "train")]
    assert shortfall(assignments, ["b"]) == "quarantined clips: 1 of 2 train"


@pytest.mark.parametrize("partition_id", ["random", "split", "cv10_group_disjoint", "official"])
def test_draw_depends_on_the_rule_for_missing_groups_only_where_groups_count(
    partition_id: str,
) -> None:
    counts = partition_id in ("cv10_group_disjoint", "official")
    assert ("without_group" in drawn_with(partition_id)) == counts


@pytest.mark.parametrize("partition_id", ["random", "cv10", "random_group_disjoint"])
def test_the_clips_that_validate_in_a_fold_are_tested_in_the_next(partition_id: str) -> None:
    folds = by_fold(draw(collection(), partition_id))
    for fold, roles in folds.items():
        assert folds[(fold + 1) % len(folds)]["test"] == roles["valid"]


def test_all_clips_train_or_choose_the_epoch() -> None:
    clips = [Clip(f"{g}.{i:03d}", "", g) for g in GENRES for i in range(40)]
    fold = by_fold(draw(clips, "all", final_validation=0.1))[0]
    assert fold.keys() == {"train", "valid"}
    assert len(fold["valid"]) == 12
    assert all(sum(t.startswith(g) for t in fold["valid"]) == 4 for g in GENRES)
    assert len(fold["train"]) == 108
    other = by_fold(draw(clips, "all", final_validation=0.1, seed=1))[0]
    assert other["valid"] != fold["valid"]


def test_all_clips_keep_groups_together_where_there_are_some() -> None:
    clips = collection()
    # One clip without a group is a group of its own.
    clips[0] = replace(clips[0], group="")
    assignments = draw(clips, "all", final_validation=0.25)
    group = {clip.track_id: clip.group for clip in clips}
    sides: dict[str, set[str]] = defaultdict(set)
    for assignment in assignments:
        sides[group[assignment.track_id] or assignment.track_id].add(assignment.role)
    assert all(len(roles) == 1 for roles in sides.values())
    share = sum(a.role == "valid" for a in assignments) / len(assignments)
    assert 0.15 < share < 0.35


def test_all_clips_of_a_class_with_one_group_train() -> None:
    clips = [Clip(f"x.{i}", "", "x", f"artist{i // 4}") for i in range(24)]
    clips += [Clip(f"y.{i}", "", "y", "the only one") for i in range(9)]
    for seed in range(8):
        roles = {a.track_id: a.role for a in draw(clips, "all", seed=seed)}
        assert {roles[f"y.{i}"] for i in range(9)} == {"train"}
        assert "valid" in roles.values()


def test_all_clips_of_a_tiny_collection() -> None:
    clips = [Clip(f"{g}.{i}", "", g) for g in GENRES for i in range(2)]
    fold = by_fold(draw(clips, "all"))[0]
    assert len(fold["train"]) == len(fold["valid"]) == 3


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        ([Clip("a", "", "x"), Clip("b", "", "x")], "at least two labels"),
        ([Clip("a", "", "x"), Clip("b", "", "")], "have no `label`"),
        ([Clip("a", "", "x"), Clip("b", "", "x"), Clip("c", "", "y")], "has one clip"),
    ],
)
def test_all_clips_need_labels(clips: list[Clip], words: str) -> None:
    with pytest.raises(UserError, match=words):
        draw(clips, "all")

"""The leak audit: what crosses the sides of a fold, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import audit_partition as audit_script
import pytest
from genreflow.features.fingerprint import Duplicate
from genreflow.files.assignments import Assignment, write_assignments
from genreflow.files.clips import Clip, write_clips
from genreflow.files.records import read_records, write_records
from genreflow.jobs.job import Job
from genreflow.results.leaks import (
    Finding,
    Summary,
    TrainedNetwork,
    audit_models,
    audit_partition,
    leak_note,
    summarise,
)


def fold(roles: str, number: int = 0) -> list[Assignment]:
    """Return assignments from words like ``a:train``."""
    pairs = [word.split(":") for word in roles.split()]
    return [Assignment(number, track_id, "pop", role) for track_id, role in pairs]


def collection(groups: str, **paths: str) -> list[Clip]:
    """Return clips from words like ``a:artist``, each with a file of its own if not given."""
    pairs = [word.split(":") for word in groups.split()]
    return [Clip(name, paths.get(name, f"/{name}.mp3"), "pop", group) for name, group in pairs]


def of_check(findings: list[Finding], check: str) -> list[tuple[str, str, str, str, str]]:
    return [
        (f.track_id, f.role, f.other, f.other_role, f.detail) for f in findings if f.check == check
    ]


ROLES = "a:train b:train c:valid d:valid e:test f:test"
DISJOINT = "a:x b:x c:y d:y e:z f:z"


def test_partition_that_shares_nothing_is_clean() -> None:
    findings, summaries = audit_partition(fold(ROLES), collection(DISJOINT), [])
    assert findings == []
    assert summaries == [
        Summary("", check, "clean", 0, 2, 0, "") for check in ("clip", "group", "duplicate")
    ]
    assert leak_note(summaries) == ""


def test_group_on_two_sides_has_a_row_for_each_later_clip() -> None:
    clips = collection("a:x b:x c:x d:y e:x f:y g:y h:z")
    findings, summaries = audit_partition(fold(f"{ROLES} g:test h:test"), clips, [])
    assert of_check(findings, "group") == [
        # The first clip of the earliest side.
        ("c", "valid", "a", "train", "x: 2 train, 1 valid, 1 test"),
        ("e", "test", "a", "train", "x: 2 train, 1 valid, 1 test"),
        ("f", "test", "d", "valid", "y: 1 valid, 2 test"),
        ("g", "test", "d", "valid", "y: 1 valid, 2 test"),
    ]
    group = summaries[1]
    assert (group.verdict, group.test_clips, group.n) == ("leaky", 3, 4)
    assert group.detail == "1 validation clips touch training clips"
    assert [summary.verdict for summary in summaries] == ["clean", "leaky", "clean"]


def test_validation_clips_that_touch_training_clips_are_listed_and_not_leaky() -> None:
    findings, summaries = audit_partition(fold(ROLES), collection("a:x b:x c:x d:y e:z f:z"), [])
    assert [finding.track_id for finding in findings] == ["c"]
    assert [summary.verdict for summary in summaries] == ["clean"] * 3
    assert leak_note(summaries) == ""


def test_clips_without_a_group_make_the_group_check_unknown() -> None:
    # Two empty groups are no group.
    findings, summaries = audit_partition(fold(ROLES), collection("a: b: c:y d:y e: f:z"), [])
    assert findings == []
    assert [summary.verdict for summary in summaries] == ["clean", "unknown", "clean"]
    assert summaries[1].unknown == 3
    assert summaries[1].detail == "3 clips can't be checked"


def test_leak_among_the_known_groups_is_one_although_others_are_unknown() -> None:
    _, summaries = audit_partition(fold(ROLES), collection("a:x b: c:y d:y e:x f:z"), [])
    assert (summaries[1].verdict, summaries[1].test_clips, summaries[1].unknown) == ("leaky", 1, 1)


def test_near_identical_pairs_on_two_sides_are_found() -> None:
    pairs = [
        Duplicate("a", "b", 0.9, 0.1),  # on one side
        Duplicate("a", "e", 0.9, 0.5),
        Duplicate("b", "e", 0.8, 0.0),
        Duplicate("e", "gone", 0.8, 0.0),  # not in the partition
        Duplicate("c", "f", 0.7, -0.25),
        Duplicate("b", "d", 1.0, 2.0),
    ]
    findings, summaries = audit_partition(fold(ROLES), collection(DISJOINT), pairs)
    assert of_check(findings, "duplicate") == [
        # What is at t of the row's clip is at t + offset of the other.
        ("d", "valid", "b", "train", "similarity 1.0000, offset -2.000 s"),
        ("e", "test", "a", "train", "similarity 0.9000, offset -0.500 s"),
        ("e", "test", "b", "train", "similarity 0.8000, offset +0.000 s"),
        ("f", "test", "c", "valid", "similarity 0.7000, offset +0.250 s"),
    ]
    # e is one clip, whatever the number of its pairs.
    assert summaries[2] == Summary(
        "", "duplicate", "leaky", 2, 2, 0, "1 validation clips touch training clips"
    )


def test_offset_is_kept_where_the_later_clip_comes_first() -> None:
    pairs = [Duplicate("a", "b", 0.9, 0.5)]
    findings, _ = audit_partition(fold("a:test b:train c:valid"), collection("a:x b:y c:z"), pairs)
    assert of_check(findings, "duplicate") == [
        ("a", "test", "b", "train", "similarity 0.9000, offset +0.500 s")
    ]


def test_one_clip_with_two_roles_in_a_fold_is_found() -> None:
    findings, summaries = audit_partition(fold(f"{ROLES} a:test"), collection(DISJOINT), [])
    assert of_check(findings, "clip") == [("a", "test", "a", "train", "/a.mp3: 1 train, 1 test")]
    assert (summaries[0].verdict, summaries[0].test_clips, summaries[0].n) == ("leaky", 1, 3)


def test_one_file_under_two_track_ids_is_found() -> None:
    clips = collection(DISJOINT, b="/music/x.mp3", f="/music/../music/x.mp3")
    findings, summaries = audit_partition(fold(ROLES), clips, [])
    assert of_check(findings, "clip") == [
        ("f", "test", "b", "train", "/music/x.mp3: 1 train, 1 test")
    ]
    assert summaries[0].verdict == "leaky"


def test_one_file_twice_on_one_side_is_no_leak() -> None:
    findings, _ = audit_partition(
        fold(f"{ROLES} a:train"), collection(DISJOINT, e="/x", f="/x"), []
    )
    assert of_check(findings, "clip") == []


def test_order_of_the_assignments_does_not_matter() -> None:
    clips = collection("a:x b:x c:x d:y e:x f:y")
    pairs = [Duplicate("a", "e", 0.9, 0.5), Duplicate("c", "f", 0.7, 0.0)]
    found = audit_partition(fold(ROLES), clips, pairs)
    assert audit_partition(fold(ROLES)[::-1], clips[::-1], pairs) == found


def test_roles_in_different_folds_are_apart() -> None:
    rotated = fold("a:test b:train c:valid", 1)
    assignments = [*rotated, *fold("a:train b:test c:valid", 0)]
    clips, pairs = collection("a:x b:y c:z"), [Duplicate("a", "b", 0.9, 0.0)]
    findings, summaries = audit_partition(assignments, clips, pairs)
    # In the order of the folds.
    assert [(f.fold, f.check, f.track_id) for f in findings] == [
        (0, "duplicate", "b"),
        (1, "duplicate", "a"),
    ]
    assert (summaries[2].test_clips, summaries[2].n) == (2, 2)


def test_clip_that_several_folds_test_counts_in_each() -> None:
    assignments = [a for number in (0, 1) for a in fold("a:train b:test c:valid", number)]
    _, summaries = audit_partition(assignments, collection("a:x b:x c:z"), [])
    assert (summaries[1].test_clips, summaries[1].n) == (2, 2)


def test_test_clips_that_a_network_was_trained_or_chosen_on_are_found() -> None:
    assignments = fold(ROLES) + fold("a:test b:train c:valid d:train e:train f:valid", 1)
    models = [
        TrainedNetwork("sf", 0, 0, {"train": ["a", "b"], "valid": ["f", "e"]}),
        # What the other fold tests is no leak of this one.
        TrainedNetwork("tf", 0, 1, {"train": ["e", "d", "a"], "valid": ["f"]}),
        TrainedNetwork("moec", 3, 0, {"train": ["a"], "valid": ["c", "d"]}),
    ]
    findings = audit_models(assignments, models)
    assert findings == [
        Finding(0, "selection", "e", "test", "sf", "valid", "seed 0"),
        Finding(0, "selection", "f", "test", "sf", "valid", "seed 0"),
        Finding(1, "selection", "a", "test", "tf", "train", "seed 0"),
    ]
    summary = summarise("selection", findings[:2], assignments, system="SF")
    assert summary == Summary("SF", "selection", "leaky", 2, 3, 0, "")
    assert audit_models(assignments, models[2:]) == []


def test_summary_takes_the_findings_of_its_check_alone() -> None:
    findings = [
        Finding(0, "selection", "e", "test", "sf", "valid", "seed 0"),
        Finding(0, "group", "f", "test", "a", "train", "x"),
    ]
    summary = summarise("selection", findings, fold(ROLES))
    assert (summary.verdict, summary.test_clips, summary.n) == ("leaky", 1, 2)


@pytest.mark.parametrize(
    ("leaky", "note"),
    [
        ({"clip": 1}, "1 by the same file in training or validation"),
        ({"group": 12}, "12 by a group in training or validation"),
        (
            {"duplicate": 2, "group": 12},
            "12 by a group in training or validation, "
            "2 by near-identical audio in training or validation",
        ),
        (
            {"selection": 42, "duplicate": 5},
            "5 by near-identical audio in training or validation, "
            "42 by a network that was trained or chosen on them",
        ),
    ],
)
def test_note_says_what_leaks(leaky: dict[str, int], note: str) -> None:
    summaries = [Summary("", check, "leaky", count, 42, 0, "") for check, count in leaky.items()]
    others = [
        Summary("", check, verdict, 0, 42, 3, "")
        for check, verdict in zip(("group", "duplicate"), ("unknown", "clean"), strict=True)
        if check not in leaky
    ]
    assert leak_note([*summaries, *others]) == f"leaky test clips, of 42: {note}"
    assert leak_note(others) == ""


def run_script(folder: Path, clips: list[Clip], pairs: list[Duplicate]) -> tuple[str, Path]:
    write_assignments(fold(ROLES), folder / "partition.csv")
    write_clips(clips, folder / "manifest.csv")
    write_records(pairs, Duplicate, folder / "duplicates.csv")
    names = ("partition", "manifest", "duplicates", "findings", "summary")
    arguments = [word for name in names for word in (f"--{name}", str(folder / f"{name}.csv"))]
    audit_script.main(Job(["--params", '{"planned": {"replicas": {}}}', *arguments]))
    return (folder / "findings.csv").read_text(encoding="utf-8"), folder / "summary.csv"


def test_files_have_their_columns_also_without_findings(tmp_path: Path) -> None:
    findings, summary = run_script(tmp_path, collection(DISJOINT), [])
    assert findings == "fold,check,track_id,role,other,other_role,detail\n"
    assert summary.read_text(encoding="utf-8").splitlines() == [
        "system,check,verdict,test_clips,n,unknown,detail",
        ",clip,clean,0,2,0,",
        ",group,clean,0,2,0,",
        ",duplicate,clean,0,2,0,",
    ]


def test_files_hold_the_findings_and_are_read_back(tmp_path: Path) -> None:
    clips, pairs = collection("a:x b:Ä c:y d:y e:x f:"), [Duplicate("a", "f", 0.75, 1.5)]
    findings, summary = run_script(tmp_path, clips, pairs)
    assert findings.splitlines()[1:] == [
        '0,group,e,test,a,train,"x: 1 train, 1 test"',
        '0,duplicate,f,test,a,train,"similarity 0.7500, offset -1.500 s"',
    ]
    _, summaries = audit_partition(fold(ROLES), clips, pairs)
    assert read_records(summary, Summary) == summaries


def test_rows_are_written_without_any(tmp_path: Path) -> None:
    write_records([], Summary, tmp_path / "none.csv")
    assert read_records(tmp_path / "none.csv", Summary) == []

"""Leaks: what test clips share with the clips that networks are trained and chosen on."""

from __future__ import annotations

import os.path
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from genreflow.features.fingerprint import Duplicate
from genreflow.files.assignments import SPLITS, Assignment
from genreflow.files.clips import Clip

CLEAN, LEAKY, UNKNOWN = "clean", "leaky", "unknown"
#: What the note of a table says of each check, in its order.
NOTES = {
    "clip": "by the same file in training or validation",
    "group": "by a group in training or validation",
    "duplicate": "by near-identical audio in training or validation",
    "selection": "by a network that was trained or chosen on them",
}


@dataclass(frozen=True)
class Finding:
    """A clip and what it shares with another clip on another side of a fold.

    Sides come in the order train, valid, test; ``role`` is later than ``other_role``.
    """

    fold: int
    check: str
    track_id: str
    role: str
    other: str
    other_role: str
    detail: str


@dataclass(frozen=True)
class TrainedNetwork:
    """A network of a fold and a seed, and the clips that its file names by their role in it."""

    network: str
    seed: int
    fold: int
    clips: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Summary:
    """The verdict of a check: clean, leaky, or unknown where some clips can't be checked.

    ``test_clips`` of the ``n`` test clips of all folds are touched, and ``unknown`` clips of the
    partition can't be checked.  ``system`` is empty where it holds for every system.
    """

    system: str
    check: str
    verdict: str
    test_clips: int
    n: int
    unknown: int
    detail: str


def audit_partition(
    assignments: Sequence[Assignment],
    clips: Iterable[Clip],
    duplicates: Sequence[Duplicate],
    *,
    replicas: Mapping[str, str] | None = None,
) -> tuple[list[Finding], list[Summary]]:
    """Return what crosses the sides of a partition, and a summary for each check.

    ``clip``: one file on two sides, under one track id or two.  ``group``: a group on two sides.
    These have a row for each clip of a later side, with the first clip of the earliest side.
    ``duplicate``: a row for each near-identical pair on two sides.

    Parameters
    ----------
    replicas
        Clips that are the same file as another one, which is named, in the published collection;
        copies of it may differ in their headers, or be coded in another way.
    """
    known = {clip.track_id: clip for clip in clips}
    paths = {track_id: os.path.normpath(clip.path) for track_id, clip in known.items()}
    for track_id, first in (replicas or {}).items():
        if track_id in paths and first in paths:
            paths[track_id] = paths[first]
    groups = {track_id: clip.group for track_id, clip in known.items() if clip.group}
    findings = []
    for number in sorted({a.fold for a in assignments}):
        fold = [a for a in assignments if a.fold == number]
        findings += _shared("clip", fold, paths)
        findings += _shared("group", fold, groups)
        findings += _duplicated(fold, duplicates)
    unknown = len({a.track_id for a in assignments} - groups.keys())
    return findings, [
        summarise("clip", findings, assignments),
        summarise("group", findings, assignments, unknown=unknown),
        summarise("duplicate", findings, assignments),
    ]


def audit_models(
    assignments: Iterable[Assignment], models: Iterable[TrainedNetwork]
) -> list[Finding]:
    """Return the test clips on which a network was trained or its epoch chosen.

    Check ``selection``: a row for each test clip and network, ``other`` being the network.
    """
    tested = {(a.fold, a.track_id) for a in assignments if a.role == "test"}
    return [
        Finding(
            fold=model.fold,
            check="selection",
            track_id=track_id,
            role="test",
            other=model.network,
            other_role=role,
            detail=f"seed {model.seed}",
        )
        for model in models
        for role, track_ids in model.clips.items()
        for track_id in sorted(track_ids)
        if (model.fold, track_id) in tested
    ]


def summarise(
    check: str,
    findings: Iterable[Finding],
    assignments: Iterable[Assignment],
    *,
    unknown: int = 0,
    system: str = "",
) -> Summary:
    """Return the summary of one check; only findings on test clips make it leaky.

    Parameters
    ----------
    findings
        Of any check.
    assignments
        Of all folds; a clip that several folds test counts in each.
    unknown
        Clips of the partition that can't be checked.
    system
        The one that the findings concern, if not all.
    """
    own = [finding for finding in findings if finding.check == check]
    touched = {role: {(f.fold, f.track_id) for f in own if f.role == role} for role in SPLITS}
    tested = {(a.fold, a.track_id) for a in assignments if a.role == "test"}
    details = []
    if touched["valid"]:
        details.append(f"{len(touched['valid'])} validation clips touch training clips")
    if unknown:
        details.append(f"{unknown} clips can't be checked")
    return Summary(
        system=system,
        check=check,
        verdict=LEAKY if touched["test"] else UNKNOWN if unknown else CLEAN,
        test_clips=len(touched["test"]),
        n=len(tested),
        unknown=unknown,
        detail="; ".join(details),
    )


def leak_note(summaries: Iterable[Summary]) -> str:
    """Return the note on a system's results in a table, empty where nothing is leaky."""
    leaky = {summary.check: summary for summary in summaries if summary.verdict == LEAKY}
    found = [leaky[check] for check in NOTES if check in leaky]
    parts = ", ".join(f"{summary.test_clips} {NOTES[summary.check]}" for summary in found)
    return f"leaky test clips, of {found[0].n}: {parts}" if found else ""


def _shared(check: str, fold: Iterable[Assignment], keys: Mapping[str, str]) -> list[Finding]:
    """Return the clips of later sides that share a key with a clip of an earlier one."""
    members: dict[str, list[Assignment]] = defaultdict(list)
    for assignment in fold:
        if assignment.track_id in keys:
            members[keys[assignment.track_id]].append(assignment)
    findings = []
    for key, own in members.items():
        own.sort(key=_by_side)
        first = own[0]
        counts = Counter(assignment.role for assignment in own)
        sides = ", ".join(f"{counts[role]} {role}" for role in SPLITS if counts[role])
        findings += [
            _finding(check, later, first, f"{key}: {sides}")
            for later in own
            if later.role != first.role
        ]
    return sorted(findings, key=lambda finding: finding.track_id)


def _duplicated(fold: Iterable[Assignment], duplicates: Iterable[Duplicate]) -> list[Finding]:
    """Return the near-identical pairs of which the clips are on two sides."""
    places: dict[str, list[Assignment]] = defaultdict(list)
    for assignment in fold:
        places[assignment.track_id].append(assignment)
    findings = []
    for pair in duplicates:
        for one, other in product(places[pair.track_id], places[pair.other]):
            if one.role == other.role:
                continue
            first, later = sorted((one, other), key=_by_side)
            # The offset is from the clip of the row to the other; 0 - x, since -x of 0 is -0.
            offset = pair.offset_s if later is one else 0 - pair.offset_s
            detail = f"similarity {pair.similarity:.4f}, offset {offset:+.3f} s"
            findings.append(_finding("duplicate", later, first, detail))
    return sorted(findings, key=lambda finding: (finding.track_id, finding.other))


def _by_side(assignment: Assignment) -> tuple[int, str]:
    return SPLITS.index(assignment.role), assignment.track_id


def _finding(check: str, later: Assignment, first: Assignment, detail: str) -> Finding:
    return Finding(
        fold=later.fold,
        check=check,
        track_id=later.track_id,
        role=later.role,
        other=first.track_id,
        other_role=first.role,
        detail=detail,
    )

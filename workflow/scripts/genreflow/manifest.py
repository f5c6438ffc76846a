"""Collections: which clips there are, checked, and which shard each belongs to."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genreflow.errors import UserError
from genreflow.records import read_records, write_records

COLUMNS = ("track_id", "path", "label", "group", "split")
SPLITS = ("train", "valid", "test")
LARGEST_SHARD = 512


@dataclass(frozen=True)
class Clip:
    """One clip of a collection; ``group`` and ``split`` are empty where not given."""

    track_id: str
    path: str
    label: str
    group: str = ""
    split: str = ""


@dataclass(frozen=True)
class ShardClip:
    """A clip of a shard: what its samples depend on, and nothing else.

    ``sha1`` is that of the published file, or empty where there is none to compare with.
    """

    track_id: str
    path: str
    sha1: str = ""


def read_manifest(path: Path) -> list[Clip]:
    """Return the clips of a manifest in the order of their track ids, with absolute paths.

    Raises
    ------
    UserError
        The file is missing or is no CSV with the columns ``track_id,path,label``; a track id
        occurs twice; a value is empty; a split is none of train, valid, test; or there are
        fewer than two labels or a label with one clip.
    """
    if not path.is_file():
        raise UserError(
            "the manifest does not exist.",
            where=str(path),
            expected="a CSV file with the columns track_id,path,label and optionally group,split",
        )
    try:
        # utf-8-sig: spreadsheet programs put a byte order mark in front.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"byte {error.start} is not UTF-8.", where=str(path), hint="save the file as UTF-8."
        ) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    folder = path.parent.absolute()
    clips = []
    seen: dict[str, int] = {}
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        for column in COLUMNS[:3]:
            if column not in header:
                close = difflib.get_close_matches(column, header, n=1, cutoff=0.5)
                raise UserError(
                    f"the manifest has no column `{column}`.",
                    where=f"{path}, line 1: {','.join(header) or '(empty)'}",
                    expected="track_id,path,label and optionally group,split",
                    hint=f"rename `{close[0]}`?"
                    if close and len(header) > 1
                    else "separate the columns by commas.",
                )
        reader.fieldnames = header
        for row in reader:
            values = {name: (row.get(name) or "").strip() for name in COLUMNS}
            where = f"{path}, line {reader.line_num}"
            for column in COLUMNS[:3]:
                if not values[column]:
                    raise UserError(f"`{column}` is empty.", where=where)
            if None in row:
                raise UserError(
                    f"the line has more than {len(header)} values.",
                    where=where,
                    hint="put quotes around values that hold a comma.",
                )
            if values["split"] and values["split"] not in SPLITS:
                raise UserError(
                    f"`split` is {values['split']!r}.", where=where, expected=", ".join(SPLITS)
                )
            if values["track_id"] in seen:
                raise UserError(
                    f"track_id {values['track_id']!r} occurs twice.",
                    where=f"{where} and line {seen[values['track_id']]}",
                )
            seen[values["track_id"]] = reader.line_num
            values["path"] = str(folder / values["path"])
            clips.append(Clip(**values))
    except csv.Error as error:
        raise UserError(
            f"the CSV breaks off: {error}.", where=f"{path}, line {reader.line_num}"
        ) from None
    check_labels(clips, where=str(path))
    return sorted(clips, key=lambda clip: clip.track_id)


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
            raise UserError(
                f"label {label!r} has one clip.",
                where=where,
                expected="at least two clips a label",
                hint="add clips or leave the label out; is it a typing error of "
                + " or ".join(
                    difflib.get_close_matches(label, [k for k in counts if k != label], n=1)
                )
                + "?"
                if difflib.get_close_matches(label, [k for k in counts if k != label], n=1)
                else "add clips or leave the label out.",
            )


def labels(clips: Iterable[Clip]) -> list[str]:
    """Return the labels in alphabetical order: a label's place is its class index."""
    return sorted({clip.label for clip in clips})


def number_of_shards(clips: int) -> int:
    """Return the number of shards for a number of clips: a power of two.

    About 100 clips a shard, so that the start of a job takes a small part of its time; more in
    large collections so that there are at most a few hundred shards, and few enough for none to
    have more than 512.
    """
    number = 1
    while clips > min(max(128, -(-clips // 64)), 448) * number:
        number *= 2
    return number


def shard_names(number: int) -> list[str]:
    """Return the names of so many shards, in their order."""
    return [f"{index:03d}-of-{number:03d}" for index in range(number)]


def number_in_name(shard: str) -> int:
    """Return the number of shards that a shard is one of."""
    return int(shard.partition("-of-")[2])


def shard_of(track_id: str, number: int) -> str:
    """Return the shard of a clip among so many, by a stable hash of its track id."""
    digest = hashlib.sha256(track_id.encode()).digest()
    return f"{int.from_bytes(digest[:8], 'big') % number:03d}-of-{number:03d}"


def shard_clips(clips: Sequence[Clip], pinned: int | None = None) -> dict[str, list[Clip]]:
    """Return the clips of each shard.

    Adding a clip changes one shard, until their number doubles: see `number_of_shards`; a number
    that would leave more than 512 clips to a shard is doubled as well.
    """
    number = pinned or number_of_shards(len(clips))
    while True:
        shards: dict[str, list[Clip]] = {name: [] for name in shard_names(number)}
        for clip in clips:
            shards[shard_of(clip.track_id, number)].append(clip)
        if pinned or max(map(len, shards.values())) <= LARGEST_SHARD:
            return shards
        number *= 2


def membership_digest(clips: Iterable[Clip], *, files: bool) -> str:
    """Return a digest of a shard's track ids and of each file's path, size and time.

    It changes when a file is replaced, repaired or newly present, and only then.
    """
    digest = hashlib.sha256()
    for clip in clips:
        state: tuple[int, ...] = ()
        if files:
            try:
                status = os.stat(clip.path)
                state = (status.st_size, status.st_mtime_ns)
            except OSError:
                pass
        digest.update(json.dumps([clip.track_id, clip.path, *state]).encode() + b"\n")
    return digest.hexdigest()[:16]


def write_clips(clips: Iterable[Clip], path: Path) -> None:
    """Write clips as a manifest with every column."""
    write_records(clips, Clip, path)


def read_clips(path: Path) -> list[Clip]:
    """Return the clips of a manifest that the workflow itself wrote."""
    return read_records(path, Clip)

"""Which shard each clip belongs to, and what tells that a shard has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from genreflow.files.clips import Clip

LARGEST_SHARD = 512
#: A command names every shard, and Linux gives it 131 072 bytes: with two features and the longest
#: name of a dataset, 512 shards take 115 000.
MOST_SHARDS = 512


def number_of_shards(clips: int) -> int:
    """Return the number of shards for a number of clips: a power of two.

    About 100 clips a shard, so that the start of a job takes a small part of its time; more in
    large collections so that there are at most a few hundred shards, and few enough for none to
    have more than 512, unless there are 512 shards already.
    """
    number = 1
    while number < MOST_SHARDS and clips > min(max(128, -(-clips // 64)), 448) * number:
        number *= 2
    return number


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
        shards: dict[str, list[Clip]] = {
            f"{index:03d}-of-{number:03d}": [] for index in range(number)
        }
        for clip in clips:
            shards[shard_of(clip.track_id, number)].append(clip)
        enough = pinned or number == MOST_SHARDS
        if enough or max(map(len, shards.values())) <= LARGEST_SHARD:
            return shards
        number *= 2


def membership_digest(clips: Iterable[Clip], *, files: bool) -> str:
    """Return a digest of a shard's track ids and of each file's path, size and time.

    It changes when a file is replaced, repaired or newly present, and only then.
    """
    digest = hashlib.sha256()
    for clip in clips:
        state: list[int] = []
        if files:
            # A ValueError where the path holds a NUL.
            with suppress(OSError, ValueError):
                status = os.stat(clip.path)
                state = [status.st_size, status.st_mtime_ns]
        digest.update(json.dumps([clip.track_id, clip.path, *state]).encode() + b"\n")
    return digest.hexdigest()[:16]

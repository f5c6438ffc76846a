"""Where a dataset's clips come from: own music, a published collection, or the synthesised demo."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genreflow.collections.collection import Annotation, Collection, Original
from genreflow.collections.fma import FMA
from genreflow.collections.folder import MANIFEST, folder_clips
from genreflow.collections.gtzan import GTZAN
from genreflow.collections.manifest import read_manifest
from genreflow.collections.shards import shard_clips
from genreflow.errors import UserError
from genreflow.features.synthesis import clip_table
from genreflow.files.clips import Clip
from genreflow.files.records import read_records
from genreflow.jobs.job import log
from genreflow.partitions.checks import similar_labels

COLLECTIONS: dict[str, Collection] = {GTZAN.name: GTZAN, **FMA}


def read_source(source: Mapping[str, Any]) -> list[Clip]:
    """Return a dataset's clips in the order of their track ids, in a job.

    What planning found is taken as it is, and nothing is said of it again.

    Parameters
    ----------
    source
        ``source`` or ``shard_source`` of `genreflow.plan.planning.Planned`; of the latter, clips
        may lack group and split.
    """
    collection = COLLECTIONS.get(source["source"])
    if collection is None:
        return listed_clips(source, planning=False)
    annotations = [
        row for path in source["annotations"] for row in read_records(Path(path), Annotation)
    ]
    return collection.list_clips(Path(source["folder"]), annotations)


def read_checksums(source: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-1 of the published files by track id, as far as they are to be compared."""
    collection = COLLECTIONS.get(source["source"])
    if collection is None or not source["checksums"]:
        return {}
    return collection.read_checksums(Path(source["folder"]))


def read_originals(source: Mapping[str, Any]) -> Mapping[str, Original]:
    """Return what is known of the published files by track id, for a copy that isn't an archive."""
    collection = COLLECTIONS.get(source["source"])
    return collection.read_originals() if collection and source["checksums"] else {}


def listed_clips(
    source: Mapping[str, Any], *, planning: bool, labels_needed: bool = False
) -> list[Clip]:
    """Return the clips of a source that lists them itself, in the order of their track ids.

    Parameters
    ----------
    source
        The dataset's part of the configuration, and ``rendered``: the folder in which synthesised
        clips are rendered, a folder a shard.
    planning, labels_needed
        As of `genreflow.collections.folder.folder_clips`; what planning let through is not asked
        again.

    Raises
    ------
    UserError
        As `read_manifest` and `folder_clips`.
    """
    rendered = source["rendered"]
    if source["source"] == "manifest":
        clips = read_manifest(Path(source["manifest"]), labels_needed=labels_needed)
        return _warned(clips, source["manifest"]) if planning else clips
    if source["source"] == "folder":
        fallback = Path(rendered).with_name(MANIFEST)
        clips = folder_clips(
            Path(source["folder"]),
            fallback=fallback,
            planning=planning,
            labelled=source["labels"] == "folders",
            labels_needed=labels_needed,
        )
        return _warned(clips, source["folder"]) if planning else clips
    planted = clip_table(seeds=source["seeds"], artists=source["artists"])
    clips = [Clip(p.track_id, "", p.label, p.group, p.split) for p in planted]
    placed = [
        Clip(c.track_id, f"{rendered}/{shard}/{c.track_id}.flac", c.label, c.group, c.split)
        for shard, members in shard_clips(clips, source["shards"]).items()
        for c in members
    ]
    return sorted(placed, key=lambda clip: clip.track_id)


def _warned(clips: list[Clip], where: str) -> list[Clip]:
    """Return the clips, after a warning of labels that are most likely one and of missing files."""
    if alike := similar_labels(clips):
        warning = UserError(
            "labels that differ only in capitals, spaces or the form of a letter count as "
            f"different: {_some(alike)}.",
            where=where,
            hint="if they are one label, give its clips one spelling.",
        )
        log.warning("%s", warning)
    if missing := [clip.path for clip in clips if not os.path.exists(clip.path)]:
        warning = UserError(
            f"{len(missing)} of {len(clips)} files are missing: {_some(missing)}.",
            where=where,
            hint="they are put in quarantine; where that is more than audio.max_quarantined, the "
            "run stops before it trains.",
        )
        log.warning("%s", warning)
    return clips


def _some(names: Sequence[str]) -> str:
    return "; ".join(names[:5]) + (f"; and {len(names) - 5} more" if len(names) > 5 else "")

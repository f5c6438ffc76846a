"""Where a dataset's clips come from: own music, a published collection, or the synthesised demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genreflow.fma import FMA
from genreflow.folder import MANIFEST, folder_clips
from genreflow.gtzan import GTZAN
from genreflow.manifest import Clip, ShardClip, number_in_name, read_manifest, shard_clips
from genreflow.published import Annotation, Published
from genreflow.records import read_records
from genreflow.synthesis import clip_table

COLLECTIONS: dict[str, Published] = {GTZAN.name: GTZAN, **FMA}


def read_source(place: Mapping[str, Any]) -> list[Clip]:
    """Return a dataset's clips in the order of their track ids, in a job.

    What planning found is taken as it is, and nothing is said of it again.

    Parameters
    ----------
    place
        ``place`` or ``shard_place`` of `genreflow.planning.Planned`; of the latter, clips may lack
        group and split.
    """
    published = COLLECTIONS.get(place["source"])
    if published is None:
        return listed_clips(place, planning=False)
    annotations = [
        row for path in place["annotations"] for row in read_records(Path(path), Annotation)
    ]
    return published.list_clips(Path(place["folder"]), annotations)


def read_shard(place: Mapping[str, Any], shard: str) -> list[ShardClip]:
    """Return the clips of a shard in the order of their track ids, in a job.

    Parameters
    ----------
    place
        ``shard_place`` of `genreflow.planning.Planned`.
    shard
        The shard's name, such as ``002-of-008``.
    """
    published = COLLECTIONS.get(place["source"])
    known = {}
    if published is not None and place["checksums"]:
        known = published.read_checksums(Path(place["folder"]))
    members = shard_clips(read_source(place), number_in_name(shard))[shard]
    return [ShardClip(c.track_id, c.path, known.get(c.track_id, "")) for c in members]


def listed_clips(place: Mapping[str, Any], *, planning: bool) -> list[Clip]:
    """Return the clips of a source that lists them itself, in the order of their track ids.

    Parameters
    ----------
    place
        The dataset's part of the configuration, and ``rendered``: the folder in which synthesised
        clips are rendered, a folder a shard.
    planning
        As of `genreflow.folder.folder_clips`.

    Raises
    ------
    UserError
        As `genreflow.manifest.read_manifest` and `genreflow.folder.folder_clips`.
    """
    rendered = place["rendered"]
    if place["source"] == "manifest":
        return read_manifest(Path(place["manifest"]))
    if place["source"] == "folder":
        fallback = Path(rendered).with_name(MANIFEST)
        return folder_clips(Path(place["folder"]), fallback=fallback, planning=planning)
    planted = clip_table(seeds=place["seeds"], artists=place["artists"])
    clips = [Clip(p.track_id, "", p.label, p.group, p.split) for p in planted]
    placed = [
        Clip(c.track_id, f"{rendered}/{shard}/{c.track_id}.flac", c.label, c.group, c.split)
        for shard, members in shard_clips(clips, place["shards"]).items()
        for c in members
    ]
    return sorted(placed, key=lambda clip: clip.track_id)

"""Where a dataset's clips come from: own music, GTZAN, or the synthesised demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genreflow.folder import MANIFEST, folder_clips
from genreflow.gtzan import gtzan_clips, read_artist_index, read_fault_filtered
from genreflow.manifest import Clip, read_manifest, shard_clips
from genreflow.synthesis import clip_table


def source_clips(dataset: Mapping[str, Any], *, rendered: str, planning: bool = True) -> list[Clip]:
    """Return a dataset's clips in the order of their track ids, without decoding its audio.

    Parameters
    ----------
    dataset
        The dataset's part of the configuration.
    rendered
        The folder in which synthesised clips are rendered, a folder a shard; it lies among the
        dataset's results.
    planning
        False in a job: what planning found is taken as it is, and nothing is said of it again.

    Raises
    ------
    UserError
        As `genreflow.manifest.read_manifest`, `genreflow.folder.folder_clips` and the functions
        of `genreflow.gtzan`.
    """
    if dataset["source"] == "manifest":
        return read_manifest(Path(dataset["manifest"]))
    if dataset["source"] == "folder":
        fallback = Path(rendered).with_name(MANIFEST)
        return folder_clips(Path(dataset["folder"]), fallback=fallback, planning=planning)
    if dataset["source"] == "gtzan":
        lists = Path(dataset["lists"]) if dataset["lists"] else None
        return gtzan_clips(
            Path(dataset["path"]),
            splits=read_fault_filtered(lists) if lists else {},
            artists=read_artist_index(lists) if lists else {},
        )
    planted = clip_table(seeds=dataset["seeds"], artists=dataset["artists"])
    clips = [Clip(p.track_id, "", p.label, p.group, p.split) for p in planted]
    placed = [
        Clip(c.track_id, f"{rendered}/{shard}/{c.track_id}.flac", c.label, c.group, c.split)
        for shard, members in shard_clips(clips, dataset["shards"]).items()
        for c in members
    ]
    return sorted(placed, key=lambda clip: clip.track_id)

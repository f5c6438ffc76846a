"""Where a dataset's clips come from: own music by a manifest, or the synthesised demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genreflow.manifest import Clip, read_manifest, shard_clips
from genreflow.synthesis import clip_table


def source_clips(dataset: Mapping[str, Any], *, rendered: str) -> list[Clip]:
    """Return a dataset's clips in the order of their track ids, without touching its audio.

    Parameters
    ----------
    dataset
        The dataset's part of the configuration.
    rendered
        The folder in which synthesised clips are rendered, a folder a shard.

    Raises
    ------
    UserError
        As `genreflow.manifest.read_manifest`.
    """
    if dataset["source"] == "manifest":
        return read_manifest(Path(dataset["manifest"]))
    planted = clip_table(seeds=dataset["seeds"], artists=dataset["artists"])
    clips = [Clip(p.track_id, "", p.label, p.group, p.split) for p in planted]
    placed = [
        Clip(c.track_id, f"{rendered}/{shard}/{c.track_id}.flac", c.label, c.group, c.split)
        for shard, members in shard_clips(clips, dataset["shards"]).items()
        for c in members
    ]
    return sorted(placed, key=lambda clip: clip.track_id)

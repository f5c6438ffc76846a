"""Write a dataset's clips as one manifest: checked, with every column, by track id."""

from __future__ import annotations

from pathlib import Path

from genreflow.manifest import Clip, read_manifest, shard_clips, write_clips
from genreflow.runtime import Job, log, run


def main(job: Job) -> None:
    """Read the source's clips and write them."""
    if job.params["source"] == "manifest":
        clips = read_manifest(Path(job.params["manifest"]))
    else:
        from genreflow.synthesis import clip_table

        planted = clip_table(seeds=job.params["seeds"], artists=job.params["artists"])
        clips = [Clip(p.track_id, "", p.label, p.group, p.split) for p in planted]
        clips = sorted(clips, key=lambda clip: clip.track_id)
        folder = Path(job.params["audio"])
        clips = [
            Clip(c.track_id, str(folder / shard / f"{c.track_id}.flac"), c.label, c.group, c.split)
            for shard, members in shard_clips(clips, job.params["shards"]).items()
            for c in members
        ]
        clips = sorted(clips, key=lambda clip: clip.track_id)
    write_clips(clips, job.path("manifest"))
    log.info("%d clips", len(clips))


if __name__ == "__main__":
    run(main)

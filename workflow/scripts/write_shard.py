"""Write the clips of one shard."""

from __future__ import annotations

from genreflow.collections.collection import Original
from genreflow.collections.shards import number_in_name, shard_clips
from genreflow.collections.sources import read_checksums, read_originals, read_source
from genreflow.files.clips import ShardClip
from genreflow.files.records import write_records
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Read the source's clips and write the shard's."""
    source, shard = job.planned["source"], job.wildcards["shard"]
    published, originals = read_checksums(source), read_originals(source)
    members = [
        ShardClip(
            clip.track_id,
            clip.path,
            published.get(clip.track_id, ""),
            *originals.get(clip.track_id, Original("", 0)),
        )
        for clip in shard_clips(read_source(source), number_in_name(shard))[shard]
    ]
    write_records(members, ShardClip, job.path("clips"))
    log.info("%d clips", len(members))

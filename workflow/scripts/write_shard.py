"""Write the clips of one shard."""

from __future__ import annotations

from genreflow.manifest import shard_clips, write_clips
from genreflow.runtime import Job, log, run
from genreflow.sources import source_clips


def main(job: Job) -> None:
    """Read the source's clips and write the shard's."""
    dataset = job.params["dataset"]
    clips = source_clips(dataset, rendered=job.params["rendered"], planning=False)
    members = shard_clips(clips, dataset["shards"])[job.params["shard"]]
    write_clips(members, job.path("clips"))
    log.info("%d clips", len(members))


if __name__ == "__main__":
    run(main)

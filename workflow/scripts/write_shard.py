"""Write the clips of one shard."""

from __future__ import annotations

from genreflow.manifest import ShardClip
from genreflow.records import write_records
from genreflow.runtime import Job, log, run
from genreflow.sources import read_shard


def main(job: Job) -> None:
    """Read the source's clips and write the shard's."""
    members = read_shard(job.params["place"], job.params["shard"])
    write_records(members, ShardClip, job.path("clips"))
    log.info("%d clips", len(members))


if __name__ == "__main__":
    run(main)

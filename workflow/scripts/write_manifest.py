"""Write a dataset's clips as one manifest: checked, with every column, by track id."""

from __future__ import annotations

from genreflow.collections.sources import read_source
from genreflow.files.clips import write_clips
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Read the source's clips and write them."""
    clips = read_source(job.planned["source"])
    write_clips(clips, job.path("manifest"))
    log.info("%d clips", len(clips))

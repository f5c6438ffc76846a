"""Collect a dataset's vectors from somebody's embeddings."""

from __future__ import annotations

from genreflow.baselines.embeddings import check_missing, read_embeddings
from genreflow.files.audio_report import Quarantined, read_quarantine, write_quarantine
from genreflow.files.clips import read_clips
from genreflow.files.vectors import write_vectors
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Take those of the clips that are not in quarantine, and list the missing ones."""
    clips = read_clips(job.path("manifest"))
    lost = {clip.track_id for clip in read_quarantine(job.path("quarantine"))}
    source, largest = job.path("embeddings"), job.untracked[job.wildcards["dataset"]]
    usable = [clip for clip in clips if clip.track_id not in lost]
    found = read_embeddings(source, [clip.track_id for clip in usable])
    check_missing(found.missing, len(clips), largest=largest, where=source)
    write_vectors(
        job.path("vectors"),
        found.rows,
        without=lost.union(found.missing),
        values="as in the embeddings; the mean where a clip has several",
    )
    absent = set(found.missing)
    missing = [
        Quarantined(clip.track_id, clip.path, "no embedding")
        for clip in usable
        if clip.track_id in absent
    ]
    write_quarantine(missing, job.path("missing"))
    for clip in missing[:10]:
        log.warning("%s has no embedding in %s", clip.track_id, source)
    log.info(
        "%d vectors of %d values, %d clips without, %d of other clips left out",
        len(found.rows), len(next(iter(found.rows.values()))), len(missing), found.others,
    )  # fmt: skip

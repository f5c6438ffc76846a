"""Find the pairs of clips of a dataset that hold the same or nearly the same audio."""

from __future__ import annotations

import numpy as np
from genreflow.features.fingerprint import Duplicate, find_duplicates
from genreflow.files.records import write_records
from genreflow.files.store import read_arrays
from genreflow.jobs.job import Job, log
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Compare every clip with every other."""
    shards = [read_arrays(path) for path in job.paths("fingerprints")]
    fingerprints = np.concatenate([arrays["data"] for arrays, _ in shards])
    # The threads each compare clips of their own.
    with threadpool_limits(1):
        duplicates = find_duplicates(
            fingerprints,
            [track_id for arrays, _ in shards for track_id in arrays["track_id"]],
            frame_seconds=float(shards[0][1]["frame_seconds"]),
            threads=job.number("threads"),
        )
    write_records(duplicates, Duplicate, job.path("duplicates"))
    same = sum(duplicate.similarity == 1 for duplicate in duplicates)
    log.info(
        "%d clips: %d near-identical pairs, %d equal to four decimals",
        len(fingerprints),
        len(duplicates),
        same,
    )

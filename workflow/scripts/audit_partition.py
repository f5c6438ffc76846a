"""List what the test clips of a partition share with its training and validation clips."""

from __future__ import annotations

from genreflow.features.fingerprint import Duplicate
from genreflow.files.assignments import read_assignments
from genreflow.files.clips import read_clips
from genreflow.files.records import read_records, write_records
from genreflow.jobs.job import Job, log, run
from genreflow.results.leaks import Finding, Summary, audit_partition


def main(job: Job) -> None:
    """Check all folds."""
    findings, summaries = audit_partition(
        read_assignments(job.path("partition")),
        read_clips(job.path("manifest")),
        read_records(job.path("duplicates"), Duplicate),
    )
    write_records(findings, Finding, job.path("findings"))
    write_records(summaries, Summary, job.path("summary"))
    for found in summaries:
        log.info(
            "%s: %s, %d of %d test clips%s",
            found.check,
            found.verdict,
            found.test_clips,
            found.n,
            f" ({found.detail})" if found.detail else "",
        )


if __name__ == "__main__":
    run(main)

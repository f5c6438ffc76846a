"""List what the test clips of a partition share with its training and validation clips."""

from __future__ import annotations

from genreflow.features.fingerprint import Duplicate
from genreflow.files.assignments import read_assignments
from genreflow.files.clips import read_clips
from genreflow.files.records import read_records, write_records
from genreflow.jobs.job import Job, log
from genreflow.results.leaks import Finding, Summary, audit_partition


def main(job: Job) -> None:
    """Check all folds."""
    findings, summaries = audit_partition(
        read_assignments(job.path("partition")),
        read_clips(job.path("manifest")),
        read_records(job.path("duplicates"), Duplicate),
        replicas=job.planned["replicas"],
    )
    write_records(findings, Finding, job.path("findings"))
    write_records(summaries, Summary, job.path("summary"))
    for found in summaries:
        touched = f"{found.test_clips} of {found.n} test clips"
        detail = f" ({found.detail})" if found.detail else ""
        log.info("%s: %s, %s%s", found.check, found.verdict, touched, detail)

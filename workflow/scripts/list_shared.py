"""List what is behind a variant of a dataset, and which of its files are another dataset's."""

from __future__ import annotations

from genreflow.files.records import write_records
from genreflow.files.shared import Behind
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Write what is planned."""
    rows = [Behind(**row) for row in job.planned["behind"]]
    write_records(rows, Behind, job.path("shared"))
    others = [row for row in rows if row.dataset != job.wildcards["dataset"]]
    log.info(
        "%d of %d jobs are another dataset's",
        sum(row.jobs for row in others), sum(row.jobs for row in rows),
    )  # fmt: skip

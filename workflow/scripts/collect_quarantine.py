"""List the clips that were set aside, and what became of every file."""

from __future__ import annotations

from genreflow.files.audio_report import (
    Quarantined,
    read_reports,
    write_quarantine,
    write_reports,
)
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Merge the shards' reports."""
    reports = read_reports(job.paths("reports"))
    write_reports(reports, job.path("report"))
    lost = []
    for report in reports:
        if report.status == "quarantined":
            known = job.planned["known_bad"].get(report.track_id)
            reason = f" (known of this collection: {known})" if known else ""
            lost.append(Quarantined(report.track_id, report.path, report.note + reason))
    write_quarantine(lost, job.path("quarantine"))
    padded = sum(report.status == "padded" for report in reports)
    log.info("%d clips: %d set aside, %d padded", len(reports), len(lost), padded)

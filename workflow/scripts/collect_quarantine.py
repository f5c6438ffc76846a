"""List the clips that were set aside, and stop the run when they are too many."""

from __future__ import annotations

import csv

from genreflow.errors import UserError
from genreflow.files.audio_report import read_reports, write_reports
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Merge the shards' reports."""
    reports = read_reports(job.paths("reports"))
    bad = [report for report in reports if report.status == "quarantined"]
    share, largest = len(bad) / len(reports), job.settings["max_quarantined"]
    if share > largest:
        shown = "\n".join(f"    {r.track_id}: {r.note} ({r.path})" for r in bad[:10])
        more = f"\n    and {len(bad) - 10} more" if len(bad) > 10 else ""
        raise UserError(
            f"{len(bad)} of {len(reports)} clips ({share:.1%}) can't be used:\n{shown}{more}",
            where=f"dataset `{job.wildcards['dataset']}`",
            expected=f"at most {largest:.1%} (audio.max_quarantined)",
            hint="repair or remove these files, or raise audio.max_quarantined.",
        )
    write_reports(reports, job.path("report"))
    with job.path("quarantine").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("track_id", "path", "reason"))
        for report in bad:
            known = job.planned["known_bad"].get(report.track_id)
            reason = f" (known of this collection: {known})" if known else ""
            writer.writerow((report.track_id, report.path, report.note + reason))
    padded = sum(report.status == "padded" for report in reports)
    log.info("%d clips: %d set aside, %d padded", len(reports), len(bad), padded)

"""Stop the run when more of a dataset's clips were set aside than the limit."""

from __future__ import annotations

from genreflow.files.atomic import write_whole
from genreflow.files.audio_report import read_reports
from genreflow.jobs.job import Job, log
from genreflow.jobs.limits import check_limit


def main(job: Job) -> None:
    """Compare the shards' reports with the limit of the dataset, which is not among the params."""
    dataset = job.wildcards["dataset"]
    reports = read_reports(job.paths("reports"))
    bad = [report for report in reports if report.status == "quarantined"]
    shown = "\n".join(f"    {r.track_id}: {r.note} ({r.path})" for r in bad[:10])
    more = f"\n    and {len(bad) - 10} more" if len(bad) > 10 else ""
    check_limit(
        len(bad),
        len(reports),
        dataset=dataset,
        largest=job.untracked[dataset],
        listed=f":\n{shown}{more}",
    )
    # The limit is not in it: another one changes nothing behind it.
    text = f"clips,quarantined\n{len(reports)},{len(bad)}\n"
    write_whole(job.path("usable"), text.encode())
    log.info("%d of %d clips can be used", len(reports) - len(bad), len(reports))

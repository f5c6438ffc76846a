"""List the test clips on which a network behind a partition's systems was trained or chosen."""

from __future__ import annotations

from genreflow.files.assignments import read_assignments
from genreflow.files.models import read_model
from genreflow.files.records import write_records
from genreflow.jobs.job import Job, log
from genreflow.results.leaks import Finding, Summary, TrainedNetwork, audit_models, summarise


def main(job: Job) -> None:
    """Compare what the models say they were trained on with what is tested."""
    assignments = read_assignments(job.path("partition"))
    models = [
        TrainedNetwork(name, seed, fold, clips=read_model(path)[1]["clips"])
        for (name, seed, fold), path in zip(job.planned["models"], job.paths("models"), strict=True)
    ]
    findings = audit_models(assignments, models)
    summaries = [
        summarise(
            "selection",
            [finding for finding in findings if finding.other in networks],
            assignments,
            system=system,
        )
        for system, networks in job.planned["systems"]
    ]
    write_records(findings, Finding, job.path("findings"))
    write_records(summaries, Summary, job.path("summary"))
    for found in summaries:
        log.info(
            "%s: %s, %d of %d test clips", found.system, found.verdict, found.test_clips, found.n
        )

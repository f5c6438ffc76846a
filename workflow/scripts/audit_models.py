"""List the test clips on which a network was trained or chosen, and say which hardly learned."""

from __future__ import annotations

from dataclasses import replace

from genreflow.files.assignments import read_assignments
from genreflow.files.models import read_model
from genreflow.files.records import write_records
from genreflow.jobs.job import Job, log
from genreflow.results.doubts import summarise_trainings, training_of
from genreflow.results.leaks import Finding, Summary, TrainedNetwork, audit_models, summarise

#: What is said of systems without networks of their own.
NO_NETWORK = "no network; learns from training and validation clips alone"
NOT_KNOWN = "what made the embeddings may have been trained on any of the clips"


def main(job: Job) -> None:
    """Compare what the models say they were trained on with what is tested."""
    assignments = read_assignments(job.path("partition"))
    models, trainings = [], []
    for (name, seed, fold), path in zip(job.planned["models"], job.paths("models"), strict=True):
        tensors, description = read_model(path)
        models.append(TrainedNetwork(name, seed, fold, clips=description["clips"]))
        if description["architecture"]["network"] not in ("mlp", "joint"):
            trainings.append(training_of(name, tensors, description))
    findings = audit_models(assignments, models)
    clips = len({assignment.track_id for assignment in assignments})
    summaries = []
    for system, networks in job.planned["systems"]:
        own = [finding for finding in findings if finding.other in networks]
        unknown = clips if system in job.planned["probes"] else 0
        found = summarise("selection", own, assignments, system=system, unknown=unknown)
        if not networks:
            found = replace(found, detail=NOT_KNOWN if unknown else NO_NETWORK)
        summaries.append(found)
    tested = sum(assignment.role == "test" for assignment in assignments)
    summaries += [
        summary
        for system, networks in job.planned["systems"]
        for summary in summarise_trainings(
            [training for training in trainings if training.network in networks],
            system=system,
            test_clips=tested,
        )
    ]
    write_records(findings, Finding, job.path("findings"))
    write_records(summaries, Summary, job.path("summary"))
    for found in summaries:
        detail = f" ({found.detail})" if found.detail else ""
        log.info(
            "%s: %s, %d of %d test clips%s",
            found.system, found.verdict, found.test_clips, found.n, detail,
        )  # fmt: skip

"""Write the model card of a classifier, from what trained it and from the experiments."""

from __future__ import annotations

from genreflow.classifiers.card import Evaluation, model_card
from genreflow.files.assignments import read_assignments
from genreflow.files.atomic import write_whole
from genreflow.files.models import read_model
from genreflow.files.predictions import read_predictions
from genreflow.files.records import read_records
from genreflow.jobs.job import Job, log
from genreflow.results.leaks import Summary, leak_note


def main(job: Job) -> None:
    """Say what it was trained on, how right it was, and what it is not for."""
    facts = job.planned
    evaluations = []
    sources = (job.paths(name) for name in ("predictions", "clip_audits", "model_audits"))
    for partition, found, clips, models in zip(facts["experiments"], *sources, strict=True):
        summaries = read_records(clips, Summary) + read_records(models, Summary)
        leak = leak_note(s for s in summaries if s.system in ("", facts["system"]))
        evaluations.append(Evaluation(partition, read_predictions(found), leak))
    # The networks of a system have the same clips.
    _, description = read_model(job.paths("models")[0])
    text = model_card(
        facts["system"],
        description,
        read_assignments(job.path("partition"), facts["fold"]),
        evaluations,
        dataset=facts["dataset"],
        partition=facts["partition"],
        source=facts["source"],
    )
    write_whole(job.path("card"), text.encode())
    log.info("%d experiments", len(evaluations))

"""Make results/tables.csv and the papers' own tables from all predictions."""

from __future__ import annotations

from genreflow.files.assignments import read_assignments, shortfall
from genreflow.files.audio_report import read_quarantine
from genreflow.files.predictions import read_predictions
from genreflow.files.records import read_records
from genreflow.jobs.job import Job, log
from genreflow.results.comparisons import compare_systems
from genreflow.results.doubts import doubt_note
from genreflow.results.evaluation import figure_of_merit
from genreflow.results.leaks import Summary, leak_note
from genreflow.results.tables import (
    Evaluated,
    audit_table,
    missing_note,
    read_published,
    read_table_two,
    table_one,
    table_two,
    tidy_rows,
    tidy_table,
    write_table,
)


def main(job: Job) -> None:
    """Evaluate every system of every experiment."""
    published, earlier = (
        table[~table["dataset"].isin(job.planned["namesakes"])]
        for table in (read_published(job.path("published")), read_table_two(job.path("published")))
    )
    lost = {
        dataset: {clip.track_id for clip in read_quarantine(path)}
        for dataset, path in zip(job.planned["datasets"], job.paths("quarantine"), strict=True)
    }
    audits, shortfalls, labels = {}, {}, {}
    sources = (job.paths(name) for name in ("clip_audits", "model_audits", "partitions"))
    for (dataset, name), clips, models, partition in zip(
        job.planned["audits"], *sources, strict=True
    ):
        audits[dataset, name] = read_records(clips, Summary) + read_records(models, Summary)
        assignments = read_assignments(partition)
        shortfalls[dataset, name] = shortfall(assignments, lost[dataset])
        labels[dataset, name] = sorted({assignment.label for assignment in assignments})
    results, rows = [], []
    for experiment, source, matrix in zip(
        job.planned["experiments"], job.paths("predictions"), job.paths("matrices"), strict=True
    ):
        key = experiment["dataset"], experiment["partition"]
        predictions = read_predictions(source)
        missing = missing_note(predictions, lost[experiment["dataset"]])
        result = Evaluated(
            **experiment,
            labels=labels[key],
            predictions=predictions,
            leak=leak_note(s for s in audits[key] if s.system in ("", experiment["system"])),
            shortfall="; ".join(filter(None, (shortfalls[key], missing))),
            doubt=doubt_note(s for s in audits[key] if s.system == experiment["system"]),
        )
        results.append(result)
        rows += tidy_rows(result, published)
        # Pooled over folds and seeds, as the papers pool their runs.
        true, predicted = (list(result.predictions[side]) for side in ("true", "predicted"))
        write_table(figure_of_merit(true, predicted, result.labels), matrix, index=True)
    tidy = tidy_table(rows)
    write_table(table_one(tidy), job.path("table_one"), index=True)
    write_table(table_two(tidy, earlier), job.path("table_two"))
    # Probabilities need digits that count, not places.
    write_table(compare_systems(results), job.path("comparisons"), float_format="%.4g")
    write_table(audit_table(audits), job.path("leak_audit"))
    write_table(tidy, job.path("tables"))
    log.info("%d rows", len(tidy))

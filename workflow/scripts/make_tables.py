"""Make results/tables.csv and the papers' own tables from all predictions."""

from __future__ import annotations

import pandas as pd
from genreflow.files.assignments import read_assignments, shortfall
from genreflow.files.audio_report import read_quarantine
from genreflow.files.predictions import read_predictions
from genreflow.files.records import read_records, read_rows
from genreflow.files.tables import write_table
from genreflow.jobs.job import Job, log
from genreflow.results.comparisons import compare_systems
from genreflow.results.doubts import doubt_note
from genreflow.results.experts import COLUMNS as EXPERTS
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
    for experiment, source in zip(
        job.planned["experiments"], job.paths("predictions"), strict=True
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
    tidy = tidy_table(rows)
    write_table(table_one(tidy), job.path("table_one"), index=True)
    write_table(table_two(tidy, earlier), job.path("table_two"))
    # Probabilities need digits that count, not places.
    write_table(compare_systems(results), job.path("comparisons"), float_format="%.4g")
    write_table(audit_table(audits), job.path("leak_audit"))
    # As texts, as they were written: a genre may be called "NA".
    compared = [row for path in job.paths("experts") for row in read_rows(path)]
    write_table(pd.DataFrame(compared, columns=list(EXPERTS)), job.path("experts_by_genre"))
    write_table(tidy, job.path("tables"))
    log.info("%d rows", len(tidy))

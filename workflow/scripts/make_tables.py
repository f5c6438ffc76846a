"""Make results/tables.csv and the papers' own tables from all predictions."""

from __future__ import annotations

from genreflow.files.assignments import read_assignments, shortfall
from genreflow.files.predictions import read_predictions
from genreflow.files.records import read_records, read_rows
from genreflow.jobs.job import Job, log, run
from genreflow.results.comparisons import compare_systems
from genreflow.results.evaluation import figure_of_merit
from genreflow.results.leaks import Summary, leak_note
from genreflow.results.tables import (
    Evaluated,
    audit_table,
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
    published = read_published(job.path("published"))
    audits = {
        (dataset, partition): read_records(clips, Summary) + read_records(models, Summary)
        for (dataset, partition), clips, models in zip(
            job.planned["audits"], job.paths("clip_audits"), job.paths("model_audits"), strict=True
        )
    }
    lost = {
        dataset: {row["track_id"] for row in read_rows(path)}
        for dataset, path in zip(job.planned["datasets"], job.paths("quarantine"), strict=True)
    }
    shortfalls = {
        (dataset, partition): shortfall(read_assignments(path), lost[dataset])
        for (dataset, partition), path in zip(
            job.planned["audits"], job.paths("partitions"), strict=True
        )
    }
    results, rows = [], []
    for experiment, source, matrix in zip(
        job.planned["experiments"], job.paths("predictions"), job.paths("matrices"), strict=True
    ):
        key = experiment["dataset"], experiment["partition"]
        result = Evaluated(
            **experiment,
            predictions=read_predictions(source),
            leak=leak_note(s for s in audits[key] if s.system in ("", experiment["system"])),
            shortfall=shortfalls[key],
        )
        results.append(result)
        rows += tidy_rows(result, published)
        # Pooled over folds and seeds, as the papers pool their runs.
        pooled = figure_of_merit(
            list(result.predictions["true"]),
            list(result.predictions["predicted"]),
            result.labels,
        )
        write_table(pooled, matrix, index=True)
    tidy = tidy_table(rows)
    write_table(table_one(tidy), job.path("table_one"), index=True)
    write_table(table_two(tidy, read_table_two(job.path("published"))), job.path("table_two"))
    comparisons = compare_systems(results)
    # Probabilities need digits that count, not places.
    comparisons.to_csv(
        job.path("comparisons"), index=False, float_format="%.4g", lineterminator="\n"
    )
    write_table(audit_table(audits), job.path("leak_audit"))
    write_table(tidy, job.path("tables"))
    log.info("%d rows", len(tidy))


if __name__ == "__main__":
    run(main)

"""Compare what each expert knows of each genre with the weights that mixtures give it."""

from __future__ import annotations

import pandas as pd
from genreflow.files.predictions import read_predictions
from genreflow.files.tables import write_table
from genreflow.jobs.job import Job, log
from genreflow.results.experts import COLUMNS, compare_experts
from genreflow.seeds import derive_seed


def main(job: Job) -> None:
    """Write recalls, mean weights and their rank correlations."""
    dataset, partition = job.wildcards["dataset"], job.wildcards["partition"]
    networks = dict(job.planned["experts"])
    experts, mixtures = (
        dict(zip(systems, map(read_predictions, job.paths(name)), strict=True))
        for systems, name in ((networks, "experts"), (job.planned["mixtures"], "mixtures"))
    )
    seed = derive_seed(job.settings["seed"], partition, "compare_experts")
    rows = compare_experts(experts, mixtures, networks=networks, seed=seed)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(dataset=dataset, partition=partition)
    for column in ("correct", "n"):
        table[column] = table[column].astype("Int64")
    write_table(table, job.path("comparison"), float_format="%.4g")
    for row in rows:
        if row["metric"] == "rank_correlation":
            note = f", {row['note']}" if row["note"] else ""
            log.info(
                "%s, seed %s: weights and recalls agree by %.2f (%.2f to %.2f), p %.2g%s",
                row["mixture"], row["seed"], row["value"], row["ci_low"], row["ci_high"], row["p"],
                note,
            )  # fmt: skip

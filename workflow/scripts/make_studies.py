"""Compare every variation of the studies with its baseline, and count what it cost."""

from __future__ import annotations

import pandas as pd
from genreflow.files.predictions import read_predictions
from genreflow.files.records import read_records
from genreflow.files.shared import Behind
from genreflow.files.tables import write_table
from genreflow.jobs.job import Job, log
from genreflow.results.doubts import doubt_note, one_class_note
from genreflow.results.leaks import Summary
from genreflow.results.studies import (
    COLUMNS,
    COST_COLUMNS,
    VariedResult,
    compare_variations,
    cost_of,
    described,
    total_cost,
)


def main(job: Job) -> None:
    """Write a table of differences and one of costs, which no two runs have in common."""
    paths = {name: job.paths(name) for name in ("predictions", "audits", "shared")}
    tables, costs = [], []
    for study in job.planned["studies"]:
        results, own_costs = [], []
        for variation in study["variations"]:
            changes = variation["changes"]
            for found in variation["systems"]:
                predictions = read_predictions(paths["predictions"][found["predictions"]])
                audit = read_records(paths["audits"][found["audit"]], Summary)
                doubt = doubt_note(row for row in audit if row.system == found["system"])
                note = "; ".join(filter(None, (doubt, one_class_note(predictions))))
                results.append(VariedResult(found["system"], changes, predictions, note))
            cost = cost_of(
                read_records(paths["shared"][variation["shared"]], Behind),
                study=study["study"],
                dataset=variation["dataset"],
                baseline=not changes,
            )
            own_costs.append({**described(changes), **cost})
        table = compare_variations(results)
        tables.append(table.assign(**{name: study[name] for name in COLUMNS[:3]}))
        rows = [*own_costs, total_cost(own_costs)]
        costs += [{"study": study["study"], **row} for row in rows]
        log.info("%s: %d variations", study["study"], len(own_costs) - 1)
    # The probabilities are small.
    write_table(pd.concat(tables), job.path("studies"), float_format="%.5g")
    write_table(pd.DataFrame(costs, columns=list(COST_COLUMNS)), job.path("costs"))

"""The tidy table of all results and the papers' own tables."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genreflow.files.atomic import write_whole
from genreflow.files.predictions import PROBABILITY
from genreflow.partitions.names import SWAPPED
from genreflow.results.doubts import one_class_note
from genreflow.results.evaluation import accuracy, macro_f, tied_votes
from genreflow.results.leaks import Summary
from genreflow.results.scores import NEITHER
from genreflow.systems import (
    EXPERT_SYSTEMS,
    JEONG_SYSTEMS,
    MIXTURE_SYSTEMS,
    PUBLISHED_JEONG,
    UNPUBLISHED,
    in_order,
    is_probe,
)

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "paper", "table", "dataset", "partition", "system", "seed", "metric", "value", "std",
    "ci_low", "ci_high", "correct", "n", "published", "difference", "note",
)  # fmt: skip
#: Name of the table for experiments that neither paper has.
OWN = "own"
PRETRAINED_NOTE = "what made the embeddings may have been trained on the test clips"
SWAPPED_NOTE = "swapped: tested on the validation part of the partition"


@dataclass(frozen=True)
class Evaluated:
    """A system's predictions on a partition of a dataset."""

    dataset: str
    partition: str
    system: str
    labels: Sequence[str]
    predictions: pd.DataFrame
    #: What its audit found, which clips are in quarantine and what is doubtful in its trainings;
    #: empty if nothing.
    leak: str = ""
    shortfall: str = ""
    doubt: str = ""


def paper_of(system: str) -> str:
    """Return the paper that has a system, or `NEITHER`."""
    if system in PUBLISHED_JEONG:
        return "Jeong 2016"
    return "Yi 2019" if system in (*EXPERT_SYSTEMS, *MIXTURE_SYSTEMS) else NEITHER


def missing_note(predictions: pd.DataFrame, quarantined: Container[str]) -> str:
    """Return how many test clips have no embedding, in words; empty where none is missing.

    Clips in quarantine have no prediction either, and are told apart by ``quarantined``.
    """
    left_out = predictions[predictions["predicted"] == ""]
    clips = set(zip(left_out["fold"], left_out["track_id"], strict=True))
    missing = sum(track_id not in quarantined for _, track_id in clips)
    return f"no embedding of {missing} test clips, counted as wrong" if missing else ""


def read_published(folder: Path) -> pd.DataFrame:
    """Return the papers' accuracies by table, dataset, partition and system, with the source."""
    import pandas as pd

    tables = [pd.read_csv(path) for path in sorted(folder.glob("*_accuracy.csv"))]
    return pd.concat(tables, ignore_index=True)


def read_table_two(folder: Path) -> pd.DataFrame:
    """Return the accuracies of Yi 2019, table II: its own and those of earlier works."""
    import pandas as pd

    return pd.read_csv(folder / "yi2019_table2.csv")


def tidy_rows(result: Evaluated, published: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a result's rows: every metric for each seed, and their mean where there are several.

    Accuracies are in percent, over the pooled test clips of all folds, with the 95 % Wilson
    interval of a single seed.  The mean over seeds has their standard deviation (ddof 1) and no
    interval, since the same clips are counted again.
    """
    jeong = result.system in JEONG_SYSTEMS
    match = published[
        (published["dataset"] == result.dataset)
        & (published["partition"] == result.partition)
        & (published["system"] == result.system)
    ]
    known: Mapping[Any, Any] = match.iloc[0].to_dict() if len(match) else {}
    swapped = SWAPPED_NOTE if SWAPPED in result.partition else ""
    same = one_class_note(result.predictions)
    paper = paper_of(result.system)
    own = UNPUBLISHED.get(result.system, "in neither paper" if paper == NEITHER else "")
    pretrained = PRETRAINED_NOTE if is_probe(result.system) else ""
    notes = (
        known.get("source", ""), swapped, result.leak, result.shortfall, result.doubt, same, own,
        pretrained,
    )  # fmt: skip
    base = {
        "paper": paper,
        "table": known.get("table", OWN),
        "dataset": result.dataset,
        "partition": result.partition,
        "system": result.system,
        "note": "; ".join(filter(None, notes)),
    }
    rows: list[dict[str, Any]] = []
    for seed, table in result.predictions.groupby("seed"):
        true, predicted = list(table["true"]), list(table["predicted"])
        score = accuracy(true, predicted)
        metrics = [
            {"metric": "accuracy", **asdict(score), **_compare(score.value, known)},
            {"metric": "macro_f", "value": macro_f(true, predicted, result.labels)},
        ]
        if jeong:
            shares = table[[PROBABILITY + label for label in result.labels]]
            metrics.append({"metric": "tied_votes", "value": tied_votes(shares)})
        rows += [{**base, "seed": seed, "n": score.n, **metric} for metric in metrics]
    if result.predictions["seed"].nunique() > 1:
        rows += _means(rows, known)
    return rows


def tidy_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as the table of `COLUMNS`."""
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    for column in ("correct", "n"):
        table[column] = table[column].astype("Int64")
    return table


def table_one(tidy: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies in the shape of Yi 2019, table I: a row a system, columns by experiment.

    Each experiment has our accuracy (the mean where there are several seeds), its interval, the
    count, and the published accuracy where the papers have the experiment.
    """
    import pandas as pd

    chosen = tidy[tidy["metric"] == "accuracy"].copy()
    chosen["seeds"] = chosen.groupby(["dataset", "partition", "system"])["seed"].transform("size")
    chosen = chosen[(chosen["seeds"] == 1) | (chosen["seed"] == "mean")]
    blocks = {}
    for (dataset, partition), block in chosen.groupby(["dataset", "partition"], sort=False):
        block = block.set_index("system")
        name = f"{dataset} {partition}"
        blocks[f"{name} accuracy"] = block["value"]
        blocks |= {f"{name} {column}": block[column] for column in ("ci_low", "ci_high", "n")}
        if block["published"].notna().any():
            blocks[f"{name} published"] = block["published"]
    order = in_order(chosen["system"].unique())
    return pd.DataFrame(blocks).reindex(order).rename_axis(index="system")


def table_two(tidy: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracies of Yi 2019, table II, and ours on the same partitions.

    Empty where no experiment has a partition of that table.  Ours are those of TF and SF+TF, which
    the table mixes, and of MoER, with their interval.

    Parameters
    ----------
    published
        Method, dataset, partition, published accuracy and source.
    """
    import pandas as pd

    columns = [
        "dataset", "partition", "method", "seed", "value", "ci_low", "ci_high", "n", "note",
    ]  # fmt: skip
    ours = tidy[(tidy["metric"] == "accuracy") & tidy["system"].isin(("TF", "SF+TF", "MoER"))]
    ours = ours.assign(method=ours["system"] + " (here)")
    theirs = published.rename(columns={"published": "value", "source": "note"})
    rows = pd.concat([theirs.reindex(columns=columns), ours[columns]], ignore_index=True)
    keys = [tuple(key) for key in rows[["dataset", "partition"]].to_numpy()]
    shared = set(keys[: len(theirs)]) & set(keys[len(theirs) :])
    rows = rows[[key in shared for key in keys]]
    return rows.sort_values(["dataset", "partition"], kind="stable")


def audit_table(audits: Mapping[tuple[str, str], Sequence[Summary]]) -> pd.DataFrame:
    """Return the summaries of all audits, by dataset and partition, as one table."""
    import pandas as pd

    rows = [
        {"dataset": dataset, "partition": partition, **asdict(summary)}
        for (dataset, partition), summaries in audits.items()
        for summary in summaries
    ]
    return pd.DataFrame(
        rows, columns=["dataset", "partition", *(field.name for field in fields(Summary))]
    )


def _compare(value: float, known: Mapping[str, Any]) -> dict[str, float]:
    if not known:
        return {}
    return {"published": known["published"], "difference": value - known["published"]}


def _means(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> list[dict[str, Any]]:
    means = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        same = [row for row in rows if row["metric"] == metric]
        values = np.array([row["value"] for row in same], dtype=float)
        shared = ("paper", "table", "dataset", "partition", "system", "n", "note", "metric")
        mean = {key: same[0][key] for key in shared} | {"seed": "mean"}
        mean |= {"value": values.mean(), "std": values.std(ddof=1)}
        if metric == "accuracy":
            mean |= _compare(float(values.mean()), known)
        means.append(mean)
    return means

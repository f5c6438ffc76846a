"""What the figures and the report show of the results, read back from the tables."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genreflow.files.records import parse_records, read_rows

#: The paper of a system that is in neither.
NEITHER = "neither"
#: Seed of the rows that are means over several seeds.
MEAN = "mean"


@dataclass(frozen=True)
class Score:
    """A system's result on a partition, of one seed or the mean of several, in percent.

    A mean has a standard deviation and neither an interval nor a count.
    """

    system: str
    paper: str
    seed: str
    accuracy: float
    macro_f: float | None
    n: int
    std: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    correct: int | None = None
    published: float | None = None
    note: str = ""


def read_scores(path: Path, dataset: str, partition: str) -> list[Score]:
    """Return a partition's results from ``tables.csv``, in its order."""
    rows = read_partition_rows(path, dataset, partition)
    macro_f = {
        (row["system"], row["seed"]): _number(row, "value")
        for row in rows
        if row["metric"] == "macro_f"
    }
    return [
        Score(
            system=row["system"],
            paper=row["paper"],
            seed=row["seed"],
            accuracy=float(row["value"]),
            macro_f=macro_f.get((row["system"], row["seed"])),
            n=int(row["n"]),
            correct=int(row["correct"]) if row["correct"] else None,
            note=row["note"],
            **{name: _number(row, name) for name in ("std", "ci_low", "ci_high", "published")},
        )
        for row in rows
        if row["metric"] == "accuracy"
    ]


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same test clips: McNemar's test, corrected for the pairs of a seed."""

    seed: str
    system_a: str
    system_b: str
    difference: float
    only_a: int
    only_b: int
    n: int
    p_holm: float

    @property
    def better(self) -> str:
        """The system with more right clips."""
        return self.system_a if self.difference > 0 else self.system_b

    @property
    def worse(self) -> str:
        """The other one."""
        return self.system_b if self.difference > 0 else self.system_a


def read_comparisons(path: Path, dataset: str, partition: str) -> list[Comparison]:
    """Return a partition's pairs of systems from ``mcnemar.csv``, in its order."""
    return parse_records(read_partition_rows(path, dataset, partition), Comparison)


@dataclass(frozen=True)
class Difference:
    """What a variation of a study changes in a system's accuracy, in percent points.

    ``p_holm`` has a value for each seed.
    """

    system: str
    varied: str
    value: str
    accuracy: float
    std: float | None
    n: int
    difference: float
    low: float
    high: float
    p_holm: Sequence[float]
    note: str = ""


def read_differences(path: Path, study: str) -> list[Difference]:
    """Return a study's differences from ``studies.csv``, by system; the mean of several seeds."""
    rows = [row for row in read_rows(path) if row["study"] == study and row["difference"]]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    groups: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((row["system"], row["varied"], row["value"]), []).append(row)
    return [
        Difference(
            *names,
            accuracy=float(group[-1]["accuracy"]),
            std=_number(group[-1], "std"),
            n=int(group[-1]["n"]),
            difference=float(group[-1]["difference"]),
            low=float(group[-1]["difference_low"]),
            high=float(group[-1]["difference_high"]),
            p_holm=[float(row["p_holm"]) for row in group if row["p_holm"]],
            note=group[-1]["note"],
        )
        # The mean stands last.
        for names, group in sorted(groups.items(), key=lambda item: systems.index(item[0][0]))
    ]


@dataclass(frozen=True)
class GenreScore:
    """An expert's recall in a genre or its mean weight there in a mixture, in percent.

    Or, of no genre and expert, the rank correlation of a mixture's weights with the recalls.  The
    value and what goes with it are None where there is none; ``note`` then says why.
    """

    mixture: str
    expert: str
    label: str
    seed: str
    metric: str
    n: int
    value: float | None = None
    std: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p: float | None = None
    note: str = ""


def read_genre_scores(path: Path, dataset: str, partition: str) -> list[GenreScore]:
    """Return a partition's rows of ``experts_by_genre.csv``: of its seed, or the means of several.

    Rank correlations are those of every seed.
    """
    rows = read_partition_rows(path, dataset, partition)
    several = any(row["seed"] == MEAN for row in rows)
    return [
        GenreScore(
            mixture=row["mixture"],
            expert=row["expert"],
            label=row["label"],
            seed=row["seed"],
            metric=row["metric"],
            n=int(row["n"]),
            value=_number(row, "value"),
            std=_number(row, "std"),
            ci_low=_number(row, "ci_low"),
            ci_high=_number(row, "ci_high"),
            p=_number(row, "p"),
            note=row["note"],
        )
        for row in rows
        if not several or row["seed"] == MEAN or not row["expert"]
    ]


def read_partition_rows(path: Path, dataset: str, partition: str) -> list[dict[str, str]]:
    """Return a partition's rows of a table, such as ``leak_audit.csv``.

    The csv module, not pandas: a dataset may be called "NA".
    """
    return [
        row for row in read_rows(path) if (row["dataset"], row["partition"]) == (dataset, partition)
    ]


def read_figure_of_merit(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the labels and the figure-of-merit matrix of a file from ``make_tables``.

    Returns
    -------
    list of str
        The labels, taken by place: a genre may be called "F" or "precision".
    ndarray, shape (classes + 1, classes + 1)
        Predicted by true, in percent; precision last in each row, F-score last in each column.
    """
    with path.open(newline="", encoding="utf-8") as handle:
        header, *rows = csv.reader(handle)
    return header[1:-1], np.array([row[1:] for row in rows], dtype=np.float64)


def majority_share(true: Sequence[str]) -> float:
    """Return the percentage of the largest class: the accuracy of always guessing it."""
    return 100 * max(Counter(true).values()) / len(true)


def _number(row: Mapping[str, str], column: str) -> float | None:
    return float(row[column]) if row[column] else None

"""Settings side by side: the difference that each variation of a study makes, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genreflow.files.benchmarks import read_measurement
from genreflow.files.shared import Behind
from genreflow.results.evaluation import (
    CONFIDENCE,
    PairedCounts,
    mcnemar_p,
    paired_counts,
    right_answers,
    wilson,
)
from genreflow.results.scores import MEAN

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "study", "dataset", "partition", "system", "varied", "value", "seed", "accuracy", "std",
    "correct", "n", "ci_low", "ci_high", "difference", "difference_low", "difference_high",
    "only_variation", "only_baseline", "p", "p_holm", "note",
)  # fmt: skip
COST_COLUMNS = (
    "study", "varied", "value", "dataset", "jobs", "jobs_made", "jobs_shared", "share_shared",
    "seconds_made", "seconds_shared",
)  # fmt: skip


@dataclass(frozen=True)
class VariedResult:
    """A system's predictions with a variation of a study; no changes are its baseline."""

    system: str
    changes: Mapping[str, Any]
    predictions: pd.DataFrame
    note: str = ""


def compare_variations(results: Sequence[VariedResult]) -> pd.DataFrame:
    """Return what every variation of a study changes, system by system.

    A row a seed has the accuracy with its Wilson interval, the difference to the baseline in
    percent points with its 95 % interval (`paired_interval`), and McNemar's exact test; ``p_holm``
    is corrected for all tests of the study (Holm 1979).  With several seeds, a row ``mean`` has
    the mean difference with Student's interval over the clips, each clip's difference being its
    mean over seeds: it holds for these seeds' networks and for other clips.

    Parameters
    ----------
    results
        The baseline of each system first.

    Raises
    ------
    ValueError
        A variation was tested on other clips than its baseline.
    """
    import pandas as pd
    from statsmodels.stats.multitest import multipletests

    baselines = {result.system: result for result in results if not result.changes}
    rows = [row for result in results for row in _rows(result, baselines[result.system])]
    tested = [row for row in rows if "p" in row]
    if tested:
        adjusted = multipletests([row["p"] for row in tested], method="holm")[1]
        for row, p in zip(tested, adjusted, strict=True):
            row["p_holm"] = p
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("correct", "n", "only_variation", "only_baseline"):
        table[column] = table[column].astype("Int64")
    return table


def _rows(result: VariedResult, baseline: VariedResult) -> Iterator[dict[str, Any]]:
    """Yield a row for each seed, and one for their mean."""
    is_baseline = result is baseline
    base = {"system": result.system, **described(result.changes), "note": result.note}
    right, reference = map(right_answers, (result.predictions, baseline.predictions))
    if not right.index.equals(reference.index):
        found = f"{base['varied']} = {base['value']}"
        raise ValueError(f"{result.system} with {found} was tested on other clips")
    scores, differences = [], []
    for seed, own in right.groupby(level="seed"):
        score = wilson(int(own.sum()), len(own))
        scores.append(score.value)
        row = {**base, "seed": seed, "accuracy": score.value}
        row |= {name: getattr(score, name) for name in ("correct", "n", "ci_low", "ci_high")}
        if not is_baseline:
            counts = paired_counts(own, reference.loc[own.index])
            differences.append(100 * (counts[1] - counts[2]) / len(own))
            row |= {"difference": differences[-1], **_test(counts)}
        yield row
    if len(scores) > 1:
        row = {**base, "seed": MEAN, "accuracy": np.mean(scores), "std": np.std(scores, ddof=1)}
        row["n"] = len(right) // len(scores)
        if not is_baseline:
            changed = (right.astype(float) - reference.astype(float)).groupby("track_id").mean()
            low, high = student_interval(np.array(changed, np.float64))
            row |= {
                "difference": np.mean(differences),
                "difference_low": 100 * low,
                "difference_high": 100 * high,
            }
        yield row


def _test(counts: PairedCounts) -> dict[str, Any]:
    low, high = paired_interval(*counts)
    return {
        "difference_low": 100 * low,
        "difference_high": 100 * high,
        "only_variation": counts[1],
        "only_baseline": counts[2],
        "p": mcnemar_p(counts),
    }


def paired_interval(both: int, only_a: int, only_b: int, none: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two shares of the same clips, a less b.

    Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10: Wilson's intervals of the two
    shares, put together by their correlation, with a correction for continuity.  Unlike the usual
    interval, it does not shrink to nothing where the two agree on every clip.

    Parameters
    ----------
    both, only_a, only_b, none
        Clips that both, one of them or none gets right.
    """
    n = both + only_a + only_b + none
    a, b = (wilson(both + only, n) for only in (only_a, only_b))
    product, crossed = both * none, only_a * only_b
    excess = max(product - crossed - n / 2, 0) if product > crossed else product - crossed
    margins = (both + only_a, only_b + none, both + only_b, only_a + none)
    correlation = excess / np.sqrt(np.prod(np.array(margins, float))) if all(margins) else 0.0

    def distance(up: float, down: float) -> float:
        return float(np.sqrt(up**2 - 2 * correlation * up * down + down**2)) / 100

    difference = (only_a - only_b) / n
    low = difference - distance(a.value - a.ci_low, b.ci_high - b.value)
    high = difference + distance(a.ci_high - a.value, b.value - b.ci_low)
    return low, high


def student_interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return Student's 95 % interval of the mean of some values."""
    from scipy.stats import t

    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * error)
    mean = float(values.mean())
    return mean - half, mean + half


def described(changes: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that a variation changes and their values, as texts; empty for a baseline."""
    values = (v if isinstance(v, str) else json.dumps(v) for v in changes.values())
    return {"varied": ", ".join(changes), "value": ", ".join(values)}


def cost_of(
    behind: Sequence[Behind], *, study: str, dataset: str, baseline: bool
) -> dict[str, Any]:
    """Return how many jobs are behind a study's variation, and the time of those it has alone.

    What a baseline shares with the dataset that it is of is counted as its own.

    Parameters
    ----------
    behind
        All that is behind the variation's dataset; what other experiments need is not counted.
    dataset
        The variation's.
    """
    behind = [row for row in behind if study in row.studies.split()]
    made = [row for row in behind if baseline or row.dataset == dataset]
    shared = [row for row in behind if row not in made]
    jobs, jobs_made = (sum(row.jobs for row in rows) for rows in (behind, made))
    return {
        "dataset": dataset,
        "jobs": jobs,
        "jobs_made": jobs_made,
        "jobs_shared": jobs - jobs_made,
        "share_shared": 1 - jobs_made / jobs,
        "seconds_made": _seconds(made),
        "seconds_shared": _seconds(shared),
    }


def total_cost(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums of a study's costs."""
    counted = ("jobs", "jobs_made", "jobs_shared", "seconds_made", "seconds_shared")
    total = {name: sum(row[name] for row in rows) for name in counted}
    share = total["jobs_shared"] / total["jobs"]
    return {"varied": "all", "value": "", "dataset": "", **total, "share_shared": share}


def _seconds(behind: Iterable[Behind]) -> float:
    """Return the time of jobs, NaN where Snakemake's measurement of one is not there."""
    total = 0.0
    for row in behind:
        paths = glob(row.benchmark)
        if len(paths) < row.jobs:
            return float("nan")
        total += sum(read_measurement(Path(path)).seconds for path in paths)
    return total

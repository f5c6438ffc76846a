"""Which differences between systems are more than noise: McNemar's test with Holm's correction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any

from genreflow.results.evaluation import mcnemar_p, paired_counts, right_answers
from genreflow.results.tables import Evaluated
from genreflow.systems import in_order

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "dataset", "partition", "seed", "system_a", "system_b", "n", "both_right", "only_a", "only_b",
    "both_wrong", "difference", "p", "p_holm",
)  # fmt: skip


def compare_systems(results: Sequence[Evaluated]) -> pd.DataFrame:
    """Return McNemar's exact test of every pair of systems on the same test clips, a seed each.

    ``difference`` is the accuracy of a less that of b, in percent points.  ``p`` is two-sided:
    the clips that only one of the two gets right fall to either like a fair coin, if the systems
    are equally good (McNemar 1947; exact by the binomial).  ``p_holm`` is corrected for all pairs
    of the same dataset, partition and seed (Holm 1979).

    Raises
    ------
    ValueError
        Two systems of a partition were tested on different clips.
    """
    import pandas as pd
    from statsmodels.stats.multitest import multipletests

    rows: list[dict[str, Any]] = []
    for (dataset, partition), group in groupby(
        results, key=lambda result: (result.dataset, result.partition)
    ):
        own = {result.system: result for result in group}
        systems = [own[system] for system in in_order(own)]
        for seed in systems[0].predictions["seed"].unique():
            family = list(_pairs(systems, seed))
            if family:
                base = {"dataset": dataset, "partition": partition, "seed": seed}
                adjusted = multipletests([row["p"] for row in family], method="holm")[1]
                rows += [
                    base | row | {"p_holm": p} for row, p in zip(family, adjusted, strict=True)
                ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _pairs(systems: Sequence[Evaluated], seed: int) -> Iterator[dict[str, Any]]:
    right = {
        result.system: right_answers(result.predictions[result.predictions["seed"] == seed])
        for result in systems
    }
    for (name_a, a), (name_b, b) in combinations(right.items(), 2):
        if not a.index.equals(b.index):
            raise ValueError(f"{name_a} and {name_b} were tested on different clips")
        both, only_a, only_b, none = counts = paired_counts(a, b)
        yield {
            "system_a": name_a,
            "system_b": name_b,
            "n": len(a),
            "both_right": both,
            "only_a": only_a,
            "only_b": only_b,
            "both_wrong": none,
            "difference": 100 * (only_a - only_b) / len(a),
            "p": mcnemar_p(counts),
        }

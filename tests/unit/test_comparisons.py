"""McNemar's test between systems, against the binomial by hand, and Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
import pandas as pd
import pytest
from genreflow.results.comparisons import COLUMNS, compare_systems
from genreflow.results.tables import Evaluated


def evaluated(
    system: str, right: Sequence[Sequence[bool]], *, dataset: str = "music", shift: int = 0
) -> Evaluated:
    """Return a system's predictions, a list of hits a seed."""
    rows = [
        {
            "seed": seed,
            "fold": clip % 2,
            "track_id": f"t{clip + shift}",
            "true": "a",
            "predicted": "a" if hit else "b",
        }
        for seed, hits in enumerate(right)
        for clip, hit in enumerate(hits)
    ]
    return Evaluated(dataset, "random", system, ["a", "b"], pd.DataFrame(rows))


def hits(n: int, right: Sequence[int]) -> list[bool]:
    return [clip in right for clip in range(n)]


def two_sided(only_a: int, only_b: int) -> float:
    """Return the probability of a split at least as uneven by a fair coin."""
    n = only_a + only_b
    tail = sum(comb(n, k) for k in range(min(only_a, only_b) + 1)) / 2**n
    return min(1.0, 2 * tail)


def test_counts_and_probability_of_one_pair() -> None:
    a = evaluated("SF", [hits(20, range(0, 14))])
    b = evaluated("TF", [hits(20, [0, 1, 2, 18])])
    table = compare_systems([a, b])
    assert list(table.columns) == list(COLUMNS)
    row = table.iloc[0]
    assert (row["both_right"], row["only_a"], row["only_b"], row["both_wrong"]) == (3, 11, 1, 5)
    assert row["n"] == 20
    assert row["difference"] == pytest.approx(50)
    assert row["p"] == pytest.approx(two_sided(11, 1))
    assert row["p"] == pytest.approx(0.00635, abs=5e-6)  # 26 / 4096
    assert row["p_holm"] == row["p"]  # a family of one


def test_equal_systems_differ_by_nothing() -> None:
    same = [hits(6, [0, 3])]
    row = compare_systems([evaluated("SF", same), evaluated("TF", same)]).iloc[0]
    assert (row["difference"], row["p"]) == (0, 1)


def test_a_clip_without_a_prediction_is_wrong() -> None:
    a, b = evaluated("SF", [hits(4, [0, 1])]), evaluated("TF", [hits(4, [0, 1])])
    a.predictions.loc[0, "predicted"] = ""
    row = compare_systems([a, b]).iloc[0]
    assert (row["both_right"], row["only_b"], row["n"]) == (1, 1, 4)


def test_every_pair_once_in_the_papers_order_and_corrected_by_holm() -> None:
    rng = np.random.default_rng(1)
    chances = {"MoER": 0.9, "SF": 0.5, "MFCC": 0.7, "TF": 0.55}
    results = [evaluated(name, [list(rng.random(80) < chance)]) for name, chance in chances.items()]
    table = compare_systems(results)
    assert list(zip(table["system_a"], table["system_b"], strict=True)) == [
        ("SF", "TF"), ("SF", "MFCC"), ("SF", "MoER"),
        ("TF", "MFCC"), ("TF", "MoER"), ("MFCC", "MoER"),
    ]  # fmt: skip
    expected = [two_sided(a, b) for a, b in zip(table["only_a"], table["only_b"], strict=True)]
    np.testing.assert_allclose(table["p"], expected)
    # Holm 1979: the smallest is multiplied by 6, the next by 5, ...; never below an earlier one.
    adjusted, floor = {}, 0.0
    for rank, index in enumerate(np.argsort(expected)):
        floor = max(floor, min(1.0, (6 - rank) * expected[index]))
        adjusted[index] = floor
    np.testing.assert_allclose(table["p_holm"], [adjusted[i] for i in range(6)])
    assert (table["p_holm"] > table["p"]).any()


def test_seeds_and_datasets_are_families_of_their_own() -> None:
    pairs = [hits(12, range(10)), hits(12, range(6))]
    results = [
        evaluated(system, right, dataset=dataset)
        for dataset in ("one", "two")
        for system, right in (("SF", pairs), ("TF", pairs[::-1]))
    ]
    table = compare_systems(results)
    assert list(table["dataset"]) == ["one", "one", "two", "two"]
    assert list(table["seed"]) == [0, 1, 0, 1]
    assert list(table["difference"]) == pytest.approx([100 / 3, -100 / 3] * 2)
    assert (table["p_holm"] == table["p"]).all()


def test_order_of_the_rows_does_not_matter() -> None:
    a, b = evaluated("SF", [hits(8, [0, 5])]), evaluated("TF", [hits(8, [0, 1, 2])])
    shuffled = Evaluated(
        b.dataset, b.partition, b.system, b.labels, b.predictions.sample(frac=1, random_state=0)
    )
    pd.testing.assert_frame_equal(compare_systems([a, shuffled]), compare_systems([a, b]))


def test_a_clip_that_several_folds_test_is_a_pair_in_each() -> None:
    a, b = evaluated("SF", [hits(2, [0])]), evaluated("TF", [hits(2, [0])])
    for result in (a, b):
        result.predictions["track_id"] = "t0"
    # The same predictions, the folds in another order.
    turned = Evaluated(b.dataset, b.partition, b.system, b.labels, b.predictions[::-1])
    row = compare_systems([a, turned]).iloc[0]
    assert (row["both_right"], row["both_wrong"], row["n"]) == (1, 1, 2)


def test_systems_on_different_clips_are_not_compared() -> None:
    a, b = evaluated("SF", [hits(8, [0])]), evaluated("TF", [hits(8, [0])], shift=1)
    with pytest.raises(ValueError, match="SF and TF were tested on different clips"):
        compare_systems([a, b])


def test_one_system_alone_has_no_pair() -> None:
    table = compare_systems([evaluated("SF", [hits(4, [0])])])
    assert list(table.columns) == list(COLUMNS)
    assert table.empty

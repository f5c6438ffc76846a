"""Figures of merit against the papers' own numbers and against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from genreflow.results.evaluation import (
    accuracy,
    figure_of_merit,
    figure_of_merit_from_counts,
    macro_f,
    tied_votes,
    wilson,
)
from sklearn.metrics import f1_score, precision_score, recall_score

PUBLISHED = Path(__file__).resolve().parents[2] / "config" / "published"


@pytest.mark.parametrize("name", ["sf", "tf", "sf+tf"])
def test_figure_3_of_jeong_follows_from_its_own_pooled_counts(name: str) -> None:
    published = pd.read_csv(PUBLISHED / f"jeong2016_figure3_{name}.csv", index_col="predicted")
    labels = list(published.columns[:-1])
    shares = published.loc[labels, labels].to_numpy()
    # Columns are percent of a class's 100 pooled test clips; printed with one decimal.
    np.testing.assert_allclose(shares.sum(axis=0), 100, atol=1.01)
    found = figure_of_merit_from_counts(shares, np.full(10, 100.0), labels)
    pd.testing.assert_frame_equal(
        found, published, check_exact=False, atol=0.0501, rtol=0, check_names=False
    )


def test_interval_of_the_best_system_of_yi_is_wide() -> None:
    best = wilson(194, 290)
    assert best.value == pytest.approx(66.90, abs=0.005)
    assert (round(best.ci_low, 1), round(best.ci_high, 1)) == (61.3, 72.1)


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (5, 5), (1, 1), (3, 7)])
def test_interval_solves_the_score_equation(correct: int, n: int) -> None:
    found = wilson(correct, n)
    share, z = correct / n, 1.959963984540054
    for bound in (found.ci_low / 100, found.ci_high / 100):
        assert (share - bound) ** 2 == pytest.approx(z**2 * bound * (1 - bound) / n, abs=1e-9)
    assert 0 <= found.ci_low <= found.value <= found.ci_high <= 100 + 1e-9


def labels_and_predictions() -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(0)
    true = rng.choice(list("abc"), 90, p=[0.5, 0.3, 0.2])
    wrong = rng.random(90) < 0.4
    return list(true), list(np.where(wrong, rng.choice(list("abc"), 90), true))


def test_figure_of_merit_agrees_with_scikit_learn() -> None:
    true, predicted = labels_and_predictions()
    matrix = figure_of_merit(true, predicted, list("abc"))
    for score, found in (
        (recall_score, np.diag(matrix.iloc[:3, :3])),
        (precision_score, matrix["precision"].iloc[:3]),
        (f1_score, matrix.loc["F"].iloc[:3]),
    ):
        np.testing.assert_allclose(found, 100 * score(true, predicted, average=None))
    assert matrix.iloc[3, 3] == pytest.approx(accuracy(true, predicted).value)
    np.testing.assert_allclose(matrix.iloc[:3, :3].sum(), 100)
    assert macro_f(true, predicted, list("abc")) == pytest.approx(matrix.loc["F"].iloc[:3].mean())


def test_rows_are_predicted_and_columns_true() -> None:
    matrix = figure_of_merit(["a", "a", "b", "b"], ["a", "b", "b", "b"], ["a", "b"])
    assert matrix.loc["b", "a"] == 50
    assert matrix.loc["a", "b"] == 0


def test_a_clip_without_a_prediction_counts_as_wrong_and_stays_in_n() -> None:
    true, predicted = ["a", "a", "b", "b"], ["a", "", "b", "b"]
    score = accuracy(true, predicted)
    assert (score.correct, score.n) == (3, 4)
    matrix = figure_of_merit(true, predicted, ["a", "b"])
    assert matrix.loc["a", "a"] == 50
    assert matrix.loc["b", "a"] == 0
    assert matrix.loc["a", "precision"] == 100
    assert matrix.iloc[2, 2] == 75


def test_a_class_never_predicted_has_no_score_and_gives_no_nan() -> None:
    matrix = figure_of_merit(["a", "b"], ["a", "a"], ["a", "b"])
    assert not matrix.isna().any().any()
    assert matrix.loc["b", "precision"] == 0
    assert macro_f(["a", "b"], ["a", "a"], ["a", "b"]) == pytest.approx(100 * (2 / 3) / 2)


def test_ties_are_counted_and_a_clip_without_votes_is_none() -> None:
    shares = pd.DataFrame(
        {"a": [0.5, 0.6, np.nan, 0.4], "b": [0.5, 0.4, np.nan, 0.2], "c": [0, 0, np.nan, 0.4]}
    )
    assert tied_votes(shares) == 2


def test_a_clip_without_a_prediction_adds_no_class_to_macro_f() -> None:
    found = macro_f(["a", "a", "b", "b"], ["a", "", "b", "b"], ["a", "b"])
    assert found == pytest.approx(100 * (2 / 3 + 1) / 2)

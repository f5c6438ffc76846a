"""Figures of merit and their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Accuracy:
    """An accuracy in percent with its count and its 95 % Wilson interval."""

    correct: int
    n: int
    value: float
    ci_low: float
    ci_high: float


def accuracy(true: Sequence[str], predicted: Sequence[str]) -> Accuracy:
    """Return the share of clips whose predicted label is the true one."""
    correct = sum(t == p for t, p in zip(true, predicted, strict=True))
    return wilson(correct, len(true))


def wilson(correct: int, n: int) -> Accuracy:
    """Return an accuracy of ``correct`` out of ``n`` with its Wilson score interval."""
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(CONFIDENCE, method="wilson")
    return Accuracy(correct, n, 100 * correct / n, 100 * interval.low, 100 * interval.high)


#: Clips that two systems get right or wrong: both right, the first alone, the second alone, none.
PairedCounts = tuple[int, int, int, int]


def right_answers(predictions: pd.DataFrame) -> pd.Series[bool]:
    """Return whether each test was answered right, by seed, fold and track id."""
    table = predictions.set_index(["seed", "fold", "track_id"]).sort_index()
    return table["true"] == table["predicted"]


def paired_counts(a: pd.Series[bool], b: pd.Series[bool]) -> PairedCounts:
    """Return how often two systems are right on the same tests, which both have in one order."""
    cases = (a & b, a & ~b, ~a & b, ~a & ~b)
    both, only_a, only_b, none = (int(case.sum()) for case in cases)
    return both, only_a, only_b, none


def mcnemar_p(counts: PairedCounts) -> float:
    """Return the two-sided probability of McNemar's exact test (McNemar 1947)."""
    from statsmodels.stats.contingency_tables import mcnemar

    return float(mcnemar(np.reshape(counts, (2, 2)), exact=True).pvalue)


def macro_f(true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> float:
    """Return the mean F-score of the classes in percent; a class never predicted has 0."""
    from sklearn.metrics import f1_score

    return 100 * float(
        f1_score(true, predicted, labels=list(labels), average="macro", zero_division=0)
    )


def tied_votes(shares: pd.DataFrame) -> int:
    """Return how many clips have their highest share for more than one class.

    Parameters
    ----------
    shares
        A row a clip, a column a class; rows without a prediction are NaN and no tie.
    """
    values = shares.to_numpy()
    return int(((values == values.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())


def figure_of_merit(
    true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> pd.DataFrame:
    """Return the figure-of-merit matrix of Jeong 2016, figure 3, in percent.

    Rows are predicted and columns true classes.  The elements are shares of the column's clips:
    recall on the diagonal, confusions beside it.  The last column is the precision, the last row
    the F-score, the corner the accuracy.  A clip without a prediction is in its column's clips
    and in no row.
    """
    from sklearn.metrics import confusion_matrix

    labels = list(labels)
    unknown = [label for label in set(predicted) if label not in labels]
    counts = confusion_matrix(true, predicted, labels=labels + sorted(unknown)).T.astype(float)
    return figure_of_merit_from_counts(
        counts[: len(labels), : len(labels)], counts.sum(axis=0), labels
    )


def figure_of_merit_from_counts(
    counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    clips: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return the figure-of-merit matrix from pooled counts.

    Parameters
    ----------
    counts
        Predicted by true, shape (classes, classes).
    clips
        True clips of each class, shape (at least classes,).
    """
    import pandas as pd

    size = len(labels)
    clips = clips[:size]
    diagonal = np.diag(counts)
    predicted = counts.sum(axis=1)
    precision = np.divide(diagonal, predicted, out=np.zeros(size), where=predicted > 0)
    recall = np.divide(diagonal, clips, out=np.zeros(size), where=clips > 0)
    both = precision + recall
    score = np.divide(2 * precision * recall, both, out=np.zeros(size), where=both > 0)
    matrix = np.zeros((size + 1, size + 1))
    matrix[:size, :size] = np.divide(counts, clips, out=np.zeros_like(counts), where=clips > 0)
    matrix[:size, size] = precision
    matrix[size, :size] = score
    matrix[size, size] = diagonal.sum() / clips.sum()
    return pd.DataFrame(
        100 * matrix, index=[*labels, "F"], columns=[*labels, "precision"]
    ).rename_axis(index="predicted")

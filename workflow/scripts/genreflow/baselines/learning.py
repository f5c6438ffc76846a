"""A classifier of one vector a clip, its strength chosen within the clips that it learns from.

Every step is fitted on those clips alone: the standardisation, within the folds that choose too.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Array = npt.NDArray[np.float64]
Learner = Literal["svm", "logistic"]
#: Folds that choose the parameters, or fewer, so that each holds out a group of each class.
FOLDS = 5
#: Of the SVM: penalty, and gamma as a multiple of one over the number of values, which is about
#: one over the mean squared distance of two standardised vectors.
PENALTIES, WIDTHS = (0.1, 1.0, 10.0, 100.0), (0.0625, 0.25, 1.0, 4.0)
#: Of the logistic regression: the inverse of its L2 penalty.
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
#: Natural logarithms between which a temperature is sought.
LOG_TEMPERATURES = (-10.0, 10.0)


@dataclass(frozen=True)
class Learned:
    """A classifier that has learned.

    Attributes
    ----------
    model
        Standardisation and classifier of scikit-learn.
    chosen
        The parameters that the folds chose.
    accuracy
        Mean of the folds with these, from 0 to 1; NaN where no fold could choose.
    scale
        Inverse temperature: what the decision values are multiplied by before the softmax.
    """

    model: Pipeline
    chosen: Mapping[str, float]
    accuracy: float
    scale: float

    def probabilities(self, vectors: Array, *, classes: int) -> Array:
        """Return the probabilities of some clips, shape (clips, classes).

        The highest is that of the highest decision value.  A class without clips to learn from
        has 0.

        Parameters
        ----------
        vectors
            Shape (clips, values).
        """
        from scipy.special import softmax

        found = np.zeros((len(vectors), classes))
        found[:, self.model.classes_] = softmax(self.scale * decisions(self.model, vectors), axis=1)
        return found


def learn(
    learner: Learner,
    vectors: Array,
    classes: npt.NDArray[np.int64],
    groups: Sequence[str],
    *,
    seed: int,
    threads: int,
) -> Learned:
    """Return a classifier of standardised vectors.

    ``svm`` is a support vector machine with a Gaussian kernel.  Its decision values are no
    probabilities, so a softmax gets them after one scaling, whose temperature has the least
    cross-entropy on clips that were held out (Guo et al. 2017): the class of the highest decision
    value stays the one of the highest probability.  ``logistic`` is a multinomial logistic
    regression, whose probabilities are its own.

    The parameters are those of the highest mean accuracy over `inner_folds`, of equals the ones
    with the strongest penalty.  Without such folds they are scikit-learn's defaults, and the
    scale is 1.

    Parameters
    ----------
    vectors
        Shape (clips, values).
    classes
        Class index of each clip, at least two different ones.
    groups
        Of each clip; no group is on two sides of a fold.
    seed
        32 bits; it shuffles the folds.  Nothing else is random.
    threads
        Settings of parameters that are tried at a time, which changes no result.
    """
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import ParameterGrid
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    grid: dict[str, Sequence[float]]
    if learner == "svm":
        unit = 1 / vectors.shape[1]
        model = make_pipeline(StandardScaler(), SVC(C=1.0, gamma=unit))
        grid = {"svc__C": PENALTIES, "svc__gamma": [width * unit for width in WIDTHS]}
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=5000))
        grid = {"logisticregression__C": STRENGTHS}
    folds = inner_folds(classes, groups, seed=seed)
    # A class's column of the decision values.
    columns = np.searchsorted(np.unique(classes), classes)

    def held_out(parameters: Mapping[str, float]) -> list[Array]:
        """Return the decision values of what each fold holds out."""
        return [
            decisions(
                clone(model).set_params(**parameters).fit(vectors[known], classes[known]),
                vectors[others],
            )
            for known, others in folds
        ]

    chosen, accuracy, scale = {name: model.get_params()[name] for name in grid}, np.nan, 1.0
    if folds:
        settings = list(ParameterGrid(grid))
        # Threads, since each process would choose its own number for BLAS.
        with ThreadPoolExecutor(threads) as pool:
            tried = list(pool.map(held_out, settings))
        true = [columns[others] for _, others in folds]
        accuracies = [
            np.mean([np.mean(f.argmax(axis=1) == t) for f, t in zip(found, true, strict=True)])
            for found in tried
        ]
        best = int(np.argmax(accuracies))
        chosen, accuracy = settings[best], float(accuracies[best])
        if learner == "svm":
            scale = inverse_temperature(np.concatenate(tried[best]), np.concatenate(true))
    model.set_params(**chosen).fit(vectors, classes)
    named = {name.rpartition("__")[2]: float(value) for name, value in chosen.items()}
    return Learned(model, named, accuracy, scale)


def inner_folds(
    classes: npt.NDArray[np.int64], groups: Sequence[str], *, seed: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return the folds that choose parameters: rows to learn from, and rows that are held out.

    Stratified by class, without a group on both sides.  A fold in which a class has no clip to
    learn from is left out, since what it holds out of that class tells nothing; so there may be
    none.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    units = [len({g for g, c in zip(groups, classes, strict=True) if c == k}) for k in set(classes)]
    if max(units) < 2:
        return []
    splitter = StratifiedGroupKFold(max(2, min(FOLDS, *units)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # That a class has fewer clips than there are folds: known, and seen to below.
        warnings.simplefilter("ignore", UserWarning)
        folds = list(splitter.split(classes, classes, list(groups)))
    every = set(classes)
    return [
        (known, others) for known, others in folds if len(others) and set(classes[known]) == every
    ]


def decisions(model: Pipeline, vectors: Array) -> Array:
    """Return a classifier's decision values, shape (clips, classes), also where there are two."""
    found: Array = model.decision_function(vectors)
    return np.stack([-found / 2, found / 2], axis=1) if found.ndim == 1 else found


def inverse_temperature(decisions: Array, classes: npt.NDArray[np.int64]) -> float:
    """Return the factor before a softmax that gives the least cross-entropy (Guo et al. 2017).

    Parameters
    ----------
    decisions
        Shape (clips, classes), of clips that were not learned from.
    classes
        Column of each clip's true class.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(classes))

    def cross_entropy(logarithm: float) -> float:
        return -float(log_softmax(np.exp(logarithm) * decisions, axis=1)[rows, classes].mean())

    found = minimize_scalar(cross_entropy, bounds=LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))

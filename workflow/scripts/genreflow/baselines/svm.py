"""The SVM of statistics as plain arrays, which runs in numpy with scikit-learn's decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from genreflow.baselines.learning import Learned

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Svm:
    """A support vector machine with a Gaussian kernel, one class against one.

    Attributes
    ----------
    mean, deviation
        What standardises a vector, shape (values,).
    vectors
        The support vectors, standardised, by class, shape (n, values).
    coefficients
        Shape (classes - 1, n): of class i those against j in row j - 1 for i < j, else in row j.
    intercepts
        Of each pair of classes in the order (0, 1), (0, 2), ...
    sizes
        How many support vectors each class has.
    classes
        The class index of each; a class without clips to learn from is not among them.
    gamma, scale
        Of the kernel, and the inverse temperature of the softmax, shape (1,).
    """

    mean: Array
    deviation: Array
    vectors: Array
    coefficients: Array
    intercepts: Array
    sizes: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    gamma: Array
    scale: Array

    def probabilities(self, vector: Array, *, classes: int) -> Array:
        """Return what `Learned.probabilities` gives for one clip, shape (classes,).

        Parameters
        ----------
        vector
            Shape (values,).
        """
        decisions = self.scale * self._decisions((vector - self.mean) / self.deviation)
        powers = np.exp(decisions - decisions.max())
        found = np.zeros(classes)
        found[self.classes] = powers / powers.sum()
        return found

    def _decisions(self, vector: Array) -> Array:
        """Return a decision value a class: its wins, and less than a half by how much it won."""
        kernel = np.exp(-self.gamma * np.square(self.vectors - vector).sum(axis=1))
        stops = self.sizes.cumsum()
        own = [slice(stop - size, stop) for stop, size in zip(stops, self.sizes, strict=True)]
        votes, margins = np.zeros(len(own)), np.zeros(len(own))
        for (i, j), intercept in zip(
            combinations(range(len(own)), 2), self.intercepts, strict=True
        ):
            margin = (
                self.coefficients[j - 1, own[i]] @ kernel[own[i]]
                + self.coefficients[i, own[j]] @ kernel[own[j]]
                + intercept
            )
            votes[j if margin < 0 else i] += 1
            margins[i] += margin
            margins[j] -= margin
        # As scikit-learn's `decision_function`.
        found: Array = votes + margins / (3 * (np.abs(margins) + 1))
        return margins / 2 if len(own) == 2 else found


def svm_tensors(learned: Learned) -> dict[str, npt.NDArray[Any]]:
    """Return an SVM that has learned as plain arrays, those of `Svm`."""
    scaler, svm = (step for _, step in learned.model.steps)
    # Of two classes scikit-learn tells the second one's decisions, of more the first one's.
    sign = -1.0 if len(svm.classes_) == 2 else 1.0
    return {
        "mean": scaler.mean_,
        "deviation": scaler.scale_,
        "vectors": svm.support_vectors_,
        "coefficients": sign * svm.dual_coef_,
        "intercepts": sign * svm.intercept_,
        "sizes": svm.n_support_.astype(np.int64),
        "classes": svm.classes_,
        "gamma": np.array([svm.gamma]),
        "scale": np.array([learned.scale]),
    }


def svm_from_tensors(tensors: Mapping[str, npt.NDArray[Any]]) -> Svm:
    """Return the SVM of `svm_tensors`."""
    return Svm(**tensors)

"""Random forest on segments, and a clip's label from its segments (Jeong 2016, section 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

    from genreflow.choices import Decision, TriedFeatures


def grow_forest(
    segments: npt.NDArray[np.float32],
    classes: npt.NDArray[np.int64],
    *,
    trees: int,
    max_features: TriedFeatures,
    seed: int,
    threads: int,
) -> RandomForestClassifier:
    """Return a forest that is trained on the segments of some clips.

    Parameters
    ----------
    segments
        Shape (clips, segments, features).
    classes
        Class index of each clip.
    max_features
        Features tried a split.
    seed
        32 bits; each tree's own follows from it, so the threads don't matter.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=trees, max_features=max_features, random_state=seed, n_jobs=threads
    )
    forest.fit(segments.reshape(-1, segments.shape[2]), np.repeat(classes, segments.shape[1]))
    # Several threads would add the trees' votes in any order, and the last bits decide ties.
    forest.n_jobs = 1
    return forest


def segment_probabilities(
    forest: RandomForestClassifier, segments: npt.NDArray[np.float32], *, classes: int
) -> npt.NDArray[np.float64]:
    """Return the probabilities of a clip's segments, shape (segments, classes).

    A class without training clips has 0.
    """
    probabilities = np.zeros((len(segments), classes))
    probabilities[:, forest.classes_] = forest.predict_proba(segments)
    return probabilities


def clip_shares(
    segment_probabilities: npt.NDArray[np.float64], decision: Decision
) -> npt.NDArray[np.float64]:
    """Return a clip's share for each class; the highest is its label (section 4.3).

    Parameters
    ----------
    segment_probabilities
        Shape (segments, classes).
    decision
        ``majority``: each segment votes for its most probable class; ``mean_proba``: the mean of
        the segments' probabilities.

    Returns
    -------
    ndarray, shape (classes,)
        `numpy.argmax` of it breaks ties towards the lowest class index.
    """
    if decision == "mean_proba":
        return np.asarray(segment_probabilities.mean(axis=0))
    segments, classes = segment_probabilities.shape
    votes = np.bincount(segment_probabilities.argmax(axis=1), minlength=classes)
    return np.asarray(votes / segments)

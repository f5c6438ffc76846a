"""Random forest on segments, and a clip's label from its segments (Jeong 2016, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genreflow.files.assignments import Assignment, check_present, read_assignments
from genreflow.seeds import derive_seed

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

    from genreflow.choices import Decision, TriedFeatures


@dataclass(frozen=True)
class ForestFold:
    """The clips of a fold with their segments.

    Attributes
    ----------
    labels
        In alphabetical order: a label's place is its class index.
    segments
        By track id, shape (segments, features), of every clip that is not in quarantine.
    quarantined
        The clips that are.
    """

    number: int
    assignments: list[Assignment]
    labels: list[str]
    segments: dict[str, npt.NDArray[np.float32]]
    quarantined: list[str]

    def grow(
        self, *, trees: int, max_features: TriedFeatures, seed: int, threads: int
    ) -> RandomForestClassifier:
        """Return the fold's forest: training and validation clips train it (section 4.3)."""
        known = [a for a in self.assignments if a.role != "test" and a.track_id in self.segments]
        return grow_forest(
            np.stack([self.segments[clip.track_id] for clip in known]),
            np.array([self.labels.index(clip.label) for clip in known]),
            trees=trees,
            max_features=max_features,
            seed=derive_seed(seed, self.number, "forest"),
            threads=threads,
        )


def fold_of_segments(
    partition: Path, files: Sequence[Mapping[str, npt.NDArray[Any]]], number: int
) -> ForestFold:
    """Return a fold of a partition file.

    Parameters
    ----------
    files
        A small network each, of which the features are joined: ``track_id`` (n,), ``data``
        (n, segments, features) and ``quarantined``.

    Raises
    ------
    UserError
        A clip of the partition is neither there nor in quarantine.
    """
    assignments = read_assignments(partition, number)
    track_ids = files[0]["track_id"].tolist()
    if any(file["track_id"].tolist() != track_ids for file in files):
        raise ValueError("the small networks have seen different clips")
    quarantined = files[0]["quarantined"].tolist()
    check_present(assignments, set(track_ids), quarantined)
    joined = np.concatenate([file["data"] for file in files], axis=2)
    return ForestFold(
        number,
        assignments,
        sorted({assignment.label for assignment in assignments}),
        dict(zip(track_ids, joined, strict=True)),
        quarantined,
    )


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


@dataclass(frozen=True)
class Forest:
    """A grown forest as plain arrays: what `forest_tensors` writes, without scikit-learn.

    Attributes
    ----------
    roots
        The node that each tree starts with.
    left, right
        The node that follows each node; a leaf's is itself.
    feature, threshold
        The left one follows where the feature is at most the threshold.
    leaf
        Row in ``value`` of each node that is a leaf.
    value
        Shape (leaves, classes): shares of the classes.
    depth
        Of the deepest tree.
    """

    roots: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    leaf: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    depth: int

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> Forest:
        """Return the forest of `forest_tensors`."""
        arrays: dict[str, Any] = dict(tensors)
        return cls(depth=int(arrays.pop("depth")[0]), **arrays)

    def segment_probabilities(self, segments: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what `segment_probabilities` returns of the forest itself, with its bits."""
        rows = np.arange(len(segments))[:, None]
        node = np.repeat(self.roots[None], len(segments), axis=0)
        for _ in range(self.depth):
            goes_left = segments[rows, self.feature[node]] <= self.threshold[node]
            node = np.where(goes_left, self.left[node], self.right[node])
        total = np.zeros((len(segments), self.value.shape[1]))
        # One tree after the other, since the last bits decide ties.
        for leaves in self.leaf[node].T:
            total += self.value[leaves]
        total /= len(self.roots)
        return total


def forest_tensors(forest: RandomForestClassifier, *, classes: int) -> dict[str, npt.NDArray[Any]]:
    """Return a forest as plain arrays, those of `Forest`."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.concatenate([[0], sizes.cumsum()[:-1]])
    own = np.arange(sizes.sum())
    offset = np.repeat(roots, sizes)
    left, right, feature, threshold = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    is_leaf = left < 0
    # A class without training clips has no column of its own.
    value = np.zeros((int(is_leaf.sum()), classes))
    value[:, forest.classes_] = np.concatenate([tree.value[:, 0] for tree in trees])[is_leaf]
    return {
        "roots": roots.astype(np.int32),
        "left": np.where(is_leaf, own, left + offset).astype(np.int32),
        "right": np.where(is_leaf, own, right + offset).astype(np.int32),
        "feature": np.where(is_leaf, 0, feature).astype(np.int32),
        "threshold": np.where(is_leaf, 0, threshold),
        "leaf": np.where(is_leaf, is_leaf.cumsum() - 1, 0).astype(np.int32),
        "value": value,
        "depth": np.array([max(tree.max_depth for tree in trees)]),
    }

"""A fold of a partition, learned from vectors: by training and validation clips, as the forests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genreflow.baselines.learning import Learned, Learner, learn
from genreflow.errors import UserError
from genreflow.files.assignments import Assignment, read_assignments, usable
from genreflow.files.clips import Clip, read_clips
from genreflow.files.vectors import Vectors, read_vectors
from genreflow.seeds import derive_seed


@dataclass(frozen=True)
class VectorFold:
    """The clips of a fold with their vectors.

    Attributes
    ----------
    labels
        In alphabetical order: a label's place is its class index.
    clips
        Of the manifest, for their groups.
    """

    assignments: list[Assignment]
    labels: list[str]
    vectors: Vectors
    clips: list[Clip]

    def learn(self, learner: Learner, *, seed: int, threads: int) -> Learned:
        """Return what learns from the fold, as of `learn_fold`."""
        return learn_fold(
            learner,
            self.assignments,
            self.vectors,
            self.clips,
            labels=self.labels,
            seed=seed,
            threads=threads,
        )


def fold_of_vectors(partition: Path, vectors: Path, manifest: Path, number: int) -> VectorFold:
    """Return a fold of a partition file, with the vectors of a file."""
    assignments = read_assignments(partition, number)
    labels = sorted({assignment.label for assignment in assignments})
    return VectorFold(assignments, labels, read_vectors(vectors), read_clips(manifest))


def learn_fold(
    learner: Learner,
    assignments: Sequence[Assignment],
    vectors: Vectors,
    clips: Iterable[Clip],
    *,
    labels: Sequence[str],
    seed: int,
    threads: int,
) -> Learned:
    """Return what learns from a fold's training and validation clips.

    Parameters
    ----------
    assignments
        Of one fold.
    clips
        Of the manifest, for their groups; a clip whose group is not known is one of its own.
    labels
        A label's place is its class index.

    Raises
    ------
    UserError
        As `usable`, or clips of only one label are left.
    """
    known = usable(assignments, vectors, roles=("train", "valid"))
    if len({clip.label for clip in known}) < 2:
        raise UserError(
            f"only clips of {known[0].label!r} are left to learn from.",
            hint="see quarantine.csv of the dataset; repair the files or change the partition.",
        )
    groups = {clip.track_id: clip.group or f"\0{clip.track_id}" for clip in clips}
    return learn(
        learner,
        np.stack([vectors.rows[clip.track_id] for clip in known]),
        np.array([labels.index(clip.label) for clip in known]),
        [groups[clip.track_id] for clip in known],
        seed=derive_seed(seed, known[0].fold, "inner folds"),
        threads=threads,
    )

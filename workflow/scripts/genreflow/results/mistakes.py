"""Clips that were got wrong, and what each system said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What a system said of a clip in most of its tests; an empty label is no answer.

    A clip is tested once a seed, in each fold that has it in its test part.
    """

    true: str
    label: str
    times: int
    tests: int

    @property
    def right(self) -> bool:
        """Whether it is the clip's label."""
        return self.label == self.true


@dataclass(frozen=True)
class Mistake:
    """A clip that some system got wrong, with the answer of each, and how many were wrong."""

    track_id: str
    true: str
    answers: Mapping[str, Answer]
    wrong: int


def answers_of(predictions: Iterable[Mapping[str, str]]) -> dict[str, Answer]:
    """Return a system's answers by track id, from the rows of its predictions.

    Of answers that were given equally often, the earliest counts.
    """
    true: dict[str, str] = {}
    said: dict[str, Counter[str]] = {}
    for row in predictions:
        true[row["track_id"]] = row["true"]
        said.setdefault(row["track_id"], Counter())[row["predicted"]] += 1
    answers = {}
    for track_id, labels in said.items():
        # Of equals, a counter has the one first that it met first.
        ((label, times),) = labels.most_common(1)
        answers[track_id] = Answer(true[track_id], label, times, labels.total())
    return answers


def find_mistakes(systems: Mapping[str, Mapping[str, Answer]]) -> list[Mistake]:
    """Return the clips that at least one system got wrong, those that most got wrong first.

    Parameters
    ----------
    systems
        The answers of each system, see `answers_of`; all have the same clips.
    """
    found = []
    for track_id, first in next(iter(systems.values())).items():
        answers = {system: said[track_id] for system, said in systems.items()}
        wrong = sum(not answer.right for answer in answers.values())
        if wrong:
            found.append(Mistake(track_id, first.true, answers, wrong))
    return sorted(found, key=lambda clip: (-clip.wrong, clip.track_id))

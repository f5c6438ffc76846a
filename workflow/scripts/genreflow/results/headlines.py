"""What a partition comes to: a line a system, with its accuracy, how sure it is, and its stamp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genreflow.results.doubts import DOUBTFUL
from genreflow.results.leaks import CLEAN, LEAKY, UNKNOWN
from genreflow.results.scores import MEAN, Score

#: What a stamp says of a verdict, the worst first.
STAMPS = {
    LEAKY: "leaky",
    DOUBTFUL: "doubtful training",
    UNKNOWN: "not fully checked",
    CLEAN: "no leak found",
}


@dataclass(frozen=True)
class Headline:
    """A system's result on a partition; with several seeds, their mean.

    ``low`` and ``high`` are those of the 95 % interval, with several seeds the lowest and the
    highest of all of these.  ``correct`` are the right clips of each seed, in ascending order.
    ``verdict`` is the worst of the audit, of the checks in ``checks``.
    """

    system: str
    paper: str
    accuracy: float
    std: float | None
    low: float | None
    high: float | None
    correct: Sequence[int]
    n: int
    published: float | None
    verdict: str
    checks: Sequence[str]
    note: str

    @property
    def stamp(self) -> str:
        """The verdict in words, with the checks that found something."""
        named = f": {', '.join(self.checks)}" if self.verdict in (LEAKY, UNKNOWN) else ""
        return STAMPS[self.verdict] + named


def headlines(scores: Sequence[Score], audit: Sequence[Mapping[str, str]]) -> list[Headline]:
    """Return a line for each system of a partition, in their order.

    Parameters
    ----------
    audit
        The partition's rows of ``leak_audit.csv``; those without a system hold for each.
    """
    found = []
    for system in dict.fromkeys(score.system for score in scores):
        own = [score for score in scores if score.system == system]
        seeds = [score for score in own if score.seed != MEAN]
        shown = own[-1]  # the mean, where there are several
        verdicts = [(row["verdict"], row["check"]) for row in audit if row["system"] in ("", system)]
        worst = min((verdict for verdict, _ in verdicts), key=list(STAMPS).index, default=UNKNOWN)
        found.append(
            Headline(
                system=system,
                paper=shown.paper,
                accuracy=shown.accuracy,
                std=shown.std,
                low=min((s.ci_low for s in seeds if s.ci_low is not None), default=None),
                high=max((s.ci_high for s in seeds if s.ci_high is not None), default=None),
                correct=sorted(s.correct for s in seeds if s.correct is not None),
                n=shown.n,
                published=shown.published,
                verdict=worst,
                checks=[check for verdict, check in verdicts if verdict == worst],
                note=shown.note,
            )
        )
    return found

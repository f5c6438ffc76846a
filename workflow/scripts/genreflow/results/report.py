"""The report: all tables and figures of a run in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genreflow.files.assignments import SPLITS, Assignment
from genreflow.files.audio_report import AudioReport
from genreflow.results.costs import RuleCost
from genreflow.results.drawing import DPI
from genreflow.results.excerpts import SECONDS
from genreflow.results.headlines import Headline, headlines
from genreflow.results.mistakes import Mistake
from genreflow.results.scores import Comparison, Difference, GenreScore, Score

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"

#: Packages whose release may change a figure in the tables.
PACKAGES = (
    "numpy", "scipy", "numba", "scikit-learn", "torch", "soxr", "h5py", "pandas",
    "matplotlib", "snakemake",
)  # fmt: skip
#: Corrected probability below which a difference between systems is reported as one.
SIGNIFICANT = 0.05
#: Clips got wrong that a partition shows: a page of many thousand rows can't be read or sent.
MOST_CLIPS = 200


@dataclass(frozen=True)
class Image:
    """A picture with its text alternative and its caption."""

    path: Path
    alt: str
    caption: str = ""

    @property
    def width(self) -> int:
        """Width in CSS pixels at which its letters have the size that they were drawn with."""
        # As every PNG has it; a CSS inch has 96 pixels.
        return round(int.from_bytes(self.path.read_bytes()[16:20]) * 96 / DPI)

    @property
    def source(self) -> str:
        """The picture itself as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class MistakeSection:
    """The clips of a partition that were got wrong: how many, and the first of them.

    ``tested`` are all test clips.  ``groups`` and ``excerpts`` are by track id, the latter data
    URIs of sound.
    """

    tested: int
    missed: int
    missed_by_all: int
    clips: Sequence[Mistake]
    groups: Mapping[str, str] = field(default_factory=dict)
    excerpts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentSection:
    """What the report shows of a partition of a dataset."""

    dataset: str
    partition: str
    seeds: Sequence[int]
    systems: Sequence[str]
    folds: int
    roles: Mapping[str, str]
    majority: float
    scores: Sequence[Score]
    mistakes: MistakeSection
    comparisons: Sequence[Comparison]
    audit: Sequence[Mapping[str, str]]
    accuracy: Image
    matrices: Sequence[Image]
    curves: Image | None = None
    tsne: Image | None = None
    experts: Image | None = None
    agreements: Sequence[GenreScore] = ()
    wrong_clips: Sequence[Image] = ()

    @property
    def headlines(self) -> list[Headline]:
        """What it comes to, a line a system."""
        return headlines(self.scores, self.audit)


@dataclass(frozen=True)
class DatasetSection:
    """What the report shows of a dataset: its size, its settings, and what became of its files.

    ``labels`` are the first of its ``classes``.  ``deviations`` are those of its settings that
    differ from the defaults, the papers or the authors' code (`genreflow.plan.deviations`).
    """

    name: str
    source: str
    clips: int
    classes: int
    labels: Sequence[str]
    deviations: Sequence[Mapping[str, Any]]
    citations: Sequence[str]
    licence: str
    statuses: Mapping[str, int]
    quarantined: Sequence[AudioReport]
    pictures: Sequence[Image] = ()


@dataclass(frozen=True)
class StudySection:
    """What the report shows of a study: a figure, and a row a system and variation.

    ``without_effect`` are the variations that concern none of its systems.
    """

    name: str
    dataset: str
    partition: str
    seeds: Sequence[int]
    differences: Sequence[Difference]
    without_effect: Sequence[str]
    figure: Image


def render_report(
    datasets: Sequence[DatasetSection],
    experiments: Sequence[ExperimentSection],
    studies: Sequence[StudySection] = (),
    *,
    versions: Mapping[str, str],
    costs: Sequence[RuleCost] = (),
    citations: Sequence[str] = (),
    written: date | None = None,
) -> str:
    """Return the report as HTML; every value is escaped.

    The page forbids itself whatever it doesn't hold: other scripts than its own, and the network.

    Parameters
    ----------
    written
        The day, today by default.
    """
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return _template().render(
        datasets=datasets,
        experiments=experiments,
        studies=studies,
        versions=versions,
        costs=costs,
        citations=list(citations),
        written=f"{written or date.today():%-d %B %Y}",
        script=script,
        script_digest=digest,
        significant=SIGNIFICANT,
        most_clips=MOST_CLIPS,
        excerpt_seconds=round(SECONDS),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["duration"] = duration
    return environment.get_template("report.html")


def duration(seconds: float) -> str:
    """Return a time in the units that one says it in."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def role_counts(assignments: Sequence[Assignment], quarantined: set[str]) -> dict[str, str]:
    """Return how many clips of a fold have each role, and how many of these are quarantined."""
    counts = Counter(clip.role for clip in assignments)
    lost = Counter(clip.role for clip in assignments if clip.track_id in quarantined)
    return {
        role: f"{counts[role]}" + (f" ({lost[role]} quarantined)" if lost[role] else "")
        for role in SPLITS
    }


def package_versions(own: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed here.

    Parameters
    ----------
    own
        genreflow's version, as it is run from its folder.
    """
    found = {"genreflow": own, "Python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found

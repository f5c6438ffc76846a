"""The report: all tables and figures of a run in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from genreflow.files.assignments import SPLITS, Assignment
from genreflow.files.audio_report import AudioReport
from genreflow.results.drawing import DPI
from genreflow.results.scores import Comparison, Difference, GenreScore, Score

#: Packages whose release may change a figure in the tables.
PACKAGES = (
    "numpy", "scipy", "numba", "scikit-learn", "torch", "soxr", "h5py", "pandas",
    "matplotlib", "snakemake",
)  # fmt: skip
#: Corrected probability below which a difference between systems is reported as one.
SIGNIFICANT = 0.05


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
    comparisons: Sequence[Comparison]
    audit: Sequence[Mapping[str, str]]
    accuracy: Image
    matrices: Sequence[Image]
    curves: Image | None = None
    tsne: Image | None = None
    experts: Image | None = None
    agreements: Sequence[GenreScore] = ()
    wrong_clips: Sequence[Image] = ()


@dataclass(frozen=True)
class DatasetSection:
    """What the report shows of a dataset: its size, its settings, and what became of its files.

    ``labels`` are the first of its ``classes``.
    """

    name: str
    source: str
    clips: int
    classes: int
    labels: Sequence[str]
    settings: Sequence[tuple[str, Any, Any]]
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
) -> str:
    """Return the report as HTML; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html").render(
        datasets=datasets,
        experiments=experiments,
        studies=studies,
        versions=versions,
        significant=SIGNIFICANT,
    )


def role_counts(assignments: Sequence[Assignment], quarantined: set[str]) -> dict[str, str]:
    """Return how many clips of a fold have each role, and how many of these are quarantined."""
    counts = Counter(clip.role for clip in assignments)
    lost = Counter(clip.role for clip in assignments if clip.track_id in quarantined)
    return {
        role: f"{counts[role]}" + (f" ({lost[role]} quarantined)" if lost[role] else "")
        for role in SPLITS
    }


def changed_settings(
    settings: Mapping[str, Any], defaults: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    """Return the settings that differ from their defaults: key, value, default."""
    default = dict(_flatten(defaults))
    return [
        (key, value, default.get(key))
        for key, value in _flatten(settings)
        if value != default.get(key)
    ]


def package_versions(own: str) -> dict[str, str]:
    """Return the versions of the packages that are installed here.

    Parameters
    ----------
    own
        genreflow's version, as it is run from its folder.
    """
    found = {"genreflow": own}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value

"""What each expert knows of each genre, and whether the mixers weight the experts accordingly.

The future work of Yi 2019 (section VI): "how effective that acoustic feature can specify certain
music genres".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genreflow.files.predictions import PROBABILITY, WEIGHT
from genreflow.results.evaluation import CONFIDENCE, wilson
from genreflow.results.scores import MEAN

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

COLUMNS = (
    "dataset", "partition", "mixture", "expert", "label", "seed", "metric", "value", "std",
    "ci_low", "ci_high", "p", "correct", "n", "note",
)  # fmt: skip
#: Of clips and of genres.  The ends of a 95 % interval then have an error of their own of a fiftieth
#: of its width.
RESAMPLES = 2000
#: Decimals of the centred cells: what differs by rounding alone is a tie.
TIE_DECIMALS = 9


@dataclass(frozen=True)
class Agreement:
    """A rank correlation with its interval and probability; NaN, and why, where there is none."""

    value: float = np.nan
    ci_low: float = np.nan
    ci_high: float = np.nan
    p: float = np.nan
    note: str = ""


def compare_experts(
    experts: Mapping[str, pd.DataFrame],
    mixtures: Mapping[str, pd.DataFrame],
    *,
    networks: Mapping[str, str],
    seed: int,
) -> list[dict[str, Any]]:
    """Return the rows of a partition: recalls, mean weights and rank correlations.

    Recalls and weights are in percent.  Each seed has its rows, and several have those of their
    mean, with its standard deviation (ddof 1).  A recall has the 95 % Wilson interval of a seed;
    a mean of recalls has none, since the same clips are counted again.  The other intervals are
    those of `resample_cells`.  A clip without a prediction counts as wrong and has no weights.

    Parameters
    ----------
    experts, mixtures
        Predictions by system, of the same test clips.
    networks
        The name of each expert among the weights.
    seed
        Of the resamples.

    Raises
    ------
    ValueError
        Two systems were tested on different clips.
    """
    every = _gather(experts, mixtures, networks)
    names = [str(each) for each in np.unique(every.seeds)]
    parts = {name: every.of(every.seeds == int(name)) for name in names}
    if len(names) > 1:
        parts[MEAN] = every
    drawn = {
        name: resample_cells(
            tests.values, tests.genres, tests.clips, number=len(every.labels), seed=seed
        )
        for name, tests in parts.items()
    }
    rows: list[dict[str, Any]] = []
    for place, (mixture, expert) in enumerate(every.columns):
        metric = "weight" if mixture else "recall"
        for genre, label in enumerate(every.labels):
            cell = {"mixture": mixture, "expert": expert, "label": label, "metric": metric}
            rows += _with_deviation(
                cell | {"seed": name} | tests.score(drawn[name][:, genre, place], genre, place)
                for name, tests in parts.items()
            )
    for mixture in mixtures:
        mixed = [expert for name, expert in every.columns if name == mixture]
        recalls, weights = (
            [every.columns.index((name, expert)) for expert in mixed] for name in ("", mixture)
        )
        rows += _with_deviation(
            {"mixture": mixture, "metric": "rank_correlation", "seed": name}
            | {"expert": "", "label": "", "n": tests.count(~tests.lost)}
            | vars(agree(drawn[name][..., recalls], drawn[name][..., weights], seed=seed))
            for name, tests in parts.items()
        )
    return rows


def resample_cells(
    values: Array,
    genres: npt.NDArray[np.integer],
    clips: npt.NDArray[Any],
    *,
    number: int,
    seed: int,
    resamples: int = RESAMPLES,
) -> Array:
    """Return the means of each genre, as they are and as they are with other clips.

    The bootstrap of several samples: the clips of each genre are drawn with replacement, as many
    as there are, each with all its tests (Davison & Hinkley 1997, section 3.2).  The networks stay
    the same.

    Parameters
    ----------
    values
        Shape (tests, columns); NaN is left out of its column's mean.
    genres, clips
        Of each test: the index of its genre, and the clip's name.
    number
        Of genres.

    Returns
    -------
    ndarray, shape (1 + resamples, number, columns)
        First the means of the clips themselves; NaN where there is no value.
    """
    rng = np.random.default_rng(seed)
    cells = np.full((1 + resamples, number, values.shape[1]), np.nan)
    for genre in range(number):
        own = genres == genre
        names, clip = np.unique(clips[own], return_inverse=True)
        present = np.isfinite(values[own])
        sums, counts = np.zeros((2, len(names), values.shape[1]))
        np.add.at(sums, clip, np.where(present, values[own], 0.0))
        np.add.at(counts, clip, present)
        for draw in range((1 + resamples) if len(names) else 0):
            picked = rng.integers(len(names), size=len(names)) if draw else range(len(names))
            times = np.bincount(picked, minlength=len(names))
            total = times @ counts
            np.divide(times @ sums, total, out=cells[draw, genre], where=total > 0)
    return cells


def agree(recall: Array, weight: Array, *, seed: int) -> Agreement:
    """Return whether a mixer prefers an expert in the genres that the expert knows better.

    Spearman's rank correlation over all cells of a genre and an expert, after the means of the
    genres and of the experts were taken off (`interactions`).  So neither a genre that is hard for
    every expert counts, nor an expert that is better, or has more weight, everywhere.

    The 95 % interval is between the percentiles of the resamples (Efron & Tibshirani 1993, chapter
    13): what other clips of the same genres would give.  Few genres agree or disagree by chance, of
    which clips say nothing: for that, ``p`` is the two-sided probability of as large a correlation
    where the genres of the weights are permuted (Phipson & Smyth 2010).

    Parameters
    ----------
    recall, weight
        Shape (1 + resamples, genres, experts), from `resample_cells`.  Genres without a mean weight
        are left out.
    """
    known = np.isfinite(weight[0]).all(axis=1)
    recall, weight = recall[:, known], weight[:, known]
    genres, experts = weight.shape[1:]
    if experts < 2 or genres < 2:
        few = "experts" if experts < 2 else "genres"
        return Agreement(note=f"undefined: fewer than two {few} with weights")
    recall, weight = interactions(recall), interactions(weight)
    for name, cells in (("weights", weight), ("recalls", recall)):
        if not cells[0].any():
            note = f"undefined: the experts' {name} differ by the same in every genre"
            return Agreement(note=note)
    found = rank_correlations(recall, weight)
    value = float(found[0])
    undefined = int(np.isnan(found[1:]).sum())
    note = f"undefined in {undefined} of {len(found) - 1} resamples" if undefined else ""
    rng = np.random.default_rng(seed)
    dealt = rng.permuted(np.tile(np.arange(genres), (RESAMPLES, 1)), axis=1)
    chance = rank_correlations(np.broadcast_to(recall[0], weight[0][dealt].shape), weight[0][dealt])
    as_large = np.count_nonzero(np.abs(chance) >= abs(value) - 10**-TIE_DECIMALS)
    return Agreement(value, *_percentiles(found[1:]), (1 + as_large) / (1 + RESAMPLES), note)


def interactions(cells: Array) -> Array:
    """Return cells less the means of their rows and columns, with the mean of all added again.

    Parameters
    ----------
    cells
        Shape (..., genres, experts).
    """
    rows, columns = cells.mean(axis=-1, keepdims=True), cells.mean(axis=-2, keepdims=True)
    found: Array = cells - rows - columns + cells.mean(axis=(-2, -1), keepdims=True)
    return found.round(TIE_DECIMALS)


def rank_correlations(a: Array, b: Array) -> Array:
    """Return Spearman's rank correlation of two arrays along all axes but the first.

    Ties have their mean rank; NaN where all of an array are one tie, or one is NaN.
    """
    from scipy.stats import rankdata

    ranks = [
        rankdata(each.reshape(len(each), -1), axis=1, nan_policy="propagate") for each in (a, b)
    ]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found = np.full(len(a), np.nan)
    np.divide((a * b).sum(axis=1), scale, out=found, where=scale > 0)
    return found


@dataclass(frozen=True)
class _Tests:
    """Tests of clips: a row for every seed and fold that tests a clip.

    Attributes
    ----------
    labels
        The genres, in the order of their indices.
    seeds, genres, clips, lost
        Of each test, shape (tests,): seed, index of the genre, track id, whether quarantined.
    columns, values
        Mixture and expert of each column, the mixture being empty for recalls, and its percent,
        shape (tests, columns).
    """

    labels: list[str]
    seeds: npt.NDArray[np.integer]
    genres: npt.NDArray[np.integer]
    clips: npt.NDArray[Any]
    lost: npt.NDArray[np.bool_]
    columns: list[tuple[str, str]]
    values: Array

    def of(self, chosen: npt.NDArray[np.bool_]) -> _Tests:
        """Return some of the tests."""
        names = ("seeds", "genres", "clips", "lost", "values")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def count(self, chosen: npt.NDArray[np.bool_]) -> int:
        """Return how many of the tests of one seed are among some."""
        return int(chosen.sum()) // len(np.unique(self.seeds))

    def score(self, drawn: Array, genre: int, place: int) -> dict[str, Any]:
        """Return what a cell's row says, from its mean and those of its resamples."""
        own = self.genres == genre
        there = own & np.isfinite(self.values[:, place])
        n, lost = self.count(there), self.count(own & self.lost)
        note = f"{lost} of {self.count(own)} test clips quarantined" if lost else ""
        row = {"n": n, "note": note if own.any() else "no test clips"}
        if not n:
            return row
        row["value"] = drawn[0]
        if self.columns[place][0]:
            row["ci_low"], row["ci_high"] = _percentiles(drawn[1:])
        elif len(np.unique(self.seeds)) == 1:
            found = wilson(int(np.count_nonzero(self.values[there, place])), n)
            row |= {"correct": found.correct, "ci_low": found.ci_low, "ci_high": found.ci_high}
        return row


def _gather(
    experts: Mapping[str, pd.DataFrame],
    mixtures: Mapping[str, pd.DataFrame],
    networks: Mapping[str, str],
) -> _Tests:
    tables = {
        system: table.set_index(["seed", "fold", "track_id"]).sort_index()
        for system, table in (*experts.items(), *mixtures.items())
    }
    (first, expected), *others = tables.items()
    for system, table in others:
        if not table.index.equals(expected.index):
            raise ValueError(f"{first} and {system} were tested on different clips")
    known = {c.removeprefix(PROBABILITY) for c in expected.columns if c.startswith(PROBABILITY)}
    labels = sorted(known.union(expected["true"]))
    recalls = {("", e): tables[e]["predicted"] == expected["true"] for e in experts}
    weights = {
        (mixture, e): tables[mixture][WEIGHT + networks[e]]
        for mixture in mixtures
        for e in experts
        if WEIGHT + networks[e] in tables[mixture]
    }
    columns = {**recalls, **weights}
    return _Tests(
        labels=labels,
        seeds=expected.index.get_level_values("seed").to_numpy(),
        genres=np.array([labels.index(label) for label in expected["true"]]),
        clips=expected.index.get_level_values("track_id").to_numpy(),
        lost=(expected["predicted"] == "").to_numpy(),
        columns=list(columns),
        values=100 * np.stack([c.to_numpy(dtype=np.float64) for c in columns.values()], axis=1),
    )


def _percentiles(resampled: Array) -> tuple[float, float]:
    if np.isnan(resampled).all():
        return np.nan, np.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _with_deviation(cell: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a cell, the last with the deviation of the others if it is their mean."""
    *seeds, last = rows = list(cell)
    if last["seed"] == MEAN and all("value" in row for row in seeds):
        last["std"] = float(np.std([row["value"] for row in seeds], ddof=1))
    return rows

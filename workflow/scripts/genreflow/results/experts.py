"""What each expert knows of each genre, and whether the mixers weight the experts accordingly.

The future work of Yi 2019 (section VI): "how effective that acoustic feature can specify certain
music genres".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    tests = _same_tests({**experts, **mixtures})
    first = next(iter(tests.values()))
    known = {c.removeprefix(PROBABILITY) for c in first.columns if c.startswith(PROBABILITY)}
    labels = sorted(known.union(first["true"]))
    genres = np.array([labels.index(label) for label in first["true"]], dtype=np.intp)
    clips = first.index.get_level_values("track_id").to_numpy()
    seeds = first.index.get_level_values("seed").to_numpy()
    lost = (first["predicted"] == "").to_numpy()
    # By mixture and expert, the recalls by none: a value for each test.
    columns = {("", e): 100.0 * (tests[e]["predicted"] == first["true"]) for e in experts} | {
        (mixture, e): 100.0 * tests[mixture][WEIGHT + networks[e]]
        for mixture in mixtures
        for e in experts
        if WEIGHT + networks[e] in tests[mixture]
    }
    values = np.stack([np.asarray(c, dtype=np.float64) for c in columns.values()], axis=1)
    groups = {str(each): seeds == each for each in np.unique(seeds)}
    number = len(groups)
    if number > 1:
        groups[MEAN] = np.ones(len(seeds), dtype=bool)
    cells = {
        group: resample_cells(
            values[rows], genres[rows], clips[rows], number=len(labels), seed=seed
        )
        for group, rows in groups.items()
    }

    def count(tested: npt.NDArray[np.bool_], group: str) -> int:
        return int(tested.sum()) // (number if group == MEAN else 1)

    found: list[dict[str, Any]] = []
    for place, (mixture, expert) in enumerate(columns):
        for genre, label in enumerate(labels):
            rows = []
            for group, chosen in groups.items():
                tested = chosen & (genres == genre)
                there = tested & np.isfinite(values[:, place])
                n, all_n = count(there, group), count(tested, group)
                row = {
                    "mixture": mixture, "expert": expert, "label": label, "seed": group,
                    "metric": "weight" if mixture else "recall", "n": n,
                    "note": _genre_note(count(tested & lost, group), all_n),
                }  # fmt: skip
                if n:
                    row["value"] = cells[group][0, genre, place]
                if n and mixture:
                    ends = _percentiles(cells[group][1:, genre, place])
                    row |= dict(zip(("ci_low", "ci_high"), ends, strict=True))
                elif n and group != MEAN:
                    score = wilson(int(np.count_nonzero(values[there, place])), n)
                    row |= {name: getattr(score, name) for name in ("correct", "ci_low", "ci_high")}
                rows.append(row)
            found += _with_deviation(rows)
    places = {column: place for place, column in enumerate(columns)}
    for mixture in mixtures:
        mixed = [expert for name, expert in columns if name == mixture]
        recalls, weights = ([places[name, e] for e in mixed] for name in ("", mixture))
        rows = []
        for group, chosen in groups.items():
            agreement = agree(cells[group][..., recalls], cells[group][..., weights], seed=seed)
            row = {"mixture": mixture, "expert": "", "label": "", "seed": group}
            row |= {"metric": "rank_correlation", "n": count(chosen & ~lost, group)}
            rows.append(row | vars(agreement))
        found += _with_deviation(rows)
    return found


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


def _same_tests(predictions: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return predictions in the same order, by seed, fold and clip."""
    tests = {
        system: table.set_index(["seed", "fold", "track_id"]).sort_index()
        for system, table in predictions.items()
    }
    (first, expected), *others = tests.items()
    for system, table in others:
        if not table.index.equals(expected.index):
            raise ValueError(f"{first} and {system} were tested on different clips")
    return tests


def _genre_note(lost: int, n: int) -> str:
    if not n:
        return "no test clips"
    return f"{lost} of {n} test clips quarantined" if lost else ""


def _percentiles(resampled: Array) -> tuple[float, float]:
    if np.isnan(resampled).all():
        return np.nan, np.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _with_deviation(rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Return the rows of a cell, the last with the deviation of the others if it is their mean."""
    *seeds, last = rows
    if last["seed"] == MEAN and all("value" in row for row in seeds):
        last["std"] = float(np.std([row["value"] for row in seeds], ddof=1))
    return rows

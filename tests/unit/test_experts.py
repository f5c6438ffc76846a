"""Experts by genre: recalls, mean weights, and whether they agree, on predictions made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from genreflow.files.predictions import PROBABILITY, WEIGHT, read_predictions, write_predictions
from genreflow.files.tables import write_table
from genreflow.results.experts import (
    COLUMNS,
    agree,
    compare_experts,
    interactions,
    rank_correlations,
    resample_cells,
)
from genreflow.results.scores import MEAN, read_genre_scores
from scipy.stats import spearmanr
from statsmodels.stats.proportion import proportion_confint

Predictions = dict[str, pd.DataFrame]
#: The names among the weights are not those of the systems.
NETWORKS = {"original": "original", "percussive": "percussive", "MFCC": "mfcc"}


def predictions(
    true: Sequence[str], predicted: Sequence[str], *, seed: int = 0, **weights: Sequence[float]
) -> pd.DataFrame:
    """Return a system's predictions of the clips t0, t1, ..., with weights by network."""
    table = pd.DataFrame({"seed": seed, "fold": 0, "true": true, "predicted": predicted})
    table["track_id"] = [f"t{clip}" for clip in range(len(true))]
    for label in sorted(set(true)):
        table[PROBABILITY + label] = np.where(table["predicted"] == "", np.nan, 0.5)
    return table.assign(**{WEIGHT + network: w for network, w in weights.items()})


def compared(experts: Predictions, mixtures: Predictions, *, seed: int = 3) -> pd.DataFrame:
    rows = compare_experts(experts, mixtures, networks=NETWORKS, seed=seed)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.set_index(["mixture", "expert", "label", "seed"]).sort_index()


def four_clips() -> tuple[Predictions, Predictions]:
    """Two clips each of two genres: `original` knows the first, `percussive` the second better."""
    true = ["a", "a", "b", "b"]
    experts = {
        "original": predictions(true, ["a", "a", "a", "b"]),
        "percussive": predictions(true, ["b", "b", "b", "b"]),
    }
    weights = {"original": [0.9, 0.7, 0.1, 0.2], "percussive": [0.1, 0.3, 0.9, 0.8]}
    return experts, {"MoER": predictions(true, ["a", "a", "b", "a"], **weights)}


def test_recalls_and_weights_are_those_by_hand() -> None:
    table = compared(*four_clips())
    recalls = table.xs("", level="mixture")
    assert recalls["value"].tolist() == [100, 50, 0, 100]
    assert recalls["correct"].tolist() == [2, 1, 0, 2]
    assert set(recalls["n"]) == {2}
    for _, row in recalls.iterrows():
        ends = proportion_confint(row["correct"], row["n"], method="wilson")
        assert [row["ci_low"], row["ci_high"]] == pytest.approx(
            [100 * end for end in ends], abs=1e-9
        )
    weights = table[table["metric"] == "weight"]
    assert weights["value"].tolist() == pytest.approx([80, 15, 20, 85])
    # Of two clips a mean has three values, the outer ones a quarter of the time each.
    assert weights["ci_low"].tolist() == pytest.approx([70, 10, 10, 80])
    assert weights["ci_high"].tolist() == pytest.approx([90, 20, 30, 90])
    assert weights["correct"].isna().all()
    # The cells' interactions have the order + - - + in both.
    rank = table.loc["MoER", "", "", "0"]
    assert (rank["metric"], rank["value"], rank["n"]) == ("rank_correlation", pytest.approx(1), 4)


def test_the_order_of_the_rows_does_not_matter_and_the_seed_alone_draws() -> None:
    rng = np.random.default_rng(0)
    experts, mixtures = planted(rng, preference="recall")
    table = compared(experts, mixtures)
    shuffled = {name: t.sample(frac=1, random_state=1) for name, t in experts.items()}
    pd.testing.assert_frame_equal(compared(shuffled, mixtures), table)
    other = compared(experts, mixtures, seed=4)
    pd.testing.assert_series_equal(other["value"], table["value"])
    assert not other.loc["MoER", "ci_low"].equals(table.loc["MoER", "ci_low"])


def test_a_quarantined_clip_counts_as_wrong_and_has_no_weights() -> None:
    experts, mixtures = four_clips()
    for table in (*experts.values(), *mixtures.values()):
        table.loc[1, "predicted"] = ""
    mixtures["MoER"].loc[1, [WEIGHT + "original", WEIGHT + "percussive"]] = np.nan
    table = compared(experts, mixtures)
    recall, weight = table.loc["", "original", "a", "0"], table.loc["MoER", "original", "a", "0"]
    assert (recall["correct"], recall["n"], recall["value"]) == (1, 2, 50)
    assert (weight["n"], weight["value"]) == (1, pytest.approx(90))
    assert recall["note"] == weight["note"] == "1 of 2 test clips quarantined"
    rank = table.loc["MoER", "", "", "0"]
    assert rank["n"] == 3
    # A quarter of the draws of that genre have no clip with weights.
    assert rank["note"].startswith("undefined in ")


def test_a_genre_whose_clips_are_all_quarantined_is_no_part_of_the_correlation() -> None:
    experts, mixtures = four_clips()
    for table in (*experts.values(), *mixtures.values()):
        table.loc[:1, "predicted"] = ""
    mixtures["MoER"].loc[:1, [WEIGHT + "original", WEIGHT + "percussive"]] = np.nan
    table = compared(experts, mixtures)
    weight = table.loc["MoER", "original", "a", "0"]
    assert weight["n"] == 0
    assert np.isnan(weight["value"])
    rank = table.loc["MoER", "", "", "0"]
    assert np.isnan(rank["value"])
    assert rank["note"] == "undefined: fewer than two genres with weights"


def test_a_genre_without_test_clips_has_empty_cells() -> None:
    experts, mixtures = four_clips()
    for table in (*experts.values(), *mixtures.values()):
        table[PROBABILITY + "jazz"] = 0.0
    table = compared(experts, mixtures)
    without = table.xs("jazz", level="label")
    assert set(without["n"]) == {0}
    assert without[["value", "ci_low", "ci_high", "correct"]].isna().all(axis=None)
    assert set(without["note"]) == {"no test clips"}
    assert table.loc["MoER", "", "", "0"]["value"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("weights", "note"),
    [
        ({"original": [0.5] * 4, "percussive": [0.5] * 4}, "the experts' weights differ by"),
        # One has more everywhere, by as much.
        ({"original": [0.9, 0.1, 0.3, 0.7], "percussive": [0.1, 0.9, 0.7, 0.3]},
         "the experts' weights differ by the same in every genre"),
        ({"original": [0.9, 0.7, 0.1, 0.2], "mfcc": [0.1, 0.3, 0.9, 0.8]},
         "fewer than two experts with weights"),
    ],
)  # fmt: skip
def test_where_there_is_no_correlation_the_note_says_why(
    weights: Mapping[str, Sequence[float]], note: str
) -> None:
    experts, _ = four_clips()
    true = ["a", "a", "b", "b"]
    row = compared(experts, {"MoEC": predictions(true, true, **weights)}).loc["MoEC", "", "", "0"]
    assert row[["value", "ci_low", "ci_high"]].isna().all()
    assert row["note"].startswith(f"undefined: {note}")


def test_recalls_that_differ_by_the_same_everywhere_have_no_correlation() -> None:
    experts, mixtures = four_clips()
    experts["percussive"] = experts["original"]
    row = compared(experts, mixtures).loc["MoER", "", "", "0"]
    assert row["note"] == "undefined: the experts' recalls differ by the same in every genre"


def test_an_expert_outside_the_mixture_has_recalls_alone() -> None:
    experts, mixtures = four_clips()
    experts["MFCC"] = experts["original"]
    table = compared(experts, mixtures)
    assert set(table.xs("MFCC", level="expert")["metric"]) == {"recall"}
    assert table.loc["MoER", "", "", "0"]["value"] == pytest.approx(1)


def test_several_seeds_have_a_mean_with_its_deviation() -> None:
    (one, mixed), (two, other) = four_clips(), four_clips()
    two["original"]["predicted"] = ["a", "b", "a", "a"]
    other["MoER"][WEIGHT + "original"] = [0.5, 0.5, 0.3, 0.2]
    for name in two:
        one[name] = pd.concat([one[name], two[name].assign(seed=7)])
    mixed["MoER"] = pd.concat([mixed["MoER"], other["MoER"].assign(seed=7)])
    table = compared(one, mixed)
    cell = table.loc["", "original", "a"]
    assert list(cell.index) == ["0", "7", MEAN]
    assert cell["value"].tolist() == [100, 50, 75]
    assert set(cell["n"]) == {2}
    mean = cell.loc[MEAN]
    assert mean["std"] == pytest.approx(np.std([100, 50], ddof=1))
    # The same clips are counted again.
    assert mean[["ci_low", "ci_high", "correct"]].isna().all()
    weight = table.loc["MoER", "original", "a"]
    assert weight["value"].tolist() == pytest.approx([80, 50, 65])
    # Clip t0 has 0.9 and 0.5, t1 0.7 and 0.5: a draw takes both tests of a clip.
    assert weight.loc[MEAN, ["ci_low", "ci_high"]].tolist() == pytest.approx([60, 70])
    assert list(table.loc["MoER", "", ""].index) == ["0", "7", MEAN]


def test_systems_on_different_clips_are_not_compared() -> None:
    experts, mixtures = four_clips()
    mixtures["MoER"].loc[0, "track_id"] = "another"
    with pytest.raises(ValueError, match="original and MoER were tested on different clips"):
        compared(experts, mixtures)


def test_odd_labels_survive_the_files(tmp_path: Path) -> None:
    odd = ["NA", 'rock, "hard"\nnew', "weight_original", "mean"]
    true = [label for label in odd for _ in range(2)]
    experts = {
        "original": predictions(true, true),
        "percussive": predictions(true, [odd[0]] * 8),
    }
    weights = np.linspace(0.1, 0.8, 8)
    mixture = predictions(true, true, original=weights, percussive=1 - weights)
    read = {}
    for name, table in {**experts, "MoER": mixture}.items():
        write_predictions(table, tmp_path / f"{name}.csv")
        read[name] = read_predictions(tmp_path / f"{name}.csv")
    rows = compare_experts(
        {name: read[name] for name in experts}, {"MoER": read["MoER"]}, networks=NETWORKS, seed=0
    )
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(dataset="NA", partition="split")
    write_table(table, tmp_path / "table.csv", float_format="%.4g")
    scores = read_genre_scores(tmp_path / "table.csv", "NA", "split")
    found = {score.label: score for score in scores if score.expert == "percussive"}
    assert list(found) == sorted(odd)
    recall = {s.label: s.value for s in scores if s.metric == "recall" and s.expert == "percussive"}
    assert recall == {label: 100 * (label == "NA") for label in odd}
    assert [s.metric for s in scores if not s.expert] == ["rank_correlation"]
    assert read_genre_scores(tmp_path / "table.csv", "other", "split") == []


# The statistic.


def test_interactions_take_off_the_means_of_genres_and_experts() -> None:
    cells = np.random.default_rng(2).normal(size=(3, 6, 4))
    found = interactions(cells)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-8)
    np.testing.assert_allclose(found.sum(axis=2), 0, atol=1e-8)
    # A hard genre, a good expert: nothing is left of either, not even rounding.
    genre, expert = np.array([0.1, 0.2, 0.7])[:, None], np.array([0.3, 0.1])
    assert not interactions((genre + expert)[None]).any()


def test_rank_correlations_are_scipy_s() -> None:
    rng = np.random.default_rng(4)
    # Few values make ties.
    a, b = rng.integers(4, size=(2, 50, 5, 3)).astype(float)
    a[7] = 2.0
    expected = [
        spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a[:7], b[:7], strict=True)
    ]
    found = rank_correlations(a, b)
    np.testing.assert_allclose(found[:7], expected, atol=1e-12)
    assert np.isnan(found[7])
    a[8, 0, 0] = np.nan
    assert np.isnan(rank_correlations(a, b)[8])


def test_the_correlation_is_spearman_s_of_the_centred_cells() -> None:
    rng = np.random.default_rng(5)
    recall, weight = rng.random((2, 1, 7, 4))

    def centred(cells: Any) -> pd.DataFrame:
        frame = pd.DataFrame(cells[0])
        frame = frame.sub(frame.mean(axis=0), axis=1)
        return frame.sub(frame.mean(axis=1), axis=0)

    expected = spearmanr(centred(recall).stack(), centred(weight).stack()).statistic
    assert agree(recall, weight, seed=0).value == pytest.approx(expected)
    # What is the same for all experts, or in all genres, does not count.
    easier = recall + rng.random((1, 7, 1))
    favoured = weight + rng.random((1, 1, 4))
    assert agree(easier, favoured, seed=0).value == pytest.approx(expected)


def test_resampled_means_scatter_as_means_of_clips_do() -> None:
    rng = np.random.default_rng(6)
    hits = np.repeat([1.0, 0.0], [30, 70])[:, None]
    genres, clips = np.zeros(100, dtype=int), np.arange(100)
    cells = resample_cells(hits, genres, clips, number=1, seed=1)
    assert cells[0, 0, 0] == 0.3
    # Of a share, sqrt(p (1 - p) / n).
    assert cells[1:, 0, 0].std() == pytest.approx(np.sqrt(0.3 * 0.7 / 100), rel=0.06)
    # The same clips tested three times are no more clips.
    order = rng.permutation(300)
    thrice = resample_cells(
        np.tile(hits, (3, 1))[order], np.zeros(300, dtype=int), np.tile(clips, 3)[order],
        number=1, seed=1,
    )  # fmt: skip
    np.testing.assert_allclose(thrice, cells)


def planted(rng: np.random.Generator, *, preference: str) -> tuple[Predictions, Predictions]:
    """Return predictions of 40 clips each of six genres by three experts of known recalls.

    Parameters
    ----------
    preference
        What the mixer prefers in a genre: the experts with the higher ``recall``, or ``none``, so
        that the weights differ from clip to clip alone.
    """
    true = np.repeat([f"genre {number}" for number in range(6)], 40)
    recall = rng.uniform(0.1, 0.9, size=(6, 3))
    experts = {}
    for column, system in enumerate(NETWORKS):
        right = rng.random(240) < np.repeat(recall[:, column], 40)
        experts[system] = predictions(list(true), list(np.where(right, true, "other")))
    logits = rng.normal(scale=0.3, size=(240, 3))
    if preference == "recall":
        logits += np.repeat(3 * recall, 40, axis=0)
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    named = dict(zip(NETWORKS.values(), weights.T.tolist(), strict=True))
    return experts, {"MoER": predictions(list(true), list(true), **named)}


def planted_agreement(seed: int, *, preference: str) -> Any:
    experts, mixtures = planted(np.random.default_rng(seed), preference=preference)
    table = compared(experts, mixtures, seed=seed)
    return table.loc["MoER", "", "", "0"]


def test_weights_that_follow_the_recalls_are_found_to() -> None:
    for seed in range(5):
        row = planted_agreement(seed, preference="recall")
        assert row["value"] > 0.75
        assert 0.5 < row["ci_low"] < row["value"]
        assert row["p"] < 0.01


def test_of_weights_without_a_preference_most_intervals_hold_zero() -> None:
    rows = [planted_agreement(seed, preference="none") for seed in range(20)]
    assert sum(row["ci_low"] < 0 < row["ci_high"] for row in rows) >= 17
    assert sum(row["p"] < 0.05 for row in rows) <= 3


def test_preferences_that_have_nothing_to_do_with_recalls_agree_by_chance_alone() -> None:
    # They are the same for all clips, so that intervals over clips have no width.
    rng = np.random.default_rng(8)
    tables = rng.random((300, 2, 1, 8, 4))
    p = np.array([agree(recall, weight, seed=1).p for recall, weight in tables])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.1)
    # To prefer the worst is no chance either.
    against = agree(tables[0, 0], -tables[0, 0], seed=1)
    assert against.value == pytest.approx(-1)
    assert against.p < 0.01
    # Two genres can be dealt in two ways.
    assert agree(tables[0, 0, :, :2], tables[0, 1, :, :2], seed=1).p > 0.4

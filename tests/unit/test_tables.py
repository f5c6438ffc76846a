"""The tidy table and the papers' own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from genreflow.files.assignments import Assignment
from genreflow.files.predictions import (
    ClipPrediction,
    read_predictions,
    tabulate_predictions,
    write_predictions,
)
from genreflow.files.tables import write_table
from genreflow.results.leaks import Summary
from genreflow.results.summary import closing_words
from genreflow.results.tables import (
    COLUMNS,
    Evaluated,
    audit_table,
    read_published,
    read_table_two,
    table_one,
    table_two,
    tidy_rows,
    tidy_table,
)

PUBLISHED = Path(__file__).resolve().parents[2] / "config" / "published"
LABELS = ["NA", "rock"]  # a genre may well be called NA


def predictions(right: dict[int, int], n: int = 10) -> pd.DataFrame:
    """Return predictions with so many right ones a seed."""
    rows = []
    for seed, correct in right.items():
        for clip in range(n):
            true = LABELS[clip % 2]
            predicted = true if clip < correct else LABELS[(clip + 1) % 2]
            share = [1.0, 0.0] if predicted == "NA" else [0.0, 1.0]
            rows.append(
                {"seed": seed, "fold": 0, "track_id": f"t{clip}", "true": true,
                 "predicted": predicted, "probability_NA": share[0], "probability_rock": share[1]}
            )  # fmt: skip
    return pd.DataFrame(rows)


def evaluated(dataset: str, partition: str, system: str, right: dict[int, int]) -> Evaluated:
    return Evaluated(dataset, partition, system, LABELS, predictions(right))


def rows_of(result: Evaluated) -> pd.DataFrame:
    return tidy_table(tidy_rows(result, read_published(PUBLISHED)))


def test_published_tables_are_those_of_the_papers() -> None:
    table = read_published(PUBLISHED).set_index(["dataset", "partition", "system"])["published"]
    assert len(table) == 9 + 24
    assert table["gtzan", "random", "SF+TF"] == 85.0
    assert table["gtzan", "fault_filtered", "MoER"] == 66.90
    assert table["fma_small", "official", "modulation"] == 55.63


def test_an_experiment_of_the_papers_is_set_beside_the_published_figure() -> None:
    table = rows_of(evaluated("gtzan", "random", "SF", {0: 7}))
    row = table[table["metric"] == "accuracy"].iloc[0]
    assert list(table.columns) == list(COLUMNS)
    assert (row["paper"], row["table"]) == ("Jeong 2016", "figure 3")
    assert row["value"] == 70
    assert row["published"] == 78.2
    assert row["difference"] == pytest.approx(-8.2)
    assert "published" in row["note"]
    assert table.loc[table["metric"] == "macro_f", "published"].isna().all()


@pytest.mark.parametrize(
    ("dataset", "partition"), [("music", "random"), ("gtzan", "random_group_disjoint")]
)
def test_no_other_experiment_is(dataset: str, partition: str) -> None:
    table = rows_of(evaluated(dataset, partition, "SF", {0: 7}))
    assert table["published"].isna().all()
    assert (table["table"] == "own").all()


def test_every_accuracy_has_its_count_and_interval() -> None:
    table = rows_of(evaluated("music", "split", "MoER", {0: 7}))
    row = table[table["metric"] == "accuracy"].iloc[0]
    assert (row["correct"], row["n"]) == (7, 10)
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert "tied_votes" not in set(table["metric"])  # a mixture has no votes


def test_several_seeds_have_every_value_their_mean_and_deviation() -> None:
    table = rows_of(evaluated("gtzan", "cv10", "MFCC", {0: 6, 1: 7, 2: 9}))
    accuracies = table[table["metric"] == "accuracy"].set_index("seed")
    assert list(accuracies["value"]) == pytest.approx([60, 70, 90, 220 / 3])
    mean = accuracies.loc["mean"]
    assert mean["std"] == pytest.approx(np.std([60, 70, 90], ddof=1))
    assert mean["published"] == 78.70
    assert np.isnan(mean["ci_low"])
    one = table_one(table)
    assert one.loc["MFCC", "gtzan cv10 accuracy"] == pytest.approx(220 / 3)


def test_table_keeps_the_order_of_the_papers(tmp_path: Path) -> None:
    published = read_published(PUBLISHED)
    rows = [
        row
        for system in ("MoEB", "original", "SF")
        for row in tidy_rows(evaluated("gtzan", "fault_filtered", system, {0: 5}), published)
    ]
    table = table_one(tidy_table(rows))
    assert list(table.index) == ["SF", "original", "MoEB"]
    assert list(table["gtzan fault_filtered published"]) == [48.3, 62.07, 65.17]
    write_table(table, tmp_path / "one.csv", index=True)
    assert "65.17" in (tmp_path / "one.csv").read_text()


def test_what_the_audit_found_is_stamped_on_every_row() -> None:
    plain = evaluated("gtzan", "random", "SF", {0: 7, 1: 6})
    stamped = replace(plain, leak="leaky test clips, of 10: 3 by a group")
    notes = rows_of(stamped)["note"]
    assert notes.str.endswith("; leaky test clips, of 10: 3 by a group").all()
    assert set(rows_of(stamped)["seed"]) == {0, 1, "mean"}
    assert not rows_of(plain)["note"].str.contains("leaky").any()


def test_clips_in_quarantine_are_named_on_every_row() -> None:
    short = "quarantined clips: 1 of 443 train, 2 of 290 test, the test clips counted as wrong"
    result = evaluated("gtzan", "fault_filtered", "SF", {0: 7})
    assert rows_of(replace(result, shortfall=short))["note"].str.endswith(f"; {short}").all()
    assert not rows_of(result)["note"].str.contains("quarantined").any()


def test_swapped_rows_say_so() -> None:
    for system in ("SF", "MoER"):
        notes = rows_of(evaluated("music", "split_swapped", system, {0: 7}))["note"]
        assert (notes == "swapped: tested on the validation part of the partition").all()


def test_audits_are_one_table() -> None:
    table = audit_table(
        {
            ("NA", "split"): [Summary("", "group", "clean", 0, 9, 0, "")],
            ("NA", "random"): [Summary("SF", "selection", "leaky", 3, 9, 0, "x")],
        }
    )
    assert list(table.columns[:4]) == ["dataset", "partition", "system", "check"]
    assert list(table["verdict"]) == ["clean", "leaky"]
    assert table.loc[1, "test_clips"] == 3


def test_predictions_survive_being_written(tmp_path: Path) -> None:
    test = [Assignment(0, "007", "NA", "test"), Assignment(0, "b", "rock", "test")]
    table = tabulate_predictions(
        test,
        {"007": ClipPrediction(np.array([0.5, 0.5]), np.array([0.25, 0.75]))},
        labels=LABELS,
        quarantined=["b"],
        experts=["x", "y"],
        seed=3,
    )
    # The first of two equals is predicted; the clip without probabilities stays in, empty.
    assert list(table["predicted"]) == ["NA", ""]
    write_predictions(table, tmp_path / "p.csv")
    again = read_predictions(tmp_path / "p.csv")
    assert list(again["track_id"]) == ["007", "b"]
    assert list(again["predicted"]) == ["NA", ""]
    assert list(again["true"]) == ["NA", "rock"]
    assert again.loc[0, "weight_y"] == 0.75
    assert np.isnan(again.loc[1, "probability_rock"])


def test_table_two_sets_earlier_works_beside_ours_on_the_same_partitions() -> None:
    published = read_table_two(PUBLISHED)
    assert len(published) == 10
    rows = [
        {"dataset": dataset, "partition": partition, "system": system, "seed": 0,
         "metric": metric, "value": value, "ci_low": value - 1, "ci_high": value + 1, "n": 290}
        for dataset, partition, system, metric, value in (
            ("gtzan", "fault_filtered", "MoER", "accuracy", 60.0),
            ("gtzan", "fault_filtered", "TF", "accuracy", 59.0),
            ("gtzan", "fault_filtered", "MoER", "macro_f", 58.0),
            ("gtzan", "fault_filtered", "MFCC", "accuracy", 57.0),
            ("gtzan", "random", "SF+TF", "accuracy", 80.0),
            ("mine", "fault_filtered", "MoER", "accuracy", 50.0),
        )
    ]  # fmt: skip
    found = table_two(tidy_table(rows), published)
    assert set(zip(found["dataset"], found["partition"], strict=True)) == {
        ("gtzan", "fault_filtered")
    }
    assert list(found["method"])[-2:] == ["MoER (here)", "TF (here)"]
    assert list(found["value"]) == [63.2, 65.9, 72.0, 72.03, 66.9, 60.0, 59.0]
    theirs = found[~found["method"].str.contains("here")]
    assert theirs["note"].str.startswith("published: ").all()
    assert theirs["n"].isna().all()
    assert table_two(tidy_table(rows[4:]), published).empty


def test_table_two_agrees_with_the_other_published_figures() -> None:
    known = read_published(PUBLISHED).set_index(["dataset", "partition", "system"])["published"]
    table = read_table_two(PUBLISHED)
    for _, row in table[table["method"].str.startswith("MoER")].iterrows():
        assert known[row["dataset"], row["partition"], "MoER"] == row["published"]
    mixed = table[table["method"].str.startswith("temporal")].set_index("partition")["published"]
    assert mixed["fault_filtered"] == known["gtzan", "fault_filtered", "TF"]
    assert mixed["cv10"] == known["gtzan", "random", "SF+TF"]


def test_closing_words_have_accuracies_quarantine_and_the_next_step(tmp_path: Path) -> None:
    assert closing_words(tmp_path, ["mine"]) == ""
    results = [evaluated("mine", "random", "SF", {0: 7}), evaluated("mine", "split", "TF", {0: 9})]
    rows = [row for result in results for row in tidy_rows(result, read_published(PUBLISHED))]
    write_table(tidy_table(rows), tmp_path / "tables.csv")
    (tmp_path / "mine").mkdir()
    lost = "".join(f"t{number},t{number}.mp3,file not found\n" for number in range(7))
    (tmp_path / "mine" / "quarantine.csv").write_text(f"track_id,path,reason\n{lost}")
    words = closing_words(tmp_path, ["mine", "other"])
    assert re.search(r"mine +random +SF +seed 0 +70.0 % +7/10 +39.7 - 89.2", words)
    assert re.search(r"mine +split +TF +seed 0 +90.0 % +9/10 ", words)
    assert "Clips of mine that can't be used: 7" in words
    assert "t0: file not found" in words
    assert "and 2 more" in words
    assert "classifiers/{system}" in words

"""Studies: which variants they make, paired intervals, Holm's correction, means of seeds, costs."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from genreflow.files.shared import Behind
from genreflow.plan.loading import load, read_yaml
from genreflow.plan.schema import Config
from genreflow.plan.studies import variations, with_studies
from genreflow.results.studies import (
    COLUMNS,
    VariedResult,
    compare_variations,
    cost_of,
    paired_interval,
    student_interval,
    total_cost,
)
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

REPOSITORY = Path(__file__).resolve().parents[2]
STUDY = {"name": "s", "dataset": "mine", "partition": "random", "systems": ["SF"]}


def configured(**study: Any) -> Config:
    return load(
        {},
        {
            "datasets": {
                "mine": {"source": "synthetic", "settings": {"rf": {"trees": 20}}},
                "other": {"like": "mine", "settings": {"hpss": {"power": 1.0}}},
            },
            "experiments": [],
            "studies": [STUDY | study],
        },
    )


def test_one_key_differs_at_a_time() -> None:
    config = configured(vary={"rf.trees": [20, 40], "cepstrum.epsilon": ["1e-6", 0.01]})
    (study,) = config.studies
    # 20 is the dataset's own, and `1e-6` is text in YAML.
    changes = [variation.changes for variation in variations(study, config)]
    assert changes == [{}, {"rf.trees": 40}, {"cepstrum.epsilon": 1e-6}, {"cepstrum.epsilon": 0.01}]


def test_a_grid_has_every_combination_but_the_dataset_itself() -> None:
    config = configured(
        vary={"rf.trees": [20, 40], "dnn.hidden": [[50], [9, 9]]}, design="grid", seeds=[0, 1]
    )
    (study,) = config.studies
    found = {v.dataset: v.changes for v in variations(study, config)}
    assert found == {
        "mine@seeds=0,1": {},
        "mine@dnn.hidden=50,seeds=0,1": {"dnn.hidden": [50]},
        "mine@dnn.hidden=9,9,seeds=0,1": {"dnn.hidden": [9, 9]},
        "mine@rf.trees=40,seeds=0,1": {"rf.trees": 40},
        "mine@dnn.hidden=50,rf.trees=40,seeds=0,1": {"rf.trees": 40, "dnn.hidden": [50]},
        "mine@dnn.hidden=9,9,rf.trees=40,seeds=0,1": {"rf.trees": 40, "dnn.hidden": [9, 9]},
    }


def test_a_study_without_a_dataset_is_of_the_first_experiment() -> None:
    experiment = {"dataset": "mine", "partition": "random", "group_disjoint": True}
    study = {key: value for key, value in STUDY.items() if key not in ("dataset", "partition")}
    config = load(
        {},
        {
            "datasets": {"mine": {"source": "synthetic"}},
            "experiments": [experiment | {"systems": ["TF"]}],
            "studies": [study | {"vary": {"rf.trees": [9]}}],
        },
    )
    (found,) = config.studies
    assert (found.dataset, found.partition_id) == ("mine", "random_group_disjoint")
    assert found.systems == ["SF"]


def test_every_open_point_with_a_key_is_studied() -> None:
    page = (REPOSITORY / "docs/deviations.md").read_text(encoding="utf-8")
    points = set(re.findall(r"^\| `([a-z_0-9.]+)` [OR] \|", page, re.MULTILINE))
    assert len(points) > 30
    studies = read_yaml(REPOSITORY / "config/open_points.yaml")["studies"]
    varied = {key for study in studies for key in study["vary"]}
    # Half and double of 0 are 0.
    assert points - varied == {"seeds", "partitions.seed", "partitions.random_draws", "mel.fmin"}
    assert varied <= points
    datasets = {"mine": {"source": "synthetic"}}
    experiments = [{"dataset": "mine", "partition": "random", "systems": ["SF"]}]
    load({}, {"datasets": datasets, "experiments": experiments, "studies": studies})


def test_variants_have_the_settings_of_what_they_are_like() -> None:
    config = with_studies(
        configured(dataset="other", vary={"rf.decision": ["mean_proba"]}, seeds=[3])
    )
    assert config.related("other")[:2] == ["mine", "other"]
    variant = config.settings("other@rf.decision=mean_proba,seeds=3")
    assert (variant.rf.decision, variant.rf.trees, variant.hpss.power) == ("mean_proba", 20, 1.0)
    assert variant.seeds == [3]
    assert config.source("other@seeds=3") is config.datasets["mine"]


def test_the_name_of_a_variant_fits_into_a_file_system() -> None:
    # They differ behind what a name has room for.
    config = configured(
        vary={"dnn.hidden": [[10**9] * 20 + [i] for i in (1, 2)], "rf.trees": [1]}, design="grid"
    )
    (study,) = config.studies
    names = [variation.dataset for variation in variations(study, config)]
    assert len(set(names)) == len(names) == 6
    assert max(map(len, names)) < 200


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe 1998, table II, method 10.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((0, 12, 2, 36), 0.0569, 0.3404),
        # By hand: a correlation of 26 / 53, and Wilson's 0.9023 to 0.9967.
        ((53, 0, 0, 1), -0.0729, 0.0729),
    ],
)
def test_paired_interval_is_the_published_one(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert paired_interval(*counts) == pytest.approx((low, high), abs=1e-4)


def test_paired_interval_turns_with_the_systems() -> None:
    low, high = paired_interval(30, 15, 6, 9)
    assert paired_interval(30, 6, 15, 9) == pytest.approx((-high, -low))
    assert low < 9 / 60 < high


def test_paired_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(0)
    chances = (0.5, 0.2, 0.12, 0.18)
    covered = 0
    for counts in rng.multinomial(80, chances, size=400):
        low, high = paired_interval(*map(int, counts))
        covered += low <= chances[1] - chances[2] <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.03)


def test_student_interval() -> None:
    values = np.random.default_rng(1).normal(size=40)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert student_interval(values) == pytest.approx((expected.low, expected.high))


def varied(right: Sequence[Sequence[bool]], system: str = "SF", **changes: Any) -> VariedResult:
    """Return the predictions of a system, a list of hits a seed."""
    rows = [
        {"seed": seed, "fold": clip % 2, "track_id": f"t{clip}", "true": "a", "predicted": answer}
        for seed, hits in enumerate(right)
        for clip, hit in enumerate(hits)
        for answer in ["a" if hit else "b"]
    ]
    return VariedResult(system, changes, pd.DataFrame(rows), "doubtful" if changes else "")


def hits(n: int, right: int) -> list[bool]:
    return [clip < right for clip in range(n)]


def test_a_row_a_seed_and_one_for_their_mean() -> None:
    table = compare_variations(
        [
            varied([hits(40, 20), hits(40, 24)]),
            varied([hits(40, 30), hits(40, 24)], **{"rf.trees": 40}),
            varied([hits(40, 12), hits(40, 10)], **{"rf.decision": "mean_proba"}),
        ]
    )
    assert list(table.columns) == list(COLUMNS)
    assert list(table["seed"]) == [0, 1, "mean"] * 3
    baseline, trees, decision = (table.iloc[place : place + 3] for place in (0, 3, 6))
    assert baseline["difference"].isna().all()
    assert list(baseline["accuracy"]) == [50, 60, 55]
    assert set(trees["varied"] + trees["value"]) == {"rf.trees40"}
    assert set(decision["value"]) == {"mean_proba"}
    assert list(trees["difference"]) == pytest.approx([25, 0, 12.5])
    assert list(trees["only_variation"][:2]) == [10, 0]
    assert trees["p"].iloc[0] == pytest.approx(2 / 2**10)
    assert trees["p"].iloc[1] == 1
    # Of the 40 clips, ten are right half as often again.
    changed = np.array([0.5] * 10 + [0.0] * 30)
    low, high = ttest_1samp(changed, 0).confidence_interval(0.95)
    assert trees["difference_low"].iloc[2] == pytest.approx(100 * low)
    assert trees["difference_high"].iloc[2] == pytest.approx(100 * high)
    assert trees["std"].iloc[2] == pytest.approx(np.std([75, 60], ddof=1))
    tests = pd.concat([trees, decision])
    tests = tests[tests["seed"] != "mean"]
    assert list(tests["p_holm"]) == pytest.approx(multipletests(tests["p"], method="holm")[1])
    assert set(table["note"]) == {"", "doubtful"}


def test_other_test_clips_are_refused() -> None:
    with pytest.raises(ValueError, match=r"SF with rf.trees = 40 was tested on other clips"):
        compare_variations([varied([hits(5, 2)]), varied([hits(6, 2)], **{"rf.trees": 40})])


def behind(folder: Path, **jobs: Mapping[str, Sequence[float]]) -> list[Behind]:
    """Return jobs of a rule in a dataset, and write how long each took."""
    rows = []
    for rule, datasets in jobs.items():
        for dataset, seconds in datasets.items():
            benchmarks = folder / rule / dataset
            benchmarks.mkdir(parents=True)
            for place, second in enumerate(seconds):
                with (benchmarks / f"{place}.tsv").open("w", encoding="utf-8") as handle:
                    csv.writer(handle, delimiter="\t").writerows([["s", "h"], [second, "0"]])
            measured = str(benchmarks / "*.tsv")
            rows.append(Behind(rule, len(seconds), dataset, "", measured, "other mine"))
    return rows


def test_what_a_variation_cost(tmp_path: Path) -> None:
    rows = behind(tmp_path, compute_stft={"mine": [1.5, 2]}, train={"mine@x=1": [10, 20, 30]})
    cost = cost_of(rows, study="mine", dataset="mine@x=1", baseline=False)
    assert (cost["jobs"], cost["jobs_made"], cost["jobs_shared"]) == (5, 3, 2)
    assert (cost["share_shared"], cost["seconds_made"], cost["seconds_shared"]) == (0.4, 60, 3.5)
    baseline = cost_of(rows[:1], study="mine", dataset="mine@seeds=0", baseline=True)
    assert (baseline["jobs_made"], baseline["seconds_made"]) == (2, 3.5)
    # What the dataset's other experiments need is no cost of the study's.
    other = Behind("train_other", 4, "mine@x=1", "", "none", "other")
    assert cost_of([*rows, other], study="mine", dataset="mine@x=1", baseline=False) == cost
    total = total_cost([baseline, cost])
    assert (total["jobs"], total["jobs_made"], total["seconds_made"]) == (7, 5, 63.5)
    assert total["share_shared"] == pytest.approx(2 / 7)


def test_a_time_that_was_not_measured_is_not_made_up(tmp_path: Path) -> None:
    rows = behind(tmp_path, train={"mine": [10, 20]})
    (tmp_path / "train/mine/1.tsv").unlink()
    assert isnan(cost_of(rows, study="mine", dataset="mine", baseline=True)["seconds_made"])

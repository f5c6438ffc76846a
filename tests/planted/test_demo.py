"""The systems recover what the demo plants: classes cross timbre, rhythm and balance.

Three generator seeds are pooled, every clip is tested once, and no artist is on two sides.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from harness import ALL_SYSTEMS, REPOSITORY, run_snakemake
from scipy.stats import binomtest

DEFAULTS = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
FACTORS = ("timbre", "rhythm", "balance")
CLIPS = 192


def run_demo(folder: Path, *experiments: dict[str, object]) -> Path:
    """Run the demo as it is by default, but for its experiments, and return the results."""
    config = {
        "datasets": DEFAULTS["datasets"],
        "experiments": [{"dataset": "demo", **experiment} for experiment in experiments],
    }
    outcome = run_snakemake(folder, config, "--", "results/tables.csv")
    assert outcome.status == 0, outcome.output[-6000:]
    return folder / "results"


def factor_hits(results: Path, partition: str, system: str) -> pd.DataFrame:
    """Return whether each test clip's factors were recognised, a column a factor."""
    table = pd.read_csv(results / "demo" / "predictions" / partition / f"{system}.csv")
    true, predicted = (
        table[column].str.split("_", expand=True).set_axis(FACTORS, axis=1)
        for column in ("true", "predicted")
    )
    return true == predicted


def percent(hits: pd.Series) -> float:
    return 100 * float(hits.mean())


@pytest.fixture(scope="module")
def jeong(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Hits by factor of the systems of Jeong 2016, and of what it leaves for later."""
    systems = ["SF", "TF", "SF+TF", "joint", "series"]
    partition = {"partition": "random", "group_disjoint": True, "systems": systems}
    results = run_demo(tmp_path_factory.mktemp("jeong"), partition)
    hits = {system: factor_hits(results, "random_group_disjoint", system) for system in systems}
    assert {len(table) for table in hits.values()} == {CLIPS}
    return hits


def test_spectral_features_hear_the_timbre(jeong: dict[str, pd.DataFrame]) -> None:
    assert percent(jeong["SF"]["timbre"]) >= 80
    assert percent(jeong["TF"]["timbre"]) < percent(jeong["SF"]["timbre"])


def test_spectral_features_do_not_hear_the_rhythm(jeong: dict[str, pd.DataFrame]) -> None:
    # The same sounds, as many of them, at other times: frames alone can't tell.
    hits = jeong["SF"]["rhythm"]
    interval = binomtest(int(hits.sum()), CLIPS).proportion_ci(method="wilson")
    assert interval.low <= 0.5 <= interval.high, f"{hits.sum()} of {CLIPS}"


def test_temporal_features_hear_the_rhythm(jeong: dict[str, pd.DataFrame]) -> None:
    assert percent(jeong["TF"]["rhythm"]) >= 90


def test_both_together_are_no_worse_than_the_better_one(jeong: dict[str, pd.DataFrame]) -> None:
    accuracy = {system: percent(hits.all(axis=1)) for system, hits in jeong.items()}
    assert accuracy["SF+TF"] >= max(accuracy["SF"], accuracy["TF"]) - 3, accuracy


@pytest.mark.parametrize("factor", FACTORS)
def test_learned_together_they_hear_every_factor(
    jeong: dict[str, pd.DataFrame], factor: str
) -> None:
    hits = int(jeong["joint"][factor].sum())
    interval = binomtest(hits, CLIPS).proportion_ci(method="wilson")
    assert interval.low > 0.5, f"{hits} of {CLIPS}"


def test_in_series_the_rhythm_is_heard_through_spectra(jeong: dict[str, pd.DataFrame]) -> None:
    # The network below hears frames alone, and not the rhythm: it is in how they follow each other.
    for factor in ("timbre", "rhythm"):
        hits = int(jeong["series"][factor].sum())
        interval = binomtest(hits, CLIPS).proportion_ci(method="wilson")
        assert interval.low > 0.5, f"{factor}: {hits} of {CLIPS}"


@pytest.fixture(scope="module")
def yi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All systems on the split, and the two parts' experts on every clip: 20 minutes."""
    return run_demo(
        tmp_path_factory.mktemp("yi"),
        {"partition": "split", "systems": ALL_SYSTEMS},
        {"partition": "random", "group_disjoint": True, "systems": ["harmonic", "percussive"]},
    )


@pytest.mark.long
def test_the_experts_of_the_two_parts_differ_where_they_must(yi: Path) -> None:
    """The tones that carry the timbre are in the harmonic part, the bursts in the percussive."""
    harmonic, percussive = (
        factor_hits(yi, "random_group_disjoint", system) for system in ("harmonic", "percussive")
    )
    assert len(harmonic) == len(percussive) == CLIPS
    assert percent(harmonic["timbre"]) >= percent(percussive["timbre"]) + 5
    assert percent(percussive["balance"]) >= percent(harmonic["balance"])
    # Not by a few clips that fell to one side: McNemar's test on timbre.
    only_harmonic = (harmonic["timbre"] & ~percussive["timbre"]).sum()
    only_percussive = (~harmonic["timbre"] & percussive["timbre"]).sum()
    assert binomtest(int(only_harmonic), int(only_harmonic + only_percussive)).pvalue < 0.01
    for hits in (harmonic, percussive):
        assert percent(hits["rhythm"]) >= 90


@pytest.mark.long
def test_every_system_is_far_above_chance(yi: Path) -> None:
    table = pd.read_csv(yi / "tables.csv")
    accuracies = table[(table["metric"] == "accuracy") & (table["partition"] == "split")]
    accuracies = accuracies.set_index("system")
    assert list(accuracies.index) == ALL_SYSTEMS
    assert (accuracies["n"] == 48).all()
    # Eight classes: a guess is right about 12.5 % of the clips.
    assert (accuracies["ci_low"] > 25).all()
    # No mixture of experts is worse than the mean of its experts.
    experts = accuracies.loc[["original", "harmonic", "percussive", "modulation"], "value"].mean()
    assert (accuracies.loc[["MoEB", "MoEC", "MoER"], "value"] >= experts).all()

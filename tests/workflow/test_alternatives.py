"""The demo's source, several seeds, and every alternative that is not the default, run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from harness import SMALL, merge, run_snakemake

ALTERNATIVES = {
    "audio": {"resampler": "kaiser_fast"},
    "hpss": {"conserve": "power", "margin": 2.0},
    "modulation": {"spectrogram": "power"},
    "dnn": {"initialisation": "he_normal", "epochs": 2},
    "rf": {"decision": "mean_proba", "max_features": "log2"},
    "expert": {"normalisation": "train_freq", "model": "last", "epochs": 1},
    "mixer": {
        "frozen_batchnorm": "keras224_bn",
        "model": "val_accuracy",
        "experts": ["original", "percussive"],
    },
    "partitions": {"random_draws": "independent", "swapped_networks": "retrained"},
    "training": {"memory_gb": 0.001},
    "seeds": [0, 3],
}

FIGURE = "results/figures/figure_of_merit/gtzan_random_SF.png"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alternatives")
    config = merge(SMALL, ALTERNATIVES) | {
        # A dataset that has the name of the papers' and not its clips.
        "datasets": {"gtzan": {"source": "synthetic", "seeds": [0], "artists": 4, "seconds": 6}},
        "experiments": [
            {"dataset": "gtzan", "partition": "split", "systems": ["SF+TF", "MoER"]},
            {"dataset": "gtzan", "partition": "random", "systems": ["SF"]},
            {"dataset": "gtzan", "partition": "split_swapped", "systems": ["SF"]},
        ],
    }
    outcome = run_snakemake(folder, config, "--", "results/tables.csv", FIGURE)
    assert outcome.status == 0, outcome.output[-6000:]
    return folder


def test_every_seed_has_its_rows_and_their_mean(finished: Path) -> None:
    table = pd.read_csv(finished / "results/tables.csv", dtype={"seed": str})
    accuracies = table[table["metric"] == "accuracy"].set_index(["partition", "system", "seed"])
    for partition, system in (("split", "SF+TF"), ("split", "MoER"), ("random", "SF")):
        values = [accuracies.loc[(partition, system, seed), "value"] for seed in ("0", "3")]
        mean = accuracies.loc[(partition, system, "mean")]
        assert mean["value"] == pytest.approx(sum(values) / 2, abs=0.01)
        assert pd.notna(mean["std"])


def test_experts_that_are_only_mixed_are_compared_too(finished: Path) -> None:
    table = pd.read_csv(finished / "results/tables/experts_by_genre.csv", dtype={"seed": str})
    assert set(table["partition"]) == {"split"}
    cells = table[table["expert"].notna()]
    assert set(cells["expert"]) == {"original", "percussive"}
    assert set(cells["metric"]) == {"recall", "weight"}
    assert set(cells["seed"]) == {"0", "3", "mean"}
    assert cells.loc[cells["seed"] == "mean", "std"].notna().all()
    # They were not asked for, so no other table has them.
    assert set(pd.read_csv(finished / "results/tables.csv")["system"]) == {"SF", "SF+TF", "MoER"}


def test_dataset_that_only_has_the_name_is_not_set_beside_the_papers(finished: Path) -> None:
    table = pd.read_csv(finished / "results/tables.csv")
    assert table["published"].isna().all()
    assert not table["note"].fillna("").str.contains("published").any()
    # Beside the paper's matrix, which has other classes, it could not be drawn.
    assert (finished / FIGURE).stat().st_size > 1000


def test_networks_trained_again_for_a_swapped_partition_do_not_know_its_test_clips(
    finished: Path,
) -> None:
    assert list((finished / "results/gtzan/models/split_swapped").rglob("sf.safetensors"))
    audit = pd.read_csv(finished / "results/tables/leak_audit.csv")
    (verdict,) = audit.loc[
        (audit["partition"] == "split_swapped") & (audit["check"] == "selection"), "verdict"
    ]
    assert verdict == "clean"

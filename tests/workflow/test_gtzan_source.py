"""GTZAN from a copy on disk: the papers' experiments are planned, and their partitions drawn."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
import yaml
from genreflow.gtzan import TRACK_IDS
from harness import REPOSITORY, Outcome, run_snakemake

PAPERS = yaml.safe_load((REPOSITORY / "config" / "gtzan.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def copy(tmp_path: Path, gtzan_lists: Path) -> Path:
    """A folder with the lists and a copy of GTZAN whose files are empty: planning opens none."""
    (tmp_path / "gtzan_lists").symlink_to(gtzan_lists)
    for track_id in TRACK_IDS:
        path = tmp_path / "gtzan" / "genres" / track_id.partition(".")[0] / f"{track_id}.au"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def run(folder: Path, *arguments: str) -> Outcome:
    outcome = run_snakemake(folder, PAPERS, *arguments)
    assert outcome.status == 0, outcome.output[-3000:]
    return outcome


def jobs(outcome: Outcome) -> Counter[str]:
    return Counter(
        line.split()[1].rstrip(":")
        for line in outcome.output.splitlines()
        if line.startswith(("rule ", "localrule "))
    )


def test_the_papers_experiments_are_planned(copy: Path) -> None:
    planned = jobs(run(copy, "-n", "--", "results/tables.csv"))
    shards = 16
    assert planned["compute_stft"] == planned["separate_hpss"] == shards
    # Both networks on four random folds and on the lists; swapped, the forests alone are new.
    assert planned["train_dnn"] == 2 * (4 + 1)
    assert planned["evaluate_forest"] == 3 * (4 + 1 + 1)
    assert planned["train_expert"] == 5 * (1 + 10)
    assert planned["train_mixer"] == 2 * (1 + 10)
    # As config/gtzan.yaml says.
    text = (REPOSITORY / "config" / "gtzan.yaml").read_text(encoding="utf-8")
    assert f"{sum(planned.values())} jobs" in text


def test_partitions_have_the_papers_sizes(copy: Path) -> None:
    names = ("fault_filtered", "fault_filtered_swapped", "random", "cv10")
    run(copy, "--", *(f"results/gtzan/partitions/{name}.csv" for name in names))
    sizes = {}
    for name in names:
        with (copy / f"results/gtzan/partitions/{name}.csv").open(newline="") as handle:
            roles = Counter((row["fold"], row["role"]) for row in csv.DictReader(handle))
        sizes[name] = [roles["0", role] for role in ("train", "valid", "test")]
    assert sizes == {
        "fault_filtered": [443, 197, 290],
        "fault_filtered_swapped": [443, 290, 197],
        "random": [500, 250, 250],
        "cv10": [800, 100, 100],
    }

"""The papers' experiments: planned before anything is there, and their partitions drawn."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from genreflow.collections.gtzan import TRACK_IDS
from genreflow.systems import UNPUBLISHED
from harness import REPOSITORY, planned_jobs, run_snakemake

CONFIG = REPOSITORY / "config"


def papers(name: str) -> dict[str, object]:
    content = yaml.safe_load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def planned(name: str, folder: Path) -> Counter[str]:
    """Plan the experiments as a newcomer does, and compare the number of jobs with the file's."""
    found = planned_jobs(run_snakemake(folder, papers(name), "-n", "--", "results/tables.csv"))
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    stated = re.search(r"([0-9]+) jobs", text)
    assert stated is not None
    assert sum(found.values()) == int(stated[1])
    assert not (folder / "downloads").exists()
    return found


def test_the_experiments_on_gtzan_are_planned(tmp_path: Path) -> None:
    found = planned("gtzan", tmp_path)
    assert found["retrieve_collection"] == found["retrieve_annotations"] == 1
    assert found["compute_stft"] == found["separate_hpss"] == 8
    # Both networks, and one more in series, on four random folds and on the lists; swapped, the
    # forests alone are new.
    assert found["train_dnn"] == (2 + 1) * (4 + 1)
    assert found["train_joint"] == 4 + 1
    assert found["evaluate_forest"] == 3 * (4 + 1 + 1) + 2 * (4 + 1)
    assert found["train_expert"] == 5 * (1 + 10)
    assert found["train_mixer"] == 2 * (1 + 10)


def test_the_experiments_on_fma_small_are_planned(tmp_path: Path) -> None:
    found = planned("fma_small", tmp_path)
    assert found["retrieve_collection"] == found["retrieve_annotations"] == 1
    assert found["compute_stft"] == found["separate_hpss"] == 64
    assert found["train_expert"] == 5
    assert found["train_mixer"] == 2
    assert found["evaluate_mixture"] == 3
    assert found["compute_cepstrogram"] == 0


@pytest.mark.parametrize("name", ["gtzan", "fma_small"])
def test_every_published_accuracy_of_the_papers_is_in_an_experiment(name: str) -> None:
    experiments = papers(name)["experiments"]
    assert isinstance(experiments, list)
    chosen = {(e["partition"], system) for e in experiments for system in e["systems"]}
    # Beside the papers' own stands what they have to beat.
    assert {(e["partition"], "stats") for e in experiments} <= chosen
    run = {(partition, system) for partition, system in chosen if system != "stats"}
    published = set()
    for path in (CONFIG / "published").glob("*_accuracy.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            published |= {
                (row["partition"], row["system"])
                for row in csv.DictReader(file)
                if row["dataset"] == name
            }
    assert len(published) >= 8
    assert published == {(part, system) for part, system in run if system not in UNPUBLISHED}


def test_partitions_have_the_papers_sizes(tmp_path: Path, gtzan_lists: Path) -> None:
    # Its files are empty: nothing here opens one.
    for track_id in TRACK_IDS:
        path = tmp_path / "gtzan" / "genres" / track_id.partition(".")[0] / f"{track_id}.au"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    place = {"source": "gtzan", "path": "gtzan", "lists": str(gtzan_lists)}
    config = papers("gtzan") | {"datasets": {"gtzan": place}}
    names = ("fault_filtered", "fault_filtered_swapped", "random", "cv10")
    targets = [f"results/gtzan/partitions/{name}.csv" for name in names]
    outcome = run_snakemake(tmp_path, config, "--", *targets)
    assert outcome.status == 0, outcome.output[-3000:]
    sizes = {}
    for name in names:
        with (tmp_path / f"results/gtzan/partitions/{name}.csv").open(newline="") as handle:
            roles = Counter((row["fold"], row["role"]) for row in csv.DictReader(handle))
        sizes[name] = [roles["0", role] for role in ("train", "valid", "test")]
    assert sizes == {
        "fault_filtered": [443, 197, 290],
        "fault_filtered_swapped": [443, 290, 197],
        "random": [500, 250, 250],
        "cv10": [800, 100, 100],
    }

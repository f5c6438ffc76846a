"""docs/probes.md, its files, commands and Python carried out in their order, and its promises."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from harness import REPOSITORY, planned_jobs, run_snakemake, write_tone
from pages import blocks

pytestmark = pytest.mark.docs

BLOCKS = [(block.kind, block.text) for block in blocks("docs/probes.md", "bash", "python", "yaml")]
PLACES = {"yaml": "my.yaml", "python": "embed.py"}
ROWS = ["stats", "probe:mfcc"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of music in which the page was carried out."""
    folder = tmp_path_factory.mktemp("probes")
    for label, pitch in (("jazz", 110), ("rock", 440)):
        (folder / "music" / label).mkdir(parents=True)
        for number in range(12):
            path = folder / "music" / label / f"{number:02d}.wav"
            write_tone(path, pitch * 1.02**number, seconds=6, sample_rate=22050)
    # The commands find Snakemake and Python where the tests have them.
    binaries = str(Path(sys.executable).parent)
    for kind, text in BLOCKS:
        if kind in PLACES:
            (folder / PLACES[kind]).write_text(text, encoding="utf-8")
            continue
        command = text.replace("snakemake", f"snakemake --snakefile {REPOSITORY}/Snakefile")
        result = subprocess.run(
            ["bash", "-euc", command],
            cwd=folder,
            env={**os.environ, "PATH": f"{binaries}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{text}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    assert [kind for kind, _ in BLOCKS] == ["yaml", "bash", "python", "bash", "yaml", "bash"]
    return folder


def config() -> dict[str, object]:
    """Return the configuration that the page ends with."""
    found: dict[str, object] = yaml.safe_load([text for kind, text in BLOCKS if kind == "yaml"][-1])
    return found


def accuracies(home: Path) -> pd.DataFrame:
    table = pd.read_csv(home / "results" / "tables.csv")
    return table[table["metric"] == "accuracy"].set_index("system")


def test_page_gives_a_probe_beside_the_statistics(home: Path) -> None:
    found = accuracies(home)
    assert list(found.index) == ROWS
    # Two pitches: both tell them apart.
    assert list(found["correct"]) == [24, 24]
    assert list(found["paper"]) == ["neither", "neither"]
    assert found["note"].str.contains("in neither paper").all()
    assert "embeddings" not in found["note"]["stats"]
    assert "may have been trained on the test clips" in found["note"]["probe:mfcc"]
    tests = pd.read_csv(home / "results/tables/mcnemar.csv").iloc[0]
    assert [tests["system_a"], tests["system_b"], tests["both_right"]] == [*ROWS, 24]
    predictions = pd.read_csv(home / "results/mymusic/predictions/random/probe:mfcc.csv")
    assert len(predictions) == 24
    audit = pd.read_csv(home / "results/tables/leak_audit.csv").set_index("system")
    assert list(audit.loc[ROWS, "verdict"]) == ["clean", "unknown"]
    report = (home / "results" / "report.html").read_text(encoding="utf-8")
    assert "probe:mfcc" in report
    # There is no network, so there is nothing to draw of one.
    assert "Learning curves" not in report
    assert not (home / "results/figures/learning_curves").exists()


def test_a_probe_learns_what_scikit_learn_does(home: Path) -> None:
    with np.load(home / "mfcc.npz") as file:
        vectors = dict(zip(file["track_id"], file["vectors"], strict=True))
    partition = pd.read_csv(home / "results/mymusic/partitions/random.csv")
    predictions = pd.read_csv(home / "results/mymusic/predictions/random/probe:mfcc.csv")
    for fold, rows in partition.groupby("fold"):
        known, test = (rows[(rows["role"] == "test") == tested] for tested in (False, True))
        assert {*predictions[predictions["fold"] == fold]["track_id"]} == {*test["track_id"]}
        centre = {
            label: np.mean([vectors[track_id] for track_id in own["track_id"]], axis=0)
            for label, own in known.groupby("label")
        }
        for track_id in test["track_id"]:
            nearest = min(centre, key=lambda k: np.linalg.norm(vectors[track_id] - centre[k]))
            row = predictions[predictions["track_id"] == track_id].iloc[0]
            assert row["predicted"] == nearest


def test_a_missing_clip_counts_as_wrong_and_is_named(home: Path, tmp_path: Path) -> None:
    with np.load(home / "mfcc.npz") as file:
        track_ids, vectors = file["track_id"], file["vectors"]
    before = config()
    missing = tmp_path / "missing.npz"
    np.savez(missing, track_id=[*track_ids[1:], "another"], vectors=np.roll(vectors, -1, axis=0))
    changed = before | {"probes": {"mfcc": {"vectors": str(missing)}}}
    outcome = run_snakemake(home, changed, "--", "results/tables.csv")
    assert outcome.status == 0, outcome.output[-3000:]
    jobs = planned_jobs(outcome)
    assert jobs["collect_embeddings"] == 1
    assert jobs["evaluate_vectors"] == 4
    found = accuracies(home).loc["probe:mfcc"]
    assert (found["correct"], found["n"]) == (23, 24)
    assert "no embedding of 1 test clips, counted as wrong" in found["note"]
    assert "no embedding" not in accuracies(home)["note"]["stats"]
    listed = pd.read_csv(home / "results/mymusic/vectors/probe:mfcc_missing.csv")
    assert list(listed["track_id"]) == [track_ids[0]]
    assert f"{track_ids[0]} has no embedding in" in outcome.output
    # Two of 24 are more than a twentieth.
    np.savez(missing, track_id=track_ids[2:], vectors=vectors[2:])
    outcome = run_snakemake(home, changed, "--", "results/tables.csv")
    assert outcome.status != 0
    assert "2 of 24 clips (8.3%) have no embedding" in outcome.output
    assert str(track_ids[1]) in outcome.output


def test_a_crate_of_the_run_names_the_embeddings(home: Path) -> None:
    crate = "results/ro-crate-metadata.json"
    outcome = run_snakemake(home, config(), "--", crate)
    assert outcome.status == 0, outcome.output[-3000:]
    entities = {each["@id"]: each for each in json.loads((home / crate).read_bytes())["@graph"]}
    (vectors,) = [name for name in entities if "/vectors/" in name]
    assert {"@id": vectors} in entities["#run"]["object"]
    copy = home / "results/mymusic/vectors/probe:mfcc.h5"
    assert entities[vectors]["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()


def test_a_probe_makes_no_classifier_and_statistics_do(home: Path) -> None:
    outcome = run_snakemake(home, config(), "-n", "--", "results/mymusic/classifiers/probe:mfcc")
    assert outcome.status != 0
    assert "a probe knows the clips of its embeddings alone" in outcome.output
    outcome = run_snakemake(home, config(), "--", "results/mymusic/classifiers/stats")
    assert outcome.status == 0, outcome.output[-3000:]
    card = (home / "results/mymusic/classifiers/stats/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "the system stats, which is in no paper" in card
    assert "| all | 24 | 0 |" in card


def test_embeddings_that_are_not_there_are_refused_at_planning(home: Path) -> None:
    changed = config() | {"probes": {"mfcc": {"vectors": "nowhere.npz"}}}
    outcome = run_snakemake(home, changed, "-n")
    assert outcome.status != 0
    assert "'nowhere.npz' does not exist" in outcome.output
    assert "Traceback" not in outcome.output

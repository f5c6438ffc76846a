"""Classifiers from the real workflow: the numbers of the experiments, from a folder alone."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import genreflow
import numpy as np
import pandas as pd
import pytest
from genreflow import cli
from genreflow.systems import JEONG_SYSTEMS, MIXTURE_SYSTEMS
from harness import (
    ALL_SYSTEMS,
    music_configuration,
    planned_jobs,
    run_here,
    run_snakemake,
)

FOLD = "results/music/classifiers/split/seed0/fold0"
#: Test clips of `split`; t10 can't be decoded.
TESTED = {"t10": "clip 10.ogg", "t11": "clip 11.mp3", "t22": "clip 22.ogg", "t23": "clip 23.mp3"}


CONFIG = music_configuration()


@pytest.fixture(scope="module")
def trained(finished: Path) -> Path:
    """The finished run with a classifier of every system's fold, and one of all clips.

    What these tests add to it, no other test reads.
    """
    targets = [f"{FOLD}/{system}" for system in ALL_SYSTEMS]
    outcome = run_snakemake(finished, CONFIG, "--", *targets, "results/music/classifiers/TF")
    jobs = planned_jobs(outcome)
    # Of the fold's networks, none is trained again.
    assert jobs["train_dnn"] == 1
    assert not jobs.keys() & {"train_expert", "train_mixer", "compute_statistics"}
    return finished


@pytest.mark.parametrize("system", ALL_SYSTEMS)
def test_classifier_of_a_fold_has_the_probabilities_of_its_experiment(
    trained: Path, tmp_path: Path, system: str
) -> None:
    # On another machine there is nothing but the folder.
    moved = shutil.copytree(trained / FOLD / system, tmp_path / "moved")
    classifier = genreflow.load(moved)
    predictions = pd.read_csv(trained / f"results/music/predictions/split/{system}.csv")
    predictions = predictions.set_index("track_id")
    for track_id in ("t11", "t22", "t23"):
        expected = predictions.loc[track_id]
        found = classifier.predict(trained / TESTED[track_id], first=True)
        assert found.label == expected["predicted"]
        difference = [
            found.probabilities[k] - expected[f"probability_{k}"] for k in ("high", "low")
        ]
        # The file has six decimals.
        assert np.abs(difference).max() < (6e-7 if system in JEONG_SYSTEMS else 1e-5)
        if system in ("MoEC", "MoER"):
            weights = [found.weights[e] - expected[f"weight_{e}"] for e in found.weights]
            assert np.abs(weights).max() < 1e-5
        assert bool(found.weights) == (system in MIXTURE_SYSTEMS)
        starts = [segment.start for segment in found.segments]
        assert starts[0] == 0
        assert found.segments[-1].end <= 5.5


def test_features_in_memory_are_those_of_the_caches(trained: Path) -> None:
    for folder in sorted((trained / "results/music/features").iterdir()):
        with genreflow.read_features(folder) as features:
            found = genreflow.extract(
                trained / "clip 03.mp3", [folder.name], settings={"audio": {"clip_seconds": 5.5}}
            )
            assert len(features) == 23
            cached = features["t03"]
            assert cached.dtype == found[folder.name].dtype
            assert np.array_equal(cached, found[folder.name]), folder.name
            if folder.name == "mfcc":
                row = features.to_dataframe().loc["t03"]
                assert row["mfcc_7_mean"] == pytest.approx(cached[7].mean(dtype=float))
                assert row["mfcc_59_std"] == pytest.approx(cached[59].std(dtype=float))


def test_command_writes_a_row_a_file_and_names_bad_files(
    trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = [str(trained / name) for name in TESTED.values()]
    out = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "json", "segments")}
    options = [word for kind, path in out.items() for word in (f"--{kind}", str(path))]
    status = cli.main(["predict", str(trained / FOLD / "MoEC"), *files, *options, "--jobs", "1"])
    assert status == 3
    said = capfd.readouterr().err
    assert f"{files[0]}: left out: " in said
    assert "1 of 4 files were left out" in said
    table = pd.read_csv(out["csv"])
    assert list(table.columns) == [
        "path", "label", "probability", "probability_high", "probability_low",
        "weight_original", "weight_harmonic", "weight_percussive", "weight_modulation",
    ]  # fmt: skip
    assert list(table["path"]) == files[1:]
    assert np.allclose(table["probability"], table.filter(like="probability_").max(axis=1))
    assert np.allclose(table.filter(like="weight_").sum(axis=1), 1, atol=1e-5)
    timeline = pd.read_csv(out["segments"])
    assert list(timeline["start"]) == [0, 0, 0]
    content = json.loads(out["json"].read_text())
    assert [entry["path"] for entry in content] == [*files[1:], files[0]]
    assert "error" in content[-1]
    # Another number of processes, and a whole folder: the same rows.
    folder = tmp_path / "music"
    folder.mkdir()
    for name in list(TESTED.values())[1:]:
        shutil.copy(trained / name, folder)
    status = cli.main(["predict", str(trained / FOLD / "MoEC"), str(folder), "--jobs", "2"])
    shown = pd.read_csv(io.StringIO(capfd.readouterr().out))
    assert status == 0
    assert [Path(path).name for path in shown["path"]] == list(TESTED.values())[1:]
    pd.testing.assert_frame_equal(shown.drop(columns="path"), table.drop(columns="path"))


def test_prediction_needs_neither_snakemake_nor_hdf5(trained: Path) -> None:
    code = (
        "import sys; sys.modules['h5py'] = sys.modules['snakemake'] = None\n"
        "import genreflow; print(genreflow.load(sys.argv[1]).predict(sys.argv[2]).label)"
    )
    for system in ("SF+TF", "MoER"):
        result = subprocess.run(
            [sys.executable, "-c", code, trained / FOLD / system, trained / "clip 11.mp3"],
            env={**os.environ, "PYTHONPATH": str(Path(genreflow.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stdout.strip() in ("high", "low"), result.stderr


def test_classifier_of_all_clips_knows_every_usable_clip(trained: Path) -> None:
    folder = trained / "results/music/classifiers/TF"
    description = json.loads((folder / "classifier.json").read_text())
    clips = description["clips"]
    assert sorted(clips["train"] + clips["valid"]) == sorted(
        f"t{i:02d}" for i in range(24) if i != 10
    )
    groups = [{int(track_id[1:]) // 4 for track_id in clips[role]} for role in clips]
    assert not groups[0] & groups[1]
    card = (folder / "MODEL_CARD.md").read_text()
    assert "every usable clip" in card
    # TF has one experiment, whose counts are those of the tables.
    table = pd.read_csv(trained / "results/tables.csv")
    row = table[(table["system"] == "TF") & (table["metric"] == "accuracy")].iloc[0]
    assert f"| {row['correct']:.0f}/4 |" in card
    assert "none is left to test it" in card


def test_one_more_experiment_changes_the_card_and_no_weights(trained: Path) -> None:
    assert isinstance(CONFIG["experiments"], list)
    more = {
        **CONFIG,
        "experiments": [
            *CONFIG["experiments"],
            {"dataset": "music", "partition": "random", "systems": ["TF"]},
        ],
    }
    target = "results/music/classifiers/TF"
    assert "Nothing to be done" in run_here(trained, CONFIG, "-n", "--", target).output
    planned = planned_jobs(run_here(trained, more, "-n", "--", target))
    assert planned["write_model_card"] == planned["make_classifier"] == 1
    assert "grow_forest" not in planned
    before = {path.name: path.stat().st_mtime_ns for path in (trained / target).iterdir()}
    outcome = run_snakemake(trained, more, "--", target)
    assert outcome.status == 0, outcome.output[-4000:]
    after = {path.name: path.stat().st_mtime_ns for path in (trained / target).iterdir()}
    changed = {name for name in after if before.get(name) != after[name]}
    assert {"MODEL_CARD.md", "SHA256SUMS"} <= changed
    assert not changed & {"tf.safetensors", "forest.safetensors", "classifier.json"}
    assert "`random`" in (trained / target / "MODEL_CARD.md").read_text()
    genreflow.load(trained / target)


def test_partition_of_all_clips_is_refused_in_an_experiment(tmp_path: Path) -> None:
    config = {
        "datasets": {"demo": {"source": "synthetic"}},
        "experiments": [{"dataset": "demo", "partition": "all", "systems": ["SF"]}],
    }
    outcome = run_here(tmp_path, config, "-n")
    assert outcome.status != 0
    assert "which has no test clips" in outcome.output
    assert "classifiers" in outcome.output


def test_whole_collection_is_classified_from_its_caches(trained: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(trained / FOLD / "MoEC", tmp_path / "elsewhere" / "MoEC")
    config = {
        **CONFIG,
        "classify": [
            {"dataset": "music", "classifier": str(moved)},
            {"dataset": "music", "classifier": "results/music/classifiers/TF", "name": "final"},
        ],
    }
    outcome = run_snakemake(trained, config, "--", "classified")
    assert outcome.status == 0, outcome.output[-4000:]
    jobs = planned_jobs(outcome)
    assert jobs["classify_shard"] == 4
    # The card is another one after the test before this one.
    cards = {"write_model_card", "make_classifier"}
    assert jobs.keys() <= {"classify_shard", "collect_classified", "classified"} | cards
    table = pd.read_csv(trained / "results/music/classified/MoEC.csv").set_index("track_id")
    assert list(table.index) == [f"t{number:02d}" for number in range(24)]
    assert table.loc["t10"].isna().all()  # in quarantine
    predictions = pd.read_csv(trained / "results/music/predictions/split/MoEC.csv")
    predictions = predictions.set_index("track_id").drop(index="t10")
    assert list(table.loc[predictions.index, "label"]) == list(predictions["predicted"])
    for column in predictions.filter(regex="^(probability|weight)_"):
        difference = table.loc[predictions.index, column] - predictions[column]
        assert difference.abs().max() < 1e-5
    final = pd.read_csv(trained / "results/music/classified/final.csv")
    assert len(final) == 24
    assert final["probability_high"].notna().sum() == 23


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cepstrum": {"epsilon": 1e-3}}, "cepstrum.epsilon is 0.001 here and 0.0001 there"),
        # What TF does not read may differ.
        ({"mel": {"n_mels": 80}}, ""),
        ({"classify": [{"dataset": "music", "classifier": "nothing"}]}, "there is no classifier"),
        ({"classify": [{"dataset": "musik", "classifier": "x"}]}, "did you mean `music`?"),
    ],
)
def test_classifier_of_other_features_is_refused_at_planning(
    trained: Path, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    shutil.copytree(trained / FOLD / "TF", tmp_path / "TF")
    config = {
        **CONFIG,
        "classify": [{"dataset": "music", "classifier": "TF"}],
        **changes,
    }
    shutil.copy(trained / "manifest.csv", tmp_path)
    outcome = run_here(tmp_path, config, "-n", "--", "classified")
    assert (outcome.status != 0) == bool(words)
    assert words in outcome.output
    assert "Traceback" not in outcome.output

"""The mixers find the expert that is right: the real training on planted expert probabilities.

Each of four classes has one expert that is right about it, while the others name a wrong class
with the same confidence.  Real experts would not do: after training they know the clips by heart,
so that the gate learns little from them.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import evaluate_mixture
import numpy as np
import pandas as pd
import pytest
import train_mixer
from genreflow.features.registry import FEATURES
from genreflow.files.assignments import Assignment, write_assignments
from genreflow.files.store import FeatureWriter, write_arrays
from genreflow.jobs.job import Job
from genreflow.systems import MIXED as EXPERTS
from genreflow.yi2019.pools import derive_pools

LABELS = ["blues", "disco", "jazz", "rock"]
#: Of each class, the expert that is right about it: no order in common.
RIGHT = {"blues": "percussive", "disco": "original", "jazz": "modulation", "rock": "harmonic"}
CLIPS = {"train": 16, "valid": 6, "test": 10}
FRAMES = 110
FOLD = {"fold": 0, "seed": 0}
TRAINING = {"device": "cpu", "threads": 1, "precision": "float32"}


def spectrogram(label: str, rng: np.random.Generator) -> np.ndarray:
    """Return noise in dB whose louder stretch of bands tells the class, shape (96, frames)."""
    values = rng.normal(-50, 8, (96, FRAMES))
    first = 24 * LABELS.index(label) + rng.integers(0, 8)
    values[first : first + 14] += 12
    return values


def opinion(label: str, expert: str, rng: np.random.Generator) -> np.ndarray:
    """Return an expert's probabilities: 0.85 for one class, the true one if it knows the class."""
    others = [other for other in LABELS if other != label]
    named = label if RIGHT[label] == expert else rng.choice(others)
    return np.array([0.85 if other == named else 0.05 for other in LABELS])


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A partition, cached spectrograms in two shards, and the experts' cached probabilities."""
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    clips = [
        Assignment(0, f"{role}{number:02d}-{label}", label, role)
        for role, count in CLIPS.items()
        for number in range(count)
        for label in LABELS
    ]
    write_assignments(sorted(clips, key=lambda clip: clip.track_id), folder / "partition.csv")
    for shard in range(2):
        with FeatureWriter(
            folder / f"mel{shard}.h5",
            FEATURES["mel_original"].layout((96, FRAMES)),
            parameters={},
            sample_rate=22050,
            hop=512,
        ) as writer:
            for clip in clips[shard::2]:
                writer.append(clip.track_id, spectrogram(clip.label, rng))
    for expert in EXPERTS:
        order = rng.permutation(len(clips))  # caches need not be in one order
        write_arrays(
            folder / f"{expert}.h5",
            {
                "track_id": np.array([clips[i].track_id for i in order]),
                "data": np.array(
                    [opinion(clips[i].label, expert, rng) for i in order], dtype=np.float32
                ),
                "label": np.array(LABELS),
                "quarantined": np.array([], dtype=object),
            },
        )
    return folder


def run_script(
    script: ModuleType, params: dict[str, object], **files: Path | list[Path] | int
) -> None:
    """Run a rule's script in this process."""
    arguments = ["--params", json.dumps(params)]
    for key, value in files.items():
        values = value if isinstance(value, list) else [value]
        arguments += ["--" + key.replace("_", "-"), *map(str, values)]
    script.main(Job(arguments))


@pytest.fixture(scope="module", params=["moec", "moer"])
def predictions(request: pytest.FixtureRequest, collection: Path) -> pd.DataFrame:
    """The test clips' predictions of a mixer that was trained on the planted opinions."""
    mixer: str = request.param
    common = {"training": TRAINING, "experts": list(EXPERTS)}
    inputs = [collection / "mel0.h5", collection / "mel1.h5"]
    probabilities = [collection / f"{expert}.h5" for expert in EXPERTS]
    model, table = collection / f"{mixer}.safetensors", collection / f"{mixer}.csv"
    run_script(
        train_mixer,
        {
            "settings": {
                **common,
                "normalisation": "clip",
                "channels": [8, 8, 16, 16, 16],
                "pools": derive_pools((96, FRAMES), "spectrogram"),
                "mixer": {
                    "epochs": 8,
                    "batch": 8,
                    "learning_rate": 5e-3,
                    "decay": 1e-4,
                    "patience": None,
                    "model": "lowest_val_loss",
                    "dropout": [0.25, 0.25, 0.5],
                    "frozen_batchnorm": "running",
                },
            },
            "wildcards": FOLD | {"mixer": mixer},
        },
        partition=collection / "partition.csv",
        probabilities=probabilities,
        inputs=inputs,
        models=[],
        expert_inputs=[],
        model=model,
        curve=collection / f"{mixer}_curve.csv",
        inputs_mb=1000,
    )
    run_script(
        evaluate_mixture,
        {
            "settings": {**common, "batch": 8},
            "wildcards": FOLD | {"system": {"moec": "MoEC", "moer": "MoER"}[mixer]},
        },
        partition=collection / "partition.csv",
        probabilities=probabilities,
        model=model,
        inputs=inputs,
        predictions=table,
        inputs_mb=1000,
    )
    return pd.read_csv(table)


def test_each_class_gives_its_weight_to_the_expert_that_is_right(
    predictions: pd.DataFrame,
) -> None:
    weights = predictions.groupby("true")[[f"weight_{expert}" for expert in EXPERTS]].mean()
    for label, expert in RIGHT.items():
        assert weights.loc[label, f"weight_{expert}"] > 0.8, weights


def test_the_mixture_is_right_where_no_expert_is(predictions: pd.DataFrame) -> None:
    # Each expert alone is right about a quarter of the clips.
    accuracy = (predictions["true"] == predictions["predicted"]).mean()
    assert accuracy > 0.95


def test_the_mixture_is_the_weighted_mean_of_the_opinions(
    predictions: pd.DataFrame, collection: Path
) -> None:
    from genreflow.files.store import read_arrays

    files = {expert: read_arrays(collection / f"{expert}.h5")[0] for expert in EXPERTS}
    for row in predictions.to_dict("records"):
        expected = np.zeros(len(LABELS))
        for expert, file in files.items():
            (place,) = np.flatnonzero(file["track_id"] == row["track_id"])
            expected += row[f"weight_{expert}"] * file["data"][place]
        found = [row[f"probability_{label}"] for label in LABELS]
        np.testing.assert_allclose(found, expected, atol=2e-6)

"""Nothing leaks from the test clips, and what leaks through the partition is seen and said.

Two collections of short clips: `shuffled`, whose labels are drawn by lot, so that nothing can be
learned, with copies of training clips beside its own test clips, so that a system that knows its
training clips by heart is right about those; and `artists`, whose classes hardly differ, but whose
artists do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from genreflow.features.synthesis import clip_table, synthesise_clip
from harness import ALL_SYSTEMS, SMALL, merge, run_snakemake, write_collection
from scipy.stats import binomtest

RATE = 22050
SECONDS = 5.5
LABELS = ("blues", "disco", "jazz", "rock")
#: Enough training to know the clips by heart: the last epoch's weights, not the best ones, and
#: running statistics that forget the first steps of so few.
BY_HEART = {
    "dnn": {"epochs": 50},
    "rf": {"trees": 100},
    "expert": {"epochs": 12, "batch": 8, "channels": [16] * 5, "batchnorm_momentum": 0.9,
               "model": "last"},
    "mixer": {"epochs": 6, "batch": 8, "model": "last"},
}  # fmt: skip


def write_manifest(folder: Path, name: str, rows: list[dict[str, str]]) -> None:
    """Write the rows to ``{name}.csv``."""
    write_collection(folder, rows).rename(folder / f"{name}.csv")


def write_shuffled(folder: Path) -> None:
    """Write 128 clips of the demo whose labels are drawn by lot, and 32 copies to test."""
    clips = clip_table(seeds=(0, 1), artists=8)
    drawn = np.random.default_rng(0).permutation(np.repeat(LABELS, len(clips) // len(LABELS)))
    rows = []
    for clip, label in zip(clips, drawn, strict=True):
        path = folder / f"{clip.track_id}.wav"
        soundfile.write(path, synthesise_clip(clip, sample_rate=RATE, seconds=SECONDS), RATE)
        rows.append(
            {"track_id": clip.track_id, "path": path.name, "label": str(label),
             "group": clip.group, "split": clip.split}
        )  # fmt: skip
    test = [row for row in rows if row["split"] == "test"]
    train = [row for row in rows if row["split"] == "train"][: len(test)]
    copies = [
        # Under another name and by another artist: only the sound gives it away.
        {**row, "track_id": f"copy of {row['track_id']}", "group": other["group"], "split": "test"}
        for row, other in zip(train, test, strict=True)
    ]
    for row in copies:
        samples, rate = soundfile.read(folder / row["path"])
        row["path"] = f"copy-{row['path']}"
        soundfile.write(folder / row["path"], 0.8 * samples, rate)
    write_manifest(folder, "shuffled", rows + copies)


def write_artists(folder: Path) -> None:
    """Write `artists`: 32 artists of one class each, with an equalisation of their own."""
    rng = np.random.default_rng(1)
    size = round(SECONDS * RATE)
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1)
    position = np.clip(np.log10(frequency / 100) / 2, 0, 1)  # 0 at 100 Hz, 1 from 10 kHz on
    rows = []
    for artist in range(32):
        label = artist % len(LABELS)
        colour = np.cos(np.pi * position[:, None] * np.arange(1, 6)) @ rng.uniform(-8, 8, 5)
        curve_db = colour + 2 * label * position
        for clip in range(4):
            pulse = np.sin(2 * np.pi * rng.uniform(1, 4) * np.arange(size) / RATE) > 0
            noise = np.fft.rfft((0.3 + 0.7 * pulse) * rng.standard_normal(size))
            samples = 0.05 * np.fft.irfft(noise * 10 ** (curve_db / 20), size)
            path = folder / f"artist{artist:02d}-{clip}.wav"
            soundfile.write(path, np.clip(samples, -1, 1), RATE)
            rows.append(
                {"track_id": path.stem, "path": path.name, "label": LABELS[label],
                 "group": f"artist {artist}"}
            )  # fmt: skip
    write_manifest(folder, "artists", rows)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leakage")
    write_shuffled(folder)
    write_artists(folder)
    config = merge(SMALL, BY_HEART) | {
        "datasets": {
            name: {"source": "manifest", "manifest": f"{name}.csv"}
            for name in ("shuffled", "artists")
        },
        "experiments": [
            {"dataset": "shuffled", "partition": "split", "systems": ALL_SYSTEMS},
            {"dataset": "artists", "partition": "random", "systems": ["SF"]},
            {"dataset": "artists", "partition": "random", "group_disjoint": True,
             "systems": ["SF"]},
        ],
    }  # fmt: skip
    outcome = run_snakemake(folder, config, "--", "results/tables.csv")
    assert outcome.status == 0, outcome.output[-6000:]
    return folder / "results"


@pytest.fixture(scope="module")
def accuracies(results: Path) -> pd.DataFrame:
    """The rows of accuracies, by dataset, partition and system."""
    table = pd.read_csv(results / "tables.csv")
    table = table[table["metric"] == "accuracy"]
    return table.set_index(["dataset", "partition", "system"]).sort_index()


def right(results: Path, system: str, *, copies: bool) -> pd.Series:
    """Return whether a system is right about each test clip of `shuffled`, or about each copy."""
    table = pd.read_csv(results / "shuffled" / "predictions" / "split" / f"{system}.csv")
    table = table[table["track_id"].str.startswith("copy of ") == copies]
    assert len(table) == 32
    return table["true"] == table["predicted"]


@pytest.mark.parametrize("system", ALL_SYSTEMS)
def test_shuffled_labels_give_chance(results: Path, system: str) -> None:
    correct = int(right(results, system, copies=False).sum())
    assert binomtest(correct, 32, 1 / len(LABELS)).pvalue > 0.001, f"{correct} of 32"


@pytest.mark.parametrize("system", ALL_SYSTEMS)
def test_shuffled_labels_would_show_a_leak(results: Path, system: str) -> None:
    # Else the test above proved nothing: of its training clips, each system knows the label.
    correct = int(right(results, system, copies=True).sum())
    chance = binomtest(correct, 32, 1 / len(LABELS), alternative="greater").pvalue
    assert chance < 1e-4, f"{correct} of 32"


def test_an_artist_on_both_sides_raises_the_accuracy(accuracies: pd.DataFrame) -> None:
    leaky = accuracies.loc[("artists", "random", "SF")]
    disjoint = accuracies.loc[("artists", "random_group_disjoint", "SF")]
    assert leaky["n"] == disjoint["n"] == 128
    assert leaky["ci_low"] > disjoint["ci_high"] + 20


def test_leaky_partitions_are_stamped_and_no_others(accuracies: pd.DataFrame) -> None:
    # A partition that shares nothing has no note at all.
    assert accuracies.loc[("artists", "random_group_disjoint"), "note"].isna().all()
    copies = accuracies.loc[("shuffled", "split"), "note"]
    # Of labels that nothing tells apart, a network may also keep its first epoch, which is named.
    assert copies.str.startswith(
        "leaky test clips, of 64: 32 by near-identical audio in training or validation"
    ).all()
    (artists,) = accuracies.loc[("artists", "random"), "note"]
    assert artists.startswith("leaky test clips, of 128: ")
    assert artists.endswith(" by a group in training or validation")


def test_the_audit_names_each_copy(results: Path) -> None:
    findings = pd.read_csv(results / "shuffled" / "audit" / "split" / "clips.csv")
    assert set(findings["check"]) == {"duplicate"}
    assert (findings["track_id"] == "copy of " + findings["other"]).all()
    assert len(findings) == 32
    summary = pd.read_csv(results / "tables" / "leak_audit.csv")
    verdicts = summary.groupby(["dataset", "partition", "check"])["verdict"].agg(set)
    assert verdicts["shuffled", "split", "duplicate"] == {"leaky"}
    assert verdicts["shuffled", "split", "group"] == {"clean"}
    assert verdicts["shuffled", "split", "selection"] == {"clean"}
    assert verdicts["artists", "random", "group"] == {"leaky"}
    assert verdicts["artists", "random_group_disjoint", "group"] == {"clean"}

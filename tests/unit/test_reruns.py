"""The rerun contract: every key has a row, and the page says what the contract says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from genreflow.plan.reruns import DATASETS, EXPERIMENTS, READS, SETTINGS, SHOWN, TOP
from genreflow.plan.schema import SOURCES, AnyDataset, Config, Experiment, Section, Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reruns.md").read_text(encoding="utf-8")
KEYS = PAGE.split("## Keys")[1].split("##")[0]
#: Every feature, and the audit of what was recorded.
FEATURES = {
    "compute_stft", "compute_cepstrogram", "compute_cepstral_modulation", "separate_hpss",
    "compute_mel", "compute_modulation", "compute_mfcc", "compute_fingerprint",
}  # fmt: skip


def leaves(model: type[Section], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        value: Any = field.default
        nested = isinstance(value, Section)
        found |= leaves(type(value), f"{prefix}{name}.") if nested else {prefix + name}
    return found


def rules(key: str) -> set[str]:
    return {step.split()[0] for step in SETTINGS[key].steps()}


def test_every_key_has_a_row() -> None:
    assert set(SETTINGS) == leaves(Settings)
    common = set(AnyDataset.model_fields)
    own = {
        # The subsets of FMA have one module, and so one row a key.
        f"{source.partition('_')[0]}.{name}"
        for source, model in SOURCES.items()
        for name in model.model_fields
        if name not in common
    }
    # The settings of a dataset have the rows of their keys.
    assert set(DATASETS) == (common | own) - {"settings"}
    assert set(TOP) == set(Config.model_fields) - set(Settings.model_fields) - {
        "datasets",
        "experiments",
    }
    assert set(EXPERIMENTS) == set(Experiment.model_fields)


def test_steps_are_in_data_flow_order() -> None:
    seen: set[str] = set()
    for step, read in READS.items():
        assert seen.issuperset(read), step
        seen.add(step)


@pytest.mark.parametrize(
    ("key", "runs", "stays"),
    [
        ("cepstrum.epsilon",
         {"compute_cepstrogram", "compute_cepstral_modulation", "train_dnn", "evaluate_forest"},
         {"compute_stft", "separate_hpss", "train_expert"}),
        ("mel.n_mels", {"compute_mel", "compute_modulation", "compute_mfcc", "train_expert",
                        "predict_expert", "train_mixer", "evaluate_mixture"},
         {"compute_stft", "separate_hpss", "compute_cepstrogram", "train_dnn", "evaluate_forest"}),
        ("rf.trees", {"evaluate_forest", "collect_predictions", "make_tables"},
         {"train_dnn", "aggregate_segments", "train_expert", "audit_models", *FEATURES}),
        ("expert.learning_rate", {"train_expert", "predict_expert", "train_mixer"},
         {"train_dnn", "make_partition", *FEATURES}),
    ],
)  # fmt: skip
def test_what_was_asked_for_is_in_the_contract(key: str, runs: set[str], stays: set[str]) -> None:
    assert runs <= rules(key)
    assert not stays & rules(key)
    if key == "cepstrum.epsilon":
        assert "train_dnn sf" not in SETTINGS[key].steps()


@pytest.mark.parametrize("key", SETTINGS)
def test_the_page_names_what_runs(key: str) -> None:
    [cells] = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in KEYS.splitlines()
        if line.startswith("|") and f"`{key}`" in line.split("|")[1]
    ]
    shown = set()
    for rule, variants in re.findall(r"`(\w+)`(?: \(([^)]*)\))?", f"{cells[2]}, {cells[3]}"):
        every = {step for step in READS if step.split()[0] == rule}
        shown |= {f"{rule} {variant}" for variant in variants.split(", ")} if variants else every
    assert shown == set(SETTINGS[key].steps()) - set(SHOWN)
    patterns = re.findall(r"`([^`]*)`", cells[1])
    assert tuple(patterns) == SETTINGS[key].partitions

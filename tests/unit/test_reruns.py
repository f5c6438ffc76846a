"""docs/reruns.md: every key has a row, and what the page says follows is what reads it."""

from __future__ import annotations

from typing import Any

import pytest
from genreflow.plan.schema import SOURCES, AnyDataset, Config, Experiment, Section, Settings
from rerun_graph import DATASETS, EXPERIMENTS, READS, ROWS, SETTINGS, SHOWN, Row

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
    top = set(Config.model_fields) - set(Settings.model_fields)
    # The settings of a dataset have the rows of their keys.
    assert set(DATASETS) == ((common | own) - {"settings"}) | (top - {"datasets", "experiments"})
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


@pytest.mark.parametrize(
    ("section", "row"),
    [
        pytest.param(section, row, id=f"{section}-{row.changes[0]}")
        for section, rows in ROWS.items()
        for row in rows
    ],
)
def test_the_page_names_what_follows(section: str, row: Row) -> None:
    # Both cells name steps of the graph, in its order.
    hidden = SHOWN if section == "Keys" else ()
    first = [step for step in READS if step in row.rerun.first]
    assert list(row.rerun.first) == first
    then = [step for step in row.rerun.steps() if step not in (*first, *hidden)]
    assert list(row.follows) == then

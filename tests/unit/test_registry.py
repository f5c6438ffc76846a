"""The registry of features: their order, their shapes, and how little it takes to read it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from genreflow.features.registry import CACHES, DROPPABLE, FEATURES, clip_shape
from genreflow.files.layouts import Layout
from genreflow.plan.schema import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
SHAPES = {
    "audio": (661500,),
    "stft": (513, 1292),
    "cepstrogram": (513, 1290),
    "cepstral_modulation": (513, 11, 108),
    "hpss_harmonic": (513, 1292),
    "hpss_percussive": (513, 1292),
    "mel_original": (96, 1292),
    "mel_harmonic": (96, 1292),
    "mel_percussive": (96, 1292),
    "modulation": (96, 646),
    "mfcc": (60, 1292),
}
#: What takes its time to import; planning, which reads the registry, needs none of it.
HEAVY = ("numpy", "torch", "h5py", "numba", "librosa", "scipy", "sklearn")


def test_every_feature_is_made_from_one_that_is_defined_before_it() -> None:
    known: list[str] = []
    for name, feature in FEATURES.items():
        assert feature.name == name
        assert feature.parent in known or (feature.parent, name) == ("", "audio")
        known.append(name)


def test_features_have_the_papers_shapes() -> None:
    settings = Settings()
    assert {name: clip_shape(name, settings) for name in FEATURES} == SHAPES


def test_a_shape_follows_from_the_settings_of_all_features_before() -> None:
    settings = Settings.model_validate(
        {
            "audio": {"sample_rate": 8000, "clip_seconds": 2},
            "stft": {"n_fft": 512, "hop": 128},
            "cepstral_modulation": {"window_frames": 20, "shift_frames": 10},
            "mel": {"n_mels": 40},
            "mfcc": {"n_mfcc": 12},
        }
    )
    assert clip_shape("audio", settings) == (16000,)
    assert clip_shape("stft", settings) == (257, 126)
    # Two of the centred frames at each end reach beyond the clip.
    assert clip_shape("cepstrogram", settings) == (257, 122)
    assert clip_shape("cepstral_modulation", settings) == (257, 11, 11)
    assert clip_shape("hpss_percussive", settings) == (257, 126)
    assert clip_shape("mel_harmonic", settings) == (40, 126)
    assert clip_shape("modulation", settings) == (40, 63)
    assert clip_shape("mfcc", settings) == (36, 126)


@pytest.mark.parametrize("name", FEATURES)
def test_layout_survives_json_as_a_jobs_parameter(name: str) -> None:
    feature = FEATURES[name]
    layout = feature.layout(SHAPES[name])
    assert Layout.from_json(json.loads(json.dumps(vars(layout)))) == layout
    assert layout.shape == SHAPES[name]
    assert len(layout.axes) == len(layout.shape)
    for field in ("section", "axes", "dtype", "step", "moments"):
        assert getattr(layout, field) == getattr(feature, field)
    assert layout.feature == name


def test_every_feature_is_shaped_by_a_section_of_the_settings() -> None:
    sections = {feature.section for feature in FEATURES.values()}
    assert sections <= set(Settings.model_fields)


def test_what_can_be_dropped_is_what_other_features_are_made_from() -> None:
    assert DROPPABLE == ("audio", "hpss")
    parents = {feature.parent for feature in FEATURES.values()}
    assert {name for name, feature in FEATURES.items() if feature.droppable} <= parents


def test_features_that_one_rule_makes_have_one_name_as_a_cache() -> None:
    assert CACHES == (
        "audio", "stft", "cepstrogram", "cepstral_modulation", "hpss", "mel", "modulation", "mfcc",
    )  # fmt: skip
    assert {f.name for f in FEATURES.values() if f.cache == "mel"} == {
        "mel_original", "mel_harmonic", "mel_percussive",
    }  # fmt: skip
    assert all(f.droppable in ("", f.cache) for f in FEATURES.values())


def test_registry_schema_and_systems_import_no_heavy_library() -> None:
    code = (
        "import sys, genreflow.features.registry, genreflow.plan.schema, genreflow.systems\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    scripts = REPOSITORY / "workflow" / "scripts"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"

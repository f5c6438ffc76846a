"""What the scripts themselves decide: which clips train, which frames count, who is weighed how.

Each ``main`` runs on small files whose outcome follows by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aggregate_segments
import compute_cepstral_modulation
import compute_cepstrogram
import compute_mel
import compute_mfcc
import compute_modulation
import compute_normalisation
import compute_stft
import evaluate_expert
import evaluate_forest
import evaluate_mixture
import librosa
import numpy as np
import pandas as pd
import predict_expert
import pytest
import scipy.fft
import scipy.signal
import separate_hpss
import torch
import train_dnn
import train_expert
import train_joint
import train_mixer
from genreflow.features.registry import FEATURES, clip_shape
from genreflow.files.assignments import Assignment, write_assignments
from genreflow.files.layouts import as_stored
from genreflow.files.models import name_normalisation, read_model, write_model
from genreflow.files.predictions import read_predictions
from genreflow.files.store import FeatureFile, FeatureWriter, read_arrays, write_arrays
from genreflow.jeong2016.network import Mlp, mlp_tensors
from genreflow.jobs.job import Job
from genreflow.plan.schema import Settings
from genreflow.seeds import derive_seed
from genreflow.yi2019.mixture import frozen_experts
from genreflow.yi2019.networks import K2c2, initialise, write_network
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

Clips = Mapping[str, NDArray[Any]]
#: 12 x 12 inputs shrink to 1 x 1.
POOLS = [[1, 1], [1, 1], [1, 1], [1, 1], [3, 3]]


@pytest.fixture(autouse=True)
def restored_torch() -> Iterator[None]:
    """Undo what the scripts set for their whole process."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def job(files: Mapping[str, Any], **params: Any) -> Job:
    """Return the arguments that a rule would give: files, and the parts of its params."""
    words = ["--params", json.dumps(params)]
    for name, value in files.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return Job(words)


def planned(settings: Settings, *features: str) -> dict[str, Any]:
    """Return what is planned of the caches of some features."""
    layouts = [FEATURES[name].layout(clip_shape(name, settings)) for name in features]
    return {"layouts": [vars(layout) for layout in layouts]}


def write_feature(
    path: Path,
    feature: str,
    clips: Clips,
    *,
    parameters: Mapping[str, Any] | None = None,
    rate: int = 22050,
    **attributes: Any,
) -> Path:
    layout = FEATURES[feature].layout(next(iter(clips.values())).shape)
    with FeatureWriter(
        path, layout, parameters=parameters or {}, sample_rate=rate, hop=1, attributes=attributes
    ) as out:
        for track_id, values in clips.items():
            out.append(track_id, values)
    return path


def write_partition(path: Path, roles: Mapping[str, tuple[str, str]], folds: int = 1) -> Path:
    """Write clips' labels and roles, the same in every fold."""
    write_assignments(
        [
            Assignment(fold, track_id, label, role)
            for fold in range(folds)
            for track_id, (label, role) in roles.items()
        ],
        path,
    )
    return path


def cached(path: Path) -> dict[str, NDArray[Any]]:
    with FeatureFile(path) as file:
        return dict(file)


def test_jeong_features_are_of_the_frames_that_lie_inside_the_clip(tmp_path: Path) -> None:
    # Four frames a window, so that two of the centred ones at each end are left out.
    n_fft, hop, size = 64, 16, 1280
    settings = Settings.model_validate(
        {
            "audio": {"clip_seconds": size / 22050},
            "stft": {"n_fft": n_fft, "hop": hop},
            "cepstral_modulation": {"window_frames": 20, "shift_frames": 10},
        }
    )
    rng = np.random.default_rng(0)
    clips = {name: rng.uniform(-1, 1, size).astype(np.float32) for name in ("b", "a")}
    paths = {
        name: tmp_path / f"{name}.h5" for name in ("stft", "cepstrogram", "cepstral_modulation")
    }
    paths["audio"] = write_feature(tmp_path / "audio.h5", "audio", clips)
    for main, section, source, target in (
        (compute_stft.main, settings.stft, "audio", "stft"),
        (compute_cepstrogram.main, settings.cepstrum, "stft", "cepstrogram"),
        (compute_cepstral_modulation.main, settings.cepstral_modulation,
         "cepstrogram", "cepstral_modulation"),
    ):  # fmt: skip
        files = {source: paths[source], target: paths[target]}
        main(job(files, settings=section.model_dump(), planned=planned(settings, target)))
    window = scipy.signal.get_window("hann", n_fft)
    with FeatureFile(paths["stft"]) as stft:
        assert stft.shape == (33, 81)
        start, stop = stft.attributes["uncentred_start"], stft.attributes["uncentred_stop"]
        for row, samples in enumerate(clips.values()):
            frames = [samples[hop * t : hop * t + n_fft].astype(float) for t in range(77)]
            spectra = np.abs(np.fft.rfft(frames * window, axis=1)).T
            np.testing.assert_allclose(stft.clip(row)[:, start:stop], spectra, rtol=1e-5, atol=1e-6)
            total, squares, count = stft.moments(row)
            assert count == 77
            np.testing.assert_allclose(total, spectra.sum(axis=1), rtol=1e-6)
            np.testing.assert_allclose(squares, (spectra**2).sum(axis=1), rtol=1e-6)
            logarithm = np.log(spectra + 1e-4)
            cepstra = np.fft.ifft(np.concatenate([logarithm, logarithm[-2:0:-1]]), axis=0).real[:33]
            name = list(clips)[row]
            found = cached(paths["cepstrogram"])[name]
            np.testing.assert_allclose(found, cepstra, rtol=2e-3, atol=1e-4)
            # From the cached cepstrogram, which is rounded.
            modulation = cached(paths["cepstral_modulation"])[name]
            assert modulation.shape == (33, 6, 11)
            for place in range(6):
                part = found[:, 10 * place : 10 * place + 20].astype(float)
                transform = np.fft.fft(part, axis=1)[:, :11]
                expected = np.concatenate([transform[:, :1].real, np.abs(transform[:, 1:])], axis=1)
                np.testing.assert_allclose(modulation[:, place], expected, rtol=2e-3, atol=1e-3)
    with FeatureFile(paths["cepstrogram"]) as cepstrogram:
        # What normalises TF: over the frames that are cached, as they are cached.
        total, _, count = cepstrogram.moments(0)
        assert count == 77
        np.testing.assert_allclose(total, cepstrogram.clip(0).astype(float).sum(axis=1))
    with FeatureFile(paths["cepstral_modulation"]) as modulation:
        assert (modulation.attributes["sample_rate"], modulation.attributes["hop"]) == (22050, hop)
        assert modulation.parameters == {
            "stft": {"n_fft": n_fft, "hop": hop},
            "cepstrum": {"epsilon": 1e-4},
            "cepstral_modulation": {"window_frames": 20, "shift_frames": 10},
        }


def test_harmonic_and_percussive_parts_go_to_the_files_of_their_names(tmp_path: Path) -> None:
    magnitude = np.zeros((40, 50), np.float32)
    magnitude[7] = 1  # a tone
    magnitude[:, 20] = 2  # a click
    stft = write_feature(tmp_path / "stft.h5", "stft", {"a": magnitude})
    parts = {part: tmp_path / f"{part}.h5" for part in ("harmonic", "percussive")}
    hpss = {"kernel": 9, "power": 2.0, "margin": 1.0, "conserve": "magnitude"}
    layouts = [vars(FEATURES[f"hpss_{part}"].layout(magnitude.shape)) for part in parts]
    separate_hpss.main(job({"stft": stft, **parts}, settings=hpss, planned={"layouts": layouts}))
    harmonic, percussive = (cached(parts[part])["a"] for part in ("harmonic", "percussive"))
    assert (harmonic[7, 30], percussive[7, 30]) == (1, 0)
    assert (harmonic[30, 20], percussive[30, 20]) == (0, 2)
    for part in parts:
        with FeatureFile(parts[part]) as file:
            assert file.attributes["feature"] == f"hpss_{part}"


def test_mel_modulation_and_mfcc_follow_their_parameters(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    magnitude = (rng.lognormal(-5, 3, (129, 61))).astype(np.float16)
    source = write_feature(tmp_path / "h.h5", "hpss_percussive", {"a": magnitude}, rate=8000)
    mel, modulation, mfcc = (tmp_path / f"{name}.h5" for name in ("mel", "modulation", "mfcc"))
    settings = Settings.model_validate(
        {
            "audio": {"sample_rate": 8000, "clip_seconds": 60 * 128 / 8000},
            "stft": {"n_fft": 256, "hop": 128},
            "mel": {"n_mels": 12, "fmin": 100.0, "fmax": 3000.0, "top_db": 45.0},
            "modulation": {"spectrogram": "power"},
            "mfcc": {"n_mfcc": 4, "delta_width": 5},
        }
    )
    for main, section, files, feature in (
        (compute_mel.main, settings.mel, {"magnitude": source, "mel": mel}, "mel_percussive"),
        (compute_modulation.main, settings.modulation, {"mel": mel, "modulation": modulation},
         "modulation"),
        (compute_mfcc.main, settings.mfcc, {"mel": mel, "mfcc": mfcc}, "mfcc"),
    ):  # fmt: skip
        main(job(files, settings=section.model_dump(), planned=planned(settings, feature)))
    with FeatureFile(mel) as file:
        assert file.attributes["feature"] == "mel_percussive"
    power = librosa.feature.melspectrogram(
        S=magnitude.astype(float) ** 2, sr=8000, n_mels=12, fmin=100, fmax=3000, htk=False,
        norm="slaney", dtype=np.float64,
    )  # fmt: skip
    decibels = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=45)
    found = cached(mel)["a"]
    np.testing.assert_allclose(found, decibels, atol=5e-4)
    clipped = 10 ** (found.astype(float) / 10)
    standard = (clipped - clipped.mean()) / clipped.std()
    expected = np.abs(np.fft.fft(standard, axis=1))[:, :30]
    np.testing.assert_allclose(cached(modulation)["a"], expected, rtol=1e-4, atol=1e-4)
    coefficients = scipy.fft.dct(found.astype(float), norm="ortho", axis=0)[:4]
    deltas = [
        scipy.signal.savgol_filter(coefficients, 5, polyorder=k, deriv=k, axis=1) for k in (1, 2)
    ]
    np.testing.assert_allclose(
        cached(mfcc)["a"], np.concatenate([coefficients, *deltas]), rtol=1e-5, atol=1e-4
    )


ROLES = {
    "a": ("x", "train"), "b": ("y", "train"), "c": ("x", "valid"), "d": ("y", "valid"),
    "e": ("x", "test"), "f": ("y", "test"),
}  # fmt: skip


def spectra(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return spectra of 4 bins and 9 frames; the roles differ in level."""
    rng = np.random.default_rng(seed)
    level = {"train": 1.0, "valid": 10.0, "test": 100.0}
    return {
        name: (level[role] * rng.uniform(1, 2, (4, 9))).astype(np.float32)
        for name, (_, role) in ROLES.items()
    }


def test_small_networks_inputs_are_normalised_by_the_training_clips_alone(tmp_path: Path) -> None:
    partition = write_partition(tmp_path / "p.csv", ROLES)
    clips = spectra()
    stft = write_feature(tmp_path / "s.h5", "stft", clips, uncentred_start=0, uncentred_stop=9)
    target = tmp_path / "n.h5"
    files = {"partition": partition, "moments": stft, "vectors": stft, "normalisation": target}
    compute_normalisation.main(job(files, wildcards={"fold": 0, "network": "sf"}))
    train = np.concatenate([clips["a"], clips["b"]], axis=1).astype(float)
    found, _ = read_arrays(target)
    assert set(found) == {"mean", "deviation"}
    np.testing.assert_allclose(found["mean"], train.mean(axis=1))
    np.testing.assert_allclose(found["deviation"], train.std(axis=1))

    # TF: the cepstra normalise by quefrency, and their modulation by modulation frequency.
    cepstra = {name: np.log(values).astype(np.float16) for name, values in clips.items()}
    raw = {
        name: np.stack([np.abs(np.fft.rfft(values[:, k : k + 6].astype(float), axis=1))
                        for k in (0, 3)], axis=1)
        for name, values in cepstra.items()
    }  # fmt: skip
    for name, values in raw.items():
        for place, start in enumerate((0, 3)):
            values[:, place, 0] = cepstra[name][:, start : start + 6].astype(float).sum(axis=1)
    moments = write_feature(tmp_path / "c.h5", "cepstrogram", cepstra)
    window = {"cepstral_modulation": {"window_frames": 6, "shift_frames": 3}}
    vectors = write_feature(tmp_path / "m.h5", "cepstral_modulation", raw, parameters=window)
    files |= {"moments": moments, "vectors": vectors}
    compute_normalisation.main(job(files, wildcards={"fold": 0, "network": "tf"}))
    found, _ = read_arrays(target)
    train = np.concatenate([cepstra["a"], cepstra["b"]], axis=1).astype(float)
    mean, deviation = train.mean(axis=1, keepdims=True), train.std(axis=1, keepdims=True)
    np.testing.assert_allclose(found["mean"], mean[:, 0])
    normalised = [(cepstra[name].astype(float) - mean) / deviation for name in "ab"]
    windows = [values[:, start : start + 6] for values in normalised for start in (0, 3)]
    spectrum = np.abs(np.fft.rfft(np.concatenate(windows), axis=1))
    np.testing.assert_allclose(found["modulation_mean"], spectrum.mean(axis=0), rtol=5e-3)
    np.testing.assert_allclose(found["modulation_deviation"], spectrum.std(axis=0), rtol=5e-3)


def test_small_network_trains_on_train_and_is_chosen_on_valid(tmp_path: Path) -> None:
    partition = write_partition(tmp_path / "p.csv", ROLES, folds=2)
    clips = spectra()
    stft = write_feature(tmp_path / "s.h5", "stft", clips, uncentred_start=1, uncentred_stop=8)
    # Nothing is subtracted, so that the levels of the roles remain.
    write_arrays(tmp_path / "n.h5", {"mean": np.zeros(4), "deviation": np.full(4, 10.0)})
    # With a rate of 0 the model is the initial one, and both losses are its own.
    dnn = {
        "hidden": [3, 3, 3], "initialisation": "glorot_uniform", "epochs": 1, "batch": 4,
        "patience": 1, "learning_rate": 0.0,
    }  # fmt: skip
    weights = {}
    for fold, seed in ((0, 0), (1, 0), (0, 1), (0, 0)):
        files = {
            "partition": partition, "normalisation": tmp_path / "n.h5", "vectors": stft,
            "below": [], "model": tmp_path / "m.safetensors", "curve": tmp_path / "c.csv",
        }  # fmt: skip
        wildcards = {"fold": fold, "seed": seed, "network": "sf"}
        train_dnn.main(job(files, settings={"dnn": dnn, "memory_gb": 1.0}, wildcards=wildcards))
        tensors, description = read_model(tmp_path / "m.safetensors")
        assert description["architecture"]["sizes"] == [4, 3, 3, 3, 2]
        assert description["labels"] == ["x", "y"]
        if (fold, seed) in weights:
            np.testing.assert_array_equal(tensors["weight_0"], weights[fold, seed])
        weights[fold, seed] = tensors["weight_0"]
    assert len({array.tobytes() for array in weights.values()}) == 3
    curve = pd.read_csv(tmp_path / "c.csv").iloc[0]
    for names, column in (("ab", "train_loss"), ("cd", "valid_loss")):
        hidden = np.concatenate([clips[name][:, 1:8].T / 10 for name in names]).astype(float)
        for layer in range(3):
            hidden = hidden @ tensors[f"weight_{layer}"] + tensors[f"bias_{layer}"]
            hidden = np.maximum(hidden, 0)
        logits = hidden @ tensors["weight_3"] + tensors["bias_3"]
        classes = np.repeat([0, 1], 7)
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(14), classes]
        assert curve[column] == pytest.approx(losses.mean(), rel=1e-5)


def small_training(**own: Any) -> dict[str, Any]:
    """Return the settings of a training that leaves its network as it is."""
    dnn = {
        "hidden": [3, 3], "initialisation": "he_normal", "epochs": 1, "batch": 4, "patience": 1,
        "learning_rate": 0.0,
    }  # fmt: skip
    return {"dnn": dnn, "memory_gb": 1.0, **own}


def test_series_trains_on_what_the_network_below_makes_of_the_training_clips(
    tmp_path: Path,
) -> None:
    windows = {"window_frames": 6, "shift_frames": 3}
    partition = write_partition(tmp_path / "p.csv", ROLES)
    clips = spectra()
    stft = write_feature(tmp_path / "s.h5", "stft", clips, uncentred_start=0, uncentred_stop=9)
    rng = np.random.default_rng(5)
    below = Mlp.initialise([4, 5, 3, 2], initialisation="he_normal", rng=rng)
    statistics = {"mean": np.full(4, 1.5), "deviation": np.full(4, 0.5)}
    write_model(
        tmp_path / "sf.safetensors", {**mlp_tensors(below), **name_normalisation(statistics)}, {}
    )
    files = {
        "partition": partition, "normalisation": [], "below": tmp_path / "sf.safetensors",
        "vectors": stft, "model": tmp_path / "series.safetensors", "curve": tmp_path / "c.csv",
    }  # fmt: skip
    wildcards = {"fold": 0, "seed": 0, "network": "series"}
    train_dnn.main(job(files, settings=small_training(windows=windows),
                       wildcards=wildcards))  # fmt: skip
    tensors, description = read_model(tmp_path / "series.safetensors")
    assert description["clips"] == {"train": ["a", "b"], "valid": ["c", "d"]}
    assert description["architecture"]["sizes"] == [4, 3, 3, 2]
    # A classifier asks the models for all settings that shaped their inputs.
    assert description["feature_parameters"] == {"cepstral_modulation": windows}
    pooled = []
    for name in "ab":
        frames = (clips[name].T.astype(float) - 1.5) / 0.5
        hidden = np.maximum(frames @ below.weights[0], 0)
        hidden = np.maximum(hidden @ below.weights[1], 0)
        pooled += [np.abs(np.fft.rfft(hidden[start : start + 6], axis=0)).T for start in (0, 3)]
    together = np.concatenate(pooled)
    for name, expected in (("mean", together.mean(axis=0)), ("deviation", together.std(axis=0))):
        found = tensors[f"normalisation_modulation_{name}"]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_joint_trains_on_segments_of_the_training_clips_normalised_as_sf_and_tf(
    tmp_path: Path,
) -> None:
    windows = {"window_frames": 6, "shift_frames": 3}
    partition = write_partition(tmp_path / "p.csv", ROLES)
    clips = spectra()
    rng = np.random.default_rng(7)
    modulated = {name: rng.normal(0, 3, (5, 2, 4)).astype(np.float16) for name in clips}
    for folder in ("stft", "modulation"):
        (tmp_path / folder).mkdir()
    vectors = [
        write_feature(tmp_path / "stft/s.h5", "stft", clips, uncentred_start=0, uncentred_stop=9),
        write_feature(tmp_path / "modulation/m.h5", "cepstral_modulation", modulated,
                      parameters={"cepstral_modulation": windows}),
    ]  # fmt: skip
    sf = {"mean": np.full(4, 1.5), "deviation": np.full(4, 0.5)}
    tf = {"mean": np.full(5, 0.2), "deviation": np.full(5, 2.0),
          "modulation_mean": np.full(4, 0.7), "modulation_deviation": np.full(4, 1.5)}  # fmt: skip
    write_arrays(tmp_path / "sf.h5", sf)
    write_arrays(tmp_path / "tf.h5", tf)
    files = {
        "partition": partition, "normalisations": [tmp_path / "sf.h5", tmp_path / "tf.h5"],
        "vectors": vectors, "model": tmp_path / "joint.safetensors", "curve": tmp_path / "c.csv",
    }  # fmt: skip
    fit = {"optimiser": "sgd", "learning_rate": 0.0, "batch": 3}
    train_joint.main(job(files, settings=small_training(joint=fit),
                         wildcards={"fold": 0, "seed": 0}))  # fmt: skip
    tensors, description = read_model(tmp_path / "joint.safetensors")
    assert description["clips"] == {"train": ["a", "b"], "valid": ["c", "d"]}
    assert description["feature_parameters"] == {"cepstral_modulation": windows}
    for part, own in (("sf", sf), ("tf", tf)):
        for name, values in own.items():
            np.testing.assert_array_equal(tensors[f"normalisation_{part}_{name}"], values)
    curve = pd.read_csv(tmp_path / "c.csv").iloc[0]
    assert curve["steps"] == 2
    for names, column in (("ab", "train_loss"), ("cd", "valid_loss")):
        losses = []
        for name, label in zip(names, (0, 1), strict=True):
            frames = (clips[name].T.astype(float) - 1.5) / 0.5
            values = modulated[name].astype(float) / 2
            values[..., 0] = np.abs(modulated[name][..., 0].astype(float) - 6 * 0.2) / 2
            values = (values - 0.7) / 1.5
            for window, start in enumerate((0, 3)):
                features = []
                for part, hidden in (("sf", frames[start : start + 6]), ("tf", values[:, window])):
                    for layer in range(2):
                        weight, bias = (tensors[f"{part}_{k}_{layer}"] for k in ("weight", "bias"))
                        hidden = np.maximum(hidden @ weight + bias, 0)
                    features += [*hidden.mean(axis=0), *hidden.var(axis=0)]
                logits = np.array(features) @ tensors["output_weight"] + tensors["output_bias"]
                losses.append(np.log(np.exp(logits).sum()) - logits[label])
        assert curve[column] == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("network", ["sf", "tf"])
def test_segments_are_means_and_variances_of_the_last_hidden_layer(
    tmp_path: Path, network: str
) -> None:
    rng = np.random.default_rng(0)
    own = Mlp.initialise([4, 5, 3, 2], initialisation="he_normal", rng=rng)
    mean, deviation = rng.uniform(0, 1, 4), rng.uniform(1, 2, 4)
    statistics = {"mean": mean, "deviation": deviation}
    if network == "sf":
        clips = {name: rng.normal(0, 3, (4, 14)).astype(np.float32) for name in "abc"}
        feature, attributes, parameters = "stft", {"uncentred_start": 1, "uncentred_stop": 13}, {}
    else:
        clips = {name: rng.normal(0, 9, (4, 3, 4)).astype(np.float16) for name in "abc"}
        statistics |= {"modulation_mean": rng.uniform(0, 1, 4)}
        statistics |= {"modulation_deviation": rng.uniform(1, 2, 4)}
        feature, attributes = "cepstral_modulation", {}
        parameters = {"cepstral_modulation": {"window_frames": 6, "shift_frames": 3}}
    shards = [
        write_feature(tmp_path / f"{number}.h5", feature, {name: clips[name] for name in names},
                      parameters=parameters, **attributes)
        for number, names in enumerate(("ca", "b"))
    ]  # fmt: skip
    write_model(
        tmp_path / f"{network}.safetensors",
        {**mlp_tensors(own), **name_normalisation(statistics)},
        {},
    )
    window = {"window_frames": 6, "shift_frames": 3}
    models = [tmp_path / f"{network}.safetensors"]
    files = {"models": models, "vectors": shards, "segments": tmp_path / "s.h5"}
    aggregate_segments.main(job(files, settings=window, wildcards={"network": network}))
    found, _ = read_arrays(tmp_path / "s.h5")
    assert found["track_id"].tolist() == ["a", "b", "c"]
    assert found["data"].shape == (3, 3, 6)
    for row, name in enumerate("abc"):
        values = clips[name].astype(float)
        if network == "sf":
            frames = ((values - mean[:, None]) / deviation[:, None])[:, 1:13].T
            members = [frames[start : start + 6] for start in (0, 3, 6)]
        else:
            normalised = values / deviation[:, None, None]
            shifted = np.abs(values[..., 0] - 6 * mean[:, None]) / deviation[:, None]
            normalised[..., 0] = shifted
            normalised -= statistics["modulation_mean"]
            normalised /= statistics["modulation_deviation"]
            members = [normalised[:, window] for window in range(3)]
        for segment, vectors in enumerate(members):
            hidden = np.maximum(vectors @ own.weights[0] + own.biases[0], 0)
            hidden = np.maximum(hidden @ own.weights[1] + own.biases[1], 0)
            expected = [*hidden.mean(axis=0), *hidden.var(axis=0)]
            np.testing.assert_allclose(found["data"][row, segment], expected, rtol=1e-4, atol=1e-5)


def forest_files(folder: Path, roles: Mapping[str, tuple[str, str]], segments: Clips) -> dict:
    """Write a partition and two networks' segment features, of which only the second differ."""
    names = list(segments)
    data = np.stack([segments[name] for name in names])
    for network, values in (("sf", np.zeros_like(data)), ("tf", data)):
        quarantined = np.array([name for name in roles if name not in names], dtype=object)
        arrays = {"track_id": np.array(names), "data": values, "quarantined": quarantined}
        write_arrays(folder / f"{network}.h5", arrays)
    return {
        "partition": write_partition(folder / "p.csv", roles, folds=2),
        "segments": [folder / "sf.h5", folder / "tf.h5"],
        "predictions": folder / "out.csv", "threads": 1,
    }  # fmt: skip


def forest_params(decision: str = "majority", fold: int = 0, seed: int = 0) -> dict[str, Any]:
    rf = {"trees": 15, "max_features": "sqrt", "decision": decision}
    return {"settings": rf, "wildcards": {"fold": fold, "seed": seed}}


def test_forest_trains_on_train_and_valid_and_never_on_test(tmp_path: Path) -> None:
    # Class y is in the validation clips alone; the five test clips of x look like it, so that a
    # forest that had seen them would call them x.
    roles = {"a0": ("x", "train"), "a1": ("x", "train"), "b0": ("y", "valid"), "b1": ("y", "valid")}
    roles |= {f"t{i}": ("x", "test") for i in range(5)} | {"gone": ("x", "test")}
    near, far = np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)
    segments = {name: near if name[0] == "a" else far for name in roles if name != "gone"}
    evaluate_forest.main(job(forest_files(tmp_path, roles, segments), **forest_params()))
    table = read_predictions(tmp_path / "out.csv").set_index("track_id")
    assert table["predicted"].to_dict() == {f"t{i}": "y" for i in range(5)} | {"gone": ""}
    assert np.isnan(table.loc["gone", "probability_x"])
    assert table.loc["t0", "probability_y"] == 1


def test_forest_is_the_configured_one_with_a_seed_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Noted(RandomForestClassifier):
        def fit(self, features: NDArray[Any], classes: NDArray[Any]) -> Noted:
            made.append(self.get_params() | {"classes": classes.tolist(), "features": features})
            return super().fit(features, classes)

    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", Noted)
    rng = np.random.default_rng(0)
    segments = {name: rng.uniform(0, 1, (3, 2)).astype(np.float32) for name in ROLES}
    files = forest_files(tmp_path, ROLES, segments)
    outputs = []
    for fold, seed in ((0, 0), (0, 0), (1, 0), (0, 1)):
        evaluate_forest.main(job(files, **forest_params(fold=fold, seed=seed)))
        outputs.append((tmp_path / "out.csv").read_text())
    assert outputs[0] == outputs[1]
    seeds = [forest["random_state"] for forest in made]
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 3
    assert (made[0]["n_estimators"], made[0]["max_features"]) == (15, "sqrt")
    # Three segments a clip, of train and valid; the features of both networks side by side.
    assert made[0]["classes"] == [0, 0, 0, 1, 1, 1] * 2
    both = [np.concatenate([np.zeros((3, 2)), segments[name]], axis=1) for name in "abcd"]
    np.testing.assert_array_equal(made[0]["features"], np.concatenate(both))


@pytest.mark.parametrize(
    ("decision", "expected"), [("majority", [2 / 3, 0, 1 / 3]), ("mean_proba", [0.4, 0, 0.6])]
)
def test_segments_decide_a_clip_as_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decision: str, expected: Sequence[float]
) -> None:
    class Fixed:
        """A forest that has seen the first and the third of three classes."""

        def __init__(self, **_: Any) -> None:
            self.classes_ = np.array([0, 2])

        def fit(self, *_: Any) -> None:
            pass

        def predict_proba(self, features: NDArray[Any]) -> NDArray[Any]:
            return np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]])

    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", Fixed)
    roles = {"a": ("x", "train"), "b": ("z", "train"), "c": ("x", "valid"), "t": ("y", "test")}
    segments = {name: np.zeros((3, 2), np.float32) for name in roles}
    files = forest_files(tmp_path, roles, segments)
    evaluate_forest.main(job(files, **forest_params(decision)))
    row = read_predictions(tmp_path / "out.csv").iloc[0]
    assert row["predicted"] == ("x" if decision == "majority" else "z")
    found = [row[f"probability_{label}"] for label in "xyz"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def is_high(number: int) -> bool:
    """Return whether a clip is bright in its upper bands, in pairs whatever its label."""
    return number // 2 % 2 == 0


def bright(number: int) -> NDArray[np.float32]:
    """Return a noisy spectrogram of 12 bands whose upper or lower half is bright."""
    values = np.random.default_rng(number).normal(0, 1, (12, 12))
    values[6:] += 4 if is_high(number) else 0
    values[:6] += 0 if is_high(number) else 4
    return values.astype(np.float32)


def collection() -> dict[str, tuple[str, str]]:
    """Return ten clips that train, four that validate and six that test, one in quarantine."""
    roles = ["train"] * 10 + ["valid"] * 4 + ["test"] * 6
    return {f"t{i:02d}": ("xy"[i % 2], role) for i, role in enumerate(roles)}


def mel_shards(folder: Path) -> list[Path]:
    clips = {name: bright(number) for number, name in enumerate(collection())}
    clips.pop("t19")
    names = list(clips)
    return [
        write_feature(folder / f"mel{k}.h5", "mel_original", {n: clips[n] for n in names[k::2]})
        for k in (1, 0)
    ]


TRAINING = {"threads": 1, "device": "cpu", "precision": "float32"}
FIT = {"batch": 4, "decay": 0.0, "patience": None, "model": "last"}


def test_an_experts_initial_weights_depend_on_seed_fold_and_name(tmp_path: Path) -> None:
    files = {
        "partition": write_partition(tmp_path / "p.csv", collection(), folds=2),
        "inputs": mel_shards(tmp_path), "inputs-mb": 100,
        "model": tmp_path / "m.safetensors", "curve": tmp_path / "c.csv",
    }  # fmt: skip
    expert = FIT | {"epochs": 1, "learning_rate": 0.0, "channels": [2] * 5, "normalisation": "clip"}
    found = []
    for name, fold, seed in (
        ("original", 0, 0), ("original", 0, 0), ("harmonic", 0, 0), ("original", 1, 0),
        ("original", 0, 1),
    ):  # fmt: skip
        settings = {"training": TRAINING, "expert": expert, "pools": POOLS}
        wildcards = {"fold": fold, "seed": seed, "expert": name}
        train_expert.main(job(files, settings=settings, wildcards=wildcards))
        tensors, description = read_model(tmp_path / "m.safetensors")
        assert description["labels"] == ["x", "y"]
        assert description["input"] == name
        found.append(tensors["convolutions.0.weight"].tobytes())
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_frozen_expert_predicts_every_cached_clip_with_its_running_statistics(
    tmp_path: Path,
) -> None:
    network = K2c2(2, pools=POOLS, channels=[3] * 5)
    initialise(network, 0)
    architecture = {"network": "k2c2", "outputs": 2, "pools": POOLS, "channels": [3] * 5}
    write_network(
        tmp_path / "m.safetensors", network, {},
        {"architecture": architecture, "normalisation": "clip", "labels": ["x", "y"]},
    )  # fmt: skip
    files = {
        "model": tmp_path / "m.safetensors", "inputs": mel_shards(tmp_path), "inputs-mb": 100,
        "probabilities": tmp_path / "p.h5",
    }  # fmt: skip
    predict_expert.main(job(files, settings={"training": TRAINING, "batch": 3}))
    found, _ = read_arrays(tmp_path / "p.h5")
    assert found["track_id"].tolist() == [f"t{i:02d}" for i in range(19)]
    assert found["label"].tolist() == ["x", "y"]
    layout = FEATURES["mel_original"].layout((12, 12))
    clips = [as_stored(layout, bright(i)).astype(float) for i in range(19)]
    values = np.stack([(clip - clip.mean()) / clip.std() for clip in clips])
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(values).float()[:, None]).double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["data"], expected, atol=1e-5)


def test_an_expert_alone_is_judged_on_the_test_clips_of_the_fold(tmp_path: Path) -> None:
    partition = tmp_path / "p.csv"
    roles = {"gone": "test", "d": "test", "c": "valid", "b": "train", "a": "test"}
    other = {"a": "train", "b": "test", "c": "train", "d": "valid", "gone": "train"}
    write_assignments(
        [
            Assignment(fold, name, "x", role)
            for fold, both in enumerate((other, roles))
            for name, role in both.items()
        ],
        partition,
    )
    write_arrays(
        tmp_path / "h.h5",
        {
            "track_id": np.array(["d", "c", "b", "a"]),
            "data": np.array([[0.2, 0.8], [1.0, 0.0], [1.0, 0.0], [0.5, 0.5]], np.float32),
            "label": np.array(["x", "y"]),
            "quarantined": np.array(["gone"]),
        },
    )
    files = {
        "partition": partition, "probabilities": tmp_path / "h.h5",
        "predictions": tmp_path / "out.csv",
    }  # fmt: skip
    evaluate_expert.main(job(files, wildcards={"fold": 1, "seed": 7}))
    table = read_predictions(tmp_path / "out.csv")
    # A tie goes to the lowest class; the clip that is in no cache stays in, unanswered.
    assert table[["track_id", "predicted"]].to_numpy().tolist() == [
        ["a", "x"], ["d", "y"], ["gone", ""],
    ]  # fmt: skip
    assert set(table["fold"]) == {1}
    assert set(table["seed"]) == {7}


def expert_files(folder: Path) -> list[Path]:
    """Write two experts' probabilities: one is right on high clips, one on low; orders differ."""
    clips = [clip for clip in enumerate(collection().items()) if clip[1][0] != "t19"]
    paths = []
    for name, seed in (("high", 1), ("low", 2)):
        order = [clips[i] for i in np.random.default_rng(seed).permutation(len(clips))]
        right = np.array([0.9 if is_high(n) == (name == "high") else 0.1 for n, _ in order])
        says_x = np.where([label == "x" for _, (_, (label, _)) in order], right, 1 - right)
        paths.append(folder / f"{name}.h5")
        write_arrays(
            paths[-1],
            {
                "track_id": np.array([track_id for _, (track_id, _) in order]),
                "data": np.stack([says_x, 1 - says_x], axis=1).astype(np.float32),
                "label": np.array(["x", "y"]),
                "quarantined": np.array(["t19"]),
            },
        )
    return paths


def mixer_settings(**changes: Any) -> dict[str, Any]:
    mixer = FIT | {
        "epochs": 25, "learning_rate": 0.02, "dropout": [0.0, 0.0, 0.0],
        "frozen_batchnorm": "running",
    }  # fmt: skip
    return {
        "training": TRAINING, "mixer": mixer | changes, "experts": ["high", "low"],
        "normalisation": "clip", "channels": [4] * 5, "pools": POOLS,
    }  # fmt: skip


def mixer_files(folder: Path) -> dict[str, Any]:
    """Write what a mixer is trained on; frozen experts are not among its files."""
    return {
        "partition": write_partition(folder / "p.csv", collection(), folds=2),
        "probabilities": expert_files(folder), "inputs": mel_shards(folder), "inputs-mb": 100,
        "models": [], "expert-inputs": [],
        "model": folder / "m.safetensors", "curve": folder / "c.csv",
    }  # fmt: skip


def test_balanced_mixture_is_the_mean_of_the_experts(tmp_path: Path) -> None:
    partition = write_partition(tmp_path / "p.csv", {"b": ("x", "test"), "a": ("y", "test")})
    for name, order, data in (
        ("one", ["a", "b"], [[0.9, 0.1], [0.3, 0.7]]), ("two", ["b", "a"], [[0.9, 0.1], [0.2, 0.8]])
    ):  # fmt: skip
        write_arrays(
            tmp_path / f"{name}.h5",
            {"track_id": np.array(order), "data": np.array(data, np.float32),
             "label": np.array(["x", "y"]), "quarantined": np.array([], dtype=object)},
        )  # fmt: skip
    files = {
        "partition": partition, "probabilities": [tmp_path / "one.h5", tmp_path / "two.h5"],
        "model": [], "inputs": [], "inputs-mb": 100, "predictions": tmp_path / "out.csv",
    }  # fmt: skip
    wildcards = {"fold": 0, "seed": 0, "system": "MoEB"}
    evaluate_mixture.main(job(files, settings={"experts": ["one", "two"]}, wildcards=wildcards))
    table = read_predictions(tmp_path / "out.csv").set_index("track_id")
    np.testing.assert_allclose(table["probability_x"][["a", "b"]], [0.55, 0.6], atol=1e-6)
    assert not [column for column in table if column.startswith("weight")]


@pytest.mark.parametrize(("name", "system"), [("moec", "MoEC"), ("moer", "MoER")])
def test_mixer_learns_from_the_spectrogram_which_expert_to_trust(
    tmp_path: Path, name: str, system: str
) -> None:
    files = mixer_files(tmp_path)
    of_fold = {"fold": 0, "seed": 0}
    settings = mixer_settings()
    train_mixer.main(job(files, settings=settings, wildcards=of_fold | {"mixer": name}))
    mixture = {"training": TRAINING, "experts": settings["experts"], "batch": 4}
    files |= {"predictions": tmp_path / "out.csv"}
    evaluate_mixture.main(job(files, settings=mixture, wildcards=of_fold | {"system": system}))
    table = read_predictions(tmp_path / "out.csv").set_index("track_id")
    assert table.loc["t19", "predicted"] == ""
    table = table.drop(index="t19")
    assert list(table.index) == ["t14", "t15", "t16", "t17", "t18"]
    assert (table["predicted"] == table["true"]).all()
    high = np.array([is_high(int(track_id[1:])) for track_id in table.index])
    trusted = np.where(high, table["weight_high"], table["weight_low"])
    assert trusted.min() > 0.8
    np.testing.assert_allclose(table["weight_high"] + table["weight_low"], 1, atol=1e-5)
    # The expert that is right gives the class 0.9, the other 0.1.
    right = np.where(table["true"] == "x", table["probability_x"], table["probability_y"])
    np.testing.assert_allclose(right, 0.1 + 0.8 * trusted, atol=1e-5)


@pytest.mark.parametrize("name", ["moec", "moer"])
def test_a_mixers_initial_weights_depend_on_seed_and_fold(tmp_path: Path, name: str) -> None:
    files = mixer_files(tmp_path)
    settings = mixer_settings(epochs=1, learning_rate=0.0)
    found = []
    for fold, seed in ((0, 0), (0, 0), (1, 0), (0, 1)):
        wildcards = {"fold": fold, "seed": seed, "mixer": name}
        train_mixer.main(job(files, settings=settings, wildcards=wildcards))
        tensors, description = read_model(tmp_path / "m.safetensors")
        assert description["experts"] == ["high", "low"]
        first = "convolutions.0.weight" if name == "moec" else "first.weight_ih_l0"
        found.append(tensors[first].tobytes())
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_experts_that_run_again_get_all_shards_of_their_own_feature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}

    def noted(experts: Any, inputs: Any, track_ids: Any, *, cached: Any, memory_gb: float) -> Any:
        given.update(experts=experts, inputs=inputs, memory_gb=memory_gb)
        return frozen_experts(cached)

    monkeypatch.setattr(train_mixer, "batch_statistics_experts", noted)
    monkeypatch.setattr(train_mixer, "network_from_model", lambda path: path.name)
    files = mixer_files(tmp_path) | {
        "models": ["high.safetensors", "low.safetensors"],
        "expert-inputs": ["harmonic/0.h5", "harmonic/1.h5", "mfcc/0.h5", "mfcc/1.h5"],
    }
    settings = mixer_settings(epochs=1, frozen_batchnorm="keras224_bn")
    wildcards = {"fold": 0, "seed": 0, "mixer": "moec"}
    train_mixer.main(job(files, settings=settings, wildcards=wildcards))
    assert given["experts"] == files["models"]
    paths = [list(map(str, shards)) for shards in given["inputs"]]
    assert paths == [["harmonic/0.h5", "harmonic/1.h5"], ["mfcc/0.h5", "mfcc/1.h5"]]
    # The memory is for the inputs of all experts together.
    assert given["memory_gb"] == 0.05


def test_caches_to_write_are_those_that_are_planned(tmp_path: Path) -> None:
    layouts = [FEATURES[f"hpss_{part}"].layout((4, 9)) for part in ("harmonic", "percussive")]
    files = {"harmonic": tmp_path / "h.h5", "percussive": tmp_path / "p.h5"}
    params = {"layouts": [vars(layout) for layout in layouts]}
    found = job(files, planned=params).caches("harmonic", "percussive")
    assert list(found.items()) == list(zip(files.values(), layouts, strict=True))
    with pytest.raises(ValueError, match="zip"):
        job(files, planned=params).caches("harmonic")


def test_clip_of_another_shape_than_planned_is_refused(tmp_path: Path) -> None:
    mel = write_feature(tmp_path / "m.h5", "mel_original", {"a": np.zeros((12, 61))})
    layouts = [vars(FEATURES["modulation"].layout((12, 31)))]
    files = {"mel": mel, "modulation": tmp_path / "out.h5"}
    with pytest.raises(ValueError, match=r"a: shape \(12, 30\), not \(12, 31\)"):
        compute_modulation.main(
            job(files, settings={"spectrogram": "log"}, planned={"layouts": layouts})
        )
    assert not (tmp_path / "out.h5").exists()


def test_every_part_of_a_seed_counts() -> None:
    made = [
        derive_seed(0, 0, "sf"), derive_seed(1, 0, "sf"), derive_seed(0, 1, "sf"),
        derive_seed(0, 0, "tf"), derive_seed(1, 12, "sf"), derive_seed(11, 2, "sf"),
        derive_seed("0", 0, "sf"),
    ]  # fmt: skip
    assert len(set(made)) == len(made)
    assert all(0 <= seed < 2**32 for seed in made)
    assert derive_seed(0, 0, "sf") == made[0]

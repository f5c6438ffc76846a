"""The feature cache: round trips, half files, errors, moments."""

from __future__ import annotations

import fcntl
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from genreflow.errors import UserError
from genreflow.features.registry import FEATURES
from genreflow.files.atomic import temporary_name
from genreflow.files.store import (
    FeatureFile,
    FeatureSet,
    FeatureWriter,
    read_arrays,
    write_arrays,
)
from numpy.typing import NDArray

Clips = dict[str, NDArray[np.float64]]


@pytest.fixture
def clips() -> Clips:
    random = np.random.default_rng(3)
    # Ids out of order and beyond ASCII.
    return {name: random.normal(2, 3, (5, 8)) for name in ("z", "Dvořák – 夢", "a.0001")}


def write(path: Path, clips: Clips, *, feature: str = "cepstrogram") -> None:
    with FeatureWriter(
        path,
        FEATURES[feature].layout((5, 8)),
        parameters={"stft": {"n_fft": 8}, "cepstrum": {"epsilon": 1e-4}},
        sample_rate=22050,
        hop=4,
        attributes={"decoder": "libsndfile"},
    ) as writer:
        for track_id, values in clips.items():
            writer.append(track_id, values)


@pytest.mark.parametrize("feature", ["cepstrogram", "stft"])
def test_what_is_written_is_read_back_in_the_layouts_type(
    tmp_path: Path, clips: Clips, feature: str
) -> None:
    write(tmp_path / "s.h5", clips, feature=feature)
    with FeatureFile(tmp_path / "s.h5") as file:
        assert file.shape == (5, 8)
        found = dict(file)
    assert list(found) == list(clips)
    for track_id, values in clips.items():
        assert found[track_id].dtype == FEATURES[feature].dtype
        assert np.array_equal(found[track_id], values.astype(FEATURES[feature].dtype))


def test_decibels_are_rounded_to_steps_that_compress(tmp_path: Path) -> None:
    # As loud and quiet as mel spectrograms are, with a floor.
    noise = np.maximum(np.random.default_rng(0).normal(-30, 20, (96, 1292)), -80)
    found = {}
    for feature in ("mel_original", "mfcc"):
        path = tmp_path / f"{feature}.h5"
        with FeatureWriter(
            path, FEATURES[feature].layout(noise.shape), parameters={}, sample_rate=1, hop=1
        ) as writer:
            for track_id in "abc":
                writer.append(track_id, noise)
        with FeatureFile(path) as file:
            found[feature] = file.clip(1)
            total, squares, _ = file.moments(1)
            wide = file.clip(1).astype(np.float64)
            assert np.array_equal(total, wide.sum(axis=1))
            assert np.array_equal(squares, np.square(wide).sum(axis=1))
    mel = found["mel_original"]
    assert mel.dtype == np.float32
    assert np.abs(mel - noise).max() == pytest.approx(2**-11, rel=1e-3)
    assert np.array_equal(mel * 1024, np.rint(mel * 1024))
    sizes = [(tmp_path / f"{name}.h5").stat().st_size for name in ("mel_original", "mfcc")]
    assert sizes[0] < 0.75 * sizes[1]


def test_file_describes_itself(tmp_path: Path, clips: Clips) -> None:
    write(tmp_path / "s.h5", clips)
    with h5py.File(tmp_path / "s.h5") as file:
        attributes = dict(file.attrs)
        # One clip a chunk, so that reading one clip reads no other.
        assert file["data"].chunks == (1, 5, 8)
        assert file["track_id"].asstr()[:].tolist() == list(clips)
    assert attributes["format"] == "genreflow-feature"
    assert attributes["format_version"] == 2
    assert attributes["feature"] == "cepstrogram"
    assert json.loads(attributes["axes"]) == ["clip", "quefrency [samples]", "time [frames]"]
    assert json.loads(attributes["parameters"])["cepstrum"] == {"epsilon": 1e-4}
    assert (attributes["sample_rate"], attributes["hop"]) == (22050, 4)
    assert attributes["decoder"] == "libsndfile"


def test_equal_content_gives_equal_bytes(tmp_path: Path, clips: Clips) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "s.h5", clips)
    assert (tmp_path / "a" / "s.h5").read_bytes() == (tmp_path / "b" / "s.h5").read_bytes()


def test_shard_without_a_usable_clip_is_a_valid_file(tmp_path: Path) -> None:
    write(tmp_path / "s.h5", {})
    with FeatureFile(tmp_path / "s.h5") as file:
        assert file.track_ids == []
        assert file.shape == (5, 8)


def test_file_gets_its_name_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "s.h5"
    with FeatureWriter(
        path, FEATURES["mfcc"].layout((2, 3)), parameters={}, sample_rate=1, hop=1
    ) as writer:
        writer.append("a", np.zeros((2, 3)))
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["s.h5"]


def test_failure_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, clips: Clips) -> None:
    path = tmp_path / "s.h5"
    write(path, clips)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="shape"):
        write(path, clips | {"last": np.zeros((2, 2))})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.h5"]


@pytest.mark.parametrize("shape", [(5, 9), (4, 8), (5, 8, 1), (8,), (1, 8)])
def test_clip_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    # HDF5 would repeat a row of (8,) or (1, 8) over the whole clip.
    with pytest.raises(ValueError, match=re.escape(f"a: shape {shape}, not (5, 8)")):
        write(tmp_path / "s.h5", {"a": np.zeros(shape)})


def test_moments_are_of_the_values_as_stored(tmp_path: Path, clips: Clips) -> None:
    with FeatureWriter(
        tmp_path / "s.h5", FEATURES["cepstrogram"].layout((5, 8)), parameters={},
        sample_rate=1, hop=1,
    ) as writer:  # fmt: skip
        for track_id, values in clips.items():
            writer.append(track_id, values, moments_over=slice(1, 7))
    with FeatureFile(tmp_path / "s.h5") as file:
        for row, values in enumerate(clips.values()):
            stored = values.astype(np.float16).astype(np.float64)[:, 1:7]
            total, squares, count = file.moments(row)
            assert count == 6
            assert np.allclose(total, stored.sum(axis=1), rtol=1e-14)
            assert np.allclose(squares, (stored**2).sum(axis=1), rtol=1e-14)
            # Rounding to float16 is far above this tolerance: these are not the values given.
            assert not np.allclose(total, values[:, 1:7].sum(axis=1), rtol=1e-9)


def test_readers_ask_for_no_lock(tmp_path: Path, clips: Clips) -> None:
    # Network file systems refuse locks; here another holder of the lock stands in for them.
    write(tmp_path / "s.h5", clips)
    write_arrays(tmp_path / "a.h5", {"a": np.arange(3)})
    for name in ("s.h5", "a.h5"):
        with (tmp_path / name).open("rb") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)
            if name == "s.h5":
                with FeatureFile(tmp_path / name) as file:
                    assert file.track_ids == list(clips)
            else:
                assert read_arrays(tmp_path / name)[0]["a"].tolist() == [0, 1, 2]


def test_writers_ask_for_no_lock_and_take_over_what_a_killed_job_left(
    tmp_path: Path, clips: Clips
) -> None:
    for name in ("s.h5", "a.h5"):
        left = temporary_name(tmp_path / name)
        left.write_bytes(b"half a file")
        with left.open("rb") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)
            if name == "s.h5":
                write(tmp_path / name, clips)
            else:
                write_arrays(tmp_path / name, {"a": np.arange(3)})
    assert {path.name for path in tmp_path.iterdir()} == {"s.h5", "a.h5"}
    with FeatureFile(tmp_path / "s.h5") as file:
        assert file.track_ids == list(clips)


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "cut"])
def test_unreadable_file_is_the_users_error(tmp_path: Path, clips: Clips, kind: str) -> None:
    path = tmp_path / "s.h5"
    if kind == "cut":
        write(path, clips)
        path.write_bytes(path.read_bytes()[:-100])
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "not HDF5")
    with pytest.raises(UserError, match=r"can't be read[\s\S]*s\.h5[\s\S]*Hint: delete"):
        FeatureFile(path)


@pytest.mark.parametrize(("key", "value"), [("format", "other"), ("format_version", 3)])
def test_file_of_another_version_is_the_users_error(
    tmp_path: Path, clips: Clips, key: str, value: object
) -> None:
    write(tmp_path / "s.h5", clips)
    with h5py.File(tmp_path / "s.h5", "a") as file:
        file.attrs["about"] = json.dumps(json.loads(file.attrs["about"]) | {key: value})
    with pytest.raises(
        UserError, match=f"{value}[\\s\\S]*Expected: 'genreflow-feature', version 2"
    ):
        FeatureFile(tmp_path / "s.h5")


def test_shards_read_as_one_collection(tmp_path: Path, clips: Clips) -> None:
    names = list(clips)
    write(tmp_path / "0.h5", {names[0]: clips[names[0]]})
    write(tmp_path / "1.h5", {name: clips[name] for name in names[1:]})
    with FeatureSet([tmp_path / "0.h5", tmp_path / "1.h5"]) as features:
        assert features.track_ids == sorted(names)
        assert features.shape == (5, 8)
        assert features.parameters["stft"] == {"n_fft": 8}
        assert "a.0001" in features
        assert "b" not in features
        for name in names:
            stored = clips[name].astype(np.float16)
            assert np.array_equal(features.clip(name), stored)
            assert np.allclose(features.moments(name)[0], stored.astype(float).sum(axis=1))


def test_arrays_and_attributes_make_the_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.h5"
    arrays = {
        "numbers": np.arange(6, dtype=np.float32).reshape(2, 3),
        "text": np.array(["Dvořák", "", "夢"]),
        "integers": np.array([3, -1]),
    }
    write_arrays(path, arrays, seed=3, name="夢")
    found, attributes = read_arrays(path)
    assert attributes == {"seed": 3, "name": "夢"}
    assert found.keys() == arrays.keys()
    assert found["numbers"].dtype == np.float32
    for name, values in arrays.items():
        assert found[name].tolist() == values.tolist()


def test_failed_write_of_arrays_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_arrays(path, {"a": np.zeros(2)})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_arrays(path, {"a": np.ones(2), "b": np.array([{}, []], dtype=object)})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.h5"]


def test_an_open_file_keeps_little_in_memory(tmp_path: Path, clips: Clips) -> None:
    # HDF5's own eight megabytes for each would be gigabytes for the shards of a large collection.
    write(tmp_path / "s.h5", clips)
    with FeatureFile(tmp_path / "s.h5") as file:
        _, size, _ = file._data.id.get_access_plist().get_chunk_cache()
    assert size <= 2**20

"""Anybody's embeddings: every format that is read, and a message for every mistake."""

from __future__ import annotations

import builtins
import pickle
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow
import pytest
from genreflow.baselines.embeddings import check_missing, mean_vector, read_embeddings
from genreflow.errors import UserError
from genreflow.plan.probes import SUFFIXES, plan_probe
from numpy.typing import NDArray
from pyarrow import parquet

Clips = Mapping[str, NDArray[Any]]
#: One vector, three of them, and a track id with a slash; the dataset has no `extra`.
CLIPS: dict[str, NDArray[Any]] = {
    "rock/b": np.array([1.0, 2.0]),
    "a": np.array([[0.0, 6.0], [1.0, 0.0], [2.0, 0.0]]),
    "extra": np.array([9.0, 9.0]),
}
EXPECTED = {"a": [1.0, 2.0], "rock/b": [1.0, 2.0]}
WANTED = ["rock/b", "lost", "a"]


def hdf5_by_clip(folder: Path, clips: Clips = CLIPS) -> Path:
    with h5py.File(folder / "e.h5", "w") as file:
        for track_id, values in clips.items():
            file[track_id] = values
    return folder / "e.h5"


def rows_of(clips: Clips) -> tuple[list[str], NDArray[Any]]:
    """Return a row a vector, so that a clip has several."""
    rows = [(track_id, row) for track_id, values in clips.items() for row in np.atleast_2d(values)]
    return [track_id for track_id, _ in rows], np.stack([row for _, row in rows])


def hdf5_by_rows(folder: Path, clips: Clips = CLIPS) -> Path:
    track_ids, data = rows_of(clips)
    with h5py.File(folder / "e.hdf5", "w") as file:
        file["track_id"], file["data"] = track_ids, data.astype(np.float32)
    return folder / "e.hdf5"


def npz_by_clip(folder: Path, clips: Clips = CLIPS) -> Path:
    np.savez(folder / "e.npz", **clips)
    return folder / "e.npz"


def npz_by_rows(folder: Path, clips: Clips = CLIPS) -> Path:
    track_ids, data = rows_of(clips)
    np.savez(folder / "e.npz", track_id=track_ids, vectors=data)
    return folder / "e.npz"


def npy_folder(folder: Path, clips: Clips = CLIPS) -> Path:
    for track_id, values in clips.items():
        path = folder / "e" / f"{track_id}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
    return folder / "e"


def parquet_lists(folder: Path, clips: Clips = CLIPS) -> Path:
    table = pyarrow.table(
        {"track_id": list(clips), "embedding": [np.atleast_2d(v).tolist() for v in clips.values()]}
    )
    parquet.write_table(table, folder / "e.parquet")
    return folder / "e.parquet"


def parquet_flat_lists(folder: Path, clips: Clips = CLIPS) -> Path:
    track_ids, data = rows_of(clips)
    table = pyarrow.table({"embedding": data.tolist(), "track_id": track_ids})
    parquet.write_table(table, folder / "e.parquet")
    return folder / "e.parquet"


def parquet_columns(folder: Path, clips: Clips = CLIPS) -> Path:
    track_ids, data = rows_of(clips)
    frame = pd.DataFrame(data, columns=["x", "y"]).assign(track_id=track_ids)
    # With row numbers of its own, as after a selection.
    frame.set_index(np.arange(len(frame)) + 7).to_parquet(folder / "e.parquet")
    return folder / "e.parquet"


WRITERS = [
    hdf5_by_clip, hdf5_by_rows, npz_by_clip, npz_by_rows, npy_folder, parquet_lists,
    parquet_flat_lists, parquet_columns,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_gives_the_same_vectors(write: Callable[[Path], Path], tmp_path: Path) -> None:
    found = read_embeddings(write(tmp_path), WANTED)
    assert {name: row.tolist() for name, row in found.rows.items()} == EXPECTED
    assert list(found.rows) == sorted(EXPECTED)
    assert all(row.dtype == np.float64 for row in found.rows.values())
    assert (found.missing, found.others) == (["lost"], 1)


def test_an_array_of_several_vectors_a_clip_is_averaged(tmp_path: Path) -> None:
    data = np.arange(24.0).reshape(2, 3, 4)
    np.savez(tmp_path / "e.npz", track_id=["a", "b"], data=data)
    found = read_embeddings(tmp_path / "e.npz", ["a", "b"]).rows
    np.testing.assert_array_equal([found["a"], found["b"]], data.mean(axis=1))


@pytest.mark.parametrize("track_ids", [np.array([5, 12]), np.array([b"5", b"12"])])
def test_track_ids_may_be_numbers_or_bytes(track_ids: NDArray[Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", track_id=track_ids, data=np.eye(2))
    assert list(read_embeddings(tmp_path / "e.npz", ["12", "5"]).rows) == ["12", "5"]


def test_means_are_taken_in_float64() -> None:
    # In float16 the sum of these would be infinite.
    values = np.full((4, 1), 60000, np.float16)
    np.testing.assert_array_equal(
        mean_vector(values, clip="a", where=Path("e")), values[0].astype(np.float64)
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("write", WRITERS)
def test_a_vector_that_is_not_finite_is_refused(
    write: Callable[..., Path], value: float, tmp_path: Path
) -> None:
    path = write(tmp_path, CLIPS | {"a": np.array([[1.0, value], [1.0, 2.0]])})
    with pytest.raises(UserError, match=r"1 of 4 values of 'a' are NaN or infinite") as error:
        read_embeddings(path, WANTED)
    assert str(path) in str(error.value)


def test_clips_that_are_not_asked_for_are_not_looked_at(tmp_path: Path) -> None:
    path = npz_by_clip(tmp_path, CLIPS | {"extra": np.array([np.nan])})
    assert read_embeddings(path, WANTED).others == 1


@pytest.mark.parametrize("write", WRITERS)
def test_other_track_ids_are_named(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(UserError) as error:
        read_embeddings(path, ["000001", "000002"])
    message = str(error.value)
    assert "no clip of the dataset: 3 names such as 'a', 'extra', 'rock/b'" in message
    assert "the dataset has '000001', '000002'" in message


def test_vectors_of_other_lengths_are_refused(tmp_path: Path) -> None:
    path = npz_by_clip(tmp_path, {"a": np.zeros(3), "b": np.zeros(4)})
    with pytest.raises(UserError, match=r"'b' has 4 values, and that of 'a' 3"):
        read_embeddings(path, ["a", "b"])


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (np.float64(1), "a single value of type float64"),
        (np.zeros((2, 2, 2)), "2 x 2 x 2 of type float64"),
        (np.zeros((0, 2)), "0 x 2 of type float64"),
        (np.array(["1", "2"]), "2 of type <U1"),
        (np.zeros(2, complex), "2 of type complex128"),
        (np.array([True]), "1 of type bool"),
    ],
)
def test_what_is_no_vector_is_refused(values: Any, shown: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", a=values)
    with pytest.raises(UserError) as error:
        read_embeddings(tmp_path / "e.npz", ["a"])
    assert f"the embedding of 'a' is {shown}." in str(error.value)


class Harmful:
    """What would run a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.check_call, (["touch", str(self.mark)],)


@pytest.mark.parametrize("kind", ["npz", "npy", "npz with ids", "pickle"])
def test_objects_are_never_unpickled(kind: str, tmp_path: Path) -> None:
    mark = tmp_path / "harmed"
    harmful = np.array([Harmful(mark)], dtype=object)
    path = tmp_path / "e.npz"
    if kind == "npy":
        path = tmp_path / "e"
        path.mkdir()
        np.save(path / "a.npy", harmful, allow_pickle=True)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Harmful(mark)))
    elif kind == "npz":
        np.savez(path, a=harmful)
    else:
        np.savez(path, track_id=harmful, data=np.zeros((1, 2)))
    with pytest.raises(UserError, match=r"can't be read: .*pickle") as error:
        read_embeddings(path, ["a"])
    assert "no Python objects" in str(error.value)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["e.h5", "e.hdf5", "e.npz", "e.parquet"])
@pytest.mark.parametrize("content", [b"", b"this is no such file", None])
def test_damaged_files_are_refused(name: str, content: bytes | None, tmp_path: Path) -> None:
    writers = {".h5": hdf5_by_clip, ".hdf5": hdf5_by_rows, ".npz": npz_by_rows}
    path = tmp_path / name
    if content is None:
        whole = writers.get(path.suffix, parquet_columns)(tmp_path)
        content = whole.read_bytes()[: whole.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(UserError, match="the embeddings can't be read"):
        read_embeddings(path, WANTED)


def test_a_damaged_npy_is_refused(tmp_path: Path) -> None:
    folder = npy_folder(tmp_path)
    (folder / "a.npy").write_bytes(b"")
    with pytest.raises(UserError, match="the embeddings can't be read"):
        read_embeddings(folder, WANTED)


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path: Path) -> None:
    hdf5_by_clip(tmp_path)
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["b"] = np.zeros(2)
        file["a"] = h5py.ExternalLink("e.h5", "/a")
    assert read_embeddings(tmp_path / "links.h5", ["a", "b"]).missing == ["a"]


def test_ids_without_vectors_and_two_arrays_are_refused(tmp_path: Path) -> None:
    ids = np.array(["a", "b"])
    for arrays, found in (
        ({}, "beside `track_id` there are none"),
        ({"x": np.eye(2)}, "beside `track_id` there are x"),
        ({"data": np.eye(2), "vectors": np.eye(2)}, "there are data, vectors"),
        ({"data": np.eye(3)}, "2 track ids and 3 rows"),
    ):
        np.savez(tmp_path / "e.npz", track_id=ids, **arrays)
        with pytest.raises(UserError, match=found):
            read_embeddings(tmp_path / "e.npz", ["a"])


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"id": ["a"], "x": [1.0]}, "the columns are id, x"),
        ({"track_id": ["a"]}, "the columns are track_id"),
        ({"track_id": ["a"], "v": [[1.0]], "label": ["x"]}, "beside the lists in 'v'.* label"),
        ({"track_id": ["a"], "x": [1.0], "label": ["x"]}, "the column 'label' holds no numbers"),
        ({"track_id": ["a"], "x": [None]}, "the column 'x' holds no numbers"),
        ({"track_id": ["a"], "v": [[[1.0], [1.0, 2.0]]]}, "can't be read"),
    ],
)
def test_other_columns_of_parquet_are_refused(
    columns: dict[str, list[Any]], found: str, tmp_path: Path
) -> None:
    parquet.write_table(pyarrow.table(columns), tmp_path / "e.parquet")
    with pytest.raises(UserError, match=found):
        read_embeddings(tmp_path / "e.parquet", ["a"])


def test_parquet_without_pyarrow_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet_columns(tmp_path)
    imported = builtins.__import__

    def refuse(name: str, *others: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return imported(name, *others, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match="pyarrow, which reads Parquet, is not installed"):
        read_embeddings(path, WANTED)


def test_our_own_feature_caches_are_no_embeddings(tmp_path: Path) -> None:
    with h5py.File(hdf5_by_rows(tmp_path), "a") as file:
        file.attrs["format"] = "genreflow-feature"
    with pytest.raises(UserError, match="this is a feature cache"):
        read_embeddings(tmp_path / "e.hdf5", WANTED)


def test_too_many_missing_clips_are_named() -> None:
    missing = [f"t{number:02d}" for number in range(12)]
    check_missing(missing, 240, largest=0.05, where=Path("e.npz"))
    with pytest.raises(UserError) as error:
        check_missing(missing, 239, largest=0.05, where=Path("e.npz"))
    message = str(error.value)
    assert "12 of 239 clips (5.0%) have no embedding: 't00', 't01'" in message
    assert "'t09' and 2 more" in message
    assert "audio.max_quarantined" in message


def test_planning_sees_what_is_there(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        (tmp_path / f"e{suffix.upper()}").touch()
        assert plan_probe("mert", str(tmp_path / f"e{suffix.upper()}")) == ""
    (tmp_path / "e.csv").touch()
    (tmp_path / "empty").mkdir()
    for name, found in (
        ("none.h5", "does not exist"),
        ("e.csv", "is of no kind that is read"),
        ("empty", "no .npy file lies in"),
    ):
        with pytest.raises(UserError, match=found) as error:
            plan_probe("mert", str(tmp_path / name))
        assert "probes.mert.vectors" in str(error.value)


def test_the_state_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    folder = str(npy_folder(tmp_path))
    first = plan_probe("mert", folder)
    assert first == plan_probe("mert", folder) != ""
    (tmp_path / "e" / "notes.txt").touch()
    assert plan_probe("mert", folder) == first
    np.save(tmp_path / "e" / "rock" / "b.npy", np.zeros(2))
    assert plan_probe("mert", folder) != first

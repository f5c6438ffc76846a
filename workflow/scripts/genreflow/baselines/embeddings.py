"""Anybody's embeddings by track id, from HDF5, .npz, Parquet or a folder of .npy (docs/probes.md).

Nothing is unpickled: what holds Python objects is refused.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from genreflow.errors import UserError, some_of

Array = npt.NDArray[np.float64]
#: Where the track ids are, in a file that has all vectors in one array, and where those are.
TRACK_ID, DATA = "track_id", ("data", "vectors")
#: What a clip's array may be.
EXPECTED = "numbers of shape (values,), or (vectors, values) to be averaged"
#: What libraries raise at a file that is damaged, or that holds objects.
FAULTS = (
    OSError, EOFError, KeyError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error
)  # fmt: skip
#: pandas keeps row numbers in such a column.
INDEX = "__index_level_"


@dataclass(frozen=True)
class Embeddings:
    """A vector of each clip of a dataset that embeddings have, and what they lack.

    Attributes
    ----------
    rows
        By track id, shape (values,).
    missing
        The dataset's clips that they don't have.
    others
        How many of theirs the dataset doesn't have.
    """

    rows: dict[str, Array]
    missing: list[str]
    others: int


def read_embeddings(path: Path, track_ids: Iterable[str]) -> Embeddings:
    """Return a vector for each of a dataset's clips that a file or a folder has.

    Several vectors of a clip are averaged, in float64.

    Raises
    ------
    UserError
        The file is damaged, of another form, or holds objects; it has none of the clips; a value
        is no number or not finite; or the vectors differ in their length.
    """
    wanted = sorted(track_ids)
    with _opened(path) as (names, values):
        known = set(names)
        found = [track_id for track_id in wanted if track_id in known]
        if not found:
            raise UserError(
                f"the embeddings have no clip of the dataset: {len(known)} names such as "
                f"{some_of(sorted(known), 3)}, where the dataset has {some_of(wanted, 3)}.",
                where=str(path),
                expected="vectors by the track ids of the dataset's manifest.csv",
            )
        rows = {
            track_id: mean_vector(values(track_id), clip=track_id, where=path) for track_id in found
        }
    first = found[0]
    for track_id, row in rows.items():
        if len(row) != len(rows[first]):
            raise UserError(
                f"the vector of {track_id!r} has {len(row)} values, and that of {first!r} "
                f"{len(rows[first])}.",
                where=str(path),
                expected="vectors of one length",
                hint="of an array (vectors, values), the last axis must be the values.",
            )
    missing = [track_id for track_id in wanted if track_id not in known]
    return Embeddings(rows, missing, len(known) - len(found))


def mean_vector(values: npt.NDArray[Any], *, clip: str, where: Path) -> Array:
    """Return a clip's vector, the mean of several, or refuse what is none.

    Parameters
    ----------
    values
        Shape (values,) or (vectors, values).
    """
    shape = " x ".join(map(str, values.shape)) or "a single value"
    if values.dtype.kind not in "fiu" or values.ndim not in (1, 2) or not values.size:
        raise UserError(
            f"the embedding of {clip!r} is {shape} of type {values.dtype}.",
            where=str(where),
            expected=EXPECTED,
        )
    wide = values.astype(np.float64)
    bad = wide.size - np.count_nonzero(np.isfinite(wide))
    if bad:
        raise UserError(
            f"{bad} of {wide.size} values of {clip!r} are NaN or infinite.",
            where=str(where),
            hint="compute this clip's embedding again, or leave the clip out.",
        )
    mean: Array = wide.reshape(-1, wide.shape[-1]).mean(axis=0)
    return mean


def check_missing(missing: Collection[str], clips: int, *, largest: float, where: Path) -> None:
    """Refuse embeddings that lack too many clips of a dataset.

    Parameters
    ----------
    largest
        Share of the clips, from 0 to 1.

    Raises
    ------
    UserError
        More are missing.
    """
    share = len(missing) / max(clips, 1)
    if share > largest:
        raise UserError(
            f"{len(missing)} of {clips} clips ({share:.1%}) have no embedding: "
            f"{some_of(sorted(missing), 10)}.",
            where=str(where),
            expected=f"at most {largest:.1%} (audio.max_quarantined)",
            hint="compute the others too, under the track ids of the dataset's manifest.csv.",
        )


Opened = tuple[Sequence[str], Callable[[str], npt.NDArray[Any]]]


@contextmanager
def _opened(path: Path) -> Iterator[Opened]:
    """Yield the names of all clips of a file or a folder, and what reads one's values."""
    try:
        with READERS["" if path.is_dir() else path.suffix.lower()](path) as opened:
            yield opened
    except UserError:
        raise
    except FAULTS as error:
        raise UserError(
            f"the embeddings can't be read: {error}.",
            where=str(path),
            expected="arrays of numbers, and track ids as text; no Python objects",
        ) from None


@contextmanager
def _hdf5(path: Path) -> Iterator[Opened]:
    with h5py.File(path, "r", locking=False) as file:
        if file.attrs.get("format") == "genreflow-feature":
            raise UserError(
                "this is a feature cache, whose clips are no vectors.",
                where=str(path),
                hint="docs/probes.md has a script that makes vectors of clips.",
            )
        if TRACK_ID in file:
            yield _by_rows(file[TRACK_ID][:], _data_of(file, path))
            return
        names: list[str] = []
        # Links are not followed.
        file.visititems(
            lambda name, found: names.append(name) if isinstance(found, h5py.Dataset) else None
        )
        yield names, lambda name: np.asarray(file[name][()])


@contextmanager
def _npz(path: Path) -> Iterator[Opened]:
    with np.load(path, allow_pickle=False) as file:
        if TRACK_ID in file:
            yield _by_rows(file[TRACK_ID], _data_of(file, path))
        else:
            yield list(file), file.__getitem__


@contextmanager
def _folder(path: Path) -> Iterator[Opened]:
    files = {npy_name(file, path): file for file in npy_files(path)}
    yield list(files), lambda name: np.load(files[name], allow_pickle=False)


@contextmanager
def _parquet(path: Path) -> Iterator[Opened]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(
            "pyarrow, which reads Parquet, is not installed.",
            where=str(path),
            hint="`pip install pyarrow`, or save the embeddings as .npz.",
        ) from None
    try:
        table = parquet.ParquetFile(path).read()
    except pyarrow.ArrowException as error:
        raise ValueError(error) from None
    columns = [name for name in table.column_names if not name.startswith(INDEX)]
    values = [name for name in columns if name != TRACK_ID]
    if TRACK_ID not in columns or not values:
        raise UserError(
            f"the columns are {', '.join(columns[:8])}.",
            where=str(path),
            expected="track_id, and a column of lists or columns of numbers",
        )
    lists = [name for name in values if pyarrow.types.is_nested(table.schema.field(name).type)]
    track_ids = np.array(table[TRACK_ID].to_pylist(), dtype=object)
    if lists and len(values) > 1:
        raise UserError(
            f"beside the lists in {lists[0]!r} there are the columns "
            f"{', '.join(name for name in values if name != lists[0])}.",
            where=str(path),
            expected="track_id and one column of lists",
        )
    if lists:
        rows = table[lists[0]].to_pylist()
        places = _places(track_ids)
        yield (
            list(places),
            lambda name: np.concatenate(
                [np.atleast_2d(np.array(rows[row])) for row in places[name]]
            ),
        )
    else:
        for name in values:
            kind = table.schema.field(name).type
            if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
                raise UserError(
                    f"the column {name!r} holds no numbers.",
                    where=str(path),
                    expected="track_id, and a column of lists or columns of numbers",
                )
        yield _by_rows(track_ids, np.column_stack([table[name].to_numpy() for name in values]))


READERS = {"": _folder, ".h5": _hdf5, ".hdf5": _hdf5, ".npz": _npz, ".parquet": _parquet}


def npy_files(folder: Path) -> list[Path]:
    """Return the .npy files below a folder."""
    return sorted(folder.rglob("*.npy"))


def npy_name(file: Path, folder: Path) -> str:
    """Return the track id that a file of a folder is of, which may have slashes."""
    return file.relative_to(folder).with_suffix("").as_posix()


def _data_of(file: Any, path: Path) -> Any:
    """Return the array of all clips that lies beside the track ids."""
    found = [name for name in DATA if name in file]
    if len(found) != 1:
        raise UserError(
            f"beside `{TRACK_ID}` there are {', '.join(sorted(set(file) - {TRACK_ID})) or 'none'}.",
            where=str(path),
            expected="one of " + ", ".join(DATA),
        )
    return file[found[0]]


def _by_rows(track_ids: npt.NDArray[Any], data: Any) -> Opened:
    """Return names and values of rows of one array, shape (clips, values) or with vectors between.

    A clip may have several rows.
    """
    if len(track_ids) != len(data):
        raise ValueError(f"{len(track_ids)} track ids and {len(data)} rows")
    places = _places(track_ids)

    def values(name: str) -> npt.NDArray[Any]:
        found = np.asarray(data[places[name]])
        return found.reshape(-1, found.shape[-1]) if found.ndim == 3 else found

    return list(places), values


def _places(track_ids: Iterable[Any]) -> dict[str, list[int]]:
    """Return the rows of each clip, whose id may be text, its bytes, or a whole number."""
    places: dict[str, list[int]] = defaultdict(list)
    for row, track_id in enumerate(track_ids):
        places[track_id.decode() if isinstance(track_id, bytes) else str(track_id)].append(row)
    return places

"""The HDF5 feature cache: one file a shard, one chunk a clip (docs/format.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from genreflow.errors import UserError
from genreflow.files.atomic import temporary_name
from genreflow.files.layouts import Layout, as_stored

FORMAT = "genreflow-feature"
FORMAT_VERSION = 1
#: Rows that are summed at a time, so that they stay in the processor's cache.
BLOCK = 32


class FeatureWriter:
    """Write the clips of a shard, one after the other, and only then give the file its name.

    Parameters
    ----------
    path
        The final name; until `close` the data is under a temporary name beside it.
    layout
        How the cache holds a clip.
    parameters
        Everything that shaped the values, a map a stage.
    sample_rate, hop
        In Hz and samples.
    attributes
        Further root attributes.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        parameters: Mapping[str, Any],
        sample_rate: int,
        hop: int,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self._layout = layout
        self._path = path
        self._temporary = temporary_name(path)
        self._track_ids: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = h5py.File(self._temporary, "w", libver=("v110", "v110"), locking=False)
        self._file.attrs.update(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "feature": layout.feature,
                "axes": json.dumps(["clip", *layout.axes]),
                "parameters": json.dumps(parameters, sort_keys=True),
                "sample_rate": sample_rate,
                "hop": hop,
                **(attributes or {}),
            }
        )
        shape = layout.shape
        self._data = self._file.create_dataset(
            "data",
            (0, *shape),
            layout.dtype,
            maxshape=(None, *shape),
            chunks=(1, *shape),
            **({"shuffle": True, "compression": "lzf"} if layout.step is not None else {}),
        )
        self._moments, self._count = [], 0
        if layout.moments:
            rows = shape[:-1]
            self._moments = [
                self._file.create_dataset(
                    f"moments/{name}",
                    (0, *rows),
                    "float64",
                    maxshape=(None, *rows),
                    chunks=(64, *rows),
                )
                for name in ("sum", "sum_squares")
            ]

    def append(
        self, track_id: str, values: npt.NDArray[Any], *, moments_over: slice = slice(None)
    ) -> None:
        """Add one clip; its moments are of the values as stored, over part of the last axis."""
        if values.shape != self._data.shape[1:]:  # HDF5 would repeat a row over the whole clip
            raise ValueError(f"{track_id}: shape {values.shape}, not {self._data.shape[1:]}")
        row = len(self._track_ids)
        for dataset in (self._data, *self._moments):
            dataset.resize(row + 1, axis=0)
        stored = as_stored(self._layout, values)
        self._data[row] = stored
        self._track_ids.append(track_id)
        if self._moments:
            part = stored[..., moments_over]
            for moment, sums in zip(self._moments, _row_moments(part), strict=True):
                moment[row] = sums
            self._count = part.shape[-1]

    def close(self) -> None:
        """Complete the file and give it its final name."""
        if self._moments:
            self._file["moments"].attrs["count"] = self._count
        self._file.create_dataset(
            "track_id",
            data=np.array(self._track_ids, dtype=object),
            dtype=h5py.string_dtype("utf-8"),
        )
        self._file.close()
        self._temporary.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()
            self._temporary.unlink(missing_ok=True)


def _row_moments(
    values: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the sums over the last axis of values and of their squares, in float64."""
    rows = values.reshape(-1, values.shape[-1])
    total, squares = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK].astype(np.float64)
        total[start : start + BLOCK] = part.sum(axis=1)
        squares[start : start + BLOCK] = np.square(part, out=part).sum(axis=1)
    return total.reshape(values.shape[:-1]), squares.reshape(values.shape[:-1])


class FeatureFile:
    """One shard of a feature, open for reading without HDF5's lock (for network file systems).

    Raises
    ------
    UserError
        The file can't be read or is not a cache of a known version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r", locking=False)
        except OSError as error:
            raise UserError(
                f"the feature cache can't be read: {error}.",
                where=str(path),
                hint="delete the file and run again: Snakemake makes it anew.",
            ) from None
        self.attributes = dict(self._file.attrs)
        found = (self.attributes.get("format"), self.attributes.get("format_version"))
        if found != (FORMAT, FORMAT_VERSION):
            raise UserError(
                f"the file is {found[0]!r}, version {found[1]}.",
                where=str(path),
                expected=f"{FORMAT!r}, version {FORMAT_VERSION}",
                hint="delete the file and run again: Snakemake makes it anew.",
            )
        self.track_ids: list[str] = self._file["track_id"].asstr()[:].tolist()
        self._data: h5py.Dataset = self._file["data"]
        self.shape: tuple[int, ...] = self._data.shape[1:]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of this feature and of those it was made from."""
        parameters: dict[str, Any] = json.loads(self.attributes["parameters"])
        return parameters

    def __iter__(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        for row, track_id in enumerate(self.track_ids):
            yield track_id, self.clip(row)

    def clip(self, row: int) -> npt.NDArray[Any]:
        """Return the values of a clip."""
        values: npt.NDArray[Any] = self._data[row]
        return values

    def moments(self, row: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
        """Return a clip's sums, sums of squares and how many values each is of."""
        group = self._file["moments"]
        return group["sum"][row], group["sum_squares"][row], int(group.attrs["count"])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def derive_features(
    source: FeatureFile,
    outputs: Mapping[Path, Layout],
    compute: Callable[[npt.NDArray[Any]], Sequence[npt.NDArray[Any]]],
    *,
    settings: Mapping[str, Any],
    hop: int | None = None,
    moments_over: slice = slice(None),
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write features of every clip of a shard that are made from another feature of it.

    Parameters
    ----------
    outputs
        The features' files and layouts.
    compute
        From a clip's values to those of each output, in their order.
    settings
        The section of the settings that shapes the outputs.
    hop
        In samples, where it is not the source's.
    moments_over, attributes
        As of `FeatureWriter`.
    """
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                FeatureWriter(
                    path,
                    layout,
                    parameters={**source.parameters, layout.section: settings},
                    sample_rate=source.attributes["sample_rate"],
                    hop=source.attributes["hop"] if hop is None else hop,
                    attributes=attributes,
                )
            )
            for path, layout in outputs.items()
        ]
        for track_id, values in source:
            for writer, found in zip(writers, compute(values), strict=True):
                writer.append(track_id, found, moments_over=moments_over)


class FeatureSet:
    """A feature of a whole collection: its shards as one, addressed by track id."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._shards = [FeatureFile(path) for path in paths]
        self._rows = {
            track_id: (shard, row)
            for shard in self._shards
            for row, track_id in enumerate(shard.track_ids)
        }
        self.shape = self._shards[0].shape
        self.attributes = self._shards[0].attributes
        self.parameters = self._shards[0].parameters

    def __contains__(self, track_id: object) -> bool:
        return track_id in self._rows

    @property
    def track_ids(self) -> list[str]:
        """Track ids in their own order, whatever the shards."""
        return sorted(self._rows)

    def clip(self, track_id: str) -> npt.NDArray[Any]:
        """Return the cached values of a clip."""
        shard, row = self._rows[track_id]
        return shard.clip(row)

    def moments(
        self, track_id: str
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
        """Return a clip's sums, sums of squares and count."""
        shard, row = self._rows[track_id]
        return shard.moments(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for shard in self._shards:
            shard.close()


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], **attributes: Any) -> None:
    """Write named arrays and root attributes to an HDF5 file, under its name only when whole."""
    temporary = temporary_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with h5py.File(temporary, "w", locking=False) as file:
            file.attrs.update(attributes)
            for name, values in arrays.items():
                is_text = values.dtype.kind in "OU"
                dtype = h5py.string_dtype("utf-8") if is_text else values.dtype
                file.create_dataset(
                    name, data=values.astype(object) if is_text else values, dtype=dtype
                )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_arrays(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the root attributes of a file from `write_arrays`."""
    with h5py.File(path, "r", locking=False) as file:
        arrays = {
            name: file[name].asstr()[:]
            if h5py.check_string_dtype(file[name].dtype)
            else file[name][:]
            for name in file
        }
        return arrays, dict(file.attrs)

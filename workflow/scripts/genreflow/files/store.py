"""The HDF5 feature cache: one file a shard, one chunk a clip (docs/format.md).

Every clip has a digest of its id and values and one of its moments, which are checked when they are
read, and the file has one of everything else, which is checked when it is opened.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from genreflow.errors import UserError
from genreflow.files.atomic import temporary_name, write_whole
from genreflow.files.integrity import AGAIN, DIGEST_BYTES, digest, digest_parameters, place_of
from genreflow.files.layouts import Layout, as_stored, check_finite

FORMAT = "genreflow-feature"
FORMAT_VERSION = 2
#: The attributes in one text, which is what our reader takes; the others are for people.
ABOUT = "about"
#: Of each clip's id and values.
DIGEST = "digest"
#: Of each clip's moments.
MOMENTS_DIGEST = "moments/digest"
#: Clips that are in the shard and not in the cache, since they are in quarantine.
QUARANTINED = "quarantined"
#: Rows that are summed at a time, so that they stay in the processor's cache.
BLOCK = 32
#: Bytes that HDF5 keeps of each open array: a chunk of moments.  Clips are read once, and its own
#: 8 MiB would be 2 GiB for the shards of a large collection.
CHUNK_CACHE = 1024 * 1024


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
        self._digests: list[bytes] = []
        self._moment_digests: list[bytes] = []
        self._quarantined: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = h5py.File(self._temporary, "w", libver=("v110", "v110"), locking=False)
        except OSError:
            self._temporary.unlink(missing_ok=True)
            raise
        about = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "feature": layout.feature,
            "place": place_of(path),
            "axes": json.dumps(["clip", *layout.axes]),
            "parameters": json.dumps(parameters, sort_keys=True),
            "sample_rate": sample_rate,
            "hop": hop,
            **(attributes or {}),
        }
        self._file.attrs.update(about)
        self._describe(ABOUT, json.dumps(about, sort_keys=True, default=_plain))
        shape = layout.shape
        self._data = self._file.create_dataset(
            "data",
            (0, *shape),
            layout.dtype,
            maxshape=(None, *shape),
            chunks=(1, *shape),
            **({"shuffle": True, "compression": "lzf"} if layout.step is not None else {}),
        )
        #: Sums and sums of squares, a clip each: few enough to be kept until all are there.
        self._moments: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
        self._count = 0

    def append(
        self, track_id: str, values: npt.NDArray[Any], *, moments_over: slice = slice(None)
    ) -> None:
        """Add one clip; its moments are of the values as stored, over part of the last axis."""
        if values.shape != self._data.shape[1:]:  # HDF5 would repeat a row over the whole clip
            raise ValueError(f"{track_id}: shape {values.shape}, not {self._data.shape[1:]}")
        row = len(self._track_ids)
        self._data.resize(row + 1, axis=0)
        stored = np.ascontiguousarray(as_stored(self._layout, values))
        if self._layout.step is None:
            # Without filters a chunk is the clip's bytes: nothing is left to convert or to copy.
            self._data.id.write_direct_chunk((row, *(0 for _ in stored.shape)), stored)
        else:
            self._data[row] = stored
        self._track_ids.append(track_id)
        self._digests.append(digest(track_id.encode(), stored))
        if self._layout.moments:
            part = stored[..., moments_over]
            found = _row_moments(part)
            self._moments.append(found)
            self._moment_digests.append(digest(track_id.encode(), *found))
            self._count = part.shape[-1]

    def _write_moments(self) -> None:
        rows = self._layout.shape[:-1]
        sums = np.array(self._moments, np.float64).reshape(-1, 2, *rows)
        for place, name in enumerate(("sum", "sum_squares")):
            self._file.create_dataset(
                f"moments/{name}", data=sums[:, place], maxshape=(None, *rows), chunks=(64, *rows)
            )
        self._file["moments"].attrs["count"] = self._count
        self._file[MOMENTS_DIGEST] = _as_array(self._moment_digests)

    def _describe(self, name: str, value: str) -> None:
        text = value.encode()
        self._file.attrs.create(name, text, dtype=_text_type([text]))

    def leave_out(self, *track_ids: str) -> None:
        """Say which clips of the shard are not in the cache, since they are in quarantine."""
        self._quarantined += track_ids

    def close(self) -> None:
        """Complete the file and give it its final name."""
        if self._layout.moments:
            self._write_moments()
        self._file[DIGEST] = _as_array(self._digests)
        for name, track_ids in (("track_id", self._track_ids), (QUARANTINED, self._quarantined)):
            texts = [track_id.encode() for track_id in track_ids]
            self._file[name] = np.array(texts, _text_type(texts))
        self._describe(DIGEST, _digest_of_rest(self._file))
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
        try:
            if kind is None:
                self.close()
            else:
                self._file.close()
        finally:
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


def _text_type(texts: Sequence[bytes]) -> np.dtype[Any]:
    """Return the type of texts of a fixed length.

    HDF5 keeps texts of any length in a heap without a checksum, and may look through a damaged one
    for ever.
    """
    found: np.dtype[Any] = h5py.string_dtype("utf-8", max(map(len, texts), default=0) or 1)
    return found


def _plain(value: np.generic) -> Any:
    return value.item()


def _as_array(digests: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), DIGEST_BYTES)


def _digest_of_rest(file: h5py.File) -> str:
    """Return the digest of what has none of its own: ids, attributes, and the other digests."""
    contents = [bytes(file.attrs[ABOUT]), file[DIGEST][:]]
    contents += [
        json.dumps(file[name].asstr()[:].tolist()).encode() for name in ("track_id", QUARANTINED)
    ]
    if "moments" in file:
        contents += [str(file["moments"].attrs["count"]).encode(), file[MOMENTS_DIGEST][:]]
    return digest(*contents).hex()


class FeatureFile:
    """One shard of a feature, open for reading without HDF5's lock (for network file systems).

    Parameters
    ----------
    path
        Relative, as jobs name it, the file must be the one that was written for this place.

    Raises
    ------
    UserError
        The file can't be read, is not a cache of a known version, or is not as it was written;
        when a clip is read, that clip is not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r", locking=False, rdcc_nbytes=CHUNK_CACHE)
        except OSError as error:
            raise self._damaged(f"the feature cache can't be read: {error}.") from None
        with self._damage():
            # The caches of version 1 have none.
            self.attributes: dict[str, Any] = json.loads(self._file.attrs.get(ABOUT, "{}"))
        found = (self.attributes.get("format"), self.attributes.get("format_version"))
        if found != (FORMAT, FORMAT_VERSION):
            raise UserError(
                f"the file is {found[0]!r}, version {found[1]}.",
                where=str(path),
                expected=f"{FORMAT!r}, version {FORMAT_VERSION}",
                hint=AGAIN,
            )
        with self._damage():
            self._refuse_links()
            if self._file.attrs[DIGEST].decode() != _digest_of_rest(self._file):
                raise ValueError("ids, attributes or digests were changed")
            self.track_ids: list[str] = self._file["track_id"].asstr()[:].tolist()
            self.quarantined: list[str] = self._file[QUARANTINED].asstr()[:].tolist()
            self._digests: npt.NDArray[np.uint8] = self._file[DIGEST][:]
            self._moment_digests: npt.NDArray[np.uint8] | None = (
                self._file[MOMENTS_DIGEST][:] if "moments" in self._file else None
            )
            self._data: h5py.Dataset = self._file["data"]
            self.shape: tuple[int, ...] = self._data.shape[1:]
        place = place_of(path)
        if not path.is_absolute() and place not in (path.name, self.attributes["place"]):
            raise self._damaged(f"the feature cache is that of {self.attributes['place']}.")

    def _damaged(self, found: str) -> UserError:
        return UserError(found, where=str(self.path), hint=AGAIN)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Tell whatever HDF5 makes of a damaged file as one message."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # HDF5 has no end of them
            raise self._damaged(f"the feature cache is damaged: {error}.") from None

    def _refuse_links(self) -> None:
        for group in (self._file, *([self._file["moments"]] if "moments" in self._file else [])):
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{name!r} is a link")
                found = group[name]
                if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
                    raise ValueError(f"{name!r} lies in another file")

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
        with self._damage():
            values: npt.NDArray[Any] = self._data[row]
            self._check(row, self._digests, values)
        return values

    def _check(self, row: int, digests: npt.NDArray[np.uint8], *contents: npt.NDArray[Any]) -> None:
        track_id = self.track_ids[row]
        if digest(track_id.encode(), *contents) != digests[row].tobytes():
            raise ValueError(f"clip {track_id!r} is not as it was written")

    def moments(self, row: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
        """Return a clip's sums, sums of squares and how many values each is of."""
        with self._damage():
            group = self._file["moments"]
            sums, squares = group["sum"][row], group["sum_squares"][row]
            assert self._moment_digests is not None
            self._check(row, self._moment_digests, sums, squares)
            return sums, squares, int(group.attrs["count"])

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
        for writer in writers:
            writer.leave_out(*source.quarantined)
        for track_id, values in source:
            for writer, found in zip(writers, compute(values), strict=True):
                writer.append(track_id, found, moments_over=moments_over)


def _what(shard: FeatureFile) -> tuple[Any, ...]:
    """Return what all shards of a feature have in common."""
    attributes = shard.attributes
    return shard.shape, attributes["feature"], attributes["parameters"], attributes["sample_rate"]


class FeatureSet:
    """A feature of a whole collection: its shards as one, addressed by track id.

    Raises
    ------
    UserError
        As `FeatureFile`, or a shard is of another feature or other parameters than the first.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._shards = [FeatureFile(path) for path in paths]
        first = self._shards[0]
        for shard in self._shards:
            if _what(shard) != _what(first):
                raise UserError(
                    f"the shard is not of the feature or the parameters of {first.path}.",
                    where=str(shard.path),
                    hint="delete both files and run again: Snakemake makes them anew.",
                )
        self._rows = {
            track_id: (shard, row)
            for shard in self._shards
            for row, track_id in enumerate(shard.track_ids)
        }
        #: Clips that are in no cache, since they are in quarantine.
        self.quarantined = sorted(
            track_id for shard in self._shards for track_id in shard.quarantined
        )
        self.shape = first.shape
        self.attributes = first.attributes
        self.parameters = first.parameters

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


def feature_sets(paths: Iterable[Path]) -> list[FeatureSet]:
    """Return the feature sets of several features' shards, which lie in a folder each."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    return [FeatureSet(shards) for shards in folders.values()]


def check_parameters(paths: Iterable[Path], expected: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse caches of other settings than their dataset has now.

    Parameters
    ----------
    paths
        Of any files; those below ``results/{dataset}/features`` are caches.
    expected
        By dataset what `digest_parameters` gives for its settings.

    Raises
    ------
    UserError
        A cache was made with other settings.
    """
    for path in paths:
        dataset, *rest = place_of(path).split("/")
        if path.is_absolute() or rest[:1] != ["features"] or dataset not in expected:
            continue
        with FeatureFile(path) as cache:
            found = digest_parameters(cache.parameters)
        other = [name for name, value in found.items() if expected[dataset].get(name) != value]
        if other:
            raise UserError(
                f"the feature cache was made with other settings of {', '.join(other)} than the "
                "dataset has.",
                where=str(path),
                hint=AGAIN,
            )


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], **attributes: Any) -> None:
    """Write named arrays and root attributes to an HDF5 file, under its name only when whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In memory, since HDF5 may crash where it can't write.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs.update(attributes)
        for name, values in arrays.items():
            is_text = values.dtype.kind in "OU"
            dtype = h5py.string_dtype("utf-8") if is_text else values.dtype
            file.create_dataset(
                name, data=values.astype(object) if is_text else values, dtype=dtype
            )
    write_whole(path, content.getvalue())


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


def read_statistics(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Return the arrays of a file that normalises inputs.

    Raises
    ------
    UserError
        Some are not finite.
    """
    statistics, _ = read_arrays(path)
    for name, values in statistics.items():
        check_finite(values, of=f"values of {name!r}", where=str(path))
    return statistics

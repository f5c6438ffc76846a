"""FMA, the Free Music Archive's dataset (Defferrard et al. 2017), in its four nested subsets.

The facts of the collection, and what a copy on disk holds: a clip's file, its genre, its artist
and its part in the official split, from ``tracks.csv`` of the metadata.
"""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Final

from genreflow.collections.collection import Annotation, Collection, one_file_a_clip
from genreflow.collections.download import find_copy, verify
from genreflow.collections.remotes import FMA_ARCHIVES, FMA_METADATA
from genreflow.errors import UserError
from genreflow.files.clips import Clip

#: The genres of fma_small, a thousand clips each.
SMALL_LABELS: Final = (
    "Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock",
)  # fmt: skip
#: The root genres, those of the larger subsets.
LABELS: Final = (
    "Blues", "Classical", "Country", "Easy Listening", "Electronic", "Experimental", "Folk",
    "Hip-Hop", "Instrumental", "International", "Jazz", "Old-Time / Historic", "Pop", "Rock",
    "Soul-RnB", "Spoken",
)  # fmt: skip
#: Subsets by size; each holds the ones before it.
SUBSETS: Final = ("small", "medium", "large")
#: Tracks with a root genre, by subset.  Only they are clips here: the large subset and the full
#: tracks have 106 574, of which the others have no genre or several.
CLIPS: Final = {
    "fma_small": 8_000, "fma_medium": 25_000, "fma_large": 49_598, "fma_full": 49_598,
}  # fmt: skip
#: Subsets of which the publisher states the number of these clips; where not, it only says how many
#: shards there are.
EXACT: Final = ("fma_small", "fma_medium")
OFFICIAL_CLIPS: Final = {"train": 6_400, "valid": 800, "test": 800}
#: Clips of fma_small (https://github.com/mdeff/fma/wiki).
BAD_CLIPS: Final = {
    "098565": "shorter than two seconds",
    "098567": "shorter than two seconds",
    "098569": "shorter than two seconds",
    "099134": "no audio",
    "108925": "no audio",
    "133297": "no audio",
}
LICENCE: Final = (
    "metadata: CC BY 4.0; each track has a licence of its artist's choice, mostly Creative Commons"
)
CITATIONS: Final = (
    "M. Defferrard, K. Benzi, P. Vandergheynst and X. Bresson, FMA: A dataset for music analysis, "
    "18th International Society for Music Information Retrieval Conference, 2017",
)

_TRACKS: Final = "tracks.csv"
_CHECKSUMS: Final = "checksums"
_SPLITS: Final = {"training": "train", "validation": "valid", "test": "test"}
#: As sha1sum writes it.
_CHECKSUM: Final = re.compile(r"([0-9a-fA-F]{40}) [ *]?(\S.*)")
_FOLDER_NAME: Final = re.compile(r"[0-9]{3}")
_AUDIO_NAME: Final = re.compile(r"([0-9]{6})\.mp3")
#: Columns of tracks.csv by their names in its first two rows.
_COLUMNS: Final = {
    "label": ("track", "genre_top"),
    "artist_id": ("artist", "id"),
    "artist_name": ("artist", "name"),
    "split": ("set", "split"),
    "subset": ("set", "subset"),
}


def find_files(folder: Path, *, name: str) -> dict[str, Path]:
    """Return the file of each clip that a copy of a subset holds, by track id.

    Lists the folders and opens no file, as it runs at every planning.

    Parameters
    ----------
    folder
        The unpacked archive: the folder that holds ``000`` to ``155``, or the one above it.
    name
        ``fma_small``, ``fma_medium``, ``fma_large`` or ``fma_full``.

    Raises
    ------
    UserError
        The folder doesn't exist, is not FMA's, or holds clips twice.
    """
    place = _collection_folder(folder, name)
    files = one_file_a_clip(_audio_files(place), where=place, expected="one file a clip")
    if not files:
        raise UserError(
            "the folders hold no clip of FMA.",
            where=str(place),
            expected="files such as 000/000002.mp3",
        )
    return files


def list_clips(folder: Path, annotations: Sequence[Annotation], *, name: str) -> list[Clip]:
    """Return a subset's clips that have a root genre, in the order of their track ids.

    A clip that isn't there has the path where it would be.  The group is the artist.

    Parameters
    ----------
    folder, name
        As of `find_files`.
    annotations
        From `read_lists`.

    Raises
    ------
    UserError
        The annotations are of another collection.
    """
    place = _collection_folder(folder, name)
    subsets = SUBSETS[: 1 + EXACT.index(name)] if name in EXACT else SUBSETS
    clips = []
    for row in annotations:
        if row.label and row.subset in subsets:
            path = place / row.track_id[:3] / f"{row.track_id}.mp3"
            clips.append(Clip(row.track_id, str(path), row.label, row.group, row.split))
    known = SMALL_LABELS if name == "fma_small" else LABELS
    labels = {clip.label for clip in clips}
    if labels != set(known) or (name in EXACT and len(clips) != CLIPS[name]):
        raise UserError(
            f"the metadata has {len(clips)} clips of {name} in {len(labels)} genres.",
            where=_TRACKS,
            expected=f"{CLIPS[name]} clips in {len(known)} genres: {', '.join(known)}",
            hint=f"is it {_TRACKS} of the published {FMA_METADATA.name}?",
        )
    return sorted(clips, key=lambda clip: clip.track_id)


def read_checksums(folder: Path, *, name: str) -> dict[str, str]:
    """Return the SHA-1 of each clip's file from the list that the archive holds, where it is there.

    Parameters
    ----------
    folder, name
        As of `find_files`.

    Raises
    ------
    UserError
        The list is damaged.
    """
    path = _collection_folder(folder, name) / _CHECKSUMS
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [_CHECKSUM.fullmatch(line.rstrip()) for line in lines]
    if None in found:
        number = found.index(None)
        raise UserError(
            f"line {number + 1} of the list of checksums is {lines[number]!r:.80}.",
            where=str(path),
            expected="lines such as 5e421474f0cbcf35648753fe1fd3cc22788d1bbe  002/002624.mp3",
            hint="unpack the archive again, or delete this list, and nothing is compared with it.",
        )
    return {PurePosixPath(match[2]).stem: match[1].lower() for match in found if match}


def read_lists(place: Path) -> list[Annotation]:
    """Return genre, artist, split and subset of every track in the metadata.

    Parameters
    ----------
    place
        ``fma_metadata.zip``, its folder or the one above it, or ``tracks.csv`` itself.

    Raises
    ------
    UserError
        The archive is not the published one, or the table is missing, cut, damaged or is none.
    """
    with _open_tracks(place) as file:
        return list(_annotations(csv.reader(file, strict=True), str(place)))


@contextmanager
def _open_tracks(place: Path) -> Iterator[IO[str]]:
    archive = place if place.is_file() else find_copy(place, FMA_METADATA)
    tables = [place, place / _TRACKS, place / "fma_metadata" / _TRACKS]
    table = next((path for path in tables if path.name == _TRACKS and path.is_file()), None)
    if table is not None:
        with table.open(newline="", encoding="utf-8") as file:
            yield file
    elif archive is not None:
        verify(archive, FMA_METADATA, hint=f"download it from {FMA_METADATA.addresses[0]}")
        try:
            with zipfile.ZipFile(archive) as zipped, zipped.open(f"fma_metadata/{_TRACKS}") as raw:
                yield io.TextIOWrapper(raw, encoding="utf-8", newline="")
        except (zipfile.BadZipFile, KeyError) as error:
            raise UserError(f"the archive can't be read: {error}.", where=str(archive)) from None
    else:
        raise UserError(
            f"there is no {_TRACKS} of FMA.",
            where=str(place.absolute()),
            expected=f"{FMA_METADATA.name}, its folder, or {_TRACKS}",
            hint=f"download it from {FMA_METADATA.addresses[0]}",
        )


def _annotations(rows: Iterator[list[str]], where: str) -> Iterator[Annotation]:
    # Biographies are longer than the module's bound for a field.
    csv.field_size_limit(1 << 24)
    try:
        header = list(zip(next(rows), next(rows), strict=True))
        names = next(rows)
        places = {field: header.index(column) for field, column in _COLUMNS.items()}
        if names[0] != "track_id":
            raise ValueError(f"{names[0]!r} for the index")
    except (StopIteration, ValueError, csv.Error) as error:
        raise UserError(
            f"the table's three header rows are not those of FMA: {error}.",
            where=where,
            expected="columns such as (track, genre_top), and track_id in the third row",
        ) from None
    for number, row in _whole_rows(rows, len(names), where):
        value = {field: row[index].strip() for field, index in places.items()}
        artist = f"{value['artist_name']} ({value['artist_id']})" if value["artist_id"] else ""
        yield Annotation(
            track_id=f"{number:06d}",
            label=value["label"],
            # Two artists may have one name.
            group=" ".join(artist.split()),
            split=_SPLITS.get(value["split"], ""),
            subset=value["subset"],
        )


def _whole_rows(
    rows: Iterator[list[str]], columns: int, where: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield each row of the table with its number, refusing a table that is cut or damaged."""
    last = "its header"
    try:
        for row in rows:
            if len(row) != columns:
                raise ValueError(f"a row has {len(row)} values")
            yield int(row[0]), row
            last = f"track {row[0]}"
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"the table breaks off after {last}: {error}.",
            where=where,
            expected=f"rows of {columns} values, a number first",
            hint=f"get {FMA_METADATA.name} again.",
        ) from None


def _collection_folder(folder: Path, name: str) -> Path:
    """Return the folder that holds the folders of clips."""
    for place in (folder, folder / name):
        if place.is_dir() and any(_clip_folders(place)):
            return place
    raise UserError(
        f"the folder of {name} does not exist."
        if not folder.exists()
        else "the folder has none of the folders of FMA's clips.",
        where=str(folder),
        expected=f"the unpacked archive: {name}, or the folder above it, with folders from 000",
        hint=f"unpack {name}.zip and give the folder that it made.",
    )


def _clip_folders(place: Path) -> Iterator[Path]:
    return (
        place / name
        for name in sorted(os.listdir(place))
        if _FOLDER_NAME.fullmatch(name) and (place / name).is_dir()
    )


def _audio_files(place: Path) -> Iterator[tuple[str, Path]]:
    for folder in _clip_folders(place):
        for name in sorted(os.listdir(folder)):
            if match := _AUDIO_NAME.fullmatch(name.lower()):
                yield match[1], folder / name


def _is_audio(name: str) -> bool:
    """Tell whether a file of the archive is a clip, or the list of their checksums."""
    path = PurePosixPath(name)
    return path.name == _CHECKSUMS or _AUDIO_NAME.fullmatch(path.name.lower()) is not None


def _subset(name: str) -> Collection:
    return Collection(
        name=name,
        family="fma",
        lists="metadata",
        ids_in_lists=True,
        labels=SMALL_LABELS if name == "fma_small" else LABELS,
        clips=CLIPS[name],
        archive=FMA_ARCHIVES[name],
        list_files=(FMA_METADATA,),
        is_audio=_is_audio,
        find_files=partial(find_files, name=name),
        list_clips=partial(list_clips, name=name),
        read_lists=read_lists,
        read_checksums=partial(read_checksums, name=name),
        known_bad=BAD_CLIPS,
        refused={"fault_filtered": "the fault-filtered lists are of GTZAN"},
        sizes={"official": OFFICIAL_CLIPS} if name == "fma_small" else {},
        licence=LICENCE,
        citations=CITATIONS,
    )


FMA: Final = {name: _subset(name) for name in FMA_ARCHIVES}

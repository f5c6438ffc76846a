"""GTZAN: ten genres of a hundred clips of 30 s (Tzanetakis & Cook 2002).

The facts of the collection, and what can be known of a copy on disk without opening its audio:
where each clip is, its part in the fault-filtered lists (Kereliuk et al. 2015), and its artist
(Sturm 2014).
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from genreflow.collections.collection import (
    Annotation,
    Collection,
    Original,
    one_file_a_clip,
)
from genreflow.collections.download import Remote, find_copy, verify
from genreflow.collections.remotes import FAULT_FILTERED, GTZAN_ARCHIVE, GTZAN_ARTISTS
from genreflow.errors import UserError
from genreflow.files.clips import Clip

LABELS: Final = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip
CLIPS_A_LABEL: Final = 100
TRACK_IDS: Final = tuple(
    f"{label}.{number:05d}" for label in LABELS for number in range(CLIPS_A_LABEL)
)
#: Clips that some copies hold as files that can't be read.
BAD_CLIPS: Final = {"jazz.00054": "unreadable in a common re-hosted copy (.wav)"}

LICENCE: Final = (
    "none: the clips were taken from compact discs, radio and microphone recordings in 2000-2001 "
    "without permission of the holders of their rights"
)
CITATIONS: Final = {
    "collection": "G. Tzanetakis and P. Cook, Musical genre classification of audio signals, "
    "IEEE Transactions on Speech and Audio Processing 10(5), 293-302, 2002",
    "fault-filtered lists": "C. Kereliuk, B. L. Sturm and J. Larsen, Deep learning and music "
    "adversaries, IEEE Transactions on Multimedia 17(11), 2059-2071, 2015",
    "artist index": "B. L. Sturm, The state of the art ten years after a state of the art: future "
    "research in music information retrieval, Journal of New Music Research 43(2), 147-172, 2014",
}

#: Size and SHA-256 of the 1 000 original files.
ORIGINALS: Final = Path(__file__).with_name("gtzan_au_sha256.csv")
#: Clips that are byte by byte the same file as another one, which is named.
REPLICAS: Final = {
    "disco.00099": "disco.00098",
    "hiphop.00078": "hiphop.00076",
    "metal.00094": "metal.00034",
    "pop.00060": "pop.00054",
    "pop.00071": "pop.00067",
    "reggae.00082": "reggae.00081",
    "rock.00016": "metal.00058",
}
#: Clips that the fault-filtered lists name, by role.
FAULT_FILTERED_CLIPS: Final = {"train": 443, "valid": 197, "test": 290}
# The archive unpacks to `genres`; the re-hosted copy has `genres_original`.
_SUBFOLDERS: Final = ("genres", "genres_original")
_SPELLINGS: Final = {label: (label,) for label in LABELS} | {"hiphop": ("hiphop", "hip-hop")}
# No dot in front: macOS leaves `._blues.00000.au` beside `blues.00000.au`.
_AUDIO_NAME: Final = re.compile(r"([^.]+)\.(000[0-9]{2})\.(?:au|wav)")


def find_files(folder: Path) -> dict[str, Path]:
    """Return the file of each clip that a copy of the collection holds, by track id.

    Lists the folders of the genres and opens no file, as it runs at every planning.

    Parameters
    ----------
    folder
        The unpacked collection: the folder that holds the genres' folders, or the one above it.

    Raises
    ------
    UserError
        The folder doesn't exist, is not GTZAN's, or holds clips twice.
    """
    place, genres = _collection_folder(folder)
    files = one_file_a_clip(
        _audio_files(genres),
        where=place,
        expected="one file a clip: .au, the original, or .wav, the re-hosted copy",
    )
    if not files:
        raise UserError(
            f"the folders {', '.join(genres)} hold no clip of GTZAN.",
            where=str(place),
            expected="files such as blues/blues.00000.au or blues/blues.00000.wav",
            hint="music of your own needs another `source`.",
        )
    return files


def list_clips(folder: Path, annotations: Sequence[Annotation]) -> list[Clip]:
    """Return the 1 000 clips of the collection in the order of their track ids.

    A clip that isn't there has the path where it would be, so that it is set aside like any missing
    file.

    Parameters
    ----------
    folder
        As of `find_files`.
    annotations
        From `read_lists`, or empty; a clip without one has neither group nor split.
    """
    files = find_files(folder)
    place, genres = _collection_folder(folder)
    known = {annotation.track_id: annotation for annotation in annotations}
    # A missing clip would be named as most of the others are.
    suffix = Counter(path.suffix for path in files.values()).most_common(1)[0][0]
    clips = []
    for track_id in TRACK_IDS:
        label = track_id.partition(".")[0]
        expected = genres.get(label, [place / label])[0] / f"{track_id}{suffix}"
        annotation = known.get(track_id, Annotation(track_id, label))
        path = str(files.get(track_id, expected))
        clips.append(Clip(track_id, path, label, annotation.group, annotation.split))
    return clips


def read_originals() -> dict[str, Original]:
    """Return size and SHA-256 of each clip's original file, the `.au` of the published archive."""
    with ORIGINALS.open(newline="", encoding="utf-8") as file:
        return {
            row["track_id"]: Original(row["sha256"], int(row["bytes"]))
            for row in csv.DictReader(file)
        }


def read_lists(folder: Path) -> list[Annotation]:
    """Return what the fault-filtered lists and the artist index say of each clip.

    Parameters
    ----------
    folder
        Holds the three lists and the index.

    Raises
    ------
    UserError
        A file is missing or is not the published one.
    """
    splits, artists = read_fault_filtered(folder), read_artist_index(folder)
    return [
        Annotation(
            track_id,
            track_id.partition(".")[0],
            group=artists.get(track_id, ""),
            split=splits.get(track_id, ""),
        )
        for track_id in TRACK_IDS
    ]


def read_fault_filtered(folder: Path) -> dict[str, str]:
    """Return the split of each of the 930 clips that the fault-filtered lists name.

    Parameters
    ----------
    folder
        Holds ``train_filtered.txt``, ``valid_filtered.txt`` and ``test_filtered.txt``, a line a
        clip such as ``blues/blues.00000.wav``, whatever the audio's own suffix is.

    Raises
    ------
    UserError
        A list is missing or is not the published one.
    """
    known = set(TRACK_IDS)
    splits: dict[str, str] = {}
    for role, remote in FAULT_FILTERED.items():
        where = str(folder / remote.name)
        named = [PurePosixPath(line).stem for line in _verified_lines(folder, remote)]
        for track_id in named:
            if track_id not in known or track_id in splits:
                raise UserError(
                    f"{track_id!r} is no clip of GTZAN or is named twice.",
                    where=where,
                    expected="each clip in one list, once",
                )
            splits[track_id] = role
        if len(named) != FAULT_FILTERED_CLIPS[role]:
            raise UserError(
                f"the list names {len(named)} clips.",
                where=where,
                expected=f"{FAULT_FILTERED_CLIPS[role]} clips",
            )
    return splits


def read_artist_index(folder: Path) -> dict[str, str]:
    """Return the artist of each of the 983 clips whose artist is known.

    These are 266 artists.  A line is ``track.wav ::: artist ::: title``, of which artist and title
    may be empty.  Nine clips credit several artists, joined by semicolons: the first counts, as a
    clip has one group.  Names are as the index spells them.

    Parameters
    ----------
    folder
        Holds ``index.txt``.

    Raises
    ------
    UserError
        The index is missing or is not the published one.
    """
    artists = {}
    for line in _verified_lines(folder, GTZAN_ARTISTS):
        if line and not line.startswith("#"):
            name, artist, _ = (part.strip() for part in line.split(":::"))
            artists[name.removesuffix(".wav")] = artist.partition(";")[0]
    return {track_id: artist for track_id, artist in artists.items() if artist}


def _verified_lines(folder: Path, remote: Remote) -> list[str]:
    """Return the lines of a text file of which the checksum is right."""
    path = find_copy(folder, remote)
    hint = f"download it from {remote.addresses[0]}"
    if path is None:
        raise UserError(f"the file {remote.name} is missing.", where=str(folder), hint=hint)
    verify(path, remote, hint=hint)
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def _collection_folder(root: Path) -> tuple[Path, dict[str, list[Path]]]:
    """Return the folder that holds the genres' folders, and these by genre."""
    folders = [root, *(root / name for name in _SUBFOLDERS)]
    found = [(folder, genres) for folder in folders if (genres := _genre_folders(folder))]
    if len(found) > 1:
        raise UserError(
            f"the folder holds GTZAN {len(found)} times.",
            where=", ".join(str(folder) for folder, _ in found),
            expected="one copy",
            hint="give the folder of the one to use.",
        )
    if found:
        return found[0]
    held = ", ".join(sorted(path.name for path in root.glob("*"))[:5]) or "nothing"
    raise UserError(
        f"the folder has no genre of GTZAN; it has {held}."
        if root.is_dir()
        else f"the folder of GTZAN {'is a file' if root.is_file() else 'does not exist'}.",
        where=str(root),
        expected="the unpacked archive: genre folders from blues to rock, or a folder of them",
        hint=f"unpack {GTZAN_ARCHIVE.name} and give the folder that it made.",
    )


def _genre_folders(folder: Path) -> dict[str, list[Path]]:
    """Return the folders of each genre that is there."""
    places = {
        label: [folder / name for name in spellings if (folder / name).is_dir()]
        for label, spellings in _SPELLINGS.items()
    }
    return {label: found for label, found in places.items() if found}


def _audio_files(genres: Mapping[str, Sequence[Path]]) -> Iterator[tuple[str, Path]]:
    """Yield track id and file of the clips that are there."""
    for label, folders in genres.items():
        for folder in folders:
            for name in sorted(os.listdir(folder)):
                match = _AUDIO_NAME.fullmatch(name.lower())
                if match and match[1] in _SPELLINGS[label]:
                    yield f"{label}.{match[2]}", folder / name


def _is_audio(name: str) -> bool:
    """Tell whether a file of the archive is a clip, by its name there."""
    return _AUDIO_NAME.fullmatch(PurePosixPath(name).name.lower()) is not None


GTZAN: Final = Collection(
    name="gtzan",
    family="gtzan",
    lists="lists",
    ids_in_lists=False,
    labels=LABELS,
    clips=len(TRACK_IDS),
    archive=GTZAN_ARCHIVE,
    list_files=(*FAULT_FILTERED.values(), GTZAN_ARTISTS),
    is_audio=_is_audio,
    find_files=find_files,
    list_clips=list_clips,
    read_lists=read_lists,
    read_originals=read_originals,
    replicas=REPLICAS,
    known_bad=BAD_CLIPS,
    refused={
        "split": "the fault-filtered lists leave 70 of the 1 000 clips out. "
        "`fault_filtered` is the partition that has them",
        "official": "GTZAN has no official split",
        "fault_filtered_group_disjoint": "10 artists are on two sides of the fault-filtered lists. "
        "`random` with `group_disjoint` keeps artists apart",
        "cv10_group_disjoint": "blues has 9 artists, fewer than there are folds. "
        "`random` with `group_disjoint` has four",
    },
    without_group=17,
    sizes={"fault_filtered": FAULT_FILTERED_CLIPS},
    licence=LICENCE,
    citations=tuple(CITATIONS.values()),
)

"""GTZAN: ten genres of a hundred clips of 30 s (Tzanetakis & Cook 2002).

The facts of the collection, and what can be known of a copy on disk without opening its audio:
where each clip is, its part in the fault-filtered lists (Kereliuk et al. 2015), and its artist
(Sturm 2014).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from genreflow.errors import UserError
from genreflow.manifest import Clip


@dataclass(frozen=True)
class Remote:
    """A published file: where to get it, by preference, and the checksum to know it by.

    ``other_names`` are those under which copies of it are kept.
    """

    name: str
    addresses: tuple[str, ...]
    sha256: str
    size_bytes: int | None = None
    other_names: tuple[str, ...] = ()


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

ARCHIVE: Final = Remote(
    name="genres.tar.gz",
    addresses=(
        "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
        "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
    ),
    sha256="24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
    size_bytes=1_225_571_541,
)
#: The lists by their role.  Copies differ in line ends, so that they have no size in bytes.
FAULT_FILTERED: Final = {
    role: Remote(
        name=f"{role}_filtered.txt",
        addresses=(
            "https://raw.githubusercontent.com/coreyker/dnn-mgr/"
            f"bdad579ea6cb37b665ea6019fe1026a6ce20cbc7/gtzan/{role}_filtered.txt",
            f"https://raw.githubusercontent.com/boblsturm/GTZAN/main/{role}_filtered.txt",
        ),
        sha256=sha256,
    )
    for role, sha256 in (
        ("train", "2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa"),
        ("valid", "f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956"),
        ("test", "09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72"),
    )
}
FAULT_FILTERED_CLIPS: Final = {"train": 443, "valid": 197, "test": 290}
ARTIST_INDEX: Final = Remote(
    name="index.txt",
    addresses=(
        "https://github.com/boblsturm/GTZAN/raw/fedc781/index.txt",
        "https://raw.githubusercontent.com/boblsturm/GTZAN/main/index.txt",
    ),
    sha256="52b42c6a5a309caae4a4ac1b5ca24ac9959508033735a0237e57b198ec77987e",
    other_names=("sturm_index.txt",),
)

# The archive unpacks to `genres`; the re-hosted copy has `genres_original`.
_SUBFOLDERS: Final = ("genres", "genres_original")
_SPELLINGS: Final = {label: (label,) for label in LABELS} | {"hiphop": ("hiphop", "hip-hop")}
# No dot in front: macOS leaves `._blues.00000.au` beside `blues.00000.au`.
_AUDIO_NAME: Final = re.compile(r"([^.]+)\.(000[0-9]{2})\.(?:au|wav)")


def gtzan_clips(root: Path, *, splits: Mapping[str, str], artists: Mapping[str, str]) -> list[Clip]:
    """Return the 1 000 clips of the collection in the order of their track ids.

    Lists the folders of the genres and opens no file, as it runs at every planning.  A clip that
    isn't there has the path where it would be, so that it is set aside like any missing file.

    Parameters
    ----------
    root
        The unpacked collection: the folder that holds the genres' folders, or the one above it.
    splits
        Track id to split, from `read_fault_filtered` or empty; other clips have no split.
    artists
        Track id to artist, from `read_artist_index` or empty; other clips have no group.

    Raises
    ------
    UserError
        The folder doesn't exist, is not GTZAN's, or holds clips twice.
    """
    folder = _collection_folder(root.absolute())
    genres = _genre_folders(folder)
    files = _audio_files(genres, where=str(folder))
    # A missing clip would be named as most of the others are.
    suffix = Counter(path.suffix for path in files.values()).most_common(1)[0][0]
    clips = []
    for track_id in TRACK_IDS:
        label = track_id.partition(".")[0]
        expected = genres.get(label, [folder / label])[0] / f"{track_id}{suffix}"
        clips.append(
            Clip(
                track_id,
                str(files.get(track_id, expected)),
                label,
                group=artists.get(track_id, ""),
                split=splits.get(track_id, ""),
            )
        )
    return clips


def read_fault_filtered(
    folder: Path,
    *,
    lists: Mapping[str, Remote] = FAULT_FILTERED,
    sizes: Mapping[str, int] = FAULT_FILTERED_CLIPS,
) -> dict[str, str]:
    """Return the split of each of the 930 clips that the fault-filtered lists name.

    Parameters
    ----------
    folder
        Holds ``train_filtered.txt``, ``valid_filtered.txt`` and ``test_filtered.txt``, a line a
        clip such as ``blues/blues.00000.wav``, whatever the audio's own suffix is.
    lists, sizes
        The lists by their role, and how many clips each names.

    Raises
    ------
    UserError
        A list is missing or is not the published one.
    """
    known = set(TRACK_IDS)
    splits: dict[str, str] = {}
    for role, remote in lists.items():
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
        if len(named) != sizes[role]:
            raise UserError(
                f"the list names {len(named)} clips.", where=where, expected=f"{sizes[role]} clips"
            )
    return splits


def read_artist_index(folder: Path, *, remote: Remote = ARTIST_INDEX) -> dict[str, str]:
    """Return the artist of each of the 983 clips whose artist is known.

    These are 266 artists.  A line is ``track.wav ::: artist ::: title``, of which artist and title
    may be empty.  Nine clips credit several artists, joined by semicolons: the first counts, as a
    clip has one group.  Names are as the index spells them.

    Parameters
    ----------
    folder
        Holds ``index.txt``.
    remote
        The index.

    Raises
    ------
    UserError
        The index is missing or is not the published one.
    """
    artists = {}
    for line in _verified_lines(folder, remote):
        if line and not line.startswith("#"):
            name, artist, _ = (part.strip() for part in line.split(":::"))
            artists[name.removesuffix(".wav")] = artist.partition(";")[0]
    return {track_id: artist for track_id, artist in artists.items() if artist}


def _verified_lines(folder: Path, remote: Remote) -> list[str]:
    """Return the lines of a text file of which the checksum is right.

    Copies differ in carriage returns and in the end of the last line, so the checksum is of the
    text without the former and with one newline at its end.
    """
    paths = [folder / name for name in (remote.name, *remote.other_names)]
    path = next((path for path in paths if path.is_file()), None)
    hint = f"download it from {remote.addresses[0]}"
    if path is None:
        raise UserError(f"the file {remote.name} is missing.", where=str(folder), hint=hint)
    content = path.read_bytes().replace(b"\r", b"").rstrip(b"\n") + b"\n"
    found = hashlib.sha256(content).hexdigest()
    if found != remote.sha256:
        raise UserError(
            f"the file is not the published one: its SHA-256 is {found}.",
            where=str(path),
            expected=f"{remote.sha256} (without carriage returns, one newline at the end)",
            hint=hint,
        )
    return content.decode().removesuffix("\n").split("\n")


def _collection_folder(root: Path) -> Path:
    """Return the folder that holds the genres' folders."""
    expected = "the unpacked archive: genre folders from blues to rock, or a folder of them"
    hint = f"unpack {ARCHIVE.name} and give the folder that it made."
    if not root.is_dir():
        raise UserError(
            f"the folder of GTZAN {'is a file' if root.is_file() else 'does not exist'}.",
            where=str(root),
            expected=expected,
            hint=hint,
        )
    found = [
        folder
        for folder in (root, *(root / name for name in _SUBFOLDERS))
        if _genre_folders(folder)
    ]
    if not found:
        held = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
        raise UserError(
            f"the folder has no genre of GTZAN; it has {held}.",
            where=str(root),
            expected=expected,
            hint=hint,
        )
    if len(found) > 1:
        raise UserError(
            f"the folder holds GTZAN {len(found)} times.",
            where=", ".join(str(folder) for folder in found),
            expected="one copy",
            hint="give the folder of the one to use.",
        )
    return found[0]


def _genre_folders(folder: Path) -> dict[str, list[Path]]:
    """Return the folders of each genre that is there."""
    places = {
        label: [folder / name for name in spellings if (folder / name).is_dir()]
        for label, spellings in _SPELLINGS.items()
    }
    return {label: found for label, found in places.items() if found}


def _audio_files(genres: Mapping[str, list[Path]], *, where: str) -> dict[str, Path]:
    """Return the file of each clip that is there."""
    files: dict[str, list[Path]] = defaultdict(list)
    for label, folders in genres.items():
        for folder in folders:
            for name in sorted(os.listdir(folder)):
                match = _AUDIO_NAME.fullmatch(name.lower())
                if match and match[1] in _SPELLINGS[label]:
                    files[f"{label}.{match[2]}"].append(folder / name)
    if not files:
        raise UserError(
            f"the folders {', '.join(genres)} hold no clip of GTZAN.",
            where=where,
            expected="files such as blues/blues.00000.au or blues/blues.00000.wav",
            hint="music of your own needs another `source`.",
        )
    doubled = {track_id: paths for track_id, paths in files.items() if len(paths) > 1}
    if doubled:
        track_id, paths = next(iter(doubled.items()))
        raise UserError(
            f"{len(doubled)} clips have more than one file, first {track_id!r}: "
            f"{' and '.join(f'{path.parent.name}/{path.name}' for path in paths)}.",
            where=where,
            expected="one file a clip: .au, the original, or .wav, the re-hosted copy",
            hint="keep one of them.",
        )
    return {track_id: paths[0] for track_id, paths in files.items()}

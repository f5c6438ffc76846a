"""A folder of folders as a collection: labels from the folders, artists from the tags.

What was found is written once as a manifest, and from then on the manifest is the collection: the
user may edit it, tags are read once, and nothing joins a collection unnoticed.
``python -m genreflow.collections.folder FOLDER MANIFEST`` appends the files that are new.
"""

from __future__ import annotations

import csv
import io
import os
import shlex
import sys
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genreflow.collections.manifest import check_labels, read_manifest
from genreflow.errors import UserError
from genreflow.files.clips import Clip, labels, write_clips
from genreflow.jobs.job import log

#: The manifest's name, in the music folder.
MANIFEST = "genreflow_manifest.csv"
#: A file with one of these endings, in small letters or capitals, is a clip.
AUDIO_SUFFIXES = (
    ".aac", ".aif", ".aiff", ".au", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav",
    ".wma",
)  # fmt: skip
#: Where an artist is found: mutagen's common name, and the formats' own where it has none for them
#: (ID3 in WAV and AIFF, WMA).  The artist of the album comes first: guests differ from track to
#: track.
ARTIST_TAGS = ("albumartist", "TPE2", "WM/AlbumArtist", "artist", "TPE1", "Author")
LAYOUT = "a folder for each label, with that label's audio files in it at any depth"


@dataclass(frozen=True)
class Found:
    """Audio in a folder of folders, by path relative to the folder, with ``/`` on any platform.

    Attributes
    ----------
    files
        Audio files below the label folders.
    loose
        Audio files beside the label folders.
    empty
        Folders without audio.
    """

    files: list[str]
    loose: list[str]
    empty: list[str]


def folder_clips(folder: Path, *, fallback: Path, planning: bool) -> list[Clip]:
    """Return the clips of a folder's manifest, as `read_manifest` does.

    Parameters
    ----------
    folder
        Holds a folder for each label.
    fallback
        The manifest's path where nothing can be written into the folder.
    planning
        Write the manifest where there is none, and warn of audio that is not in it.

    Raises
    ------
    UserError
        The folder is missing or can't be read, holds no audio, or has names that no manifest can
        hold; the manifest at ``fallback`` is of another folder; or as
        `read_manifest`.
    """
    if not folder.is_dir():
        raise UserError(
            "this is not a folder." if folder.exists() else "the folder does not exist.",
            where=str(folder.absolute()),
            expected=LAYOUT,
        )
    path = _existing(folder / MANIFEST, fallback)
    if not planning:
        return read_manifest(path or folder / MANIFEST)
    found = find_audio(folder)
    path = path or _start_manifest(folder, found, fallback)
    clips = read_manifest(path)
    top = os.path.abspath(folder)
    if path == fallback and not any(
        Path(os.path.normpath(clip.path)).is_relative_to(top) for clip in clips
    ):
        raise UserError(
            "the manifest lists no file of the dataset's folder.",
            where=str(path),
            expected=f"files in {top}",
            hint="delete the manifest, and it is written anew for this folder.",
        )
    _warn_of_unlisted(folder, found, clips, path)
    return clips


def find_audio(folder: Path) -> Found:
    """Return the audio in a folder of folders, in the order of the names; no file is opened.

    Hidden files and folders are left out.  Links are followed, but to no folder twice within a
    label, so that a loop ends.
    """
    files, loose, empty = [], [], []
    top = _identity(str(folder))
    for entry in _entries(str(folder)):
        if _is_folder(entry):
            below = list(_audio_below(entry.path, entry.name, {top}))
            files += below
            if not below:
                empty.append(entry.name)
        elif _is_audio(entry.name):
            loose.append(entry.name)
    return Found(files, loose, empty)


def unique_ids(files: Iterable[str], taken: Container[str] = ()) -> dict[str, str]:
    """Return a track id for each file, not in ``taken``: its relative path without the suffix.

    Files that differ by the suffix alone keep it, and what is still alike is numbered.
    """
    files = sorted(files, key=lambda file: (tidy(file), file))
    shared = Counter(tidy(os.path.splitext(file)[0]) for file in files)
    ids: dict[str, str] = {}
    used: set[str] = set()
    for file in files:
        stem, name = tidy(os.path.splitext(file)[0]), tidy(file)
        track_id = stem if shared[stem] == 1 else name
        number = 1
        while track_id in used or track_id in taken:
            track_id = name if number == 1 else f"{name} ({number})"
            number += 1
        used.add(track_id)
        ids[file] = track_id
    return ids


def tidy(text: str) -> str:
    """Return a text that is the same from any platform: NFC, single spaces, no line breaks."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def read_artist(path: Path) -> str:
    """Return the artist in a file's tags, that of the album first, or an empty text."""
    import mutagen

    # Reading from a pipe or a device would wait for ever.
    if not path.is_file():
        return ""
    try:
        tags = mutagen.File(path, easy=True)
    except Exception:
        # Of a damaged file mutagen raises its own error and also IndexError, KeyError and others.
        # No tags, no artist; whether it is audio is found out when it is decoded.
        return ""
    for key in ARTIST_TAGS:
        values = tags.get(key) if tags else None
        artist = tidy(str(values[0])) if values else ""
        if artist:
            return artist
    return ""


def append_new(folder: Path, path: Path) -> int:
    """Append the audio that a manifest does not list, leave the rest as it is; return how much.

    Raises
    ------
    UserError
        As `folder_clips`.
    """
    listed = read_manifest(path)
    files = _unlisted(folder, find_audio(folder).files, listed)
    clips = _with_artists(folder, _clips(folder, files, {clip.track_id for clip in listed}))
    if not path.parent.samefile(folder):
        clips = _absolute(folder, clips)
    with path.open(newline="", encoding="utf-8-sig") as handle:
        text = handle.read()
    # The columns may be others by now, and in another order.
    header = [name.strip() for name in next(csv.reader(io.StringIO(text, newline="")))]
    rows = io.StringIO()
    newline = "\r\n" if "\r\n" in text else "\n"
    writer = csv.DictWriter(rows, header, extrasaction="ignore", lineterminator=newline)
    writer.writerows(vars(clip) for clip in clips)
    with path.open("a", newline="", encoding="utf-8") as handle:
        handle.write(("" if text.endswith("\n") else newline) + rows.getvalue())
    return len(clips)


def _existing(*paths: Path) -> Path | None:
    # A broken link counts: whatever it is meant to lead to is the user's.
    return next((path for path in paths if os.path.lexists(path)), None)


def _start_manifest(folder: Path, found: Found, fallback: Path) -> Path:
    """Write a folder's manifest for the first time, and return its path."""
    if not found.files:
        raise UserError(
            "the folder has no audio in folders of its own; "
            f"it has {_some(found.empty + found.loose)}.",
            where=str(folder.absolute()),
            expected=f"{LAYOUT} ({' '.join(AUDIO_SUFFIXES)})",
        )
    clips = _clips(folder, found.files)
    # Refused before a tag is read or anything written.
    check_labels(clips, where=f"{folder.absolute()}, with audio in {_some(labels(clips))}")
    if found.empty:
        _warn(
            f"folders without audio, which give no label: {_some(found.empty)}.",
            where=str(folder.absolute()),
        )
    log.warning("%s: reading the tags of %d files, this once.", folder, len(clips))
    clips = _with_artists(folder, clips)
    path, hint = folder / MANIFEST, "edit it as you like: it is the collection from now on."
    if problem := _write_new(clips, path):
        log.warning("%s can't be written (%s), so it goes elsewhere.", path, problem)
        path, hint = fallback, f"{hint} Copy it before you delete its folder."
        if problem := _write_new(_absolute(folder, clips), path):
            raise UserError(f"the manifest can't be written: {problem}.", where=str(path))
    unknown = sum(not clip.group for clip in clips)
    _warn(
        f"{len(clips)} clips with {len(labels(clips))} labels are now listed in a manifest, "
        f"{unknown} of them without an artist.",
        where=str(path),
        hint=hint,
    )
    return path


def _clips(folder: Path, files: Sequence[str], taken: Container[str] = ()) -> list[Clip]:
    """Return a clip for each file, by track id, with paths relative to the folder."""
    unwritable = [file for file in files if not _is_writable(file)]
    if unwritable:
        raise UserError(
            f"{len(unwritable)} names can't be written to a manifest: {_some(unwritable)}.",
            where=str(folder.absolute()),
            expected="UTF-8 without carriage returns",
            hint="rename the files or their folders.",
        )
    ids = unique_ids(files, taken)
    # Spaces around a value are removed from a manifest; "./" keeps those of a path.
    clips = [
        Clip(
            ids[file],
            file if file == file.strip() else f"./{file}",
            tidy(file.partition("/")[0]),
        )
        for file in files
    ]
    return sorted(clips, key=lambda clip: clip.track_id)


def _with_artists(folder: Path, clips: Iterable[Clip]) -> list[Clip]:
    return [replace(clip, group=read_artist(folder / clip.path)) for clip in clips]


def _absolute(folder: Path, clips: Iterable[Clip]) -> list[Clip]:
    return [replace(clip, path=str(folder.absolute() / clip.path)) for clip in clips]


def _write_new(clips: Iterable[Clip], path: Path) -> str:
    """Write a manifest under another name and rename it; return what went wrong, if anything."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_clips(clips, temporary)
            # Another run may have been quicker, and its manifest edited since.
            if not os.path.lexists(path):
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _warn_of_unlisted(folder: Path, found: Found, clips: Sequence[Clip], path: Path) -> None:
    new = _unlisted(folder, found.files, clips)
    if new:
        command = shlex.join(
            ["python", "-m", "genreflow.collections.folder", str(folder), str(path)]
        )
        _warn(
            f"{len(new)} audio files are not in the manifest and are left out: {_some(new)}.",
            where=str(path),
            hint=f"to add them: PYTHONPATH=workflow/scripts {command}",
        )
    loose = _unlisted(folder, found.loose, clips)
    if loose:
        _warn(
            f"{len(loose)} audio files are in no label's folder and are left out: {_some(loose)}.",
            where=str(folder.absolute()),
            hint="move them into the folder of their label.",
        )


def _unlisted(folder: Path, files: Iterable[str], clips: Iterable[Clip]) -> list[str]:
    listed = {os.path.normpath(clip.path) for clip in clips}
    top = folder.absolute()
    return [file for file in files if os.path.normpath(f"{top}/{file}") not in listed]


def _audio_below(path: str, name: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Yield the audio in a folder at any depth, as paths that start with ``name``."""
    identity = _identity(path)
    if identity in seen:
        return
    seen.add(identity)
    for entry in _entries(path):
        if _is_folder(entry):
            yield from _audio_below(entry.path, f"{name}/{entry.name}", seen)
        elif _is_audio(entry.name):
            yield f"{name}/{entry.name}"


def _entries(path: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder and not hidden, by name."""
    try:
        with os.scandir(path) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"the folder can't be read: {error.strerror}.", where=path) from None
    return sorted(visible, key=lambda entry: entry.name)


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"the folder can't be read: {error.strerror}.", where=path) from None
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # Only a link costs a call of the system; isdir() is False for one that leads nowhere.
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


def _is_audio(name: str) -> bool:
    return name.lower().endswith(AUDIO_SUFFIXES)


def _is_writable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    # The csv module of Python 3.11 leaves it unquoted, and then reads a line's end.
    return "\r" not in name


def _some(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, quoted and escaped where needed, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(map(repr, names[:most])) or "nothing") + more


def _warn(found: str, *, where: str, hint: str = "") -> None:
    log.warning("%s", UserError(found, where=where, hint=hint))


def main() -> None:
    """Append what is new in the folder named on the command line to the manifest named there."""
    try:
        folder, path = map(Path, sys.argv[1:])
        log.warning("%d files added to %s", append_new(folder, path), path)
    except UserError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()

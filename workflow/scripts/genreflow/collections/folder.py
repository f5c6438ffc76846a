"""A folder of folders as a collection: labels from the folders, artists from the tags.

What was found is written once as a manifest, and from then on the manifest is the collection: the
user may edit it, tags are read once, and nothing joins a collection unnoticed.
``python -m genreflow.collections.folder FOLDER MANIFEST`` appends the files that are new.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from genreflow.collections.manifest import read_manifest
from genreflow.errors import UserError, some_of
from genreflow.files.atomic import write_whole
from genreflow.files.clips import Clip, labels, write_clips
from genreflow.jobs.job import log
from genreflow.partitions.checks import check_labels

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
#: What no manifest can hold: surrogates, which stand for bytes that are no UTF-8, and carriage
#: returns, which the csv module of Python 3.11 leaves unquoted and then reads as a line's end.
UNWRITABLE = re.compile("[\r\ud800-\udfff]")
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


def folder_clips(
    folder: Path,
    *,
    fallback: Path,
    planning: bool,
    labelled: bool = True,
    labels_needed: bool = True,
) -> list[Clip]:
    """Return the clips of a folder's manifest, as `read_manifest` does.

    Parameters
    ----------
    folder
        Holds a folder for each label.
    fallback
        The manifest's path where nothing can be written into the folder.
    planning
        Write the manifest where there is none, and warn of audio that is not in it.
    labelled
        The folders are the labels; else they mean nothing, and no clip has a label until somebody
        writes it into the manifest.
    labels_needed
        As of `read_manifest`.

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
            expected=LAYOUT if labelled else "a folder with audio files",
        )
    # A broken link counts: whatever it is meant to lead to is the user's.
    path = next((path for path in (folder / MANIFEST, fallback) if os.path.lexists(path)), None)
    if not planning:
        return read_manifest(path or folder / MANIFEST, labels_needed=labels_needed)
    found = find_audio(folder, labelled=labelled)
    path = path or _start_manifest(folder, found, fallback, labelled, labels_needed)
    clips = read_manifest(path, labels_needed=labels_needed)
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


def find_audio(folder: Path, *, labelled: bool = True) -> Found:
    """Return the audio in a folder of folders, in the order of the names; no file is opened.

    Hidden files and folders are left out.  Links are followed, but to no folder twice within a
    label, so that a loop ends.
    """
    if not labelled:
        seen: set[tuple[int, int]] = set()
        found = [
            Path(path, file).relative_to(folder).as_posix()
            for path, _, files in _walk(str(folder), seen)
            for file in files
        ]
        return Found(found, [], [])
    top: set[tuple[int, int]] = set()
    _, names, loose = next(_walk(str(folder), top))
    files = {
        name: [
            f"{Path(path).relative_to(folder).as_posix()}/{file}"
            for path, _, found in _walk(os.path.join(folder, name), set(top))
            for file in found
        ]
        for name in names
    }
    empty = [name for name in names if not files[name]]
    return Found([*chain.from_iterable(files.values())], loose, empty)


def unique_ids(files: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a track id for each file, not in ``taken``: its relative path without the suffix.

    Files that differ by the suffix alone keep it, and what is still alike is numbered.
    """
    files = sorted(files, key=lambda file: (tidy(file), file))
    shared = Counter(tidy(os.path.splitext(file)[0]) for file in files)
    ids: dict[str, str] = {}
    used = set(taken)
    for file in files:
        stem, name = tidy(os.path.splitext(file)[0]), tidy(file)
        numbered = (f"{name} ({number})" for number in count(2))
        candidates = chain([stem] if shared[stem] == 1 else [], [name], numbered)
        ids[file] = next(track_id for track_id in candidates if track_id not in used)
        used.add(ids[file])
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
        if values and (artist := tidy(str(values[0]))):
            return artist
    return ""


def append_new(folder: Path, path: Path) -> int:
    """Append the audio that a manifest does not list, leave the rest as it is; return how much.

    Raises
    ------
    UserError
        As `folder_clips`, or the manifest can't be written; it is as it was then.
    """
    listed = read_manifest(path, labels_needed=False)
    labelled = any(clip.label for clip in listed)
    files = _unlisted(folder, find_audio(folder, labelled=labelled).files, listed)
    if not files:
        return 0  # A new date alone would draw the partitions, and train every network, again.
    taken = {clip.track_id for clip in listed}
    clips = _with_artists(folder, _clips(folder, files, taken, labelled=labelled))
    if not path.parent.samefile(folder):
        clips = _absolute(folder, clips)
    content = path.read_bytes()
    text = content.decode("utf-8-sig")
    # The columns may be others by now, and in another order.
    header = [name.strip() for name in next(csv.reader(io.StringIO(text, newline="")))]
    rows = io.StringIO()
    newline = "\r\n" if "\r\n" in text else "\n"
    writer = csv.DictWriter(rows, header, extrasaction="ignore", lineterminator=newline)
    writer.writerows(vars(clip) for clip in clips)
    added = ("" if text.endswith("\n") else newline) + rows.getvalue()
    try:
        # A manifest that its owner made read-only stays as it is, which a new name would not heed.
        path.open("r+b").close()
        # Where a link leads, so that it stays one.
        write_whole(path.resolve(), content + added.encode())
    except OSError as error:
        raise UserError(
            f"the manifest can't be written: {error.strerror or error}; it is as it was.",
            where=str(path),
        ) from None
    return len(clips)


def _start_manifest(
    folder: Path, found: Found, fallback: Path, labelled: bool, labels_needed: bool
) -> Path:
    """Write a folder's manifest for the first time, and return its path."""
    where = str(folder.absolute())
    if not found.files:
        expected = LAYOUT if labelled else "audio files at any depth"
        raise UserError(
            f"the folder has no audio{' in folders of its own' if labelled else ''}; "
            f"it has {some_of(found.empty + found.loose)}.",
            where=where,
            expected=f"{expected} ({' '.join(AUDIO_SUFFIXES)})",
        )
    clips = _clips(folder, found.files, labelled=labelled)
    # Refused before a tag is read or anything written.
    if labels_needed:
        check_labels(clips, where=f"{where}, with audio in {some_of(labels(clips))}")
    if found.empty:
        _warn(f"folders without audio, which give no label: {some_of(found.empty)}.", where=where)
    log.warning("%s: reading the tags of %d files, this once.", folder, len(clips))
    clips = _with_artists(folder, clips)
    path, hint = folder / MANIFEST, "edit it as you like: it is the collection from now on."
    if problem := _write_new(clips, path):
        log.warning("%s can't be written (%s), so it goes elsewhere.", path, problem)
        path, hint = fallback, f"{hint} Copy it before you delete its folder."
        if problem := _write_new(_absolute(folder, clips), path):
            raise UserError(f"the manifest can't be written: {problem}.", where=str(path))
    _warn(
        f"{len(clips)} clips with {len(labels(clips))} labels are now listed in a manifest, "
        f"{sum(not clip.group for clip in clips)} of them without an artist.",
        where=str(path),
        hint=hint,
    )
    return path


def _clips(
    folder: Path, files: Sequence[str], taken: Iterable[str] = (), *, labelled: bool
) -> list[Clip]:
    """Return a clip for each file, by track id, with paths relative to the folder."""
    unwritable = [file for file in files if UNWRITABLE.search(file)]
    if unwritable:
        raise UserError(
            f"{len(unwritable)} names can't be written to a manifest: {some_of(unwritable)}.",
            where=str(folder.absolute()),
            expected="UTF-8 without carriage returns",
            hint="rename the files or their folders.",
        )
    clips = []
    for file, track_id in unique_ids(files, taken).items():
        # Spaces around a value are removed from a manifest; "./" keeps those of a path.
        path = file if file == file.strip() else f"./{file}"
        clips.append(Clip(track_id, path, tidy(file.partition("/")[0]) if labelled else ""))
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
    if new := _unlisted(folder, found.files, clips):
        command = shlex.join(
            ["python", "-m", "genreflow.collections.folder", str(folder), str(path)]
        )
        _warn(
            f"{len(new)} audio files are not in the manifest and are left out: {some_of(new)}.",
            where=str(path),
            hint=f"to add them: PYTHONPATH=workflow/scripts {command}",
        )
    if loose := _unlisted(folder, found.loose, clips):
        _warn(
            f"{len(loose)} audio files are in no label's folder and are left out: "
            f"{some_of(loose)}.",
            where=str(folder.absolute()),
            hint="move them into the folder of their label.",
        )


def _unlisted(folder: Path, files: Iterable[str], clips: Iterable[Clip]) -> list[str]:
    listed = {os.path.normpath(clip.path) for clip in clips}
    top = folder.absolute()
    return [file for file in files if os.path.normpath(f"{top}/{file}") not in listed]


def _walk(top: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder with the folders and the audio in it that are not hidden, by name.

    Folders in ``seen`` are left out, and those that are yielded are added to it.
    """

    def fail(error: OSError) -> None:
        raise error

    try:
        for path, folders, files in os.walk(top, onerror=fail, followlinks=True):
            status = os.stat(path)
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                folders.clear()
                continue
            seen.add(identity)
            # What stays in this list is walked next.
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            audio = [name for name in files if name.lower().endswith(AUDIO_SUFFIXES)]
            yield path, folders, sorted(name for name in audio if not name.startswith("."))
    except OSError as error:
        raise UserError(
            f"the folder can't be read: {error.strerror}.", where=str(error.filename)
        ) from None


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

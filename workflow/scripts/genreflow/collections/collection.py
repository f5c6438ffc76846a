"""A published collection: what is known before it is there, and what a copy holds."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from genreflow.collections.download import Remote
from genreflow.errors import UserError
from genreflow.files.clips import Clip


@dataclass(frozen=True)
class Annotation:
    """What the lists beside a collection say of a clip; a text is empty where nothing is known.

    ``subset`` is the smallest that the clip belongs to, where a collection has several.
    """

    track_id: str
    label: str
    group: str = ""
    split: str = ""
    subset: str = ""


@dataclass(frozen=True)
class Unpacked:
    """A file as it was unpacked: its path below the collection's folder, bytes, and time."""

    path: str
    size_bytes: int
    modified_ns: int


class Original(NamedTuple):
    """What is known of a clip's published file where copies may have another header."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Collection:
    """A published collection: its facts, and how a copy of it is read.

    Attributes
    ----------
    name
        Of its folder among the downloads.
    family
        Of the collections that share their lists, and the name of their module.
    lists
        Name of the key that says where a copy of the lists is.
    ids_in_lists
        Whether the lists tell even which clips there are.
    labels
        Every label that a clip has.
    clips
        How many clips there are with a label.
    archive, list_files
        The audio; the lists that tell splits, artists and labels.
    known_bad
        Clips that are known to be unusable or short, and why.
    refused
        Partitions that the collection can't fill, and why.
    without_group
        How many clips have no known group.
    sizes
        Clips by role in the partitions that are given as lists.
    licence, citations
        Of the collection and of its lists.
    is_audio
        Tells of a name in the archive whether the file is of the collection.
    find_files
        Returns the file of every clip in a folder, without opening any.
    list_clips
        Returns the clips with their paths in a folder, from the annotations.
    read_lists
        Returns the annotations that a folder of list files, or one of them, holds.
    read_checksums
        Returns the SHA-1 of the clips' files by track id, as far as a folder tells.
    read_originals
        Returns what is known of the clips' published files by track id, in any folder.
    replicas
        Of clips whose published files are the same: each one's first.
    """

    name: str
    family: str
    lists: str
    ids_in_lists: bool
    labels: tuple[str, ...]
    clips: int
    archive: Remote
    list_files: tuple[Remote, ...]
    is_audio: Callable[[str], bool]
    find_files: Callable[[Path], dict[str, Path]]
    list_clips: Callable[[Path, Sequence[Annotation]], list[Clip]]
    read_lists: Callable[[Path], list[Annotation]]
    read_checksums: Callable[[Path], dict[str, str]] = lambda folder: {}
    read_originals: Callable[[], Mapping[str, Original]] = dict
    replicas: Mapping[str, str] = field(default_factory=dict)
    known_bad: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    without_group: int = 0
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    licence: str = ""
    citations: tuple[str, ...] = ()


def file_states(
    files: Mapping[str, Path], *, folder: Path, unpacked: Iterable[Unpacked]
) -> dict[str, list[int]]:
    """Return size and time of each clip's file, without those that are as they were unpacked.

    So a collection has the same state before it is retrieved and after, and another when one of
    its files is replaced, repaired or lost.

    Parameters
    ----------
    files
        By track id, from ``find_files``.
    folder
        The collection's.
    unpacked
        Its listing; empty for a folder that somebody else unpacked, and where it is gone.
    """
    known = {row.path: [row.size_bytes, row.modified_ns] for row in unpacked}
    states = {}
    for track_id, path in files.items():
        status = path.stat()
        state = [status.st_size, status.st_mtime_ns]
        if known.pop(path.relative_to(folder).as_posix(), None) != state:
            states[track_id] = state
    # A lost file has no track id, so it is named by its stem: the id in every collection here.
    lost = (name for name in known if not (folder / name).exists())
    return states | {Path(name).stem: [] for name in lost}


def states_digest(states: Mapping[str, object]) -> str:
    """Return a digest of some clips' states, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(states.items())).encode()).hexdigest()[:16]


def one_file_a_clip(
    found: Iterable[tuple[str, Path]], *, where: Path, expected: str
) -> dict[str, Path]:
    """Return the file of each clip by its track id, refusing clips with several.

    Raises
    ------
    UserError
        A clip has more than one file.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for track_id, path in found:
        files[track_id].append(path)
    doubled = {track_id: paths for track_id, paths in files.items() if len(paths) > 1}
    if doubled:
        track_id, paths = next(iter(doubled.items()))
        raise UserError(
            f"{len(doubled)} clips have more than one file, first {track_id!r}: "
            f"{' and '.join(f'{path.parent.name}/{path.name}' for path in paths)}.",
            where=str(where),
            expected=expected,
            hint="keep one of them.",
        )
    return {track_id: paths[0] for track_id, paths in files.items()}

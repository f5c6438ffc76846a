"""Files appear whole: they are written under another name, and renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from genreflow.errors import UserError

_ROOM = "make room; then start the same command again: what is done is kept."
_RIGHTS = "ask for the right to write there, or work in a folder of your own."
_IN_THE_WAY = "move away what is in the way, and start the same command again."
#: What the system's refusals mean, and what to do.
FAULTS = {
    errno.ENOSPC: ("there is no room left on the disk.", _ROOM),
    errno.EDQUOT: ("your share of the disk is used up (quota).", _ROOM),
    errno.EFBIG: (
        "the file is larger than the system allows.",
        "`ulimit -f` shows the limit, and a file system may have one of its own.",
    ),
    errno.EROFS: ("the disk is read-only.", _RIGHTS),
    errno.EACCES: ("there is no permission.", _RIGHTS),
    errno.EPERM: ("there is no permission.", _RIGHTS),
    errno.ENOTDIR: ("there is a file where a folder should be.", _IN_THE_WAY),
    errno.EEXIST: ("there is a file where a folder should be.", _IN_THE_WAY),
    errno.EISDIR: ("there is a folder where a file should be.", _IN_THE_WAY),
    errno.EIO: (
        "the disk fails to read or to write.",
        "look after the disk, or the connection to it, before you start again.",
    ),
}


def temporary_name(path: Path) -> Path:
    """Return the name under which a file is written until it is whole.

    Always the same one, so that what a killed job left behind is overwritten by the next.  Nobody
    else writes it, since Snakemake's lock keeps a target to one run: so HDF5's own lock, which
    network file systems often refuse, is off for writers too.
    """
    return path.with_name(f".{path.name}.part")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, under its name only when it is whole; one that is replaced keeps its mode."""
    temporary = temporary_name(path)
    try:
        temporary.write_bytes(content)
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(folder: Path) -> None:
    """Refuse a folder in which nothing can be written; it may be missing.

    Raises
    ------
    UserError
        It is something else, or closed to this user.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
            number = errno.EROFS if read_only else errno.EACCES
            raise OSError(number, os.strerror(number), str(folder))
    except OSError as error:
        raise explain_fault(error) or error from None


def check_readable(folder: Path) -> None:
    """Refuse a folder that can't be listed; it may be missing.

    Raises
    ------
    UserError
        It is something else, or closed to this user.
    """
    try:
        os.listdir(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise explain_fault(error) or error from None


def explain_fault(error: Exception, written: Iterable[Path] = ()) -> UserError | None:
    """Return in a person's words why a file can't be written or read; None for other errors.

    Parameters
    ----------
    error
        The system's own, or one of HDF5 or safetensors, which have the system's number in the text.
    written
        The files of which it may be, where the error names none.
    """
    # Python's own, which no number tells from a file that is missing.
    _, _, folders = str(error).partition("No usable temporary directory found in ")
    if folders:
        return UserError(
            "temporary files can't be written anywhere.",
            where=folders,
            hint="make room in one of these folders, or name one that has room in TMPDIR.",
        )
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (text := re.search(r"(?:errno =|os error) (\d+)", str(error))):
        number = int(text[1])
    if number not in FAULTS:
        return None
    found, hint = FAULTS[number]
    name = error.filename if isinstance(error, OSError) else None
    places = [os.fsdecode(name)] if isinstance(name, str | bytes) else map(str, written)
    return UserError(found, where=", ".join(places), hint=hint)

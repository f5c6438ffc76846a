"""Archives, unpacked safely and so that an interrupted unpacking goes on."""

from __future__ import annotations

import platform
import shutil
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from genreflow.errors import UserError
from genreflow.jobs.job import log
from genreflow.jobs.progress import INTERVAL, format_seconds


def unpack(archive: Path, folder: Path, *, wanted: Callable[[str], bool]) -> list[str]:
    """Unpack the wanted files of a tar or zip archive, and return their names below the folder.

    A file that is there with its size is left as it is, so that an interrupted unpacking goes on
    where it was.  A file of another size is somebody's own and is left as well, with a warning.
    No file has its name before it is whole.

    Parameters
    ----------
    wanted
        Tells whether to unpack a file, by its name in the archive.

    Raises
    ------
    UserError
        The archive is damaged or is none, holds an entry that would lie outside the folder or is
        a link or a device, or there is no room.
    """
    staging = folder / ".unpacking"
    names = []
    began = last = time.monotonic()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        with closing(_entries(archive)) as entries:
            for entry in entries:
                _refuse_hostile(entry, archive)
                # "./genres/..." and "genres/..." are one name.
                name = str(PurePosixPath(entry.name))
                if entry.is_file and wanted(name):
                    _place(entry, staging, folder / name)
                    names.append(name)
                if time.monotonic() - last >= INTERVAL:
                    last = time.monotonic()
                    log.info("%s: %d files unpacked", archive.name, len(names))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"the archive can't be read: {error}.", where=str(archive), hint="get it again."
        ) from None
    except OSError as error:
        raise UserError(
            f"the archive can't be unpacked: {error.strerror or error}.",
            where=f"{archive} to {folder}",
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    taken = format_seconds(time.monotonic() - began)
    log.info("%s: %d files unpacked in %s", archive.name, len(names), taken)
    return names


@dataclass(frozen=True)
class _Entry:
    """What a tar and a zip archive have in common.

    ``extract`` writes the entry below a folder, under its own name.
    """

    name: str
    size: int
    is_file: bool
    is_folder: bool
    extract: Callable[[Path], object]


def _entries(path: Path) -> Generator[_Entry, None, None]:
    """Yield the entries of an archive that is open until the next one is asked for."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                # The upper half has the mode where Unix made the archive, and is 0 elsewhere.
                mode = info.external_attr >> 16
                yield _Entry(
                    # As the archive has it: zipfile mends some, and it must be refused instead.
                    name=info.orig_filename,
                    size=info.file_size,
                    is_file=not info.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG),
                    is_folder=info.is_dir(),
                    extract=partial(archive.extract, info),
                )
    elif not hasattr(tarfile, "data_filter"):
        raise UserError(
            f"Python {platform.python_version()} can't unpack a tar archive safely.",
            where=str(path),
            expected="Python 3.11.4 or newer",
            hint="or unpack it yourself, and give the folder as `path`.",
        )
    else:
        # One pass: going back in a compressed tar unpacks it again from its start.
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                yield _Entry(
                    name=member.name,
                    size=member.size,
                    is_file=member.isreg(),
                    is_folder=member.isdir(),
                    extract=partial(archive.extract, member, filter="data"),
                )


def _refuse_hostile(entry: _Entry, archive: Path) -> None:
    """Refuse what no archive of clips has: an absolute path, a way up, a link, a device."""
    name = entry.name
    parts = PurePosixPath(name).parts
    if (
        name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name
        or not (entry.is_file or entry.is_folder)
    ):  # fmt: skip
        raise UserError(
            f"the archive holds an unsafe entry: {name!r}.",
            where=str(archive),
            expected="files and folders with relative names, no links",
            hint="nothing of this archive is used; get it from its publisher.",
        )


def _place(entry: _Entry, staging: Path, target: Path) -> None:
    """Unpack one file under another name and rename it, unless it is there."""
    if target.is_file():
        if target.stat().st_size != entry.size:
            log.warning("%s is not as in the archive, and is left as it is", target)
        return
    entry.extract(staging)
    source = staging / PurePosixPath(entry.name)
    if source.stat().st_size != entry.size:
        raise EOFError(f"{entry.name} breaks off")
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)

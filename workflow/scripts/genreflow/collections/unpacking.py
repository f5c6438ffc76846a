"""Archives, unpacked safely and so that an interrupted unpacking goes on."""

from __future__ import annotations

import gzip
import lzma
import platform
import shutil
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, cast

from genreflow.collections.download import BLOCK
from genreflow.errors import UserError
from genreflow.files.atomic import explain_fault
from genreflow.jobs.job import log
from genreflow.jobs.progress import INTERVAL, format_seconds

#: More files and folders than any collection has: FMA has 106 574 clips.
MOST_ENTRIES: Final = 1_000_000
#: Sound hardly gets smaller: an archive that grows more than this, and to more bytes than these,
#: holds something else.
LARGEST_GROWTH: Final = 10
SMALLEST_LIMIT: Final = 100_000_000
#: Bytes that may follow the end of a tar archive, which is padded to a multiple of its record.
LONGEST_PADDING: Final = 100_000_000
#: What the archives' libraries raise for damage, and for what they can't read: passwords, methods.
UNREADABLE: Final = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError,
    RuntimeError, ValueError, LookupError, OverflowError, struct.error,
)  # fmt: skip


def _take_back(placed: Iterable[Path]) -> None:
    for path in placed:
        path.unlink(missing_ok=True)


class _Member(tarfile.TarInfo):
    """A member of a tar archive of which no damaged header is taken for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _Member:
        """Return the next member, refusing what is neither one nor a block of zeros."""
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"it is damaged or breaks off ({error})") from None


def unpack(archive: Path, folder: Path, *, wanted: Callable[[str], bool]) -> list[str]:
    """Unpack the wanted files of a tar or zip archive, and return their names below the folder.

    A file that is there with its size is left as it is, so that an interrupted unpacking goes on
    where it was.  A file of another size is somebody's own and is left as well, with a warning.
    No file has its name before it is whole, and none of a damaged archive keeps it.

    Parameters
    ----------
    wanted
        Tells whether to unpack a file, by its name in the archive.

    Raises
    ------
    UserError
        The archive is damaged or is none, needs a password, holds an entry that would lie outside
        the folder or is a link or a device, holds more than any collection, or there is no room.
    """
    staging = folder / ".unpacking"
    names: list[str] = []
    placed: list[Path] = []
    number = size = 0
    began = last = time.monotonic()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        largest = max(SMALLEST_LIMIT, LARGEST_GROWTH * archive.stat().st_size)
        with closing(_entries(archive)) as entries:
            for entry in entries:
                _refuse_hostile(entry, archive)
                # Of all, as one that isn't wanted is decompressed too.
                number, size = number + 1, size + entry.size
                _refuse_large(number, size, largest, archive)
                # "./genres/..." and "genres/..." are one name.
                name = str(PurePosixPath(entry.name))
                if entry.is_file and wanted(name):
                    if _place(entry, staging, folder / name):
                        placed.append(folder / name)
                    names.append(name)
                if time.monotonic() - last >= INTERVAL:
                    last = time.monotonic()
                    log.info("%s: %d files unpacked", archive.name, len(names))
        if not number:
            # A file of zeros, as a broken download may leave it, is a tar archive of nothing.
            raise EOFError("it holds no files")
    except UserError:
        _take_back(placed)
        raise
    except UNREADABLE as error:
        # A checksum of the whole says nothing of its parts, and the right size would be taken for
        # the right file next time.
        _take_back(placed)
        reason = str(error).rstrip(".") or type(error).__name__
        raise UserError(
            f"the archive can't be read: {reason}.",
            where=str(archive),
            expected="a zip or tar.gz archive, whole and without a password",
            hint="get it again.",
        ) from None
    except OSError as error:
        raise explain_fault(error, [archive, folder]) or UserError(
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
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            # The zipfile module reads the number at the archive's end and does not compare it, so
            # that a damaged entry could hide those behind it.
            number = zipfile._EndRecData(file)[4]  # type: ignore[attr-defined]
            if number != len(archive.infolist()):
                raise zipfile.BadZipFile(
                    f"it lists {len(archive.infolist())} entries of the {number} that it has"
                )
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
        # In one pass, as going back in a compressed tar unpacks it again from its start.
        with (
            _decompressed(path) as content,
            tarfile.open(fileobj=content, mode="r|", tarinfo=_Member) as archive,
        ):
            for member in archive:
                yield _Entry(
                    name=member.name,
                    size=member.size,
                    # A sparse file takes few bytes of its archive whatever its size.
                    is_file=member.isreg() and not member.issparse(),
                    is_folder=member.isdir(),
                    extract=partial(archive.extract, member, filter="data"),
                )
            # The checksum of what was decompressed stands at its end.  Without one, a header that
            # became zeros looks like the end, and what follows tells that it is not.
            rest, behind = 0, cast(BinaryIO, archive.fileobj)
            while block := behind.read(BLOCK):
                if not isinstance(content, gzip.GzipFile) and any(block):
                    raise tarfile.ReadError("something follows the archive's end")
                rest += len(block)
                if rest > LONGEST_PADDING:
                    raise tarfile.ReadError("something follows the archive's end")


def _decompressed(path: Path) -> BinaryIO:
    """Open a file; one that is compressed with gzip is checked against its checksum as well."""
    # The tarfile module decompresses too, and checks nothing.
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if compressed else path.open("rb")


def _refuse_hostile(entry: _Entry, archive: Path) -> None:
    """Refuse what no archive of clips has: an absolute path, a way up, a link, a device."""
    name = entry.name
    parts = PurePosixPath(name).parts
    if (
        name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name
        or not name.isprintable() or not (entry.is_file or entry.is_folder) or entry.size < 0
    ):  # fmt: skip
        raise UserError(
            f"the archive holds an unsafe entry: {name!r}.",
            where=str(archive),
            expected="files and folders with relative names, no links",
            hint="nothing of this archive is used; get it from its publisher.",
        )


def _refuse_large(number: int, size: int, largest: int, archive: Path) -> None:
    """Refuse what no archive of clips grows to: so many entries, so many bytes."""
    if number <= MOST_ENTRIES and size <= largest:
        return
    raise UserError(
        f"the archive holds more than {MOST_ENTRIES:,} files and folders."
        if number > MOST_ENTRIES
        else f"the archive of {archive.stat().st_size:,} bytes unpacks to {size:,} or more.",
        where=str(archive),
        expected=f"at most {MOST_ENTRIES:,} entries and {largest:,} bytes",
        hint="nothing of this archive is used; get it from its publisher.",
    )


def _place(entry: _Entry, staging: Path, target: Path) -> bool:
    """Unpack one file under another name and rename it, unless it is there; tell whether."""
    if target.is_file():
        if target.stat().st_size != entry.size:
            log.warning("%s is not as in the archive, and is left as it is", target)
        return False
    entry.extract(staging)
    source = staging / PurePosixPath(entry.name)
    if source.stat().st_size != entry.size:
        raise EOFError(f"{entry.name} breaks off")
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return True

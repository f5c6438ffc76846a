"""Published files: downloaded once, and verified before they have their name.

Nothing here knows which collection a file belongs to: `gtzan` and `fma` do.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from genreflow.errors import UserError
from genreflow.jobs.job import log
from genreflow.jobs.progress import INTERVAL, format_seconds

#: Bytes that are read and written at a time.
BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Remote:
    """A published file: where to get it, by preference, and the checksum to know it by.

    Attributes
    ----------
    checksum
        Algorithm and hexadecimal digits, as in ``sha256:24347e...``.
    size_bytes
        Its size, where it is published or known.
    other_names
        Those under which copies of it are kept.
    text
        Copies differ in line ends: the checksum is of the text without carriage returns and with
        exactly one newline at its end, and so it is stored.
    """

    name: str
    addresses: tuple[str, ...]
    checksum: str
    size_bytes: int | None = None
    other_names: tuple[str, ...] = ()
    text: bool = False


@dataclass(frozen=True)
class Patience:
    """How long to try for a file.

    Attributes
    ----------
    attempts
        Tries at each address, unless its answer is final.
    wait_s
        Seconds before the second try, and twice as long before each further one.
    silence_s
        Seconds without a byte, or without an answer, after which a try is given up.
    slowest
        Bytes a second, over ``silence_s`` seconds, below which a try is given up.
    """

    attempts: int = 3
    wait_s: float = 5.0
    silence_s: float = 60.0
    slowest: float = 1000.0


class _Final(Exception):
    """An address that is not worth another try."""


def find_copy(folder: Path, remote: Remote) -> Path | None:
    """Return a file's copy in a folder, under any of its names."""
    paths = [folder / name for name in (remote.name, *remote.other_names)]
    return next((path for path in paths if path.is_file()), None)


def verify(path: Path, remote: Remote, *, hint: str) -> None:
    """Refuse a file that is not the published one.

    Raises
    ------
    UserError
        Its size or its checksum differs.
    """
    size = path.stat().st_size
    if remote.size_bytes and size != remote.size_bytes:
        found, expected = f"it has {size:,} bytes", f"{remote.size_bytes:,} bytes"
    elif (checksum := _checksum(path, remote)) != remote.checksum:
        found, expected = f"its checksum is {checksum}", remote.checksum
        if remote.text:
            expected += " (without carriage returns, one newline at the end)"
    else:
        return
    raise UserError(
        f"the file is not the published one: {found}.",
        where=str(path),
        expected=expected,
        hint=hint,
    )


def retrieve(remote: Remote, folder: Path, *, hint: str, patience: Patience = Patience()) -> Path:
    """Return a published file in a folder: as it is there, or downloaded.

    The addresses are tried in turn.  A download goes on where an earlier one broke off, and has the
    file's name only after its checksum was found right.

    Parameters
    ----------
    hint
        What to do without the network.

    Raises
    ------
    UserError
        Another file has its name, there is no room for it, or no address gave the right file.
    """
    import pooch
    import requests

    # It would say of every try what is said here.
    pooch.get_logger().setLevel("WARNING")
    path, part = folder / remote.name, folder / f"{remote.name}.part"
    if path.is_file():
        verify(path, remote, hint=f"move it away or delete it, and it is downloaded. Or {hint}")
        return path
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = (remote.size_bytes or 0) - _size(part), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"there is no room for {remote.name}: {free / 1e9:.1f} GB are free.",
            where=str(folder.absolute()),
            expected=f"{needed / 1e9:.1f} GB, and as much again to unpack it",
            hint="make room, or set `downloads` to a folder on another disk.",
        )
    problems = []
    for address in remote.addresses:
        for attempt in range(patience.attempts):
            try:
                log.info("%s from %s", remote.name, address)
                pooch.retrieve(
                    address,
                    known_hash=remote.checksum,
                    fname=remote.name,
                    path=folder,
                    downloader=partial(_download, remote=remote, part=part, patience=patience),
                )
                return path
            except _Final as error:
                problem, last = str(error), True
            except ValueError:
                # pooch's only one: the whole file is there and its checksum differs.
                problem, last = "it is another file: its checksum differs", True
            except (requests.RequestException, OSError) as error:
                problem, last = _reason(error), attempt + 1 == patience.attempts
            log.warning("%s from %s: %s", remote.name, address, problem)
            if last:
                break
            time.sleep(patience.wait_s * 2**attempt)
        problems.append(f"{address}: {problem}")
    raise UserError(
        f"{remote.name} can't be downloaded.",
        where="".join(f"\n    {problem}" for problem in problems),
        expected=remote.checksum + (f", {remote.size_bytes:,} bytes" if remote.size_bytes else ""),
        hint=hint,
    )


def _size(part: Path) -> int:
    """Return how many bytes an earlier try has left."""
    return part.stat().st_size if part.is_file() else 0


def _download(
    url: str, output_file: str, _: Any, *, remote: Remote, part: Path, patience: Patience
) -> None:
    """Download for pooch, keeping what has arrived in a part and going on from there."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    if remote.text:
        # Small, and addresses may differ in line ends.
        part.unlink(missing_ok=True)
    if start := _size(part):
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=patience.silence_s) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()
            raise requests.ConnectionError("the part that was here did not fit")
        if 400 <= response.status_code < 500 and response.status_code not in (408, 429):
            raise _Final(f"status {response.status_code} {response.reason}")
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            start = 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else remote.size_bytes
        if remote.size_bytes and total != remote.size_bytes:
            # Before it is transferred.
            raise _Final(f"it is another file: it has {total:,} bytes")
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            _receive(response.raw, file, start, total, name=remote.name, patience=patience)
    if remote.text:
        part.write_bytes(_normalise(part.read_bytes()))
    part.replace(output_file)


def _receive(
    raw: Any, file: BinaryIO, start: int, total: int | None, *, name: str, patience: Patience
) -> None:
    """Write what arrives; every ten seconds, log how much, the rate and the time left."""
    import urllib3

    done = window_start = start
    began = window = logged = time.monotonic()
    whole = f" of {total:,}" if total else ""
    # In bytes as they come: reading whole blocks would wait on a slow server unseen.
    while True:
        try:
            block = raw.read1(BLOCK)
        except urllib3.exceptions.ReadTimeoutError:
            raise TimeoutError(f"silent after {done:,} bytes") from None
        except urllib3.exceptions.HTTPError:
            raise ConnectionError(f"it broke off after {done:,}{whole} bytes") from None
        if not block:
            break
        file.write(block)
        done += len(block)
        now = time.monotonic()
        if now - logged >= INTERVAL:
            logged = now
            _log_progress(name, done, total, (done - start) / (now - began))
        if now - window >= patience.silence_s:
            rate = (done - window_start) / (now - window)
            if rate < patience.slowest:
                raise TimeoutError(f"too slow: {rate:.0f} bytes a second")
            window, window_start = now, done
    if total is not None and done != total:
        raise ConnectionError(f"it broke off after {done:,}{whole} bytes")


def _log_progress(name: str, done: int, total: int | None, rate: float) -> None:
    share = (
        f"{100 * done / total:.1f} % of {total / 1e6:,.0f} MB" if total else f"{done / 1e6:.1f} MB"
    )
    left = f", {format_seconds((total - done) / rate)} left" if total else ""
    log.info("%s: %s, %.1f MB/s%s", name, share, rate / 1e6, left, extra={"progress": True})


def _checksum(path: Path, remote: Remote) -> str:
    algorithm = remote.checksum.partition(":")[0]
    if remote.text:
        return f"{algorithm}:{hashlib.new(algorithm, _normalise(path.read_bytes())).hexdigest()}"
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _normalise(content: bytes) -> bytes:
    return content.replace(b"\r", b"").rstrip(b"\n") + b"\n"


def _reason(error: Exception) -> str:
    """Return what went wrong in a line; urllib3's messages hold objects and their addresses."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"status {error.response.status_code} {error.response.reason}"
    text = str(error)
    if "HTTPConnection" not in text and "HTTPSConnection" not in text:
        return text
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return f"no connection ({text.rpartition(': ')[2].rstrip(')')})"

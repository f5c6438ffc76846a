"""Published files: downloaded once, and verified before they have their name.

Nothing here knows which collection a file belongs to: `gtzan` and `fma` do.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from genreflow.errors import UserError
from genreflow.jobs.job import log
from genreflow.jobs.progress import INTERVAL, format_seconds

if TYPE_CHECKING:
    import requests


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
        raise UserError(
            f"the file is not the published one: it has {size:,} bytes.",
            where=str(path),
            expected=f"{remote.size_bytes:,} bytes",
            hint=hint,
        )
    found = _checksum(path, remote)
    if found != remote.checksum:
        raise UserError(
            f"the file is not the published one: its checksum is {found}.",
            where=str(path),
            expected=remote.checksum
            + (" (without carriage returns, one newline at the end)" if remote.text else ""),
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
    path = folder / remote.name
    if path.is_file():
        verify(path, remote, hint=f"move it away or delete it, and it is downloaded. Or {hint}")
        return path
    folder.mkdir(parents=True, exist_ok=True)
    download = _Download(remote, folder / f"{remote.name}.part", patience)
    _check_space(folder, (remote.size_bytes or 0) - download.present, remote.name)
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
                    downloader=download,
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
        expected=f"{remote.checksum}"
        + (f", {remote.size_bytes:,} bytes" if remote.size_bytes else ""),
        hint=hint,
    )


class _Download:
    """A downloader for pooch that keeps what has arrived and goes on from there."""

    def __init__(self, remote: Remote, part: Path, patience: Patience) -> None:
        self._remote, self._part, self._patience = remote, part, patience

    @property
    def present(self) -> int:
        """Bytes that an earlier try has left."""
        return self._part.stat().st_size if self._part.is_file() else 0

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        import requests

        headers = {"Accept-Encoding": "identity"}
        if self._remote.text:
            # Small, and addresses may differ in line ends.
            self._part.unlink(missing_ok=True)
        if start := self.present:
            headers["Range"] = f"bytes={start}-"
        silence = self._patience.silence_s
        with requests.get(url, headers=headers, stream=True, timeout=silence) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self._part.unlink()
                raise requests.ConnectionError("the part that was here did not fit")
            if 400 <= response.status_code < 500 and response.status_code not in (408, 429):
                raise _Final(f"status {response.status_code} {response.reason}")
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                start = 0
            total = self._expected(response, start)
            self._receive(response, start, total)
        if self._remote.text:
            self._part.write_bytes(_normalise(self._part.read_bytes()))
        self._part.replace(output_file)

    def _expected(self, response: requests.Response, start: int) -> int | None:
        """Return the size of the whole file, refusing another file before it is transferred."""
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        known = self._remote.size_bytes
        if known and total is not None and total != known:
            raise _Final(f"it is another file: it has {total:,} bytes")
        return total or known

    def _receive(self, response: requests.Response, start: int, total: int | None) -> None:
        import requests
        import urllib3

        progress = _Progress(self._remote.name, start, total)
        done = window_start = start
        window = time.monotonic()
        # In bytes as they come: reading whole blocks would wait on a slow server unseen.
        read = response.raw.read1
        broken = False
        with self._part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while True:
                try:
                    block = read(BLOCK)
                except urllib3.exceptions.ReadTimeoutError:
                    raise requests.Timeout(f"silent after {done:,} bytes") from None
                except urllib3.exceptions.HTTPError:
                    broken = True
                    break
                if not block:
                    break
                file.write(block)
                done += len(block)
                progress.report(done)
                elapsed = time.monotonic() - window
                if elapsed >= self._patience.silence_s:
                    if (done - window_start) / elapsed < self._patience.slowest:
                        rate = (done - window_start) / elapsed
                        raise requests.Timeout(f"too slow: {rate:.0f} bytes a second")
                    window, window_start = time.monotonic(), done
        if broken or (total is not None and done != total):
            whole = f" of {total:,}" if total else ""
            raise requests.ConnectionError(f"it broke off after {done:,}{whole} bytes")


class _Progress:
    """A line every ten seconds: share, rate and time left."""

    def __init__(self, name: str, start: int, total: int | None) -> None:
        self._name, self._start, self._total = name, start, total
        self._began = self._last = time.monotonic()

    def report(self, done: int) -> None:
        now = time.monotonic()
        if now - self._last < INTERVAL:
            return
        self._last = now
        rate = (done - self._start) / (now - self._began)
        if self._total:
            left = format_seconds((self._total - done) / rate)
            share = f"{100 * done / self._total:.1f} % of {self._total / 1e6:,.0f} MB"
            log.info("%s: %s, %.1f MB/s, %s left", self._name, share, rate / 1e6, left)
        else:
            log.info("%s: %.1f MB, %.1f MB/s", self._name, done / 1e6, rate / 1e6)


def _checksum(path: Path, remote: Remote) -> str:
    algorithm = remote.checksum.partition(":")[0]
    if remote.text:
        return f"{algorithm}:{hashlib.new(algorithm, _normalise(path.read_bytes())).hexdigest()}"
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _normalise(content: bytes) -> bytes:
    return content.replace(b"\r", b"").rstrip(b"\n") + b"\n"


def _check_space(folder: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"there is no room for {name}: {free / 1e9:.1f} GB are free.",
            where=str(folder.absolute()),
            expected=f"{needed / 1e9:.1f} GB, and as much again to unpack it",
            hint="make room, or set `downloads` to a folder on another disk.",
        )


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

"""Small archives in the layouts of GTZAN and FMA, and a server that fails in every way."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from genreflow.collections.download import Remote
from genreflow.collections.fma import OFFICIAL_CLIPS, SMALL_LABELS
from genreflow.collections.gtzan import LABELS

RATE = 22050


def write_tone(path: Path, frequency: float, *, seconds: float = 6.5) -> None:
    """Write a decaying pulse train of one pitch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(seconds * RATE)) / RATE
    noise = 0.01 * np.random.default_rng(int(frequency)).standard_normal(time_s.size)
    tone = 0.4 * np.exp(-8 * (time_s % 0.25)) * np.sin(2 * np.pi * frequency * time_s)
    soundfile.write(path, tone + noise, RATE)


def write_gtzan(folder: Path, *, clips: int, suffix: str = ".au") -> Path:
    """Write ``genres`` with the first clips of each label, a tone each, and return it.

    With what real archives hold besides: lists of files, and what macOS leaves.
    """
    for place, label in enumerate(LABELS):
        for number in range(clips):
            name = f"{label}.{number:05d}{suffix}"
            write_tone(folder / "genres" / label / name, 150 * 1.3**place * 1.004**number)
    (folder / "genres" / "bextract_single.mf").write_text("blues/blues.00000.au\tblues\n")
    (folder / "genres" / "blues" / f"._blues.00000{suffix}").write_bytes(b"\0\5\x16\7")
    return folder / "genres"


def write_fma(folder: Path, track_ids: Iterable[int]) -> Path:
    """Write ``fma_small`` with a clip for each track id, and return it."""
    root = folder / "fma_small"
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for track_id in track_ids:
        name = f"{track_id:06d}"
        path = root / name[:3] / f"{name}.mp3"
        write_tone(path, 150 * 1.3 ** (track_id % 8) * 1.004 ** (track_id // 8))
        lines.append(f"{hashlib.sha1(path.read_bytes()).hexdigest()}  {name[:3]}/{name}.mp3")
    (root / "README.txt").write_text("This ZIP archive is part of the FMA.\n")
    (root / "checksums").write_text("\n".join(lines) + "\n")
    return root


def fma_row(track_id: int) -> dict[tuple[str, str], str]:
    """Return a track of fma_small: label by its id modulo 8, an artist of one split for each."""
    position = track_id // 8 % 10
    split = "test" if position == 0 else "validation" if position == 1 else "training"
    return {
        ("album", "title"): 'Album, "best" of',
        ("artist", "bio"): "<p>" + "long " * 40_000 + "</p>" if track_id == 9 else "",
        ("artist", "id"): str(track_id // 8 % 1000),
        ("artist", "name"): f"Artist {track_id // 8 % 10}",
        ("set", "split"): split,
        ("set", "subset"): "small",
        ("track", "genre_top"): SMALL_LABELS[track_id % 8],
        ("track", "title"): "A title\nin two lines",
    }


def fma_tracks(rows: Mapping[int, Mapping[tuple[str, str], str]] | None = None) -> str:
    """Return tracks.csv: the 8 000 tracks of fma_small, some of the larger subsets, given rows."""
    tracks = {number: fma_row(number) for number in range(8_000)}
    tracks |= {
        number: fma_row(number) | {("set", "subset"): "medium", ("track", "genre_top"): "Jazz"}
        for number in range(8_000, 8_020)
    }
    tracks |= {
        number: fma_row(number) | {("set", "subset"): "large", ("track", "genre_top"): ""}
        for number in range(8_020, 8_040)
    }
    for number, row in (rows or {}).items():
        tracks[number] = {**tracks.get(number, fma_row(number)), **row}
    columns = list(fma_row(0))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", *(group for group, _ in columns)])
    writer.writerow(["", *(name for _, name in columns)])
    writer.writerow(["track_id", *("" for _ in columns)])
    writer.writerows([number, *row.values()] for number, row in tracks.items())
    return text.getvalue()


def write_fma_metadata(folder: Path, tracks: str) -> Path:
    """Write ``fma_metadata.zip`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fma_metadata.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("fma_metadata/README.txt", "metadata")
        archive.writestr("fma_metadata/tracks.csv", tracks)
    return path


def need_safe_tar() -> None:
    """Skip a test where this Python's tarfile has no filter, and so no tar archive is unpacked."""
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("only Python 3.11.4 and newer unpack tar archives safely")


def pack_tar(path: Path, folder: Path) -> Path:
    """Pack a folder, under its own name, as a gzipped tar archive."""
    need_safe_tar()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def pack_zip(path: Path, folder: Path) -> Path:
    """Pack a folder, under its own name, as a zip archive compressed like FMA's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{folder.name}/{file.relative_to(folder)}")
    return path


def remote_of(path: Path, addresses: Iterable[str], **others: Any) -> Remote:
    """Return a file as if it were published at some addresses."""
    content = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Remote(path.name, tuple(addresses), digest, len(content), **others)


def official_sizes() -> Counter[str]:
    """Return how many clips the generated metadata give each role."""
    names = {"training": "train", "validation": "valid", "test": "test"}
    return Counter(names[fma_row(number)["set", "split"]] for number in range(8_000))


assert official_sizes() == OFFICIAL_CLIPS


class Server(ThreadingHTTPServer):
    """Serves the files of a folder at ``/{behaviour}/{name}``.

    Behaviours: ``good``; ``half`` breaks off in the middle of whole answers, and honours ranges;
    ``deaf`` breaks off and knows no ranges; ``404``, ``500``; ``stalls`` sends a part and nothing
    more; ``trickles`` sends a byte at a time; ``mute`` never answers; ``other`` has another file of
    another size; ``altered`` has another file of the same size; ``busy`` fails once with 503;
    ``chunked`` doesn't tell the size; ``chunks`` breaks off in the middle of that.

    Attributes
    ----------
    requests
        The path and the range of every request.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests: list[tuple[str, str]] = []
        self.stopping = threading.Event()

    def address(self, behaviour: str, name: str) -> str:
        """Return the address at which a file is served so."""
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/{name}"


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve a folder while the context lasts."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        _, behaviour, name = self.path.split("/", 2)
        span = self.headers.get("Range", "")
        first = (self.path, span) not in self.server.requests
        self.server.requests.append((self.path, span))
        if behaviour.isdigit():
            self._fail(int(behaviour))
            return
        if behaviour == "busy" and first:
            self._fail(503)
            return
        if behaviour == "mute":
            self.server.stopping.wait(60)
            return
        content = (self.server.folder / name).read_bytes()
        if behaviour == "other":
            content += b"more"
        if behaviour == "altered":
            content = content[::-1]
        start = 0
        if span and behaviour != "deaf":
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self._fail(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if behaviour.startswith("chunk"):
            self._send_chunked(content, whole=behaviour == "chunked")
            return
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self._send(content[start:], behaviour, whole=not start)

    def _send(self, body: bytes, behaviour: str, *, whole: bool) -> None:
        try:
            if behaviour in ("half", "deaf") and whole:
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif behaviour == "stalls":
                self.wfile.write(body[:1])
                self.wfile.flush()
                self.server.stopping.wait(60)
                self.close_connection = True
            elif behaviour == "trickles":
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if self.server.stopping.is_set():
                        break
                    time.sleep(0.02)
            else:
                self.wfile.write(body)
        except OSError:
            # The client had enough.
            self.close_connection = True

    def _send_chunked(self, body: bytes, *, whole: bool) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        half = len(body) // 2
        for part in (body[:half], body[half:])[: 2 if whole else 1]:
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _fail(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

"""Downloads from a server that fails in every way, and archives that are damaged or hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import random
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from genreflow.collections import download, unpacking
from genreflow.collections.download import Patience, Remote, find_copy, retrieve, verify
from genreflow.collections.unpacking import unpack
from genreflow.errors import UserError
from published_copies import Server, need_safe_tar, pack_tar, pack_zip, remote_of, serve

PATIENCE = Patience(attempts=2, wait_s=0.01, silence_s=0.5, slowest=10_000)
CONTENT = bytes(range(256)) * 40
HINT = "give it as `path`."


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "clips.zip").write_bytes(CONTENT)
    with serve(folder) as running:
        yield running


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Callable[..., Path]:
    """Retrieve the file from addresses that behave in some ways."""

    def run(*behaviours: str, patience: Patience = PATIENCE, sized: bool = True) -> Path:
        addresses = [server.address(behaviour, "clips.zip") for behaviour in behaviours]
        remote = remote_of(server.folder / "clips.zip", addresses)
        if not sized:
            remote = Remote(remote.name, remote.addresses, remote.checksum)
        return retrieve(remote, tmp_path / "downloads", hint=HINT, patience=patience)

    return run


def refused(fetch: Callable[..., Path], *behaviours: str) -> str:
    """Return the message of a download that fails; nothing with the file's name is left."""
    with pytest.raises(UserError) as caught:
        fetch(*behaviours)
    return str(caught.value)


def paths(server: Server) -> list[str]:
    return [path.split("/")[1] for path, _ in server.requests]


# Downloads.


@pytest.mark.parametrize("sized", [True, False])
def test_file_is_downloaded_once(
    fetch: Callable[..., Path], server: Server, tmp_path: Path, sized: bool
) -> None:
    path = fetch("good", sized=sized)
    assert path == tmp_path / "downloads" / "clips.zip"
    assert path.read_bytes() == CONTENT
    assert fetch("good", sized=sized) == path
    assert paths(server) == ["good"]
    assert [file.name for file in path.parent.iterdir()] == ["clips.zip"]


@pytest.mark.parametrize("behaviour", ["404", "403", "other", "altered"])
def test_an_answer_that_is_final_sends_to_the_next_mirror_at_once(
    fetch: Callable[..., Path], server: Server, behaviour: str
) -> None:
    assert fetch(behaviour, "good").read_bytes() == CONTENT
    assert paths(server) == [behaviour, "good"]


@pytest.mark.parametrize("behaviour", ["500", "503", "mute", "stalls"])
def test_a_failure_that_may_pass_is_tried_again_before_the_next_mirror(
    fetch: Callable[..., Path], server: Server, behaviour: str
) -> None:
    assert fetch(behaviour, "good").read_bytes() == CONTENT
    assert paths(server) == [behaviour, behaviour, "good"]


def test_a_busy_server_is_asked_again(fetch: Callable[..., Path], server: Server) -> None:
    assert fetch("busy").read_bytes() == CONTENT
    assert paths(server) == ["busy", "busy"]


@pytest.mark.parametrize("sized", [True, False])
def test_a_download_that_broke_off_goes_on_where_it_was(
    fetch: Callable[..., Path], server: Server, sized: bool
) -> None:
    assert fetch("half", sized=sized).read_bytes() == CONTENT
    assert [span for _, span in server.requests] == ["", f"bytes={len(CONTENT) // 2}-"]


def test_a_download_goes_on_in_the_next_run(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    once = Patience(attempts=1, silence_s=0.5)
    with pytest.raises(UserError):
        fetch("half", patience=once)
    folder = tmp_path / "downloads"
    assert [file.name for file in folder.iterdir()] == ["clips.zip.part"]
    assert fetch("good", patience=once).read_bytes() == CONTENT
    assert server.requests[-1][1] == f"bytes={len(CONTENT) // 2}-"
    assert [file.name for file in folder.iterdir()] == ["clips.zip"]


def test_a_server_without_ranges_sends_the_whole_again(
    fetch: Callable[..., Path], server: Server
) -> None:
    message = refused(fetch, "deaf")
    assert f"it broke off after {len(CONTENT) // 2:,} of {len(CONTENT):,} bytes" in message
    assert fetch("good").read_bytes() == CONTENT


def test_a_part_of_something_else_is_found_out_and_thrown_away(
    fetch: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "clips.zip.part").write_bytes(b"x" * 100)
    assert "its checksum differs" in refused(fetch, "good")
    assert list(folder.iterdir()) == []
    assert fetch("good").read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_thrown_away(fetch: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "clips.zip.part").write_bytes(CONTENT + b"more")
    assert fetch("good").read_bytes() == CONTENT


@pytest.mark.parametrize("sized", [True, False])
def test_an_answer_without_its_size_is_taken_when_it_is_whole(
    fetch: Callable[..., Path], sized: bool
) -> None:
    with pytest.raises(UserError, match="it broke off after"):
        fetch("chunks", sized=sized)
    assert fetch("chunked", sized=sized).read_bytes() == CONTENT


def test_a_slow_server_is_given_up(fetch: Callable[..., Path]) -> None:
    began = time.monotonic()
    assert "too slow" in refused(fetch, "trickles")
    assert time.monotonic() - began < 10


def test_when_every_mirror_fails_the_message_says_why_of_each(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    message = refused(fetch, "404", "500", "mute", "stalls", "other", "altered")
    for behaviour, reason in [
        ("404", "status 404 Not Found"),
        ("500", "status 500 Internal Server Error"),
        ("mute", "no answer in time"),
        ("other", f"it is another file: it has {len(CONTENT) + 4:,} bytes"),
        ("altered", "its checksum differs"),
    ]:
        assert f"{server.address(behaviour, 'clips.zip')}: " in message
        assert reason in message
    assert f"{len(CONTENT):,} bytes" in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert message.endswith(f"Hint: {HINT}")
    assert "object at 0x" not in message
    assert not (tmp_path / "downloads" / "clips.zip").exists()


def test_without_a_server_the_message_is_one_line(tmp_path: Path) -> None:
    remote = Remote("a.zip", ("http://127.0.0.1:9/a.zip",), "sha256:" + "0" * 64, 1)
    with pytest.raises(UserError) as caught:
        retrieve(remote, tmp_path, hint=HINT, patience=PATIENCE)
    (line,) = [line for line in str(caught.value).splitlines() if "127.0.0.1" in line]
    assert "refused" in line
    assert "object at" not in line


def test_another_file_of_that_name_is_neither_used_nor_lost(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    own = tmp_path / "downloads" / "clips.zip"
    own.parent.mkdir()
    own.write_bytes(CONTENT[:-1])
    message = refused(fetch, "good")
    assert "not the published one" in message
    assert "move it away or delete it" in message
    assert own.read_bytes() == CONTENT[:-1]
    assert server.requests == []


def test_a_disk_that_is_too_small_is_named_before_anything_is_transferred(
    fetch: Callable[..., Path], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    message = refused(fetch, "good")
    assert "no room for clips.zip" in message
    assert "`downloads`" in message
    assert server.requests == []


def test_progress_is_logged(
    fetch: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(download, "INTERVAL", 0.0)
    monkeypatch.setattr(unpacking, "INTERVAL", 0.0)
    with caplog.at_level(logging.INFO, logger="genreflow"):
        fetch("good")
    assert any("100.0 % of" in message and "MB/s" in message for message in caplog.messages)


@pytest.mark.parametrize("published", [b"a\r\nb\r\n", b"a\nb", b"a\nb\n\n"])
def test_texts_are_stored_with_the_line_ends_that_their_checksum_is_of(
    tmp_path: Path, published: bytes
) -> None:
    (tmp_path / "list.txt").write_bytes(published)
    checksum = (
        f"sha256:{hashlib.sha256(b'a' + chr(10).encode() + b'b' + chr(10).encode()).hexdigest()}"
    )
    with serve(tmp_path) as server:
        remote = Remote("list.txt", (server.address("good", "list.txt"),), checksum, text=True)
        path = retrieve(remote, tmp_path / "downloads", hint=HINT, patience=PATIENCE)
    assert path.read_bytes() == b"a\nb\n"
    verify(tmp_path / "list.txt", remote, hint=HINT)


def test_copies_are_found_under_their_other_names(tmp_path: Path) -> None:
    remote = Remote("index.txt", (), "sha256:0", other_names=("sturm_index.txt",))
    assert find_copy(tmp_path, remote) is None
    (tmp_path / "sturm_index.txt").touch()
    assert find_copy(tmp_path, remote) == tmp_path / "sturm_index.txt"
    (tmp_path / "index.txt").touch()
    assert find_copy(tmp_path, remote) == tmp_path / "index.txt"


# Archives.


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder as archives have it: two clips, one of them large, and a list."""
    root = tmp_path / "source" / "genres"
    for name, size in (("blues/a.au", 3_000_000), ("rock/b.au", 10), ("rock/empty.au", 0)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(range(251)) * (size // 251 + 1) if size else b"")
    (root / "list.mf").write_text("a")
    return root


PACKERS = {"clips.tar.gz": pack_tar, "clips.zip": pack_zip}


def is_clip(name: str) -> bool:
    return name.endswith(".au")


@pytest.mark.parametrize("name", PACKERS)
def test_wanted_files_are_unpacked(tmp_path: Path, music: Path, name: str) -> None:
    archive = PACKERS[name](tmp_path / name, music)
    folder = tmp_path / "unpacked"
    names = unpack(archive, folder, wanted=is_clip)
    assert sorted(names) == ["genres/blues/a.au", "genres/rock/b.au", "genres/rock/empty.au"]
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert files == sorted(names)
    for file in names:
        assert (folder / file).read_bytes() == (music.parent / file).read_bytes()
    assert not (folder / ".unpacking").exists()


@pytest.mark.parametrize("name", PACKERS)
def test_files_that_are_there_are_left(
    tmp_path: Path, music: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    archive = PACKERS[name](tmp_path / name, music)
    folder = tmp_path / "unpacked"
    unpack(archive, folder, wanted=is_clip)
    before = (folder / "genres/blues/a.au").stat().st_mtime_ns
    (folder / "genres/rock/b.au").write_bytes(b"repaired by the user")
    (folder / "genres/rock/empty.au").unlink()
    caplog.clear()
    unpack(archive, folder, wanted=is_clip)
    assert (folder / "genres/blues/a.au").stat().st_mtime_ns == before
    assert (folder / "genres/rock/b.au").read_bytes() == b"repaired by the user"
    assert (folder / "genres/rock/empty.au").is_file()
    assert [m for m in caplog.messages if "left as it is" in m and "b.au" in m]


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_refused_and_leaves_only_whole_files(
    tmp_path: Path, music: Path, name: str, kept: float
) -> None:
    need_safe_tar()  # What is no whole zip archive is taken for a tar.
    archive = PACKERS[name](tmp_path / name, music)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    folder = tmp_path / "unpacked"
    with pytest.raises(UserError, match="can't be read") as caught:
        unpack(archive, folder, wanted=is_clip)
    assert str(archive) in str(caught.value)
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (music.parent / path.relative_to(folder)).read_bytes()
    assert not (folder / ".unpacking").exists()


def hostile_tar(path: Path, kind: str) -> None:
    need_safe_tar()
    with tarfile.open(path, "w:gz") as archive:
        good = tarfile.TarInfo("genres/a.au")
        good.size = 1
        archive.addfile(good, io.BytesIO(b"a"))
        bad = tarfile.TarInfo(
            {"up": "genres/../../b.au", "absolute": "/tmp/b.au"}.get(kind, "genres/b.au")
        )
        bad.type = {
            "link": tarfile.SYMTYPE,
            "hard link": tarfile.LNKTYPE,
            "device": tarfile.CHRTYPE,
            "pipe": tarfile.FIFOTYPE,
        }.get(kind, tarfile.REGTYPE)
        bad.linkname = "/etc/passwd" if "link" in kind else ""
        if kind == "sparse":
            # A terabyte of nothing, as GNU tar writes a file with holes.
            bad.pax_headers = {
                "GNU.sparse.map": f"{10**12},0",
                "GNU.sparse.size": str(10**12),
                "GNU.sparse.name": "genres/b.au",
            }
        archive.addfile(bad)


def hostile_zip(path: Path, kind: str) -> None:
    names = {
        "up": "genres/../../b.au",
        "absolute": "/tmp/b.au",
        "backslash": "genres\\..\\..\\b.au",
        "drive": "C:/b.au",
        "escape": "genres/\x1b[2J/b.au",
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("genres/a.au", b"a")
        info = zipfile.ZipInfo(names.get(kind, "genres/b.au"))
        info.create_system = 3
        if kind == "link":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")


@pytest.mark.parametrize(
    ("write", "kind"),
    [(hostile_tar, k) for k in ("up", "absolute", "link", "hard link", "device", "pipe", "sparse")]
    + [(hostile_zip, k) for k in ("up", "absolute", "backslash", "drive", "link", "escape")],
)
def test_hostile_archives_are_refused(
    tmp_path: Path, write: Callable[[Path, str], None], kind: str
) -> None:
    archive = tmp_path / "deep" / "archive"
    archive.parent.mkdir()
    write(archive, kind)
    folder = tmp_path / "deep" / "unpacked"
    with pytest.raises(UserError, match="unsafe entry") as caught:
        unpack(archive, folder, wanted=is_clip)
    assert str(archive) in str(caught.value)
    outside = [path for path in tmp_path.rglob("*.au") if not path.is_relative_to(folder)]
    assert outside == []
    assert not any(path.is_symlink() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("wanted", [True, False])
def test_an_archive_that_grows_beyond_any_sound_is_refused(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch, name: str, wanted: bool
) -> None:
    archive = PACKERS[name](tmp_path / name, music)
    size = archive.stat().st_size
    monkeypatch.setattr(unpacking, "SMALLEST_LIMIT", 1000)
    with pytest.raises(UserError) as caught:
        unpack(archive, tmp_path / "unpacked", wanted=lambda name: wanted and is_clip(name))
    message = str(caught.value)
    assert f"the archive of {size:,} bytes unpacks to 3,000," in message
    assert f"and {10 * size:,} bytes" in message
    assert not (tmp_path / "unpacked" / ".unpacking").exists()


@pytest.mark.parametrize("name", PACKERS)
def test_an_archive_of_more_entries_than_any_collection_is_refused(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    archive = PACKERS[name](tmp_path / name, music)
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 3)
    with pytest.raises(UserError, match="holds more than 3 files and folders"):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)


def test_a_size_that_only_the_archive_claims_is_refused_before_it_is_written(
    tmp_path: Path,
) -> None:
    need_safe_tar()
    header = tarfile.TarInfo("genres/a.au")
    header.size = 10**15
    archive = tmp_path / "clips.tar"
    archive.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + b"a" * 10_000)
    with pytest.raises(UserError, match=f"unpacks to {10**15:,} or more"):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)
    assert list((tmp_path / "unpacked").iterdir()) == []


def edited_zip(path: Path, place: int, value: int) -> Path:
    """Write a zip of one file and change two bytes of both its headers, by their place in one."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("genres/a.au", b"a" * 100)
    content = bytearray(path.read_bytes())
    # The directory's has a field more in front.
    for start in (place, content.index(b"PK\1\2") + 2 + place):
        content[start : start + 2] = value.to_bytes(2, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (6, 0x1, "encrypted, password required"),
        (6, 0x41, "encr"),
        (6, 0x20, "patched data"),
        (8, 9, "compression method is not supported"),
        (8, 97, "compression method is not supported"),
        (8, 8, "invalid"),
        (8, 14, "can't be read"),
        (14, 0, "Bad CRC-32"),
        (22, 50, "Bad CRC-32"),
        (22, 200, "breaks off"),
    ],
)
def test_a_zip_that_cannot_be_read_is_one_message(
    tmp_path: Path, place: int, value: int, reason: str
) -> None:
    archive = edited_zip(tmp_path / "clips.zip", place, value)
    with pytest.raises(UserError, match="the archive can't be read") as caught:
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)
    message = str(caught.value)
    assert reason in message
    assert "Traceback" not in message
    assert "without a password" in message
    assert [p for p in (tmp_path / "unpacked").rglob("*") if p.is_file()] == []


def test_a_zip_of_which_an_entry_hides_others_is_refused(tmp_path: Path, music: Path) -> None:
    archive = pack_zip(tmp_path / "clips.zip", music)
    content = bytearray(archive.read_bytes())
    # The length of a comment on the first entry.
    content[content.index(b"PK\1\2") + 33] = 255
    archive.write_bytes(content)
    with pytest.raises(UserError, match="entries of the "):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)


def test_an_entry_without_a_name_is_refused(tmp_path: Path) -> None:
    archive = edited_zip(tmp_path / "clips.zip", 26, 0)
    with pytest.raises(UserError, match="can't be read"):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)


@pytest.mark.parametrize("damage", ["checksum", "length", "cut"])
def test_a_gzip_that_is_not_what_its_end_says_is_refused_and_leaves_nothing(
    tmp_path: Path, music: Path, damage: str
) -> None:
    archive = pack_tar(tmp_path / "clips.tar.gz", music)
    content = bytearray(archive.read_bytes())
    content[-8 if damage == "checksum" else -4] ^= 1
    archive.write_bytes(content[:-6] if damage == "cut" else content)
    with pytest.raises(UserError, match="the archive can't be read"):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)
    assert [p for p in (tmp_path / "unpacked").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("damage", ["second header", "cut at a member", "cut in a header"])
def test_a_tar_without_its_end_is_not_taken_for_whole(
    tmp_path: Path, music: Path, damage: str
) -> None:
    packed = pack_tar(tmp_path / "clips.tar.gz", music)
    content = bytearray(gzip.decompress(packed.read_bytes()))
    with tarfile.open(packed) as archive:
        place = archive.getmember("genres/rock/b.au").offset
    if damage == "second header":
        content[place + 148 : place + 156] = b"0000000\0"
    else:
        content = content[: place + (100 if "in" in damage else 0)]
    broken = tmp_path / "clips.tar"
    broken.write_bytes(content)
    with pytest.raises(UserError, match="damaged or breaks off"):
        unpack(broken, tmp_path / "unpacked", wanted=is_clip)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return an archive with a few bytes changed, often of what describes its entries, or cut."""
    found = bytearray(content)
    kind = rng.choice(["bytes", "cut", "block", "description", "description"])
    if kind == "cut":
        return content[: rng.randrange(len(content))]
    if kind == "block":
        place = rng.randrange(len(content))
        found[place : place + rng.randrange(1, 64)] = rng.randbytes(rng.randrange(64))
        return bytes(found)
    marks = [b"PK\3\4", b"PK\1\2", b"PK\5\6"] if b"PK\1\2" in content else [b"ustar", content[:2]]
    near = content.index(rng.choice([mark for mark in marks if mark in content]))
    for _ in range(rng.choice([1, 1, 2, 4])):
        place = near + rng.randrange(64) if kind == "description" else rng.randrange(len(content))
        found[min(place, len(content) - 1)] = rng.choice([0, 1, 128, 255, rng.randrange(256)])
    return bytes(found)


@pytest.mark.parametrize("number", [300, pytest.param(4000, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["tar.gz", "tar", "stored", "deflated", "bzip2", "lzma"])
def test_a_damaged_archive_is_refused_or_gives_the_clips_that_were_packed(
    tmp_path: Path,
    kind: str,
    number: int,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("damaged archives", number)
    caplog.set_level(logging.ERROR, logger="genreflow")
    rng = random.Random(number)
    clips = {"genres/a.au": rng.randbytes(2000), "genres/b.au": b"b", "genres/empty.au": b""}
    source, archive = tmp_path / "genres", tmp_path / "archive"
    source.mkdir()
    for name, content in clips.items():
        (tmp_path / name).write_bytes(content)
    if "tar" in kind:
        pack_tar(archive, source)
        content = (
            archive.read_bytes() if kind == "tar.gz" else gzip.decompress(archive.read_bytes())
        )
    else:
        method = {"stored": 0, "deflated": 8, "bzip2": 12, "lzma": 14}[kind]
        with zipfile.ZipFile(archive, "w", method) as packed:
            for name in clips:
                packed.write(tmp_path / name, name)
        content = archive.read_bytes()
    refused = 0
    for _ in range(number):
        archive.write_bytes(damaged(content, rng))
        folder = tmp_path / "unpacked"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            names = unpack(archive, folder, wanted=is_clip)
        except UserError:
            refused += 1
            continue
        # Of a bare tar archive, nothing tells that a sample is another.
        found = {name: (folder / name).read_bytes() for name in names if name in clips}
        assert kind == "tar" or found.items() <= clips.items()
    assert refused > number / 3


def test_what_follows_a_tar_is_not_read_for_ever(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack_tar(tmp_path / "clips.tar.gz", music)
    with archive.open("ab") as file:
        file.write(gzip.compress(bytes(3_000_000)))
    assert unpack(archive, tmp_path / "unpacked", wanted=is_clip)
    monkeypatch.setattr(unpacking, "LONGEST_PADDING", 1_000_000)
    with pytest.raises(UserError, match="something follows the archive's end"):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)


def test_a_pythons_tarfile_without_the_data_filter_is_refused(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack_tar(tmp_path / "clips.tar.gz", music)
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(UserError, match="safely"):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)


def test_a_full_disk_is_one_message(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack_zip(tmp_path / "clips.zip", music)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(UserError, match="there is no room left on the disk"):
        unpack(archive, tmp_path / "unpacked", wanted=is_clip)


@pytest.mark.parametrize("change", ["size", "content"])
def test_a_copy_that_is_not_the_published_file_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "clips.zip"
    path.write_bytes(CONTENT)
    remote = remote_of(path, ())
    verify(path, remote, hint=HINT)
    path.write_bytes(CONTENT[:-1] if change == "size" else CONTENT[::-1])
    with pytest.raises(UserError, match="not the published one") as caught:
        verify(path, remote, hint=HINT)
    assert str(path) in str(caught.value)
    assert HINT in str(caught.value)
    # Which is seen at once in an archive of gigabytes.
    assert (f"{len(CONTENT):,} bytes" in str(caught.value)) == (change == "size")

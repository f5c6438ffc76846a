"""A folder of folders as a collection: what is found, its ids and artists, and the manifest."""

from __future__ import annotations

import builtins
import errno
import io
import logging
import os
import runpy
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from genreflow.collections import folder as module
from genreflow.collections.folder import (
    AUDIO_SUFFIXES,
    MANIFEST,
    append_new,
    find_audio,
    folder_clips,
    read_artist,
    unique_ids,
)
from genreflow.collections.manifest import read_manifest
from genreflow.collections.sources import read_source
from genreflow.errors import UserError
from genreflow.files.clips import Clip, read_clips, write_clips
from genreflow.plan.loading import load
from genreflow.plan.planning import plan_source
from mutagen.easyid3 import EasyID3
from mutagen.easymp4 import EasyMP4
from mutagen.id3 import TPE1, TPE2
from mutagen.mp3 import EasyMP3
from mutagen.wave import WAVE

FILES = ("rock/a.mp3", "rock/b.mp3", "jazz/c.mp3", "jazz/d.mp3")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Two labels with two empty files each."""
    return touch(tmp_path / "music", *FILES)


def touch(folder: Path, *files: str) -> Path:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def plan(folder: Path) -> list[Clip]:
    return folder_clips(folder, fallback=fallback(folder), planning=True)


def fallback(folder: Path) -> Path:
    return folder.parent / "results" / "music" / MANIFEST


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        plan(folder)
    assert str(folder) in str(caught.value)
    assert not (folder / MANIFEST).exists(), "a refused folder is left as it was"
    return str(caught.value)


def ids(clips: list[Clip]) -> list[str]:
    return [clip.track_id for clip in clips]


# What is found.


def test_audio_is_found_at_any_depth_and_labelled_by_the_first_folder(music: Path) -> None:
    touch(music, "rock/Artist/Album/01.flac", "jazz/x/e.OGG", "jazz/cover.jpg", "rock/mp3")
    clips = plan(music)
    assert {(clip.track_id, clip.label) for clip in clips} == {
        ("rock/a", "rock"), ("rock/b", "rock"), ("rock/Artist/Album/01", "rock"),
        ("jazz/c", "jazz"), ("jazz/d", "jazz"), ("jazz/x/e", "jazz"),
    }  # fmt: skip
    assert all(Path(clip.path).is_file() and Path(clip.path).is_absolute() for clip in clips)


@pytest.mark.parametrize(
    "suffix", ["aac", "aif", "aiff", "au", "flac", "m4a", "mp3", "oga", "ogg", "opus", "wav", "wma"]
)
def test_every_documented_suffix_is_audio_in_small_letters_and_capitals(
    music: Path, suffix: str
) -> None:
    touch(music, f"rock/x.{suffix}", f"rock/y.{suffix.upper()}")
    assert {f"rock/x.{suffix}", f"rock/y.{suffix.upper()}"} <= set(find_audio(music).files)
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
    assert f"`.{suffix}`" in guide
    assert f".{suffix}" in AUDIO_SUFFIXES


def test_hidden_files_and_folders_are_left_out(music: Path) -> None:
    touch(music, "rock/._a.mp3", "rock/.x.mp3", "rock/.trash/y.mp3", ".hidden/z.mp3", ".w.mp3")
    found = find_audio(music)
    assert sorted(found.files) == sorted(FILES)
    assert (found.loose, found.empty) == ([], [])


def test_links_to_files_and_folders_are_followed_and_loops_end(music: Path) -> None:
    elsewhere = touch(music.parent / "elsewhere", "one.mp3", "deep/two.mp3")
    (music / "rock" / "link.mp3").symlink_to(elsewhere / "one.mp3")
    (music / "jazz" / "linked").symlink_to(elsewhere / "deep")
    (music / "folk").symlink_to(elsewhere)
    (music / "rock" / "up").symlink_to(music)
    (music / "rock" / "self").symlink_to(music / "rock")
    (music / "rock" / "itself.mp3").symlink_to("itself.mp3")
    (music / "rock" / "gone.mp3").symlink_to("nowhere.mp3")
    expected = [*FILES, "rock/link.mp3", "jazz/linked/two.mp3", "folk/one.mp3", "folk/deep/two.mp3"]
    # A link to nothing is a clip that is missing: it is set aside by name when it is decoded.
    expected += ["rock/itself.mp3", "rock/gone.mp3"]
    assert sorted(find_audio(music).files) == sorted(expected)
    assert len(plan(music)) == len(expected)


def test_a_folder_with_a_suffix_in_its_name_is_a_folder(music: Path) -> None:
    touch(music, "rock/live.mp3/x.mp3")
    assert "rock/live.mp3/x.mp3" in find_audio(music).files
    assert "rock/live.mp3" not in find_audio(music).files


def test_what_is_no_clip_is_named_in_one_message_each(
    music: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(music, "loose one.mp3", "two.wav", "readme.txt", "covers/a.jpg", "empty/x/y/z.txt")
    plan(music)
    [loose] = [m for m in caplog.messages if "no label's folder" in m]
    assert loose.startswith("2 audio files")
    assert "'loose one.mp3', 'two.wav'" in loose
    assert "readme" not in loose
    [empty] = [m for m in caplog.messages if "without audio" in m]
    assert "'covers', 'empty'" in empty
    caplog.clear()
    plan(music)
    # Folders of covers may stay; music that is not used is told every time.
    assert [m.split(":")[0] for m in caplog.messages] == [loose.split(":")[0]]


def test_ten_thousand_files_are_planned_without_opening_one(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(music, *(f"{('rock', 'jazz')[i % 2]}/{i % 50}/{i}.mp3" for i in range(9996)))
    plan(music)
    opened, asked = [], []
    real_open, real_stat = io.open, os.stat

    def counting_open(file: object, *arguments: object, **named: object) -> object:
        opened.append(str(file))
        return real_open(file, *arguments, **named)  # type: ignore[call-overload]

    def counting_stat(path: object, *arguments: object, **named: object) -> object:
        asked.append(str(path))
        return real_stat(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(io, "open", counting_open)
    monkeypatch.setattr(builtins, "open", counting_open)
    monkeypatch.setattr(os, "stat", counting_stat)
    monkeypatch.setattr(module, "read_artist", None)
    assert len(plan(music)) == 10000
    assert opened == [str(music / MANIFEST)]
    # Folders, never files; the shards' digests ask once for each file.
    assert not [path for path in asked if path.endswith(".mp3")]
    assert len(asked) < 150


# Track ids.


def test_ids_are_the_paths_without_suffix_and_files_that_differ_by_it_keep_it() -> None:
    assert unique_ids(["r/1.mp3", "r/2.mp3", "r/2.flac", "r/v1.5.au"]) == {
        "r/1.mp3": "r/1", "r/2.mp3": "r/2.mp3", "r/2.flac": "r/2.flac", "r/v1.5.au": "r/v1.5",
    }  # fmt: skip


def test_ids_never_collide() -> None:
    nfc, nfd = "r/é.mp3", unicodedata.normalize("NFD", "r/é.mp3")
    files = ["r/1.mp3", "r/1.flac", "r/1.mp3.wav", nfc, nfd, "r/a  b.mp3", "r/a b.mp3", "r/A b.mp3"]
    found = unique_ids(files)
    assert len(set(found.values())) == len(files)
    assert found["r/1.mp3.wav"] == "r/1.mp3.wav"
    assert {found[nfc], found[nfd]} == {"r/é.mp3", "r/é.mp3 (2)"}
    assert unique_ids(reversed(files)) == found
    assert unique_ids(["r/1.mp3"], {"r/1"}) == {"r/1.mp3": "r/1.mp3"}
    assert unique_ids(["r/1.mp3"], {"r/1", "r/1.mp3"}) == {"r/1.mp3": "r/1.mp3 (2)"}


def test_ids_and_labels_are_the_same_from_any_platform(tmp_path: Path) -> None:
    # macOS may store decomposed letters, Linux keeps what it is given.
    kinds = []
    for form in ("NFC", "NFD"):
        names = ["Dvořák/é.mp3", "Dvořák/ü.mp3", "x/1.mp3", "x/2.mp3"]
        top = touch(tmp_path / form, *(unicodedata.normalize(form, name) for name in names))
        clips = plan(top)
        assert all(Path(clip.path).is_file() for clip in clips)
        kinds.append([(clip.track_id, clip.label) for clip in clips])
    assert kinds[0] == kinds[1]
    assert kinds[0][0] == ("Dvořák/é", "Dvořák")


@pytest.mark.parametrize(
    "name",
    [
        "rock, pop", 'say "hi"', "it's", "$(touch x) `y`; #&", " spaces ", "two\nlines",
        "tab\t", "a\u2028b", "日本語", "-n", "~", "%s {x}", "\u3000wide\u3000", "a\\b", "=1+1",
    ],
)  # fmt: skip
def test_any_name_survives_the_manifest(tmp_path: Path, name: str) -> None:
    files = [f"{name}/{name}.mp3", f"{name}/2.mp3", "x/1.mp3", "x/2.mp3"]
    music = touch(tmp_path / name / "music", *files)
    clips = plan(music)
    assert sorted(clip.path for clip in clips) == sorted(str(music / file) for file in files)
    assert len(set(ids(clips))) == 4
    assert {clip.label for clip in clips} == {" ".join(name.split()), "x"}
    assert not any("\n" in track_id or track_id != track_id.strip() for track_id in ids(clips))
    # And through the files that the workflow hands on.
    write_clips(clips, tmp_path / "shard.csv")
    assert read_clips(tmp_path / "shard.csv") == clips
    assert plan(music) == clips


def test_names_that_are_no_utf8_are_refused_and_shown(music: Path) -> None:
    path = os.fsencode(music / "rock") + b"/caf\xe9.mp3"
    try:
        open(path, "wb").close()
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    message = refusal(music)
    assert "1 names can't be written to a manifest: 'rock/caf\\udce9.mp3'" in message
    assert "UTF-8" in message
    message.encode()


def test_a_name_with_a_carriage_return_is_refused_and_shown(music: Path) -> None:
    touch(music, "rock/a\rb.mp3")
    assert "'rock/a\\rb.mp3'" in refusal(music)


# Artists.


def tone(path: Path, kind: str = "") -> Path:
    samples = 0.1 * np.sin(np.arange(8000) / 5)
    soundfile.write(path, samples, 16000, format=kind or None)
    return path


def atom(name: bytes, data: bytes) -> bytes:
    return (len(data) + 8).to_bytes(4, "big") + name + data


def tag_mp3(folder: Path, tags: dict[str, str]) -> Path:
    path = tone(folder / "x.mp3")
    file = EasyMP3(path)
    file.update(tags)
    file.save()
    return path


def tag_vorbis(folder: Path, tags: dict[str, str], suffix: str = "flac") -> Path:
    path = tone(folder / f"x.{suffix}")
    file = mutagen.File(path)
    file.update(tags)
    file.save()
    return path


def tag_m4a(folder: Path, tags: dict[str, str]) -> Path:
    # libsndfile writes no m4a: the boxes that hold tags, around no sound.
    header = atom(b"mdhd", bytes(12) + (8000).to_bytes(4, "big") + bytes(8))
    handler = atom(b"hdlr", bytes(8) + b"soun" + bytes(13))
    path = folder / "x.m4a"
    moov = atom(b"moov", atom(b"trak", atom(b"mdia", header + handler)))
    path.write_bytes(atom(b"ftyp", b"M4A \0\0\0\0M4A ") + moov)
    file = EasyMP4(path)
    file.update(tags)
    file.save()
    return path


def tag_wav(folder: Path, tags: dict[str, str]) -> Path:
    path = tone(folder / "x.wav")
    file = WAVE(path)
    file.add_tags()
    frames = {"artist": TPE1, "albumartist": TPE2}
    for key, value in tags.items():
        file.tags.add(frames[key](encoding=3, text=value))
    file.save()
    return path


def tag_wma(folder: Path, tags: dict[str, str]) -> Path:
    if shutil.which("ffmpeg") is None:
        pytest.skip("nothing else here writes WMA")
    path = folder / "x.wma"
    source = tone(folder / "x.wav")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", source, path], check=True)
    file = mutagen.File(path)
    names = {"artist": "Author", "albumartist": "WM/AlbumArtist"}
    file.update({names[key]: value for key, value in tags.items()})
    file.save()
    return path


TAGGERS: list[Callable[[Path, dict[str, str]], Path]] = [
    tag_mp3,
    tag_vorbis,
    lambda folder, tags: tag_vorbis(folder, tags, "ogg"),
    tag_m4a,
    tag_wav,
    tag_wma,
]


@pytest.mark.parametrize("tag", TAGGERS, ids=["mp3", "flac", "ogg", "m4a", "wav", "wma"])
def test_artist_is_the_albums_or_else_the_tracks(
    tmp_path: Path, tag: Callable[[Path, dict[str, str]], Path]
) -> None:
    both = {"artist": "Guest", "albumartist": "Björk"}
    assert read_artist(tag(tmp_path, both)) == "Björk"
    assert read_artist(tag(tmp_path, {"artist": " AC/DC\t"})) == "AC/DC"
    assert read_artist(tag(tmp_path, {"artist": "Guest", "albumartist": "  "})) == "Guest"
    assert read_artist(tag(tmp_path, {})) == ""


def test_artists_are_one_group_however_their_letters_are_composed(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Antonín  Dvořák")
    assert read_artist(tag_mp3(tmp_path, {"artist": name})) == "Antonín Dvořák"


def test_damaged_missing_and_strange_files_have_no_artist(tmp_path: Path) -> None:
    whole = tag_vorbis(tmp_path, {"artist": "A"}, "ogg").read_bytes()
    for name, content in {
        "empty.mp3": b"", "text.flac": b"this is no audio", "cut.ogg": whole[:70],
        # Of this one mutagen raises an IndexError.
        "damaged.ogg": whole[:5] + b"\x04" + whole[6:26] + b"\0" + whole[27:],
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert read_artist(tmp_path / name) == ""
    assert read_artist(tmp_path / "gone.mp3") == ""
    os.mkfifo(tmp_path / "pipe.mp3")
    assert read_artist(tmp_path / "pipe.mp3") == ""


def test_an_error_of_the_tag_reader_itself_is_no_artist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise IndexError("bytearray index out of range")

    monkeypatch.setattr(mutagen, "File", fail)
    assert read_artist(tone(tmp_path / "x.wav")) == ""


# The manifest: written once, edited, refreshed.


def test_manifest_is_written_once_with_a_message_and_used(
    music: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(music / "rock" / "a.mp3")
    EasyID3().save(music / "rock" / "a.mp3")
    tags = EasyMP3(music / "rock" / "a.mp3")
    tags["artist"] = "Queen"
    tags.save()
    first = plan(music)
    [message] = [m for m in caplog.messages if MANIFEST in m]
    assert "4 clips with 2 labels" in message
    assert "3 of them without an artist" in message
    assert (music / MANIFEST).read_text(encoding="utf-8") == (
        "track_id,path,label,group,split\n"
        "jazz/c,jazz/c.mp3,jazz,,\njazz/d,jazz/d.mp3,jazz,,\n"
        "rock/a,rock/a.mp3,rock,Queen,\nrock/b,rock/b.mp3,rock,,\n"
    )
    assert sorted(os.listdir(music)) == [MANIFEST, "jazz", "rock"], "no temporary file is left"
    caplog.clear()
    monkeypatch.setattr(module, "read_artist", None)
    assert plan(music) == first
    assert not caplog.messages
    assert not fallback(music).exists()


def test_manifest_is_readable_for_others_as_any_new_file(music: Path) -> None:
    plan(music)
    (music / "plain").touch()
    assert (music / MANIFEST).stat().st_mode == (music / "plain").stat().st_mode


def test_edits_are_kept_and_used(music: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan(music)
    edited = "track_id,path,label,group,split\n" + "".join(
        f"{name},rock/{name}.mp3,{label},Band {name},test\n"
        for name, label in (("a", "x"), ("b", "y"), ("gone", "x"), ("lost", "y"))
    )
    (music / MANIFEST).write_text(edited)
    caplog.clear()
    clips = plan(music)
    assert [(c.track_id, c.label, c.group, c.split) for c in clips] == [
        ("a", "x", "Band a", "test"), ("b", "y", "Band b", "test"),
        ("gone", "x", "Band gone", "test"), ("lost", "y", "Band lost", "test"),
    ]  # fmt: skip
    assert (music / MANIFEST).read_text() == edited
    # Rows that were taken out are named again: the folder has music that is not used.
    [message] = caplog.messages
    assert "2 audio files are not in the manifest" in message
    assert "'jazz/c.mp3', 'jazz/d.mp3'" in message


def test_a_mistake_in_the_edited_manifest_is_named_with_its_line(music: Path) -> None:
    plan(music)
    with (music / MANIFEST).open("a") as handle:
        handle.write("rock/a,rock/a.mp3,rock,,\n")
    with pytest.raises(UserError, match=rf"'rock/a' occurs twice[\s\S]*{MANIFEST}, line 6"):
        plan(music)


def test_new_files_are_named_in_one_message_with_the_command_that_adds_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    music = touch(tmp_path / "it's my music", *FILES)
    before = plan(music)
    touch(music, *(f"rock/new {i}.mp3" for i in range(7)))
    caplog.clear()
    assert plan(music) == before
    [message] = caplog.messages
    assert "7 audio files are not in the manifest" in message
    assert "'rock/new 4.mp3' and 2 more" in message
    command = message.partition("PYTHONPATH=workflow/scripts python ")[2]
    arguments = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert arguments[:2] == ["-m", "genreflow.collections.folder"]
    monkeypatch.setattr(sys, "argv", arguments[1:])
    monkeypatch.delitem(sys.modules, "genreflow.collections.folder")
    runpy.run_module("genreflow.collections.folder", run_name="__main__")
    caplog.clear()
    after = plan(music)
    assert not caplog.messages
    assert set(before) < set(after)
    assert len(after) == 11


def test_relative_folder_is_compared_with_what_its_manifest_says(
    music: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(music.parent)
    plan(Path("music"))
    text = (music / MANIFEST).read_text()
    (music / MANIFEST).write_text(text.replace("rock/a.mp3", "jazz/../rock/./a.mp3"))
    caplog.clear()
    folder_clips(Path("../" + music.parent.name + "/music"), fallback=Path("f"), planning=True)
    assert not caplog.messages


def test_refresh_appends_rows_and_leaves_the_others_as_they_are(music: Path) -> None:
    plan(music)
    # As a spreadsheet program leaves it: other columns, other line ends, no last one.
    text = "\ufefflabel, path ,title,track_id\r\n" + "\r\n".join(
        f"{label},{label}/{name}.mp3,T,{label}/{name}"
        for label, name in (("rock", "a"), ("rock", "b"), ("jazz", "c"), ("jazz", "d"))
    )
    (music / MANIFEST).write_bytes(text.encode())
    touch(music, "rock/e, f.mp3", "rock/a.flac", "loose.mp3")
    assert append_new(music, music / MANIFEST) == 2
    assert (music / MANIFEST).read_bytes().decode() == (
        text + '\r\nrock,rock/a.flac,,rock/a.flac\r\nrock,"rock/e, f.mp3",,"rock/e, f"\r\n'
    )
    before = (music / MANIFEST).stat().st_mtime_ns
    assert append_new(music, music / MANIFEST) == 0
    assert (music / MANIFEST).stat().st_mtime_ns == before, "its date is what a rerun goes by"
    assert len(read_manifest(music / MANIFEST)) == 6


def test_refresh_keeps_the_mode_of_a_manifest_and_the_link_to_it(music: Path) -> None:
    plan(music)
    mine = music.parent / "mine.csv"
    (music / MANIFEST).rename(mine)
    mine.chmod(0o664)
    (music / MANIFEST).symlink_to(mine)
    touch(music, "rock/new.mp3")
    assert append_new(music, music / MANIFEST) == 1
    assert (music / MANIFEST).readlink() == mine
    assert mine.stat().st_mode & 0o777 == 0o664
    assert len(read_clips(mine)) == 5


def test_refresh_that_is_interrupted_leaves_the_manifest_as_it_was(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    plan(music)
    before = (music / MANIFEST).read_bytes()
    touch(music, "rock/new.mp3")
    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(UserError, match="can't be written: No space left on device; it is"):
        append_new(music, music / MANIFEST)
    assert (music / MANIFEST).read_bytes() == before
    assert sorted(os.listdir(music)) == [MANIFEST, "jazz", "rock"]


def test_refresh_heeds_a_manifest_that_may_only_be_read(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: str = "r", **options: object) -> io.IOBase:
        # To the superuser as well.
        if path.name == MANIFEST and mode != "rb" and mode != "r":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open(path, mode, **options)  # type: ignore[call-overload, no-any-return]

    plan(music)
    before = (music / MANIFEST).read_bytes()
    touch(music, "rock/new.mp3")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match="can't be written: Permission denied"):
        append_new(music, music / MANIFEST)
    assert (music / MANIFEST).read_bytes() == before


def test_refresh_reads_the_new_files_tags(music: Path) -> None:
    plan(music)
    tag_vorbis(music / "rock", {"artist": "New"})
    append_new(music, music / MANIFEST)
    assert {c.track_id: c.group for c in plan(music)}["rock/x"] == "New"


def test_refresh_of_a_manifest_with_a_mistake_ends_with_its_message(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["folder", str(music), str(music / "nothing.csv")])
    with pytest.raises(SystemExit, match=r"Error: the manifest does not exist"):
        module.main()


def test_a_job_reads_what_planning_wrote_and_says_and_writes_nothing(
    music: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = {"source": "folder", "folder": str(music), "labels": "folders", "shards": None}
    rendered = str(fallback(music).parent / "audio")
    with pytest.raises(UserError, match="the manifest does not exist"):
        read_source({**dataset, "rendered": rendered})
    assert not (music / MANIFEST).exists()
    planned = plan_source(dataset, rendered=rendered, downloads="downloads")
    touch(music, "rock/new.mp3")
    caplog.clear()
    assert read_source(planned.source) == planned.clips
    assert not caplog.messages


def test_interrupted_writing_leaves_no_manifest(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, path: Path) -> None:
        # Killed here, nothing tidies up: what is left must not look like a manifest.
        assert path.name.startswith(".")
        path.write_text("track_id,path")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_clips", fail)
    with pytest.raises(KeyboardInterrupt):
        plan(music)
    assert sorted(os.listdir(music)) == ["jazz", "rock"]


def test_a_manifest_that_appears_meanwhile_is_kept(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = "track_id,path,label\n" + "".join(f"{f},{f},{f[:4]}\n" for f in FILES)

    def read(_: Path) -> str:
        (music / MANIFEST).write_text(others)
        return "slow"

    monkeypatch.setattr(module, "read_artist", read)
    assert {clip.track_id for clip in plan(music)} == set(FILES)
    assert (music / MANIFEST).read_text() == others


# A folder that can't be written to.


@pytest.fixture
def read_only(music: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The music in a folder that refuses every writing, to the superuser as well."""

    def write(clips: list[Clip], path: Path) -> None:
        if path.parent.samefile(music):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        write_clips(clips, path)

    monkeypatch.setattr(module, "write_clips", write)
    return music


def test_manifest_of_a_read_only_folder_is_with_the_results(
    read_only: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = plan(read_only)
    assert sorted(os.listdir(read_only)) == ["jazz", "rock"]
    assert any("Read-only file system" in m for m in caplog.messages)
    assert any(str(fallback(read_only)) in m and "Copy it" in m for m in caplog.messages)
    # It may be copied to anywhere, as a manifest of its own.
    copy = read_only.parent / "copy.csv"
    copy.write_bytes(fallback(read_only).read_bytes())
    assert read_manifest(copy) == clips
    assert [Path(clip.path).is_file() for clip in clips] == [True] * 4
    monkeypatch.setattr(module, "read_artist", None)
    caplog.clear()
    assert plan(read_only) == clips
    assert not caplog.messages


def test_refresh_of_a_manifest_elsewhere_has_absolute_paths(read_only: Path) -> None:
    plan(read_only)
    touch(read_only, "rock/new.mp3")
    assert append_new(read_only, fallback(read_only)) == 1
    assert str(read_only / "rock/new.mp3") in {clip.path for clip in plan(read_only)}


def test_manifest_in_the_folder_goes_before_the_one_with_the_results(music: Path) -> None:
    plan(music)
    fallback(music).parent.mkdir(parents=True)
    fallback(music).write_text("nonsense")
    assert len(plan(music)) == 4


def test_manifest_of_another_folder_is_not_taken_for_this_ones(read_only: Path) -> None:
    plan(read_only)
    other = touch(read_only.parent / "other", *FILES)
    with pytest.raises(UserError, match="lists no file of the dataset's folder") as caught:
        folder_clips(other, fallback=fallback(read_only), planning=True)
    assert str(other) in str(caught.value)
    assert "delete" in str(caught.value)


def test_the_same_folder_may_be_written_in_another_way(
    read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (read_only.parent / "here").mkdir()
    monkeypatch.chdir(read_only.parent / "here")
    folder_clips(Path("../music"), fallback=fallback(read_only), planning=True)
    assert len(plan(read_only)) == 4


def test_manifest_that_can_be_written_nowhere_is_one_message(read_only: Path) -> None:
    (read_only.parent / "results").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="the manifest can't be written: ") as caught:
        plan(read_only)
    assert str(fallback(read_only)) in str(caught.value)


# Mistakes.


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nothing")
    assert "the folder does not exist" in message
    assert "a folder for each label" in message


def test_a_file_is_no_folder(music: Path) -> None:
    with pytest.raises(UserError, match=r"not a folder[\s\S]*a\.mp3"):
        plan(music / "rock" / "a.mp3")


def test_folder_without_audio_is_refused_with_what_it_has(tmp_path: Path) -> None:
    music = touch(tmp_path / "music", "rock/a.mid", "b.mp3")
    message = refusal(music)
    assert "it has 'rock', 'b.mp3'" in message
    assert ".mp3" in message.partition("Expected")[2]
    (tmp_path / "empty").mkdir()
    assert "it has nothing" in refusal(tmp_path / "empty")


def test_one_label_is_refused_with_its_name(tmp_path: Path) -> None:
    # The folder above the right one.
    message = refusal(touch(tmp_path / "home", *(f"music/{file}" for file in FILES)))
    assert "at least two labels" in message
    assert "with audio in 'music'" in message


def test_label_with_one_clip_is_refused(music: Path) -> None:
    touch(music, "Rock/x.mp3")
    message = refusal(music)
    assert "label 'Rock' has one clip" in message
    assert "typing error of rock" in message


def test_refused_folder_is_told_before_any_tag_is_read(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_artist", None)
    touch(music, "Rock/x.mp3")
    refusal(music)


def test_folder_that_can_not_be_read_is_named(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("jazz"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    message = refusal(music)
    assert "can't be read: Permission denied" in message
    assert str(music / "jazz") in message


def test_folders_may_be_no_labels(tmp_path: Path) -> None:
    music = touch(tmp_path / "music", "a.mp3", "live/b.mp3", "live/old/c.flac")

    def listed(labels_needed: bool = False) -> list[Clip]:
        return folder_clips(
            music,
            fallback=fallback(music),
            planning=True,
            labelled=False,
            labels_needed=labels_needed,
        )

    clips = listed()
    assert [(clip.track_id, clip.label) for clip in clips] == [
        ("a", ""), ("live/b", ""), ("live/old/c", ""),
    ]  # fmt: skip
    # What is new is found as before, and labels come with the manifest.
    touch(music, "d.mp3")
    assert append_new(music, music / MANIFEST) == 1
    assert [clip.track_id for clip in listed()] == ["a", "d", "live/b", "live/old/c"]
    with pytest.raises(UserError, match="`label` is empty"):
        listed(labels_needed=True)
    manifest = music / MANIFEST
    text = manifest.read_text()
    for number, name in enumerate(("a", "b", "c", "d")):
        text = text.replace(f"{name}.mp3,,", f"{name}.mp3,{'rock' if number % 2 else 'pop'},")
        text = text.replace(f"{name}.flac,,", f"{name}.flac,pop,")
    manifest.write_text(text)
    assert [clip.label for clip in listed(labels_needed=True)] == ["pop", "rock", "rock", "pop"]


def test_one_file_without_a_label_is_a_collection(tmp_path: Path) -> None:
    music = touch(tmp_path / "music", "a.mp3")
    (clip,) = folder_clips(
        music, fallback=fallback(music), planning=True, labelled=False, labels_needed=False
    )
    assert clip.track_id == "a"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="the folder has no audio; it has nothing"):
        folder_clips(
            tmp_path / "empty",
            fallback=fallback(music),
            planning=True,
            labelled=False,
            labels_needed=False,
        )


# The configuration.


def dataset(**keys: object) -> dict[str, object]:
    return {"datasets": {"folder": {"source": "folder", **keys}}, "experiments": []}


def test_configuration_takes_a_folder() -> None:
    config = load({}, dataset(folder="music", shards=2, settings={"audio": {"clip_seconds": 9}}))
    assert config.datasets["folder"].model_dump()["folder"] == "music"
    assert config.settings("folder").audio.clip_seconds == 9


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        # A dataset may have the name of a source, and a source that of its key.
        (dataset(), ["`datasets.folder.folder` is missing"]),
        (dataset(folder=""), ["`datasets.folder.folder` is ''"]),
        (dataset(folder=3), ["`datasets.folder.folder` is 3"]),
        (dataset(foldr="m"), ["`datasets.folder.folder` is missing",
                              "unknown key `datasets.folder.foldr`", "did you mean `folder`?"]),
        (dataset(folder="m", shard=3),
         ["unknown key `datasets.folder.shard`", "did you mean `shards`?"]),
        (dataset(folder="m", manifest="m.csv"),
         ["unknown key `datasets.folder.manifest`",
          "one of source, shards, settings, folder, labels\n"]),
        ({"datasets": {"m": {"source": "foldr"}}, "experiments": []},
         ["`datasets.m.source` is 'foldr'",
          "one of folder, fma_small, fma_medium, fma_large, fma_full, gtzan, manifest, synthetic"]),
    ],
)  # fmt: skip
def test_mistake_in_the_configuration_is_named(
    overrides: dict[str, object], parts: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        load({}, overrides)
    message = f"{caught.value}\n"
    assert all(part in message for part in parts), message


@pytest.fixture(autouse=True)
def captured(caplog: pytest.LogCaptureFixture) -> None:
    """Catch warnings even after another test has configured the log."""
    caplog.set_level(logging.WARNING, logger="genreflow")

"""Manifests: what is read, what is refused and how; shards."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from genreflow.collections.manifest import read_manifest
from genreflow.collections.shards import (
    LARGEST_SHARD,
    MOST_SHARDS,
    membership_digest,
    number_of_shards,
    shard_clips,
)
from genreflow.collections.sources import listed_clips
from genreflow.errors import UserError
from genreflow.files.clips import Clip, labels, read_clips, write_clips

HEADER = "track_id,path,label\n"
ROWS = "b,b.mp3,rock\na,a.mp3,rock\nd,d.mp3,pop\nc,c.mp3,pop\n"


def manifest(folder: Path, text: str | bytes) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read_manifest(manifest(folder, text))
    assert "manifest.csv" in str(caught.value)
    return str(caught.value)


def some_clips(number: int) -> list[Clip]:
    return [Clip(f"clip{i:05d}", f"/music/{i}.mp3", f"genre{i % 2}") for i in range(number)]


def test_clips_are_in_the_order_of_their_ids_with_paths_relative_to_the_manifest(
    tmp_path: Path,
) -> None:
    text = HEADER + ROWS.replace("d.mp3", "/else/d.mp3").replace("c.mp3", "../c.mp3")
    clips = read_manifest(manifest(tmp_path, text))
    assert [clip.track_id for clip in clips] == ["a", "b", "c", "d"]
    assert clips[0] == Clip("a", str(tmp_path / "a.mp3"), "rock", "", "")
    assert Path(clips[2].path).resolve() == tmp_path.parent / "c.mp3"
    assert clips[3].path == "/else/d.mp3"
    assert labels(clips) == ["pop", "rock"]


def test_relative_manifest_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest(tmp_path, HEADER + ROWS)
    monkeypatch.chdir(tmp_path)
    assert read_manifest(Path("manifest.csv"))[0].path == str(tmp_path / "a.mp3")


@pytest.mark.parametrize(
    "text",
    [
        ("\ufeff" + HEADER + ROWS),
        (HEADER + ROWS).replace("\n", "\r\n"),
        (HEADER + ROWS).replace(",", " , "),
        HEADER + "\n" + ROWS + "\n\n",
        (HEADER + ROWS).rstrip("\n"),
    ],
    ids=["byte order mark", "CRLF", "spaces", "blank lines", "no last newline"],
)
def test_what_spreadsheet_programs_write_is_read(tmp_path: Path, text: str) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    expected = [clip.track_id for clip in read_manifest(manifest(plain, HEADER + ROWS))]
    found = read_manifest(manifest(tmp_path, text))
    assert [clip.track_id for clip in found] == expected
    assert labels(found) == ["pop", "rock"]


def test_columns_have_any_order_and_others_are_ignored(tmp_path: Path) -> None:
    text = (
        "title,split,label,path,track_id,group\n"
        "T,train,rock,a.mp3,a,X\nT,test,rock,b.mp3,b,Y\nT,,pop,c.mp3,c,\nT,valid,pop,d.mp3,d,Z\n"
    )
    clips = read_manifest(manifest(tmp_path, text))
    assert [(clip.group, clip.split) for clip in clips] == [
        ("X", "train"), ("Y", "test"), ("", ""), ("Z", "valid"),
    ]  # fmt: skip


@pytest.mark.parametrize("strange", ["a, b", 'say ""hi""', "two\nlines", "a\u2028b", "a\x85b"])
def test_quoted_values_may_hold_anything(tmp_path: Path, strange: str) -> None:
    clips = read_manifest(manifest(tmp_path, HEADER + ROWS.replace("a.mp3", f'"{strange}"')))
    assert clips[0].path == str(tmp_path / strange.replace('""', '"'))
    assert len(clips) == 4


def test_line_separator_characters_do_not_break_a_row(tmp_path: Path) -> None:
    # Song titles copied from the web hold U+2028; it ends no line of a CSV.
    text = "track_id,path,label,title\n" + ROWS.replace("\n", ",One\u2028Two\n")
    assert len(read_manifest(manifest(tmp_path, text))) == 4


def test_missing_manifest_is_refused_with_the_columns(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"does not exist[\s\S]*nothing\.csv[\s\S]*track_id,path,label"
    ):
        read_manifest(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("header", "column", "hint"),
    [
        ("track_id,path,labels", "label", "rename `labels`?"),
        ("trackid,path,label", "track_id", "rename `trackid`?"),
        ("track_id;path;label", "track_id", "separate the columns by commas"),
        ("track_id\tpath\tlabel", "track_id", "separate the columns by commas"),
        ("1,a.mp3,rock", "track_id", ""),
        ("", "track_id", "(empty)"),
    ],
)
def test_missing_column_is_named_with_a_hint(
    tmp_path: Path, header: str, column: str, hint: str
) -> None:
    message = refusal(tmp_path, header + "\n" + ROWS if header else "")
    assert f"no column `{column}`" in message
    assert hint in message


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("a,a.mp3", "b,a.mp3", ["'b' occurs twice", "line 3", "line 2"]),
        ("a.mp3", " ", ["`path` is empty", "line 3"]),
        ("a,a.mp3,rock", "a,a.mp3", ["`label` is empty", "line 3"]),
        ("a,a.mp3", ",a.mp3", ["`track_id` is empty", "line 3"]),
        ("a.mp3", "a, b.mp3", ["more than 3 values", "line 3", "quotes"]),
        ("a,a.mp3", '"a,a.mp3', ["breaks off"]),
    ],
    ids=["twice", "no path", "no label", "no id", "unquoted comma", "open quote"],
)
def test_bad_row_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, parts: list[str]
) -> None:
    message = refusal(tmp_path, HEADER + ROWS.replace(old, new))
    assert all(part in message for part in parts), message


def test_open_quote_in_the_header_is_refused(tmp_path: Path) -> None:
    assert "breaks off" in refusal(tmp_path, '"track_id,path,label\n')


@pytest.mark.parametrize("column", ["track_id", "path", "label", "group", "split"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, column: str) -> None:
    header = f"track_id,path,label,group,split,mood,mood,,, {column}\n"
    message = refusal(tmp_path, header + "a,a.mp3,rock,,,,,,,x\nb,b.mp3,rock,,,,,,,x\n")
    assert f"2 columns `{column}`" in message
    assert "line 1" in message


def test_other_columns_may_have_one_name(tmp_path: Path) -> None:
    rows = ROWS.replace("\n", ",1,2,,\n")
    text = f"track_id,path,label,mood,mood,,\n{rows}"
    assert labels(read_manifest(manifest(tmp_path, text))) == ["pop", "rock"]


@pytest.mark.parametrize("planning", [True, False])
def test_labels_that_are_most_likely_one_are_warned_of_once_at_planning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, planning: bool
) -> None:
    text = (
        HEADER
        + ROWS
        + ROWS.replace("b,b", "f,f")
        .replace("a,a", "e,e")
        .replace("d,d", "h,h")
        .replace("c,c", "g,g")
        .replace("rock", "Rock")
        .replace("pop", "POP")
    )
    source = {"source": "manifest", "manifest": manifest(tmp_path, text), "rendered": "results/m"}
    clips = listed_clips(source, planning=planning, labels_needed=True)
    assert labels(clips) == ["POP", "Rock", "pop", "rock"]
    if not planning:
        assert caplog.messages == []
        return
    message, missing = caplog.messages
    assert "8 of 8 files are missing: " in missing
    assert "'POP' (2) and 'pop' (2); 'Rock' (2) and 'rock' (2)" in message
    assert "manifest.csv" in message


def test_spaces_around_a_label_make_no_other_label(tmp_path: Path) -> None:
    text = HEADER + ROWS + 'e,e.mp3," rock\u00a0"\n'
    assert labels(read_manifest(manifest(tmp_path, text))) == ["pop", "rock"]


def test_unknown_split_is_refused_with_the_three_known(tmp_path: Path) -> None:
    text = "track_id,path,label,split\na,a.mp3,rock,train\nb,b.mp3,rock,validation\n"
    message = refusal(tmp_path, text)
    assert "'validation'" in message
    assert "line 3" in message
    assert "train, valid, test" in message


def test_label_with_one_clip_is_refused_with_the_label_it_resembles(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + ROWS + "e,e.mp3,Rock\n")
    assert "label 'Rock' has one clip" in message
    assert "typing error of rock?" in message
    assert "typing error" not in refusal(tmp_path, HEADER + ROWS + "e,e.mp3,jazz\n")


@pytest.mark.parametrize("text", [HEADER, HEADER + "a,a.mp3,rock\nb,b.mp3,rock\n"])
def test_fewer_than_two_labels_are_refused(tmp_path: Path, text: str) -> None:
    assert "at least two labels" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("track_id,path\na,a.mp3\n", [""]),
        ("track_id,path,label\na,a.mp3,\nb,b.mp3,rock\n", ["", "rock"]),
        (HEADER + "a,a.mp3,rock\n", ["rock"]),
    ],
)
def test_features_need_no_labels(tmp_path: Path, text: str, labels: list[str]) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    assert [clip.label for clip in read_manifest(path, labels_needed=False)] == labels
    with pytest.raises(UserError):
        read_manifest(path)


def test_column_that_is_not_needed_may_be_missing_but_not_misspelt(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("track_id,path,lable\na,a.mp3,rock\n")
    with pytest.raises(UserError, match="rename `lable`"):
        read_manifest(tmp_path / "m.csv", labels_needed=False)


def test_other_encodings_are_refused_with_the_place(tmp_path: Path) -> None:
    message = refusal(tmp_path, (HEADER + "é").encode("latin-1"))
    assert "byte 20 is not UTF-8" in message


def test_written_clips_are_read_back(tmp_path: Path) -> None:
    clips = [Clip("a", "/x, y.mp3", 'say "hi"', "Dvořák", "train"), Clip("b", "b", "pop")]
    write_clips(clips, tmp_path / "m.csv")
    assert read_clips(tmp_path / "m.csv") == clips


@pytest.mark.parametrize(("clips", "shards"), [(2, 1), (128, 1), (129, 2), (1000, 8), (8000, 64)])
def test_number_of_shards_is_a_power_of_two_of_the_collections_size(
    clips: int, shards: int
) -> None:
    found = shard_clips(some_clips(clips))
    assert list(found) == [f"{i:03d}-of-{shards:03d}" for i in range(shards)]


def test_number_of_shards_never_falls_as_clips_are_added() -> None:
    # From 8 192 to 8 256 clips a mean that is rounded down would give 64, 128 and 64.
    clips = some_clips(28700)
    sizes = (8191, 8192, 8193, 8255, 8256, 8257, 28672, 28700)
    numbers = [len(shard_clips(clips[:size])) for size in sizes]
    assert numbers == sorted(numbers)
    assert numbers[:6] == [64] * 6


def test_shards_hold_every_clip_once_and_at_most_512() -> None:
    clips = some_clips(40000)
    found = shard_clips(clips)
    assert Counter(clip for shard in found.values() for clip in shard) == Counter(clips)
    assert max(len(shard) for shard in found.values()) <= LARGEST_SHARD == 512
    assert len(found) <= 256


def test_no_collection_is_so_large_that_its_shards_have_no_place_in_a_command() -> None:
    assert [number_of_shards(clips) for clips in (229_376, 229_377, 10**7)] == [MOST_SHARDS] * 3


def test_adding_a_clip_changes_one_shard() -> None:
    clips = some_clips(300)
    before, after = shard_clips(clips), shard_clips([*clips, Clip("new", "/new.mp3", "genre0")])
    assert before.keys() == after.keys()
    assert sum(before[name] != after[name] for name in before) == 1


def test_shards_do_not_depend_on_the_order_or_the_process() -> None:
    clips = some_clips(130)
    found = shard_clips(clips[::-1])
    assert {name: set(shard) for name, shard in found.items()} == {
        name: set(shard) for name, shard in shard_clips(clips).items()
    }
    # Written down once: python's own hash() would differ from run to run.
    assert [len(shard) for shard in found.values()] == [61, 69]


@pytest.mark.parametrize("pinned", [1, 3, 8])
def test_pinned_number_of_shards_is_kept(pinned: int) -> None:
    for number in (10, 1000):
        assert len(shard_clips(some_clips(number), pinned)) == pinned


def test_a_path_that_no_file_can_have_is_a_missing_file(tmp_path: Path) -> None:
    clips = [Clip("a", f"{tmp_path}/a\0.mp3", "rock"), Clip("b", "/" + "b" * 5000, "rock")]
    assert membership_digest(clips, files=True) == membership_digest(clips, files=False)


def test_digest_follows_each_files_content_and_presence(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    clips = [Clip("a", str(path), "rock"), Clip("b", str(tmp_path / "b.mp3"), "rock")]
    absent = membership_digest(clips, files=True)
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, 1))
    present = membership_digest(clips, files=True)
    assert membership_digest(clips, files=True) == present
    os.utime(path, ns=(0, 2))
    touched = membership_digest(clips, files=True)
    path.write_bytes(b"123456")
    os.utime(path, ns=(0, 2))
    grown = membership_digest(clips, files=True)
    assert len({absent, present, touched, grown}) == 4
    # A label or split is no matter of the audio.
    relabelled = [Clip("a", str(path), "pop", "group", "train"), clips[1]]
    assert membership_digest(relabelled, files=True) == grown
    assert membership_digest(clips[:1], files=True) != grown

"""FMA: copies on disk, the metadata's tables, and what belongs to which subset."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from genreflow.collections import fma
from genreflow.collections.collection import Annotation
from genreflow.collections.fma import (
    BAD_CLIPS,
    CLIPS,
    FMA,
    LABELS,
    OFFICIAL_CLIPS,
    SMALL_LABELS,
    find_files,
    list_clips,
    read_checksums,
    read_lists,
)
from genreflow.collections.remotes import FMA_METADATA
from genreflow.collections.shards import LARGEST_SHARD, number_of_shards, shard_of
from genreflow.errors import UserError
from genreflow.files.assignments import Assignment
from genreflow.files.clips import Clip
from genreflow.partitions.drawing import make_partition
from published_copies import fma_row, fma_tracks, remote_of, write_fma_metadata

TRACKS = fma_tracks()


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> list[Annotation]:
    folder = tmp_path_factory.mktemp("fma_metadata")
    (folder / "tracks.csv").write_text(TRACKS, encoding="utf-8")
    return read_lists(folder)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


# Facts.


def test_every_archive_has_an_address_and_a_checksum() -> None:
    assert list(FMA) == ["fma_small", "fma_medium", "fma_large", "fma_full"]
    for name, subset in FMA.items():
        assert subset.name == name
        assert subset.archive.name == f"{name}.zip"
        assert subset.list_files == (FMA_METADATA,)
        for remote in (subset.archive, FMA_METADATA):
            assert re.fullmatch("sha1:[0-9a-f]{40}", remote.checksum)
            assert all(
                a.startswith("https://") and a.endswith(remote.name) for a in remote.addresses
            )
    assert (FMA["fma_small"].archive.size_bytes, FMA_METADATA.size_bytes) == (
        7_679_594_875,
        358_412_441,
    )
    assert len({subset.archive.checksum for subset in FMA.values()}) == 4


def test_labels_are_known_before_the_metadata_is() -> None:
    assert FMA["fma_small"].labels == SMALL_LABELS
    assert len(set(SMALL_LABELS)) == 8
    assert FMA["fma_full"].labels == LABELS
    assert len(set(LABELS)) == 16
    assert set(SMALL_LABELS) < set(LABELS)
    assert sum(OFFICIAL_CLIPS.values()) == CLIPS["fma_small"] == 8000
    assert set(BAD_CLIPS) == {"098565", "098567", "098569", "099134", "108925", "133297"}


@pytest.mark.parametrize("clips", [*CLIPS.values(), 106_574])
def test_no_shard_is_too_large_though_the_ids_are_unknown_at_planning(clips: int) -> None:
    number = number_of_shards(clips)
    sizes = Counter(shard_of(f"{track_id:06d}", number) for track_id in range(clips))
    assert max(sizes.values()) <= LARGEST_SHARD
    assert number <= 256


# A copy on disk.


@pytest.mark.parametrize("above", ["", "fma_small"])
def test_clips_are_found_in_the_nested_folders(tmp_path: Path, above: str) -> None:
    root = touch(tmp_path / above, "000/000002.mp3", "000/000140.MP3", "098/098565.mp3")
    assert find_files(tmp_path, name="fma_small") == {
        "000002": root / "000/000002.mp3",
        "000140": root / "000/000140.MP3",
        "098565": root / "098/098565.mp3",
    }


@pytest.mark.parametrize(
    "name", ["000/._000002.mp3", "000/2.mp3", "000/000002.wav", "checksums", "00/000002.mp3"]
)
def test_other_files_are_no_clips(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "001/001000.mp3", name)
    assert set(find_files(tmp_path, name="fma_small")) == {"001000"}


def test_folders_that_are_none_of_fma_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="folder of fma_small does not exist"):
        find_files(tmp_path / "nowhere", name="fma_small")
    touch(tmp_path, "rock/a.mp3")
    with pytest.raises(UserError, match=r"none of the folders[\s\S]*fma_small\.zip"):
        find_files(tmp_path, name="fma_small")
    touch(tmp_path, "000/readme.txt")
    with pytest.raises(UserError, match="hold no clip of FMA"):
        find_files(tmp_path, name="fma_small")


def test_a_clip_twice_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "000/000002.mp3", "001/000002.mp3")
    with pytest.raises(UserError, match="1 clips have more than one file, first '000002'"):
        find_files(tmp_path, name="fma_small")


def test_checksums_are_those_of_the_list_that_the_archive_holds(tmp_path: Path) -> None:
    touch(tmp_path, "fma_small/002/002624.mp3")
    assert read_checksums(tmp_path, name="fma_small") == {}
    digest = hashlib.sha1(b"").hexdigest()
    (tmp_path / "fma_small/checksums").write_text(
        f"{digest}  002/002624.mp3\n{digest.upper()}  155/155320.mp3\n"
    )
    assert read_checksums(tmp_path, name="fma_small") == {"002624": digest, "155320": digest}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fma_small/000/000002.mp3", True),
        ("fma_small/checksums", True),
        ("fma_small/README.txt", False),
        ("fma_small/000/._000002.mp3", False),
    ],
)
def test_clips_and_checksums_are_what_is_unpacked(name: str, wanted: bool) -> None:
    assert FMA["fma_small"].is_audio(name) == wanted


# The metadata.


def test_tables_three_header_rows_give_genre_artist_split_and_subset(
    annotations: list[Annotation],
) -> None:
    assert len(annotations) == 8040
    assert annotations[3] == Annotation("000003", "Hip-Hop", "Artist 0 (0)", "test", "small")
    # A biography that is longer than the csv module's bound for a field.
    assert annotations[9].track_id == "000009"
    assert annotations[8000].subset == "medium"
    assert annotations[8020].label == ""


@pytest.mark.parametrize("kind", ["folder", "above", "table", "archive", "archive's folder"])
def test_metadata_is_read_from_every_form_that_people_have(
    tmp_path: Path, annotations: list[Annotation], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "archive" in kind:
        place = write_fma_metadata(tmp_path, TRACKS)
        monkeypatch.setattr(fma, "FMA_METADATA", remote_of(place, ["https://example.org/m.zip"]))
    else:
        place = touch(tmp_path, "fma_metadata/tracks.csv") / "fma_metadata/tracks.csv"
        place.write_text(TRACKS, encoding="utf-8")
    given = {
        "folder": place.parent, "above": tmp_path, "table": place, "archive": place,
        "archive's folder": tmp_path,
    }[kind]  # fmt: skip
    assert read_lists(given) == annotations


def test_another_archive_than_the_published_is_refused(tmp_path: Path) -> None:
    place = write_fma_metadata(tmp_path, TRACKS)
    with pytest.raises(UserError, match=r"not the published one[\s\S]*358,412,441 bytes"):
        read_lists(place)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "track_id,genre\n1,Rock\n",
        TRACKS.replace("genre_top", "genre"),
        "\n".join([*TRACKS.splitlines()[:2], "1,Rock"]),
    ],
    ids=["empty", "another table", "a column is missing", "no index row"],
)
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tracks.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"header rows[\s\S]*genre_top") as caught:
        read_lists(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_table_that_was_cut_is_refused(tmp_path: Path, kept: float) -> None:
    content = TRACKS.encode()
    (tmp_path / "tracks.csv").write_bytes(content[: int(kept * len(content)) // 100 * 100 + 17])
    with pytest.raises(UserError, match=r"the table breaks off after track \d+: "):
        read_lists(tmp_path)


@pytest.mark.parametrize("damage", [b"\xff", b"x", b",", b'"'])
def test_a_table_that_was_damaged_is_refused(tmp_path: Path, damage: bytes) -> None:
    start = TRACKS.encode().index(b"\n4000,") + 1
    (tmp_path / "tracks.csv").write_bytes(
        TRACKS.encode()[:start] + damage + TRACKS.encode()[start:]
    )
    with pytest.raises(UserError, match=r"the table breaks off after track \d+: "):
        read_lists(tmp_path)


@pytest.mark.parametrize("line", ["", "5e42", "5e42  002/002624.mp3", "\x1b[2J", "0" * 40])
def test_a_damaged_list_of_checksums_is_refused_with_the_line(tmp_path: Path, line: str) -> None:
    touch(tmp_path, "fma_small/002/002624.mp3")
    (tmp_path / "fma_small/checksums").write_text(f"{'0' * 40}  002/002624.mp3\n{line}\n")
    with pytest.raises(UserError, match="line 2 of the list of checksums is"):
        read_checksums(tmp_path, name="fma_small")


def test_missing_metadata_is_named_with_its_address(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"no tracks\.csv[\s\S]*fma_metadata\.zip"):
            read_lists(place)


# Subsets.


def clips_of(tmp_path: Path, annotations: list[Annotation], name: str) -> list[Clip]:
    return list_clips(touch(tmp_path, "000/000002.mp3"), annotations, name=name)


def test_small_has_a_thousand_clips_of_each_genre(
    tmp_path: Path, annotations: list[Annotation]
) -> None:
    clips = clips_of(tmp_path, annotations, "fma_small")
    assert Counter(clip.label for clip in clips) == dict.fromkeys(SMALL_LABELS, 1000)
    assert clips[2] == Clip(
        "000002", str(tmp_path / "000/000002.mp3"), "Folk", "Artist 0 (0)", "test"
    )
    assert [clip.track_id for clip in clips] == sorted(clip.track_id for clip in clips)


def test_larger_subsets_hold_the_smaller_and_leave_out_tracks_without_a_root_genre(
    tmp_path: Path, annotations: list[Annotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fma, "LABELS", (*SMALL_LABELS, "Jazz"))
    for name in ("fma_large", "fma_full"):
        assert len(clips_of(tmp_path, annotations, name)) == 8020
    with pytest.raises(UserError, match=r"8020 clips of fma_medium[\s\S]*25000 clips"):
        clips_of(tmp_path, annotations, "fma_medium")
    monkeypatch.setitem(fma.CLIPS, "fma_medium", 8020)
    assert len(clips_of(tmp_path, annotations, "fma_medium")) == 8020


def test_metadata_of_another_collection_is_refused(
    tmp_path: Path, annotations: list[Annotation]
) -> None:
    with pytest.raises(UserError, match="7999 clips of fma_small in 8 genres"):
        clips_of(tmp_path, annotations[1:], "fma_small")
    with pytest.raises(UserError, match="8020 clips of fma_full in 9 genres"):
        clips_of(tmp_path, annotations, "fma_full")


# The official split.


def official(clips: list[Clip], **others: Any) -> list[Assignment]:
    return make_partition(
        clips,
        "official",
        dataset="fma",
        seed=0,
        random_draws="rotations",
        cv_validation_folds=1,
        **others,
    )


def test_official_split_has_the_published_sizes(
    tmp_path: Path, annotations: list[Annotation]
) -> None:
    clips = clips_of(tmp_path, annotations, "fma_small")
    assert FMA["fma_small"].sizes["official"] == OFFICIAL_CLIPS
    roles = Counter(a.role for a in official(clips, sizes=OFFICIAL_CLIPS))
    assert roles == {"train": 6400, "valid": 800, "test": 800}
    train = next(clip for clip in clips if clip.split == "train")
    clips.remove(train)
    with pytest.raises(UserError, match=r"other sizes: 6399/800/800[\s\S]*6400/800/800 clips"):
        official(clips, sizes=OFFICIAL_CLIPS)


def test_an_artist_on_two_sides_of_the_official_split_is_refused(tmp_path: Path) -> None:
    crossing = {16: {("artist", "id"): "0", ("artist", "name"): fma_row(0)["artist", "name"]}}
    (tmp_path / "tracks.csv").write_text(fma_tracks(crossing), encoding="utf-8")
    clips = clips_of(tmp_path, read_lists(tmp_path), "fma_small")
    with pytest.raises(UserError, match=r"'Artist 0 \(0\)' \(test, train\)"):
        official(clips)

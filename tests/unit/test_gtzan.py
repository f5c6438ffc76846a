"""GTZAN: copies on disk in every layout, the fault-filtered lists and the artist index."""

from __future__ import annotations

import builtins
import hashlib
import io
import os
import re
import shutil
import wave
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from genreflow.collections import gtzan
from genreflow.collections.collection import Annotation
from genreflow.collections.download import Remote
from genreflow.collections.gtzan import (
    BAD_CLIPS,
    CLIPS_A_LABEL,
    FAULT_FILTERED_CLIPS,
    GTZAN,
    LABELS,
    REPLICAS,
    TRACK_IDS,
    find_files,
    list_clips,
    read_artist_index,
    read_fault_filtered,
    read_lists,
    read_originals,
)
from genreflow.collections.originals import (
    MARSYAS,
    NOT_VERIFIABLE,
    OTHER,
    PUBLISHED,
    REPRODUCED,
    au_header,
    compare_original,
)
from genreflow.collections.remotes import FAULT_FILTERED, GTZAN_ARCHIVE, GTZAN_ARTISTS
from genreflow.collections.sources import read_originals as read_source_originals
from genreflow.errors import UserError
from genreflow.files.assignments import SPLITS, Assignment
from genreflow.files.clips import Clip, labels
from genreflow.partitions.checks import check_partition
from genreflow.partitions.drawing import make_partition
from genreflow.results.leaks import audit_partition


def unpack(
    folder: Path,
    *,
    suffix: str = ".au",
    clips: int = 3,
    hiphop: tuple[str, str] = ("hiphop", "hiphop"),
) -> Path:
    """Make empty files as a copy of GTZAN has them; ``hiphop`` names its folder and its files."""
    for label in LABELS:
        genre, name = hiphop if label == "hiphop" else (label, label)
        (folder / genre).mkdir(parents=True, exist_ok=True)
        for number in range(clips):
            (folder / genre / f"{name}.{number:05d}{suffix}").touch()
    return folder


def found(root: Path, *annotations: Annotation) -> dict[str, Clip]:
    clips = list_clips(root, annotations)
    assert [clip.track_id for clip in clips] == list(TRACK_IDS)
    return {clip.track_id: clip for clip in clips}


def refusal(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        find_files(root)
    assert str(root) in str(caught.value)
    return str(caught.value)


def published(text: str | bytes, name: str) -> Remote:
    """Return a file as if this text were the published one."""
    content = text.encode() if isinstance(text, str) else text
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Remote(name, (f"https://example.org/{name}",), checksum, text=True)


# The collection.


def test_the_collection_has_ten_labels_of_a_hundred_clips_in_the_order_of_their_ids() -> None:
    assert len(TRACK_IDS) == len(set(TRACK_IDS)) == 1000
    assert list(TRACK_IDS) == sorted(TRACK_IDS)
    assert Counter(name.partition(".")[0] for name in TRACK_IDS) == dict.fromkeys(
        LABELS, CLIPS_A_LABEL
    )
    assert (TRACK_IDS[0], TRACK_IDS[-1]) == ("blues.00000", "rock.00099")
    assert set(BAD_CLIPS) == {"jazz.00054"} <= set(TRACK_IDS)


def test_every_published_file_has_addresses_and_a_checksum() -> None:
    assert (GTZAN.archive, GTZAN.archive.size_bytes) == (GTZAN_ARCHIVE, 1_225_571_541)
    assert GTZAN.list_files == (*FAULT_FILTERED.values(), GTZAN_ARTISTS)
    remotes = [GTZAN.archive, *GTZAN.list_files]
    assert len({remote.checksum for remote in remotes}) == 5
    for remote in remotes:
        assert re.fullmatch("sha256:[0-9a-f]{64}", remote.checksum)
        assert len(remote.addresses) >= 2
        assert remote.text == (remote != GTZAN_ARCHIVE)
        assert all(a.startswith("http") and a.endswith(remote.name) for a in remote.addresses)
    assert tuple(FAULT_FILTERED) == tuple(FAULT_FILTERED_CLIPS) == SPLITS


# A copy on disk.


@pytest.mark.parametrize("subfolder", ["", "genres", "genres_original"])
@pytest.mark.parametrize("suffix", [".au", ".wav", ".AU", ".WAV"])
def test_clips_are_found_in_every_layout(tmp_path: Path, subfolder: str, suffix: str) -> None:
    folder = unpack(tmp_path / subfolder, suffix=suffix)
    clips = found(tmp_path)
    assert labels(clips.values()) == list(LABELS)
    for track_id, clip in clips.items():
        label = track_id.partition(".")[0]
        assert clip == Clip(track_id, str(folder / label / f"{track_id}{suffix}"), label)
        assert Path(clip.path).is_file() == (track_id[-5:] < "00003")


@pytest.mark.parametrize("genre", ["hiphop", "hip-hop"])
@pytest.mark.parametrize("name", ["hiphop", "hip-hop", "HIP-HOP"])
def test_hiphop_is_found_in_both_spellings_and_keeps_its_label(
    tmp_path: Path, genre: str, name: str
) -> None:
    unpack(tmp_path, hiphop=(genre, name), clips=2)
    clips = found(tmp_path)
    assert clips["hiphop.00001"] == Clip(
        "hiphop.00001", str(tmp_path / genre / f"{name}.00001.au"), "hiphop"
    )
    assert clips["hiphop.00002"].path == str(tmp_path / genre / "hiphop.00002.au")


def test_all_clips_of_a_whole_copy_are_there(tmp_path: Path) -> None:
    unpack(tmp_path / "genres", clips=100)
    assert all(Path(clip.path).is_file() for clip in found(tmp_path).values())


def test_missing_clips_and_genres_have_the_path_where_they_would_be(tmp_path: Path) -> None:
    unpack(tmp_path / "genres_original", suffix=".wav")
    (tmp_path / "genres_original" / "jazz" / "jazz.00001.wav").unlink()
    shutil.rmtree(tmp_path / "genres_original" / "hiphop")
    clips = found(tmp_path)
    for track_id in ("jazz.00001", "hiphop.00000"):
        path = tmp_path / "genres_original" / track_id[:-6] / f"{track_id}.wav"
        assert clips[track_id].path == str(path)
        assert not path.exists()


def test_a_clip_of_the_other_format_is_taken_and_the_missing_follow_the_majority(
    tmp_path: Path,
) -> None:
    # As where the unreadable file of the re-hosted copy is replaced by the original.
    unpack(tmp_path, suffix=".wav")
    (tmp_path / "blues" / "blues.00000.wav").rename(tmp_path / "blues" / "blues.00000.au")
    clips = found(tmp_path)
    assert clips["blues.00000"].path == str(tmp_path / "blues" / "blues.00000.au")
    assert clips["blues.00099"].path == str(tmp_path / "blues" / "blues.00099.wav")


@pytest.mark.parametrize(
    "name",
    [
        "._blues.00000.au",
        "blues.00000.mp3",
        "blues.00000.au.part",
        "blues.00100.au",
        "blues.0000.au",
        "jazz.00000.au",
        ".DS_Store",
    ],
)
def test_other_files_are_no_clips(tmp_path: Path, name: str) -> None:
    unpack(tmp_path)
    (tmp_path / "blues" / "blues.00000.au").unlink()
    (tmp_path / "blues" / name).touch()
    clips = found(tmp_path)
    assert clips["blues.00000"].path == str(tmp_path / "blues" / "blues.00000.au")
    assert clips["jazz.00000"].path == str(tmp_path / "jazz" / "jazz.00000.au")


def test_splits_and_artists_are_those_given_and_else_empty(tmp_path: Path) -> None:
    unpack(tmp_path)
    clips = found(
        tmp_path,
        Annotation("pop.00001", "pop", split="valid"),
        Annotation("pop.00002", "pop", group="Cher"),
    )
    assert (clips["pop.00001"].split, clips["pop.00001"].group) == ("valid", "")
    assert (clips["pop.00002"].split, clips["pop.00002"].group) == ("", "Cher")


def test_planning_lists_ten_folders_and_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack(tmp_path / "genres")
    listed = []

    def listing(list_folder: Any) -> Any:
        def recorded(path: Any) -> Any:
            listed.append(Path(path).name)
            return list_folder(path)

        return recorded

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(os, "listdir", listing(os.listdir))
    monkeypatch.setattr(os, "scandir", listing(os.scandir))
    for module in (builtins, io, os):
        monkeypatch.setattr(module, "open", refused)
    find_files(tmp_path)
    monkeypatch.undo()
    assert sorted(listed) == list(LABELS)


def test_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert "does not exist" in message
    assert "genres.tar.gz" in message


def test_archive_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "genres.tar.gz").touch()
    message = refusal(tmp_path / "genres.tar.gz")
    assert "is a file" in message
    assert "unpack genres.tar.gz" in message


@pytest.mark.parametrize(("names", "shown"), [(["Data", "a.txt"], "Data, a.txt"), ([], "nothing")])
def test_folder_without_genres_is_refused_with_what_it_has(
    tmp_path: Path, names: list[str], shown: str
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    message = refusal(tmp_path)
    assert "no genre of GTZAN" in message
    assert f"it has {shown}." in message


def test_genre_folders_of_other_music_are_refused(tmp_path: Path) -> None:
    for name in ("rock/song.mp3", "jazz/jazz 1.wav", "jazz/jazz.00100.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    message = refusal(tmp_path)
    assert "the folders jazz, rock hold no clip of GTZAN" in message
    assert "blues.00000.au" in message
    assert "another `source`" in message


def test_clips_as_au_and_as_wav_are_refused(tmp_path: Path) -> None:
    unpack(tmp_path, suffix=".au")
    (tmp_path / "metal" / "metal.00001.wav").touch()
    (tmp_path / "pop" / "pop.00001.wav").touch()
    message = refusal(tmp_path)
    assert "2 clips have more than one file, first 'metal.00001'" in message
    assert "metal/metal.00001.au and metal/metal.00001.wav" in message


def test_clips_under_both_spellings_of_hiphop_are_refused(tmp_path: Path) -> None:
    unpack(tmp_path, clips=1)
    unpack(tmp_path, clips=1, hiphop=("hip-hop", "hiphop"))
    assert "hiphop/hiphop.00000.au and hip-hop/hiphop.00000.au" in refusal(tmp_path)


@pytest.mark.parametrize("others", [("genres", "genres_original"), ("", "genres")])
def test_folder_with_two_copies_is_refused_with_both(
    tmp_path: Path, others: tuple[str, str]
) -> None:
    for name in others:
        unpack(tmp_path / name)
    message = refusal(tmp_path)
    assert "holds GTZAN 2 times" in message
    assert ", ".join(str(tmp_path / name) for name in others) in message


# The fault-filtered lists.

SMALL = {
    "train": "blues/blues.00029.wav\nrock/rock.00099.wav\n",
    "valid": "blues/blues.00000.wav\n",
    "test": "hiphop/hiphop.00012.au\njazz/jazz.00054.wav\npop/pop.00001.wav\n",
}


SMALL_SIZES = {"train": 2, "valid": 1, "test": 3}


Publish = Callable[..., dict[str, Remote]]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Publish:
    """Write lists and take them for the published ones."""

    def write(texts: Mapping[str, str] = SMALL) -> dict[str, Remote]:
        lists = {role: published(text, f"{role}_filtered.txt") for role, text in texts.items()}
        for role, text in texts.items():
            (tmp_path / f"{role}_filtered.txt").write_text(text)
        monkeypatch.setattr(gtzan, "FAULT_FILTERED", lists)
        monkeypatch.setattr(gtzan, "FAULT_FILTERED_CLIPS", SMALL_SIZES)
        return lists

    return write


def test_lists_give_the_split_of_each_clip(tmp_path: Path, publish: Publish) -> None:
    publish()
    assert read_fault_filtered(tmp_path) == {
        "blues.00029": "train",
        "rock.00099": "train",
        "blues.00000": "valid",
        "hiphop.00012": "test",
        "jazz.00054": "test",
        "pop.00001": "test",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n", "\r\n"), ("99.wav\n", "99.wav"), ("99.wav\n", "99.wav\n\n\n")],
    ids=["carriage returns", "no last newline", "newlines at the end"],
)
def test_line_ends_in_which_copies_differ_are_no_alteration(
    tmp_path: Path, publish: Publish, old: str, new: str
) -> None:
    publish()
    expected = read_fault_filtered(tmp_path)
    changed = SMALL["train"].replace(old, new)
    assert changed != SMALL["train"]
    (tmp_path / "train_filtered.txt").write_bytes(changed.encode())
    assert read_fault_filtered(tmp_path) == expected


@pytest.mark.parametrize("role", SPLITS)
def test_missing_list_is_named_with_its_address(
    tmp_path: Path, publish: Publish, role: str
) -> None:
    publish()
    (tmp_path / f"{role}_filtered.txt").unlink()
    with pytest.raises(UserError) as caught:
        read_fault_filtered(tmp_path)
    message = str(caught.value)
    assert f"{role}_filtered.txt is missing" in message
    assert str(tmp_path) in message
    assert f"https://example.org/{role}_filtered.txt" in message


@pytest.mark.parametrize(
    "changed",
    [b"blues/blues.00001.wav\n", b"", b"blues/blues.00000.wav\nblues/blues.00001.wav\n", b"\xff"],
    ids=["altered", "empty", "longer", "no text"],
)
def test_altered_list_is_refused_with_both_checksums(
    tmp_path: Path, publish: Publish, changed: bytes
) -> None:
    lists = publish()
    (tmp_path / "valid_filtered.txt").write_bytes(changed)
    with pytest.raises(UserError) as caught:
        read_fault_filtered(tmp_path)
    message = str(caught.value)
    assert "not the published one" in message
    assert str(tmp_path / "valid_filtered.txt") in message
    assert hashlib.sha256(changed.rstrip(b"\n") + b"\n").hexdigest() in message
    assert lists["valid"].checksum in message
    assert "https://example.org/valid_filtered.txt" in message


def test_other_lists_than_the_published_are_refused(tmp_path: Path) -> None:
    for role, text in SMALL.items():
        (tmp_path / f"{role}_filtered.txt").write_text(text)
    with pytest.raises(UserError, match="not the published one"):
        read_fault_filtered(tmp_path)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("blues/blues.00100.wav\n", "'blues.00100' is no clip"),
        ("blues/blues.00029.wav\n", "'blues.00029' is no clip of GTZAN or is named twice"),
        ("blues/blues.00001.wav\nblues/blues.00001.wav\n", "'blues.00001' is no clip"),
        ("blues/blues.00001.wav\n\nblues/blues.00002.wav\n", "'' is no clip"),
        ("blues/blues.00001.wav\nblues/blues.00002.wav\n", "the list names 2 clips"),
    ],
    ids=["unknown", "in two lists", "twice in one", "blank line", "size"],
)
def test_lists_that_contradict_the_collection_are_refused(
    tmp_path: Path, publish: Publish, text: str, part: str
) -> None:
    publish(SMALL | {"valid": text})
    with pytest.raises(UserError) as caught:
        read_fault_filtered(tmp_path)
    assert part in str(caught.value)
    assert "valid_filtered.txt" in str(caught.value)


# The artist index.

INDEX = """## an index, with “quotes” from a word processor
##

blues.00000.wav ::: Ann Other ::: One Song, And Another
classical.00000.wav ::: Antonín Věk :::
jazz.00048.wav ::: :::
country.00002.wav ::: ::: A Title Alone
reggae.00051.wav ::: One & Other::: No Space In Front
pop.00074.wav ::: First One; Second One ::: Duet (Remix)
"""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Write the index, and take it for the published one."""
    path = tmp_path / "index.txt"
    path.write_text(INDEX, encoding="utf-8")
    monkeypatch.setattr(gtzan, "GTZAN_ARTISTS", published(INDEX, "index.txt"))
    return path


def test_index_gives_the_first_artist_of_each_clip_that_has_one(
    tmp_path: Path, index: Path
) -> None:
    assert index.is_file()
    assert read_artist_index(tmp_path) == {
        "blues.00000": "Ann Other",
        "classical.00000": "Antonín Věk",
        "reggae.00051": "One & Other",
        "pop.00074": "First One",
    }


def test_missing_or_altered_index_is_refused(tmp_path: Path, index: Path) -> None:
    index.write_text(INDEX.replace("Ann", "Anne"), encoding="utf-8")
    with pytest.raises(UserError, match=r"not the published one[\s\S]*index\.txt"):
        read_artist_index(tmp_path)
    index.unlink()
    with pytest.raises(UserError, match=r"index\.txt is missing[\s\S]*example\.org"):
        read_artist_index(tmp_path)


# The published files.


def test_published_lists_have_443_197_and_290_clips_of_every_genre(gtzan_lists: Path) -> None:
    splits = read_fault_filtered(gtzan_lists)
    assert Counter(splits.values()) == FAULT_FILTERED_CLIPS
    assert Counter(splits.values()) == {"train": 443, "valid": 197, "test": 290}
    assert set(splits) < set(TRACK_IDS)
    assert splits["jazz.00054"] == "train"
    assert {(t.partition(".")[0], role) for t, role in splits.items()} == {
        (label, role) for label in LABELS for role in SPLITS
    }


def test_published_index_names_266_artists_of_983_clips(gtzan_lists: Path) -> None:
    artists = read_artist_index(gtzan_lists)
    assert len(artists) == 983
    assert len(set(artists.values())) == 266
    assert set(artists) < set(TRACK_IDS)
    assert Counter(artists.values()).most_common(1) == [("Bob Marley", 35)]
    assert not any(re.search(r";|:::|^\s|\s$", artist) for artist in artists.values())
    # Each of the 17 that nobody has identified is in a list.
    assert len(set(TRACK_IDS) - set(artists)) == 17
    assert set(TRACK_IDS) - set(artists) <= set(read_fault_filtered(gtzan_lists))


def partition(clips: list[Clip], partition_id: str, **others: Any) -> list[Assignment]:
    return make_partition(
        clips,
        partition_id,
        dataset="gtzan",
        seed=0,
        random_draws="rotations",
        cv_validation_folds=1,
        **others,
    )


@pytest.mark.parametrize(
    ("partition_id", "sizes"),
    [
        ("fault_filtered", {"train": 443, "valid": 197, "test": 290}),
        ("fault_filtered_swapped", {"train": 443, "valid": 290, "test": 197}),
    ],
)
def test_fault_filtered_partitions_of_the_collection(
    tmp_path: Path, gtzan_lists: Path, partition_id: str, sizes: dict[str, int]
) -> None:
    unpack(tmp_path)
    clips = list_clips(tmp_path, read_lists(gtzan_lists))
    assignments = partition(clips, partition_id, sizes=FAULT_FILTERED_CLIPS)
    assert Counter(assignment.role for assignment in assignments) == sizes


def test_ten_artists_cross_the_published_lists_and_touch_27_test_clips(
    tmp_path: Path, gtzan_lists: Path
) -> None:
    unpack(tmp_path)
    clips = list_clips(tmp_path, read_lists(gtzan_lists))
    assignments = partition(clips, "fault_filtered")
    findings, summaries = audit_partition(assignments, clips, [])
    group = {clip.track_id: clip.group for clip in clips}
    assert len({group[finding.track_id] for finding in findings}) == 10
    by_artist = next(summary for summary in summaries if summary.check == "group")
    assert (by_artist.verdict, by_artist.test_clips, by_artist.n) == ("leaky", 27, 290)
    assert by_artist.unknown == 17
    with pytest.raises(UserError, match="17 of 930 clips have no `group`"):
        check_partition(clips, "fault_filtered_group_disjoint", dataset="gtzan")


def test_what_gtzan_refuses_at_planning_is_what_its_clips_can_t_fill(
    tmp_path: Path, gtzan_lists: Path
) -> None:
    unpack(tmp_path)
    clips = list_clips(tmp_path, read_lists(gtzan_lists))
    assert sum(not clip.group for clip in clips) == GTZAN.without_group
    found = {}
    for name in ("split", "official", "random", "cv10", "fault_filtered"):
        for form in ("", "_group_disjoint"):
            try:
                partition(clips, name + form, without_group="leave_out")
            except UserError as error:
                found[name + form] = str(error)
    assert found.keys() >= GTZAN.refused.keys()
    assert found.keys() - GTZAN.refused.keys() <= {
        "split_group_disjoint",
        "official_group_disjoint",
    }
    assert "class 'blues' has 9 groups" in found["cv10_group_disjoint"]
    assert "10 groups are on two sides" in found["fault_filtered_group_disjoint"]


def test_artist_filtered_partition_tests_every_clip_of_a_known_artist_once(
    tmp_path: Path, gtzan_lists: Path
) -> None:
    unpack(tmp_path)
    clips = list_clips(tmp_path, read_lists(gtzan_lists))
    with pytest.raises(UserError, match=r"17 of 1000 clips have no `group`[\s\S]*leave_out"):
        partition(clips, "random_group_disjoint")
    assignments = partition(clips, "random_group_disjoint", without_group="leave_out")
    group = {clip.track_id: clip.group for clip in clips}
    tested = [a.track_id for a in assignments if a.role == "test"]
    assert sorted(tested) == sorted(track_id for track_id, artist in group.items() if artist)
    assert len(tested) == 983
    for fold in range(4):
        sides = {
            role: {group[a.track_id] for a in assignments if (a.fold, a.role) == (fold, role)}
            for role in SPLITS
        }
        assert not sides["train"] & sides["test"]
        assert not sides["train"] & sides["valid"]
        assert not sides["valid"] & sides["test"]
        labels_tested = {a.label for a in assignments if (a.fold, a.role) == (fold, "test")}
        assert labels_tested == set(LABELS)
    findings, summaries = audit_partition(assignments, clips, [])
    by_artist = next(summary for summary in summaries if summary.check == "group")
    assert (by_artist.verdict, by_artist.unknown, findings) == ("clean", 0, [])


def test_index_is_found_under_the_name_that_copies_have(tmp_path: Path, gtzan_lists: Path) -> None:
    (tmp_path / "sturm_index.txt").write_bytes((gtzan_lists / "index.txt").read_bytes())
    assert len(read_artist_index(tmp_path)) == 983


# The original files.


def test_the_list_of_the_originals_has_every_clip_and_seven_that_are_the_same_as_another() -> None:
    originals = read_originals()
    assert tuple(originals) == TRACK_IDS
    same: dict[str, list[str]] = defaultdict(list)
    for track_id, original in originals.items():
        assert re.fullmatch("[0-9a-f]{64}", original.sha256)
        assert 1_320_000 < original.size_bytes < 1_352_000
        same[original.sha256].append(track_id)
    pairs = [tuple(ids) for ids in same.values() if len(ids) > 1]
    assert pairs == [
        ("disco.00098", "disco.00099"),
        ("hiphop.00076", "hiphop.00078"),
        ("metal.00034", "metal.00094"),
        ("metal.00058", "rock.00016"),
        ("pop.00054", "pop.00060"),
        ("pop.00067", "pop.00071"),
        ("reggae.00081", "reggae.00082"),
    ]
    assert {later: first for first, later in pairs} == REPLICAS == GTZAN.replicas
    for first, later in pairs:
        assert originals[first] == originals[later]


def test_the_list_is_that_of_the_public_index(gtzan_lists: Path) -> None:
    source = Path(os.environ.get("GENREFLOW_GTZAN_LISTS", gtzan_lists)) / "au_sha256.csv"
    if not source.is_file():
        pytest.skip("GENREFLOW_GTZAN_LISTS names no folder with au_sha256.csv")
    assert gtzan.ORIGINALS.read_bytes() == source.read_bytes()


SAMPLES = bytes(range(256)) * 40


def write_wav(path: Path, *, channels: int = 1, rate: int = 22050, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(SAMPLES)
    return path


def original(annotation: bytes) -> bytes:
    """Return an .au whose samples are those of `write_wav`."""
    swapped = b"".join(SAMPLES[i + 1 : i + 2] + SAMPLES[i : i + 1] for i in range(0, 10240, 2))
    return au_header(len(SAMPLES), annotation) + swapped


def compared(path: Path, content: bytes) -> str:
    return compare_original(
        path, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )


@pytest.mark.parametrize("suffix", [".au", ".AU"])
def test_an_au_is_the_published_file_or_is_not(tmp_path: Path, suffix: str) -> None:
    content = original(MARSYAS)
    path = tmp_path / f"blues.00012{suffix}"
    path.write_bytes(content)
    assert compared(path, content) == PUBLISHED
    path.write_bytes(content[:-1] + b"x")
    assert compared(path, content) == OTHER


def test_a_header_is_one_that_audio_programs_read(tmp_path: Path) -> None:
    import soundfile

    path, wav = tmp_path / "blues.00012.au", write_wav(tmp_path / "blues.00012.wav")
    for annotation in (b"", MARSYAS):
        path.write_bytes(original(annotation))
        found, rate = soundfile.read(path, dtype="int16")
        assert rate == 22050
        assert (found == soundfile.read(wav, dtype="int16")[0]).all()


@pytest.mark.parametrize(
    ("name", "annotation"),
    [
        ("blues.00012", b"\0\0\0\0"),
        ("blues.00012", MARSYAS),
        ("blues.00012", b"blues.00012.au\0\0"),
        ("metal.00095", b"rock.00095.au\0\0"),
        ("hiphop.00081", b"hip-hop.00081.au"),
        ("hip-hop.00081", b"./hiphop.00081.au"),
    ],
)
def test_a_wav_is_known_where_a_known_header_gives_the_published_checksum(
    tmp_path: Path, name: str, annotation: bytes
) -> None:
    path = write_wav(tmp_path / f"{name}.wav")
    content = original(annotation)
    assert compared(path, content) == REPRODUCED.format(24 + len(annotation))
    # Another sample is another file.
    assert compared(path, content[:-1] + b"x") == NOT_VERIFIABLE


@pytest.mark.parametrize(
    "change", ["annotation", "length", "stereo", "rate", "depth", "float", "cut", "empty", "name"]
)
def test_a_wav_of_which_nothing_is_known_is_not_verifiable_and_never_not_published(
    tmp_path: Path, change: str
) -> None:
    path = write_wav(
        tmp_path / ("nameless.wav" if change == "name" else "blues.00012.wav"),
        channels=2 if change == "stereo" else 1,
        rate=44100 if change == "rate" else 22050,
        width=1 if change == "depth" else 2,
    )
    content = original(b"blues.00012.au\0\0")
    if change == "annotation":
        content = original(b"blue note 12.au\0")
    elif change == "length":
        content += b"more" * 100
    elif change == "float":
        path.write_bytes(path.read_bytes()[:20] + b"\3" + path.read_bytes()[21:])
    elif change in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 5001 if change == "cut" else 0])
    assert compared(path, content) == NOT_VERIFIABLE
    assert "not published" not in NOT_VERIFIABLE


@pytest.mark.parametrize("source", ["folder", "archive"])
def test_a_folder_is_compared_clip_by_clip_and_an_archive_was_as_a_whole(
    tmp_path: Path, source: str
) -> None:
    planned = {"source": "gtzan", "checksums": "0123" if source == "folder" else ""}
    found = read_source_originals(planned)
    assert len(found) == (1000 if source == "folder" else 0)


def test_the_audit_names_the_replicas_whatever_their_encoding() -> None:
    ids = ("disco.00098", "disco.00099", "metal.00058", "rock.00016", "rock.00017")
    clips = [Clip(track_id, f"/gtzan/{track_id}.wav", track_id[:-6]) for track_id in ids]
    roles = ("train", "test", "test", "valid", "test")
    assignments = [
        Assignment(0, clip.track_id, clip.label, role)
        for clip, role in zip(clips, roles, strict=True)
    ]
    findings, summaries = audit_partition(assignments, clips, [], replicas=REPLICAS)
    assert [(f.check, f.track_id, f.other) for f in findings] == [
        ("clip", "disco.00099", "disco.00098"),
        ("clip", "metal.00058", "rock.00016"),
    ]
    assert next(s for s in summaries if s.check == "clip").test_clips == 2
    # What of a pair is not among the clips is nothing to share.
    assert audit_partition(assignments[1:2], clips[1:2], [], replicas=REPLICAS)[0] == []

"""Damaged and random input: what was asked for or one clear refusal, and never anything else.

The inputs are the same every time; the tests marked ``long`` try more of them, others than these.
"""

from __future__ import annotations

import faulthandler
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from genreflow.choices import Resampler
from genreflow.collections.manifest import read_manifest
from genreflow.collections.unpacking import unpack
from genreflow.errors import UserError
from genreflow.features.audio import (
    Decoded,
    UnusableClip,
    check_complete,
    decode,
    decode_clips,
    prepare_clip,
)
from genreflow.files.checkpoints import Checkpoint, TrainingState, checkpoint_path
from genreflow.files.models import read_model, write_model
from genreflow.partitions.names import ALL
from genreflow.plan.loading import load, read_yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from published_copies import need_safe_tar

#: Inputs of each kind in `make test`, and in `make test-all`.
TRIED, TRIED_LONG = 150, 3000
#: Seconds after which an input is said to hang: far more than any takes.
HANGS = 600
DEFAULTS = Path(__file__).parents[2] / "config" / "config.yaml"
SOUNDS = (
    "wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "rf64", "float.wav", "tagged.mp3"
)  # fmt: skip
#: An ID3 tag of 32 bytes.
TAG = b"ID3\4\0\0\0\0\0\x20" + bytes(32)
ARCHIVES = ("zip", "tar", "tar.gz")
FILES = {"genres/a/1.wav": bytes(range(256)) * 8, "genres/b/2.wav": b"sound" * 300, "list.txt": b""}

#: What parsers look for, which random bytes hardly ever are: names of parts, and sizes.
WORDS = (
    b"ID3", b"Xing", b"Info", b"VBRI", b"RIFF", b"RF64", b"ds64", b"data", b"FORM", b"SSND",
    b"riff", b"caff", b".snd", b"fLaC", b"OggS", b"PK\x03\x04", b"PK\x05\x06", b"ustar", b"{}",
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80",
)  # fmt: skip
#: What is done to bytes: the kind, where (as a share of the length), how many, and a value.
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("set", "flip", "zero", "delete", "insert", "cut", "repeat", "word")),
        # Half of them where headers are.
        st.one_of(st.floats(0, 1, exclude_max=True), st.floats(0, 0.02)),
        st.sampled_from((1, 2, 4, 16, 512)),
        st.one_of(st.integers(0, 255), st.sampled_from((0, 127, 128, 255))),
    ),
    min_size=1,
    max_size=5,
)
Changes = list[tuple[str, float, int, int]]
CELLS = st.one_of(
    st.sampled_from(
        ("", "a", "b", "rock", "train", "test", '"', '""', '"a', "\0", "\ufeff", "\x1b[2J", "=1+1")
    ),
    st.text(max_size=8),
)
KEYS = st.one_of(
    st.sampled_from(
        ("datasets", "experiments", "classify", "audio", "stft", "settings", "source", "manifest",
         "dataset", "partition", "systems", "mine", "seeds", "clip_seconds", ALL, "keep", "shards")
    ),
    st.text(max_size=4),
    st.integers(-1, 3),
    st.none(),
    st.booleans(),
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.dates(),
        st.binary(max_size=3), st.sampled_from((10**400, "SF", "manifest", "random", "mine")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip
#: Ways into the configuration, as numbers: which key of each level.
WAYS = st.lists(st.integers(0, 40), min_size=1, max_size=4)
MINE: dict[str, Any] = {
    "datasets": {"mine": {"source": "manifest", "manifest": "m.csv", "settings": {}}},
    "experiments": [{"dataset": "mine", "partition": "split", "systems": ["SF", "MoEB"]}],
    "classify": [],
}


def changed(content: bytes, changes: Changes) -> bytes:
    for kind, share, number, value in changes:
        at = int(share * len(content))
        part, rest = content[at : at + number], content[at + number :]
        part = {
            "set": bytes([value]) * len(part),
            "flip": bytes(byte ^ (value or 1) for byte in part),
            "zero": bytes(len(part)),
            "delete": b"",
            "insert": bytes([value]) * number + part,
            "cut": part,
            "repeat": part * 2,
            "word": WORDS[value % len(WORDS)],
        }[kind]
        content = content[:at] + part + (b"" if kind == "cut" else rest)
    return content


def told(error: Exception) -> None:
    """A message is there, and nothing in it acts on a terminal."""
    assert str(error).strip()
    assert all(character.isprintable() or character == "\n" for character in str(error))


@cache
def sound(kind: str) -> bytes:
    special, _, kind = kind.rpartition(".")
    time = np.arange(16000) / 8000
    samples = np.stack([np.sin(2764 * time), time / 4], 1) * 0.5
    file = io.BytesIO()
    soundfile.write(
        file, samples, 8000, format=kind, subtype="FLOAT" if special == "float" else None
    )
    return (TAG if special == "tagged" else b"") + file.getvalue()


@cache
def archive(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in FILES.items():
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(fileobj=file, mode="w:gz" if kind == "tar.gz" else "w") as packed:
            for name, content in FILES.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
    return file.getvalue()


class Fuzzed:
    """One test a kind of input; the folder is emptied for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def decoding(self, kind: str, changes: Changes) -> None:
        path = self.folder / f"clip.{kind}"
        path.write_bytes(changed(sound(kind), changes))
        try:
            decoded = decode(path, seconds=1)
            check_complete(decoded, seconds=1, max_missing=0.05)
            for resampler in ("soxr_hq", "kaiser_fast"):
                samples, present = prepare_clip(
                    decoded, sample_rate=11025, length=11025, resampler=resampler
                )
                assert samples.shape == (11025,)
                assert samples.dtype == np.float32
                assert 0 < present <= 11025
                assert np.isfinite(samples).all()
            for clip in decode_clips(path, seconds=1):
                assert clip.samples.ndim == 2
        except UnusableClip as error:
            told(error)

    def manifests(self, content: bytes, labels_needed: bool) -> None:
        path = self.folder / "m.csv"
        path.write_bytes(content)
        try:
            clips = read_manifest(path, labels_needed=labels_needed)
        except UserError as error:
            told(error)
            return
        ids = [clip.track_id for clip in clips]
        assert ids == sorted(set(ids))
        assert all(Path(clip.path).is_absolute() and clip.track_id for clip in clips)
        assert not labels_needed or all(clip.label for clip in clips)

    def configurations(self, tree: Any) -> None:
        try:
            config = load(read_yaml(DEFAULTS), tree)
        except UserError as error:
            told(error)
            return
        for name in config.datasets:
            config.settings(name)

    def archives(self, kind: str, changes: Changes) -> None:
        path, target = self.folder / f"files.{kind}", self.folder / "target"
        path.write_bytes(changed(archive(kind), changes))
        names: list[str] | None = None
        try:
            names = unpack(path, target, wanted=lambda name: True)
        except UserError as error:
            told(error)
        assert {entry.name for entry in self.folder.iterdir()} <= {path.name, "target"}
        found = {
            str(file.relative_to(target)): file.read_bytes()
            for file in target.rglob("*")
            if file.is_file()
        }
        if names is not None:
            assert set(names) == set(found)
        # A bare tar has only a sum of each header's bytes, which may stay the same, and nowhere the
        # number of its files: a block less may put a header within the data of the file before.
        a_block_less = kind == "tar" and any(change == "delete" for change, *_ in changes)
        assert names is None or len(found) == len(FILES) or a_block_less
        if kind != "tar":
            assert found.items() <= FILES.items()
            assert names is None or found == FILES

    def models(self, changes: Changes) -> None:
        path = self.folder / "model.safetensors"
        weights = {"a.weight": np.arange(600, dtype=np.float32), "b": np.ones((2, 3))}
        write_model(path, weights, {"labels": ["rock", "blues"], "seed": 1})
        path.write_bytes(changed(path.read_bytes(), changes))
        try:
            tensors, description = read_model(path)
        except UserError as error:
            told(error)
            return
        assert description["format"] == "genreflow-model"
        assert all(isinstance(values, np.ndarray) for values in tensors.values())

    def checkpoints(self, changes: Changes) -> None:
        model, identity = self.folder / "model.safetensors", bytes(range(16))
        state = TrainingState([], 1, {"state": 1}, {"w": np.arange(50, dtype=np.float32)})
        Checkpoint(model, identity, interval=0).write(state)
        path = checkpoint_path(model)
        original = path.read_bytes()
        path.write_bytes(changed(original, changes))
        found = Checkpoint(model, identity).state
        assert (found is not None) == (path.read_bytes() == original)


def placed(tree: Any, way: list[int], value: Any) -> Any:
    """Return the tree with a value in another place of it, which the numbers lead to."""
    if not way or not isinstance(tree, dict | list) or not tree:
        return value
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[way[0] % len(keys)]
    inner = placed(tree[key], way[1:], value)
    if isinstance(tree, dict):
        return tree | {key: inner}
    return [inner if place == key else one for place, one in enumerate(tree)]


MANIFEST = "track_id,path,label,group,split\n" + "".join(
    f'{number},"{number}, a.wav",{label},{number},{split}\n'
    for number, (label, split) in enumerate(
        (label, split) for label in ("rock", "bl\xfces") for split in ("train", "valid", "test")
    )
)
ROWS = st.lists(st.lists(CELLS, max_size=6).map(",".join), max_size=5).map("\n".join)
TEXTS = st.one_of(
    st.binary(max_size=80),
    ROWS.map(lambda rows: f"track_id,path,label,group,split\n{rows}".encode()),
    st.builds(
        lambda rows, coding: f"track_id,path,label\n{rows}".encode(coding, "replace"),
        ROWS,
        st.sampled_from(("utf-16", "latin-1", "utf-8-sig", "utf-32", "cp1252")),
    ),
    CHANGES.map(lambda changes: changed(MANIFEST.encode(), changes)),
)
FULL = read_yaml(DEFAULTS)
TREES = st.one_of(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.builds(lambda way, value: placed(MINE, way, value), WAYS, VALUES),
    st.builds(lambda way, value: {**placed(FULL, way, value)}, WAYS, VALUES).filter(
        lambda tree: isinstance(tree, dict)
    ),
    st.builds(
        lambda way, value: {
            **MINE,
            "datasets": {
                "mine": {**MINE["datasets"]["mine"], "settings": placed(FULL, way, value)}
            },
        },
        WAYS,
        VALUES,
    ),
).filter(lambda tree: isinstance(tree, dict))
INPUTS: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "decoding": (st.sampled_from(SOUNDS), CHANGES),
    "manifests": (TEXTS, st.booleans()),
    "configurations": (TREES,),
    "archives": (st.sampled_from(ARCHIVES), CHANGES),
    "models": (CHANGES,),
    "checkpoints": (CHANGES,),
}


def fuzz(kind: str, *, number: int, begin: int | None = None) -> int:
    """Try a number of inputs, and return how many were tried."""
    tried = 0

    def attempt(values: tuple[Any, ...]) -> None:
        nonlocal tried
        tried += 1
        # A hang in a library ends the test with the place where it hangs.
        faulthandler.dump_traceback_later(HANGS, exit=True)
        try:
            # Not the fixture's: it would be one for all inputs.
            with tempfile.TemporaryDirectory() as folder:
                getattr(Fuzzed(Path(folder)), kind)(*values)
        finally:
            faulthandler.cancel_dump_traceback_later()

    test = given(st.tuples(*INPUTS[kind]))(attempt)
    # The explicit seed takes the place of the one that is derived from the function.
    test = settings(
        max_examples=number,
        derandomize=begin is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(test if begin is None else seed(begin)(test))
    test()
    return tried


@pytest.mark.parametrize("kind", INPUTS)
def test_damaged_and_random_input_is_read_or_refused(
    kind: str, record_property: Callable[[str, object], None]
) -> None:
    tried = fuzz(kind, number=TRIED)
    record_property(f"fuzzed {kind}", tried)
    assert tried >= TRIED // 2


def test_an_archive_of_zeros_is_refused(tmp_path: Path) -> None:
    need_safe_tar()
    (tmp_path / "a.zip").write_bytes(bytes(10240))
    with pytest.raises(UserError, match="it holds no files"):
        unpack(tmp_path / "a.zip", tmp_path / "target", wanted=lambda name: True)


def test_a_header_of_zeros_is_no_end_of_a_tar(tmp_path: Path) -> None:
    need_safe_tar()
    content = archive("tar")
    at = content.index(b"genres/b/2.wav")
    (tmp_path / "a.tar").write_bytes(content[:at] + bytes(512) + content[at + 512 :])
    with pytest.raises(UserError, match="something follows the archive's end"):
        unpack(tmp_path / "a.tar", tmp_path / "target", wanted=lambda name: True)
    assert not any(path.is_file() for path in (tmp_path / "target").rglob("*"))


@pytest.mark.parametrize("resampler", ["soxr_hq", "kaiser_fast"])
@pytest.mark.parametrize("rate", [2_000_000, 12_000_000, 779_316_836])
def test_a_sample_rate_that_no_music_has_is_refused(
    tmp_path: Path, rate: int, resampler: Resampler
) -> None:
    content = sound("au")
    (tmp_path / "a.au").write_bytes(content[:16] + rate.to_bytes(4, "big") + content[20:])
    decoded = decode(tmp_path / "a.au", seconds=1)
    assert decoded.sample_rate == rate
    with pytest.raises(UnusableClip, match=f"a sample rate of {rate} Hz"):
        prepare_clip(decoded, sample_rate=8000, length=8000, resampler=resampler)


@pytest.mark.parametrize("resampler", ["soxr_hq", "kaiser_fast"])
def test_less_than_a_sample_of_the_clip_is_refused(resampler: Resampler) -> None:
    decoded = Decoded(np.ones((10, 1), np.float32), 384_000, "libsndfile")
    with pytest.raises(UnusableClip, match="shorter than a sample"):
        prepare_clip(decoded, sample_rate=8000, length=8000, resampler=resampler)


def test_a_name_at_the_end_of_what_is_searched_of_an_mp3_is_no_header(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(80000) / 5), 8000, format="MP3")
    content = file.getvalue().replace(b"Xing", b"Info")
    for at in range(4090, 4110):
        (tmp_path / "a.mp3").write_bytes(content[:at] + b"Xing" + content[at + 4 :])
        assert decode(tmp_path / "a.mp3", seconds=1).sample_rate == 8000


@pytest.mark.long
@pytest.mark.parametrize("kind", INPUTS)
def test_so_it_is_with_thousands_of_others(
    kind: str, record_property: Callable[[str, object], None]
) -> None:
    record_property(f"fuzzed {kind}", fuzz(kind, number=TRIED_LONG, begin=1))

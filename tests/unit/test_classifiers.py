"""Classifiers as folders, music cut into clips, forests as arrays, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import genreflow
import numpy as np
import pytest
import soundfile
from genreflow import cli
from genreflow.classifiers.card import Evaluation, model_card
from genreflow.classifiers.classifier import Prediction
from genreflow.classifiers.folder import (
    CARD,
    DESCRIPTION,
    SUMS,
    describe,
    read_folder,
    write_folder,
)
from genreflow.errors import UserError
from genreflow.features.audio import cut_clips, decode, decode_clips, prepare_clip, resample
from genreflow.files.assignments import Assignment
from genreflow.jeong2016.forest import (
    Forest,
    forest_tensors,
    grow_forest,
    segment_probabilities,
)
from numpy.typing import NDArray

RATE = 22050
Signal = Callable[..., NDArray[np.float32]]


@pytest.mark.parametrize("classes", [[0, 1, 2], [0, 2, 3]])
def test_forest_as_arrays_has_the_bits_of_scikit_learn(classes: list[int]) -> None:
    rng = np.random.default_rng(1)
    segments = rng.standard_normal((30, 5, 6)).astype(np.float32)
    segments[:, :, 0] = rng.integers(0, 3, (30, 5))  # ties with the thresholds' neighbours
    labels = rng.choice(classes, 30)
    forest = grow_forest(segments, labels, trees=40, max_features="sqrt", seed=3, threads=1)
    tensors = forest_tensors(forest, classes=4)
    new = rng.standard_normal((50, 6)).astype(np.float32)
    new[:, 0] = rng.integers(0, 3, 50)
    expected = segment_probabilities(forest, new, classes=4)
    assert np.array_equal(Forest.from_tensors(tensors).segment_probabilities(new), expected)
    assert len(np.unique(expected)) > 20


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 44100), ("flac", 22050), ("m4a", 32000)])
def test_clips_of_a_long_file_are_the_parts_of_the_whole(
    make_signal: Signal, tmp_path: Path, suffix: str, rate: int
) -> None:
    seconds, length = 2.0, 2 * RATE
    samples = make_signal("noise", seconds=7.2, rate=rate)
    path = tmp_path / f"song.{suffix}"
    if suffix == "m4a":
        pytest.importorskip("shutil").which("ffmpeg") or pytest.skip("ffmpeg is not installed")
        soundfile.write(tmp_path / "song.wav", samples, rate)
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", "song.wav", path.name], cwd=tmp_path, check=True
        )
        whole = decode(path, seconds=60).samples[:, 0]
    else:
        soundfile.write(path, samples, rate, subtype="PCM_24")
        whole = soundfile.read(path, dtype="float32")[0]
    at_once = resample(whole, rate, RATE, resampler="soxr_hq")
    clips = list(decode_clips(path, seconds=seconds))
    prepared = [
        prepare_clip(clip, sample_rate=RATE, length=length, resampler="soxr_hq") for clip in clips
    ]
    assert len(prepared) == 4  # the rest of 1.2 s is more than half a clip
    for number, (clip, present) in enumerate(prepared):
        part = at_once[number * length : (number + 1) * length]
        assert present == pytest.approx(len(part), abs=2)
        heard = min(present, len(part))
        assert np.abs(clip[:heard] - part[:heard]).max() < 1e-4
        assert not clip[present:].any()
    first = prepare_clip(
        decode(path, seconds=seconds), sample_rate=RATE, length=length, resampler="soxr_hq"
    )
    assert np.array_equal(prepared[0][0], first[0])
    in_memory = cut_clips(whole[:, None], rate, seconds=seconds)
    for clip, other in zip(clips, in_memory, strict=True):
        assert np.array_equal(clip.samples, other.samples)
        assert clip.lead == other.lead


@pytest.mark.parametrize(
    ("seconds", "clips", "each"),
    [
        (0.7, 1, 2), (2.0, 1, 2), (2.9, 1, 2), (3.1, 2, 2), (4.9, 2, 2), (5.0, 3, 2),
        # Half a clip is more than the margin of a second, and less.
        (9.5, 2, 4), (10.5, 3, 4), (2.4, 2, 1), (2.6, 3, 1), (3.0, 3, 1),
    ],
)  # fmt: skip
def test_rest_of_less_than_half_a_clip_is_dropped(
    make_signal: Signal, tmp_path: Path, seconds: float, clips: int, each: float
) -> None:
    soundfile.write(tmp_path / "a.wav", make_signal("noise", seconds=seconds, rate=8000), 8000)
    assert len(list(decode_clips(tmp_path / "a.wav", seconds=each))) == clips
    samples = np.ones((round(seconds * 8000), 1), np.float32)
    assert len(list(cut_clips(samples, 8000, seconds=each))) == clips


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {DESCRIPTION: describe({"system": "SF"}), "sf.safetensors": b"abc", CARD: b"# SF"}
    write_folder(tmp_path / "SF", files)
    return tmp_path / "SF"


def test_folder_is_read_as_written_and_known_to_sha256sum(folder: Path) -> None:
    assert read_folder(folder)["system"] == "SF"
    result = subprocess.run(["sha256sum", "-c", SUMS], cwd=folder, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr


def test_new_card_leaves_the_weights_untouched(folder: Path) -> None:
    before = (folder / "sf.safetensors").stat()
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SUMS}
    write_folder(folder, {**files, CARD: b"# SF, better"})
    after = (folder / "sf.safetensors").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert (folder / CARD).read_bytes() == b"# SF, better"
    read_folder(folder)


def test_card_may_be_edited(folder: Path) -> None:
    (folder / CARD).write_text("my own words")
    read_folder(folder)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def add(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: flip(f / "sf.safetensors"), "damaged"),
        (lambda f: flip(f / DESCRIPTION), "damaged"),
        (lambda f: (f / "sf.safetensors").unlink(), "missing"),
        (lambda f: (f / SUMS).unlink(), "list of checksums"),
        (lambda f: add(f / SUMS, "00  ../../etc/passwd\n"), "list of checksums"),
        (lambda f: (f / DESCRIPTION).unlink(), "no classifier"),
    ],
    ids=["weights", "description", "missing", "no sums", "path in sums", "no description"],
)
def test_damaged_folder_is_refused(
    folder: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(folder)
    with pytest.raises(UserError, match=words):
        genreflow.load(folder)


def test_other_version_is_refused(folder: Path) -> None:
    content = json.loads((folder / DESCRIPTION).read_bytes())
    write_folder(folder, {DESCRIPTION: json.dumps({**content, "format_version": 2}).encode()})
    with pytest.raises(UserError, match="version 2"):
        genreflow.load(folder)


def test_card_has_counts_accuracies_and_leaks() -> None:
    import pandas as pd

    assignments = [
        Assignment(0, f"t{i}", "a|b" if i % 2 else "c", "valid" if i < 2 else "train")
        for i in range(8)
    ]
    clips = {"train": [f"t{i}" for i in range(2, 8)], "valid": ["t0", "t1"]}
    predictions = pd.DataFrame(
        {"seed": 0, "true": ["c"] * 40, "predicted": ["c"] * 30 + ["a|b"] * 10}
    )
    text = model_card(
        "MoEB",
        {"labels": ["a|b", "c"], "clips": clips, "seed": 3, "fold": 0},
        assignments,
        [Evaluation("random", predictions, "2 leaky test clips")],
        dataset="mine",
        partition="all",
        source="manifest",
    )
    assert "| a\\|b | 3 | 1 |" in text
    assert "| `random` | 0 | 75.0 % | 30/40 | 59.8 – 85.8 | 2 leaky test clips |" in text
    assert "none is left to test it" in text
    assert "APSIPA" in text
    assert "Not known to genreflow" in text
    assert not any(line != line.rstrip() for line in text.splitlines())
    without = model_card(
        "SF",
        {"labels": ["c"], "clips": clips, "seed": 3, "fold": 1},
        assignments,
        [],
        dataset="mine",
        partition="random",
        source="gtzan",
    )
    assert "**Not measured**" in without
    assert "fold 1, without its test clips" in without
    assert "without the rights" in without


def test_importing_the_package_loads_no_library() -> None:
    code = "import sys, genreflow; print(sorted({'numpy', 'torch', 'h5py'} & set(sys.modules)))"
    paths = [str(Path(genreflow.__file__).parents[1])]
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def test_music_is_found_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.wav", "sub/a.MP3", "notes.txt", "sub/c.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = list(cli.find_music([tmp_path / "sub" / "c.flac", tmp_path]))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "sub/c.flac",
        "b.wav",
        "sub/a.MP3",
    ]
    with pytest.raises(UserError, match="no such file"):
        list(cli.find_music([tmp_path / "nothing"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no audio"):
        list(cli.find_music([tmp_path / "empty"]))


def test_features_of_a_file_and_of_samples_agree(make_signal: Signal, tmp_path: Path) -> None:
    samples = make_signal("music", seconds=6)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    names = ["mfcc", "cepstral_modulation"]
    short = {"audio": {"clip_seconds": 6}}
    of_file = genreflow.extract(tmp_path / "a.wav", names, settings=short)
    of_samples = genreflow.extract(samples, names, sample_rate=RATE, settings=short)
    assert of_file["mfcc"].shape == (60, 259)
    assert of_file["cepstral_modulation"].dtype == np.float16
    for name in names:
        assert np.array_equal(of_file[name], of_samples[name])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"features": ["mel"]}, "unknown feature"),
        ({"features": ["mfcc"], "settings": {"mfcc": {"coefficients": 3}}}, "unknown key"),
        ({"features": ["mfcc"]}, "rate"),
    ],
)
def test_mistakes_in_extract_are_told(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        genreflow.extract(np.zeros(1000), **arguments)  # type: ignore[arg-type]


class Stub:
    """A classifier that knows files by their names."""

    def predict(self, path: Path, *, first: bool) -> Prediction:
        if path.name == "bad.wav":
            raise ValueError("no music")
        if path.name == "stop.wav":
            raise KeyboardInterrupt
        return Prediction("rock", {"pop": 0.25, "rock": 0.75}, segments=[])


@pytest.mark.parametrize(
    ("names", "status"), [(["a", "b"], 0), (["a", "bad", "b"], 3), (["a", "b", "stop", "c"], 130)]
)
def test_command_keeps_what_was_done(
    names: list[str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "load", lambda folder: Stub())
    files = [tmp_path / f"{name}.wav" for name in names]
    for file in files:
        file.touch()
    out = tmp_path / "out.csv"
    arguments = ["predict", str(tmp_path), *map(str, files), "--csv", str(out), "--jobs", "1"]
    assert cli.main(arguments) == status
    assert out.read_text().splitlines() == [
        "path,label,probability,probability_pop,probability_rock",
        *(f"{tmp_path}/{name}.wav,rock,0.750000,0.250000,0.750000" for name in ("a", "b")),
    ]
    said = capsys.readouterr().err
    assert ("bad.wav: left out: ValueError: no music" in said) == (status == 3)
    assert ("what was done is written" in said) == (status == 130)


def test_results_are_not_written_where_they_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.wav").touch()
    for out in (tmp_path, tmp_path / "nowhere" / "out.csv"):
        assert cli.main(["predict", "x", str(tmp_path / "a.wav"), "--csv", str(out)]) == 1
        assert "no file can be written here" in capsys.readouterr().err

"""A disk that is full or can't be written: a clear message, nothing half, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import genreflow
import numpy as np
import pandas as pd
import pytest
from genreflow import cli
from genreflow.collections import folder
from genreflow.collections.unpacking import unpack
from genreflow.errors import UserError
from genreflow.files.assignments import Assignment, write_assignments
from genreflow.files.atomic import check_folder, explain_fault, write_whole
from genreflow.files.layouts import Layout
from genreflow.files.models import write_model
from genreflow.files.predictions import write_predictions
from genreflow.files.store import FeatureWriter, write_arrays
from genreflow.files.tables import write_table
from genreflow.jobs.job import Job

SCRIPTS = Path(genreflow.__file__).parents[1]
RUN = "import sys; from genreflow.jobs.job import run; run(sys.argv[1], sys.argv[2:])"
OLD = b"what was there before"


def write_feature(path: Path, *, clips: int = 40) -> None:
    layout = Layout("stft", "stft", ("bin", "frame"), (16, 60), "float32", moments=True)
    with FeatureWriter(path, layout, parameters={}, sample_rate=1, hop=1) as out:
        for row in range(clips):
            out.append(f"clip {row}", np.random.default_rng(row).random(layout.shape))


def write_figure(path: Path) -> None:
    from genreflow.results.drawing import save_figure
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().plot([1, 2])
    save_figure(figure, [path])


VALUES = np.random.default_rng(0).random(5000)
TABLE = pd.DataFrame({"track_id": [f"clip {row}" for row in range(1000)]})
CLIPS = [Assignment(f"clip {row}", 0, "train", "rock") for row in range(1000)]
#: A writer of each format, of more than 4 KB.
WRITERS: dict[str, Callable[[Path], None]] = {
    "records": lambda path: write_assignments(CLIPS, path),
    "predictions": lambda path: write_predictions(TABLE, path),
    "table": lambda path: write_table(TABLE, path),
    "text": lambda path: write_whole(path, b"report" * 1000),
    "figure": write_figure,
    "arrays": lambda path: write_arrays(path, {"values": VALUES}),
    "texts": lambda path: write_arrays(path, {"track_id": np.array(["clip" * 50] * 99)}),
    "model": lambda path: write_model(path, {"weights": VALUES}, {"labels": ["rock"]}),
    "feature": write_feature,
    # Its values are in HDF5's memory until the file is closed.
    "feature of one clip": lambda path: write_feature(path, clips=1),
}


def unpack_beside(folder: Path) -> None:
    unpack(folder.with_suffix(".zip"), folder, wanted=lambda _: True)


def main(job: Job) -> None:
    """Write a format, as a script does, or unpack an archive."""
    {**WRITERS, "unpacked": unpack_beside}[job.settings](job.path("made"))


def run_job(kind: str, path: Path, log: Path, limit: int | None = None) -> str:
    """Return what a job said that can't write a file; no file of it may exceed ``limit`` bytes."""
    arguments = ["--params", json.dumps({"settings": kind}), "--log", str(log)]
    arguments += ["--written", "made", "--made", str(path)]

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", RUN, Path(__file__).stem, *arguments],
        env={
            **os.environ, "PYTHONPATH": f"{SCRIPTS}{os.pathsep}{Path(__file__).parent}",
            # Python 3.11 would keep half a file of bytecode, and then fail at every import of it.
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        preexec_fn=restrict, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return done.stderr


def assert_clear(said: str, words: str, place: Path) -> None:
    """The message says what is wrong, where and what to do, and nothing else is said."""
    assert f"Error: {words}" in said
    assert f"Where: {place}" in said
    assert "Hint: " in said
    assert "Traceback" not in said
    assert "report it" not in said
    assert "Logging error" not in said


@pytest.mark.parametrize(
    ("kind", "limit"), [*[(kind, 1000) for kind in WRITERS], ("feature", 0), ("arrays", 0)]
)
def test_file_that_has_no_room_is_not_begun_and_made_later(
    tmp_path: Path, kind: str, limit: int
) -> None:
    made = tmp_path / "out" / "made.png"
    made.parent.mkdir()
    made.write_bytes(OLD)
    said = run_job(kind, made, tmp_path / "job.log", limit)
    assert_clear(said, "the file is larger than the system allows", made)
    assert os.listdir(made.parent) == ["made.png"]
    assert made.read_bytes() == OLD
    WRITERS[kind](made)
    assert os.listdir(made.parent) == ["made.png"]
    assert len(made.read_bytes()) > 1000


def test_archive_that_has_no_room_is_unpacked_later(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    sizes = {"0.wav": 500, "1.wav": 5000, "2.wav": 500}
    with zipfile.ZipFile(clips.with_suffix(".zip"), "w") as archive:
        for name, size in sizes.items():
            archive.writestr(name, bytes(size))
    said = run_job("unpacked", clips, tmp_path / "job.log", 1000)
    archive_and_folder = Path(f"{clips}.zip, {clips}")
    assert_clear(said, "the file is larger than the system allows", archive_and_folder)
    # What is whole is kept.
    assert os.listdir(clips) == ["0.wav"]
    unpack_beside(clips)
    assert {path.name: path.stat().st_size for path in clips.iterdir()} == sizes


@pytest.fixture
def small_disk(mounted: Callable[..., Path]) -> Path:
    """A disk of 16 KB, full but for a page or two."""
    disk = mounted("disk")
    (disk / "other").write_bytes(bytes(8192))
    return disk


@pytest.mark.parametrize("kind", ["records", "model", "arrays", "feature"])
def test_full_disk_is_named_and_the_job_completes_once_there_is_room(
    small_disk: Path, kind: str
) -> None:
    made = small_disk / "made"
    # The log is on the full disk too.
    said = run_job(kind, made, small_disk / "job.log")
    assert_clear(said, "there is no room left on the disk", made)
    assert sorted(os.listdir(small_disk)) == ["job.log", "other"]
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    WRITERS[kind](made)
    assert len(made.read_bytes()) > 4096


def test_read_only_disk_is_named(small_disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for kind in ("records", "feature"):
        said = run_job(kind, small_disk / "made", tmp_path / "job.log")
        assert_clear(said, "the disk is read-only", small_disk)
    # The log is opened before anything else.
    said = run_job("text", tmp_path / "made", small_disk / "job.log")
    assert_clear(said, "the disk is read-only", small_disk)
    with pytest.raises(UserError, match="the disk is read-only"):
        check_folder(small_disk / "results")


@pytest.mark.parametrize("kind", ["records", "feature"])
def test_file_in_the_place_of_a_folder_is_named(tmp_path: Path, kind: str) -> None:
    results = tmp_path / "results"
    results.write_bytes(OLD)
    said = run_job(kind, results / "made", tmp_path / "job.log")
    assert_clear(said, "there is a file where a folder should be", results)
    assert results.read_bytes() == OLD
    said = run_job(kind, tmp_path / "made", results / "logs" / "job.log")
    assert_clear(said, "there is a file where a folder should be", results)


def test_results_that_can_not_be_written_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    check_folder(results)
    # The superuser may write anywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match="there is no permission") as caught:
        check_folder(results)
    assert f"Where: {results}" in str(caught.value)
    results.rmdir()
    results.write_bytes(OLD)
    with pytest.raises(UserError, match="there is a file where a folder should be"):
        check_folder(results)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your share of the disk is used up"),
        (PermissionError(errno.EACCES, "Permission denied"), "there is no permission"),
        (PermissionError(errno.EPERM, "Operation not permitted"), "there is no permission"),
        (OSError(errno.EIO, "Input/output error"), "the disk fails"),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), "a folder where a file should be"),
        (RuntimeError("Can't flush (file write failed: errno = 28, error message = ...)"), "room"),
        (ValueError("Error while serializing: I/O error: (os error 28)"), "no room"),
    ],
)
def test_faults_are_told_in_a_persons_words(error: Exception, expected: str) -> None:
    fault = explain_fault(error, [Path("results/a.csv"), Path("results/b.csv")])
    assert expected in str(fault)
    assert "Where: results/a.csv, results/b.csv" in str(fault)


def test_no_room_for_temporary_files_is_told_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile._os, "open", full)
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    fault = str(explain_fault(caught.value, [Path("results/a.csv")]))
    assert_clear(f"Error: {fault}", "temporary files can't be written anywhere", Path("['"))


@pytest.mark.parametrize(
    "error", [ValueError("28"), FileNotFoundError(errno.ENOENT, "x"), OSError()]
)
def test_other_errors_are_not_the_disks(error: Exception) -> None:
    assert explain_fault(error) is None


def test_command_line_tells_a_full_disk_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "predictions.csv")

    monkeypatch.setattr(cli, "_export", fail)
    arguments = ["export", "results/music", "--features", "mfcc", "--out", "predictions.csv"]
    assert cli.main(arguments) == 1
    said = capsys.readouterr().err
    assert_clear(said, "there is no room left on the disk", Path("predictions.csv"))


def test_users_manifest_is_whole_whatever_the_disk_does(small_disk: Path, tmp_path: Path) -> None:
    for label in ("jazz", "rock"):
        for number in range(2):
            (small_disk / label / f"{number}.wav").parent.mkdir(exist_ok=True)
            (small_disk / label / f"{number}.wav").touch()
    assert len(folder.folder_clips(small_disk, fallback=tmp_path / "x.csv", planning=True)) == 4
    manifest = small_disk / folder.MANIFEST
    before = manifest.read_bytes()
    for number in range(100):
        (small_disk / "rock" / f"a file with a long name {number}.wav").touch()
    with pytest.raises(UserError, match="No space left on device; it is as it was"):
        folder.append_new(small_disk, manifest)
    assert manifest.read_bytes() == before
    assert sorted(os.listdir(small_disk)) == [folder.MANIFEST, "jazz", "other", "rock"]
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert folder.append_new(small_disk, manifest) == 100

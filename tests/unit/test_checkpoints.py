"""Trainings that are killed and go on, and checkpoints that are not used."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from genreflow.errors import UserError
from genreflow.features.registry import FEATURES
from genreflow.files.checkpoints import Checkpoint, TrainingState, checkpoint_path, named
from genreflow.files.curves import EpochRecord
from genreflow.files.store import FeatureWriter
from genreflow.jobs import resuming
from genreflow.jobs.job import Job
from genreflow.jobs.progress import TrainingProgress
from genreflow.jobs.resuming import find_checkpoint

REPOSITORY = Path(__file__).resolve().parents[2]
#: After which epoch each of the runs of `killed_trainings` goes on, and the epochs in its log.
RUNS = [(0, [1]), (0, [1, 2, 3]), (2, [3, 4]), (3, [4, 5, 6]), (5, [6, 7]), (7, [])]


@pytest.fixture(
    scope="module",
    params=[
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
        ),
    ],
)
def trainings(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the folder of networks that were trained undisturbed and with kills."""
    folder = tmp_path_factory.mktemp("trainings")
    script = Path(__file__).with_name("killed_trainings.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), request.param],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow" / "scripts")},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("kind", ["sf", "series", "joint", "expert", "moec", "moer"])
def test_a_killed_training_gives_the_bytes_of_an_undisturbed_one(
    trainings: Path, kind: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("trainings killed", len(RUNS) - 1)
    whole, killed = trainings / kind / "whole", trainings / kind / "killed"
    for name in ("model.safetensors", "curve.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    logs = [(killed / f"{number}.log").read_text() for number in range(len(RUNS))]
    for text, (after, epochs) in zip(logs, RUNS, strict=True):
        found = re.findall(r"goes on after epoch (\d+), from (\S+)", text)
        assert [int(epoch) for epoch, _ in found] == ([after] if after else [])
        # The log is begun anew, and has its line an epoch.
        assert [int(e) for e in re.findall(r"epoch (\d+) of at most 7, loss", text)] == epochs
    # Nothing stays of the checkpoints, although a kill left half of one.
    assert {path.suffix for path in killed.iterdir()} == {".log", ".csv", ".safetensors"}


def state(epoch: int = 3) -> TrainingState:
    curve = [EpochRecord(e, 2 * e, 0.1, 1 / 3, 0.5, 1 / e, 0.25) for e in range(1, epoch + 1)]
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.array(7)}
    generator = np.random.default_rng(epoch).bit_generator.state
    return TrainingState(curve, epoch, generator, named("network", weights))


def written(folder: Path, identity: bytes = b"0" * 16) -> tuple[Path, Path]:
    """Write a checkpoint; return the path of its model and its own."""
    model = folder / "sf.safetensors"
    Checkpoint(model, identity).write(state())
    return model, checkpoint_path(model)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    model, path = written(tmp_path)
    assert path.name == ".sf.safetensors.checkpoint"
    checkpoint = Checkpoint(model, b"0" * 16)
    found = checkpoint.state
    assert found is not None
    assert checkpoint.epochs_done == 3
    assert (found.curve, found.best_epoch) == (state().curve, 3)
    assert found.generator == state().generator
    for name, values in state().part("network").items():
        np.testing.assert_array_equal(found.part("network")[name], values)
        assert found.part("network")[name].shape == values.shape


def test_a_checkpoint_that_is_not_whole_or_was_altered_is_told_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "genreflow")
    model, path = written(tmp_path)
    whole = path.read_bytes()
    damaged = [whole[:size] for size in (0, 10, 16, 32, len(whole) // 2, len(whole) - 1)]
    damaged += [whole + b"\0", whole[:512] + bytes(len(whole) - 512)]
    for place in range(len(whole)):
        altered = bytearray(whole)
        altered[place] ^= 1 << place % 8
        damaged.append(bytes(altered))
    for content in damaged:
        path.write_bytes(content)
        caplog.clear()
        assert Checkpoint(model, b"0" * 16).state is None
        assert caplog.messages == [f"the training begins anew: the checkpoint {path} is damaged"]
    assert len(damaged) > len(whole) > 500


def test_the_checkpoint_of_another_training_is_told_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "genreflow")
    model, _ = written(tmp_path)
    other = Checkpoint(model, b"1" * 16)
    assert other.state is None
    assert "is of other parameters, clips, code or packages" in caplog.text
    other.write(state(1))
    assert Checkpoint(model, b"1" * 16).epochs_done == 1
    assert Checkpoint(model, b"0" * 16).state is None


def test_a_checkpoint_that_can_t_be_read_or_written_stops_no_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "sf.safetensors"
    checkpoint_path(model).mkdir()
    checkpoint = Checkpoint(model, b"0" * 16, interval=0)
    assert checkpoint.due()
    for _ in range(2):
        checkpoint.write(state())
    assert caplog.text.count("no checkpoint can be written any more") == 2
    assert not checkpoint.due()
    assert [path.name for path in tmp_path.iterdir()] == [".sf.safetensors.checkpoint"]


@pytest.mark.parametrize(
    ("error", "stays"), [(None, False), (UserError("it diverged."), False), (MemoryError(), True)]
)
def test_a_checkpoint_stays_only_where_the_training_could_go_on(
    tmp_path: Path, error: Exception | None, stays: bool
) -> None:
    model, path = written(tmp_path)
    half = path.with_name(f".{path.name}.part")
    half.touch()
    with suppress(UserError, MemoryError), Checkpoint(model, b"0" * 16):
        if error:
            raise error
    assert path.exists() == stays
    assert half.exists() == stays


def test_short_epochs_are_not_all_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("genreflow.files.checkpoints.time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path / "sf.safetensors", b"0" * 16, interval=5)
    due = []
    for _ in range(12):
        now[0] += 2
        due.append(checkpoint.due())
        if due[-1]:
            checkpoint.write(state())
    assert due == [False, False, True] * 4


def write_cache(path: Path, level: float) -> None:
    layout = FEATURES["mel_original"].layout((2, 3))
    with FeatureWriter(path, layout, parameters={}, sample_rate=1, hop=1) as out:
        out.append("t0", np.full((2, 3), level))


def training_job(folder: Path, **changes: str) -> Job:
    words = {"seed": "0", "code": "abc", "inputs-mb": "100"} | changes
    params = {"code": words["code"], "wildcards": {"seed": words["seed"]}}
    return Job(
        ["--params", json.dumps(params), "--written", "model,curve",
         "--partition", str(folder / "p.csv"), "--inputs", str(folder / "mel.h5"),
         "--model", str(folder / "m.safetensors"), "--curve", str(folder / "c.csv"),
         "--inputs-mb", words["inputs-mb"]]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "used"),
    [
        (lambda folder: ({}, {}), True),
        # A job that is tried again gets more memory, and finds what is left of the last try.
        (lambda folder: ({"inputs-mb": "200"}, {}), True),
        (lambda folder: (folder / "c.csv").write_text("half") and ({}, {}), True),
        (lambda folder: ({"seed": "1"}, {}), False),
        (lambda folder: ({"code": "abd"}, {}), False),
        (lambda folder: ({}, {"device": "NVIDIA"}), False),
        (lambda folder: (folder / "p.csv").write_text("another") and ({}, {}), False),
        (lambda folder: write_cache(folder / "mel.h5", 2.0) or ({}, {}), False),
    ],
)
def test_a_training_is_known_by_its_parameters_clips_code_and_device(
    tmp_path: Path, change: Callable[[Path], tuple[dict[str, str], dict[str, str]]], used: bool
) -> None:
    (tmp_path / "p.csv").write_text("partition")
    write_cache(tmp_path / "mel.h5", 1.0)
    find_checkpoint(training_job(tmp_path)).write(state())
    settings, options = change(tmp_path)
    assert (find_checkpoint(training_job(tmp_path, **settings), **options).state is None) != used


def test_other_packages_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.csv").write_text("partition")
    write_cache(tmp_path / "mel.h5", 1.0)
    find_checkpoint(training_job(tmp_path)).write(state())
    monkeypatch.setattr(resuming, "version", lambda name: "99" if name == "torch" else "1")
    assert find_checkpoint(training_job(tmp_path)).state is None


def test_the_pace_is_that_of_this_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "genreflow")
    now = [100.0]
    monkeypatch.setattr("genreflow.jobs.progress.time.monotonic", lambda: now[0])
    going_on = TrainingProgress(epochs=50, before=40)
    now[0] += 20
    # 10 clips of the 41st epoch's 20 are done, so one clip takes two seconds.
    going_on.step(810, 1000, 0.5)
    assert "81 %, loss 0.5000, 0.5 clips/s, at most 6 min left" in caplog.text
    now[0] += 20
    going_on.epoch(state(41).curve[-1])
    assert "epoch 41 of at most 50" in caplog.text
    assert "40.0 s an epoch, at most 6 min left" in caplog.text

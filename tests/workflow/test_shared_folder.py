"""Several people or nodes on one results folder: one run at a time, and nothing left of a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness import (
    music_configuration,
    run_snakemake,
    snakemake_command,
    wait_for,
    write_music,
)

TARGET = "results/music/features/audio/000-of-001.h5"
#: In ffmpeg's place: holds up the job at the clip that libsndfile can't read.
FFMPEG = """#!/bin/sh
[ "$1" != -version ] || exec echo "ffmpeg version 7"
touch "{gate}.held"
until [ -e "{gate}" ]; do sleep 0.05; done
exit 1
"""


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that lets the held-up job go on once it is there."""
    gate, programs = tmp_path / "gate", tmp_path / "bin"
    programs.mkdir()
    (programs / "ffmpeg").write_text(FFMPEG.format(gate=gate))
    (programs / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return gate


def start(folder: Path, configuration: dict[str, object]) -> subprocess.Popen[bytes]:
    """Start a run in a session of its own, so that its jobs can be ended with it."""

    def listen() -> None:
        # In the background of a shell without job control, as a CI's, or under nohup, one would be
        # ignored.
        for kind in (signal.SIGINT, signal.SIGHUP):
            signal.signal(kind, signal.SIG_DFL)

    return subprocess.Popen(
        [*snakemake_command(folder, configuration), "--", TARGET],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=listen,
    )


def test_second_run_is_refused_and_a_killed_one_leaves_nothing(tmp_path: Path, gate: Path) -> None:
    write_music(tmp_path)
    configuration = music_configuration(shards=1)
    half_written = (tmp_path / TARGET).with_name(".000-of-001.h5.part")
    first = start(tmp_path, configuration)
    try:
        wait_for(half_written.exists, first)
        second = run_snakemake(tmp_path, configuration, "--", "results/tables.csv")
        assert second.status != 0
        assert f"process {first.pid} on " in second.output
        assert ": it is running" in second.output
        assert "--unlock" not in second.output
        assert "Traceback" not in second.output
        assert not (tmp_path / "results/music/partitions").exists()
        assert first.poll() is None
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert half_written.exists()

    # The lock of a killed run stays until somebody says that there is no run.
    gate.touch()
    refused = run_snakemake(tmp_path, configuration, "--", TARGET).output
    assert f"Error: the folder {tmp_path} is locked." in refused
    assert ": it was killed\n  Hint: when no run goes on, the same command with --unlock" in refused
    assert run_snakemake(tmp_path, configuration, "--unlock").status == 0
    again = run_snakemake(tmp_path, configuration, "--", TARGET)
    assert again.status == 0, again.output[-3000:]
    assert (tmp_path / TARGET).is_file()
    assert not list((tmp_path / "results").rglob("*.part"))
    assert not list((tmp_path / ".snakemake/genreflow_runs").iterdir())


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_ended_leaves_no_lock_and_no_half_file(
    tmp_path: Path, gate: Path, kind: signal.Signals
) -> None:
    write_music(tmp_path)
    configuration = music_configuration(shards=1)
    run = start(tmp_path, configuration)
    try:
        wait_for(gate.with_name("gate.held").exists, run)
        # As a terminal and a cluster send it.
        os.killpg(run.pid, kind)
        assert run.wait(60) == 1
    finally:
        gate.touch()
    assert not list((tmp_path / ".snakemake").glob("locks/*"))
    assert not list((tmp_path / ".snakemake/genreflow_runs").iterdir())
    # The job may end a moment later.
    for _ in range(200):
        if not (left := list((tmp_path / "results").rglob("*.part"))):
            break
        time.sleep(0.05)
    assert not left
    again = run_snakemake(tmp_path, configuration, "--", TARGET)
    assert again.status == 0, again.output[-3000:]


def test_runs_that_make_different_files_go_on_side_by_side(tmp_path: Path, gate: Path) -> None:
    write_music(tmp_path)
    configuration = music_configuration(shards=1)
    first = start(tmp_path, configuration)
    try:
        wait_for(lambda: list((tmp_path / ".snakemake/locks").glob("*.output.lock")), first)
        partition = "results/music/partitions/split.csv"
        second = run_snakemake(tmp_path, configuration, "--", partition)
        assert second.status == 0, second.output[-3000:]
        assert first.poll() is None
    finally:
        gate.touch()
        assert first.wait() == 0
    assert (tmp_path / TARGET).is_file()

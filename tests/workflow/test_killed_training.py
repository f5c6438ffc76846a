"""A run that is killed while networks are trained goes on where it was, by the real rules."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from harness import music_configuration, run_here, run_snakemake, snakemake_command

FOLD = Path("results/music/models/split/seed0/fold0")
NETWORKS = {"sf": "train_dnn", "mfcc": "train_expert"}
#: Read by every Python at its start.  In a training it lets any two looks at the clock be ten
#: seconds apart, so that a checkpoint of every epoch is written.  Each training waits after its
#: second epoch until both are there, and then kills the whole run.
KILLER = """
import itertools, logging, os, pathlib, signal, sys, time

if {"train_dnn", "train_expert"} & set(sys.orig_argv):
    clock, looks, emit = time.monotonic, itertools.count(), logging.FileHandler.emit

    def killing(self, record):
        emit(self, record)
        if record.getMessage().startswith("epoch 2 of"):
            folder = pathlib.Path("MODELS")
            end = clock() + 100  # if none is ever written, the run is killed all the same
            while len(list(folder.glob(".*.checkpoint"))) < 2 and clock() < end:
                time.sleep(0.02)
            os.killpg(os.getpgrp(), signal.SIGKILL)

    time.monotonic = lambda: clock() + 10 * next(looks)
    logging.FileHandler.emit = killing
"""


def test_trainings_of_a_killed_run_go_on_and_give_the_same_bytes(
    finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "music"
    shutil.copytree(finished, folder)
    results = [FOLD / name for n in NETWORKS for name in (f"{n}.safetensors", f"{n}_curve.csv")]
    for path in results:
        (folder / path).unlink()
    killer = tmp_path / "killer" / "sitecustomize.py"
    killer.parent.mkdir()
    killer.write_text(KILLER.replace("MODELS", str(FOLD)))
    configuration = music_configuration()
    target = ("--", *(str(FOLD / f"{network}.safetensors") for network in NETWORKS))
    killed = subprocess.run(
        [*snakemake_command(folder, configuration), *target],
        env={**os.environ, "PYTHONPATH": str(killer.parent)},
        capture_output=True, start_new_session=True, check=False, timeout=300,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-3000:]
    left = {f".{network}.safetensors.checkpoint" for network in NETWORKS}
    assert left <= {path.name for path in (folder / FOLD).iterdir()}
    assert not any((folder / path).exists() for path in results)

    assert run_here(folder, configuration, "--unlock").status == 0
    again = run_snakemake(folder, configuration, "--rerun-incomplete", *target)
    assert again.status == 0, again.output[-3000:]
    for network, rule in NETWORKS.items():
        log = folder / "results/logs" / rule / "music/split/seed0/fold0" / f"{network}.log"
        text = log.read_text()
        assert "goes on after epoch 1," in text
        assert re.findall(r"epoch (\d) of at most", text)[0] == "2"
    for path in results:
        assert (folder / path).read_bytes() == (finished / path).read_bytes()
    assert not left & {path.name for path in (folder / FOLD).iterdir()}

"""The real rules on a real Slurm, on nodes that fail, with jobs that are killed or requeued."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import local_slurm
import pytest
import yaml
from collection import CONFIGURATION, copy
from harness import REPOSITORY, merge, run_snakemake

pytestmark = pytest.mark.cluster

#: What this site needs beside profiles/slurm: a partition with GPUs, and no accounting to ask.
SITE = {
    "default-resources": {"slurm_partition": "cpu"},
    "set-resources": {"train_expert": {"slurm_partition": "gpu", "gpu": 1}},
    "slurm-status-command": "squeue",
}
#: Looking every two seconds suits a test; every 20 s suits a cluster.
OFTEN = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")

#: At the pace below no training ends within a time limit of one minute, which may come late.
EPOCHS = 150
LONG = merge(
    CONFIGURATION,
    {"dnn": {"epochs": EPOCHS, "patience": EPOCHS}, "expert": {"epochs": EPOCHS}},
)
#: Read by every Python at its start: a training takes a second more an epoch, unless it goes on
#: from a checkpoint.
PACE = """
import logging, sys, time

if {"train_dnn", "train_expert"} & set(sys.orig_argv):
    emit, pause = logging.FileHandler.emit, 1

    def emit_slowly(self, record):
        global pause
        emit(self, record)
        text = record.getMessage()
        if text.startswith("the training goes on"):
            pause = 0
        if text.startswith("epoch "):
            time.sleep(pause)

    logging.FileHandler.emit = emit_slowly
"""
FOLD = Path("music/split/seed0/fold0")
MODELS = Path("results/music/models/split/seed0/fold0")
SEGMENTS = "results/music/segments/split/seed0/fold0/sf.h5"


class Run:
    """A run of Snakemake on the cluster, watched while it goes on."""

    def __init__(
        self, folder: Path, configuration: dict[str, object], *arguments: str, **variables: str
    ) -> None:
        (folder / "my.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        (folder / "site").mkdir(exist_ok=True)
        (folder / "site" / "config.yaml").write_text(yaml.safe_dump(SITE), encoding="utf-8")
        self.log = folder / f"snakemake{len(list(folder.glob('snakemake*.txt')))}.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"),
                 "--profile", "site", "--workflow-profile", str(REPOSITORY / "profiles/slurm"),
                 "--configfile", "my.yaml", *OFTEN, *arguments],
                stdout=log, stderr=subprocess.STDOUT, cwd=folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables},
            )  # fmt: skip

    def output(self) -> str:
        """Return what Snakemake has said so far."""
        return self.log.read_text(errors="replace")

    def first(self, wanted: Callable[[dict[str, str]], bool], *, what: str) -> dict[str, str]:
        """Wait for a job that is as it is wanted, and return it."""
        end = time.monotonic() + 600
        while self.process.poll() is None and time.monotonic() < end:
            for job in local_slurm.jobs().values():
                if wanted(job):
                    return job
            time.sleep(0.2)
        raise AssertionError(f"no job that is {what}:\n{self.output()[-6000:]}")

    def tries(self, rule: str) -> list[dict[str, str]]:
        """Return this run's jobs of a rule, the first one first."""
        own = (job for job in self.jobs.values() if job["JobName"] == self.hit["JobName"])
        return [job for job in own if job["Comment"].startswith(f"rule_{rule}")]

    def finish(self) -> int:
        """Return the exit status at the end."""
        return self.process.wait(timeout=1500)

    def stop(self) -> None:
        """End the run if it goes on."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=120)


@pytest.fixture(scope="module")
def disturbed(slurm: None, music: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A finished run during which a node failed and a job was cancelled; with both jobs."""
    folder = copy(music, tmp_path_factory.mktemp("on nodes, it's shared"))
    run = Run(folder, CONFIGURATION, "--", "results/tables.csv")
    try:
        run.hit = run.first(
            lambda job: is_running(job, "mel_compute") and job["Partition"] == "cpu",
            what="a running group of mel features",
        )
        local_slurm.kill_node(run.hit["NodeList"])
        run.cancelled = run.first(
            lambda job: is_running(job, "train_dnn"), what="a running training"
        )
        local_slurm.run("scancel", run.cancelled["JobId"])
        run.status = run.finish()
        run.jobs = local_slurm.jobs()
        yield run
    finally:
        run.stop()


def is_running(job: dict[str, str], name: str) -> bool:
    return job["JobState"] == "RUNNING" and job.get("Comment", "").startswith(f"rule_{name}")


def test_tables_are_those_of_one_machine(disturbed: Run, local: Path) -> None:
    assert disturbed.status == 0, disturbed.output()[-6000:]
    results = Path("results/tables.csv")
    assert (disturbed.log.parent / results).read_bytes() == (local / results).read_bytes()


def test_jobs_ran_on_several_nodes(disturbed: Run) -> None:
    nodes = {job["NodeList"] for job in disturbed.jobs.values()}
    assert {"n1", "n2", "n3"} <= nodes
    # A group is one job; here each of four shards has one of every kind.
    comments = [job["Comment"] for job in disturbed.jobs.values()]
    groups = [f"rule_{group}_compute" for group in ("audio", "cepstrum", "mel")]
    assert [sum(comment.startswith(group) for comment in comments) for group in groups] == [4] * 3


def test_the_failed_node_s_job_was_run_again_on_another(disturbed: Run) -> None:
    again = disturbed.jobs[disturbed.hit["JobId"]]
    assert again["JobState"] == "COMPLETED"
    assert int(again["Restarts"]) >= 1
    assert again["NodeList"] != disturbed.hit["NodeList"]


def test_the_cancelled_job_was_tried_again_with_twice_the_memory_and_time(disturbed: Run) -> None:
    number, comment = disturbed.cancelled["JobId"], disturbed.cancelled["Comment"]
    assert f"SLURM-job '{number}' failed, SLURM status is: 'CANCELLED'" in disturbed.output()
    assert "The cluster killed" not in disturbed.output()  # that is another matter
    tries = [job for job in disturbed.jobs.values() if job.get("Comment") == comment]
    assert [job["JobState"] for job in tries] == ["CANCELLED", "COMPLETED"]
    first, second = (int(job["MinMemoryNode"].removesuffix("M")) for job in tries)
    assert second == 2 * first > 2000
    assert [job["TimeLimit"] for job in tries] == ["08:00:00", "16:00:00"]


def test_the_site_s_profile_gives_partition_and_gpu(disturbed: Run) -> None:
    partitions = {job["Comment"]: job["Partition"] for job in disturbed.jobs.values()}
    (training,) = [comment for comment in partitions if comment.startswith("rule_train_expert")]
    assert partitions.pop(training) == "gpu"
    assert set(partitions.values()) == {"cpu"}
    job = next(job for job in disturbed.jobs.values() if job["Comment"] == training)
    assert "gres:gpu:1" in job["TresPerJob"]


def test_small_jobs_are_not_submitted(disturbed: Run) -> None:
    assert "localrule make_partition:" in disturbed.output()
    assert not any("make_partition" in job["Comment"] for job in disturbed.jobs.values())


def test_slurm_s_logs_of_failed_jobs_are_kept_with_the_others(disturbed: Run) -> None:
    logs = disturbed.log.parent / "results/logs/slurm"
    assert [path.stem for path in logs.rglob("*.log")] == [disturbed.cancelled["JobId"]]
    assert (disturbed.log.parent / "results/logs/train_dnn").is_dir()


@pytest.fixture(scope="module")
def undisturbed(local: Path) -> Path:
    """This machine's folder, with two long trainings that nothing interrupted."""
    target = (str(MODELS / f"{network}.safetensors") for network in ("sf", "mfcc"))
    outcome = run_snakemake(local, LONG, "--", *target)
    assert outcome.status == 0, outcome.output[-6000:]
    return local


@pytest.fixture(scope="module")
def interrupted(disturbed: Run) -> Iterator[Run]:
    """A finished run: a training was requeued, another had a minute, a third job no memory."""
    folder = disturbed.log.parent
    (folder / "pace").mkdir()
    (folder / "pace" / "sitecustomize.py").write_text(PACE)
    run = Run(
        folder, LONG, "--retries", "1", "--set-resources", "aggregate_segments:mem_mb=40",
        "train_expert:runtime=1", "train_expert:slurm_partition=gpu", "--",
        SEGMENTS, str(MODELS / "mfcc.safetensors"), PYTHONPATH=str(folder / "pace"),
    )  # fmt: skip
    try:
        run.hit = run.first(
            lambda job: (
                is_running(job, "train_dnn")
                and (folder / MODELS / ".sf.safetensors.checkpoint").exists()
            ),
            what="a training with a checkpoint",
        )
        local_slurm.run("scontrol", "requeue", run.hit["JobId"])
        run.status = run.finish()
        run.jobs = local_slurm.jobs()
        yield run
    finally:
        run.stop()


def check_went_on(interrupted: Run, undisturbed: Path, rule: str, network: str) -> None:
    """Fail unless a training went on from an epoch and gave what an undisturbed one gives."""
    folder = interrupted.log.parent
    text = (folder / "results/logs" / rule / FOLD / f"{network}.log").read_text()
    (done,) = re.findall(r"the training goes on after epoch (\d+),", text)
    trained = re.findall(r"epoch (\d+) of at most", text)
    assert trained == [str(epoch) for epoch in range(int(done) + 1, EPOCHS + 1)]
    for name in (f"{network}.safetensors", f"{network}_curve.csv"):
        assert (folder / MODELS / name).read_bytes() == (undisturbed / MODELS / name).read_bytes()
    assert not (folder / MODELS / f".{network}.safetensors.checkpoint").exists()


def test_a_requeued_training_goes_on(interrupted: Run, undisturbed: Path) -> None:
    check_went_on(interrupted, undisturbed, "train_dnn", "sf")
    (job,) = interrupted.tries("train_dnn")
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")


def test_a_training_that_is_out_of_time_goes_on(interrupted: Run, undisturbed: Path) -> None:
    check_went_on(interrupted, undisturbed, "train_expert", "mfcc")
    jobs = interrupted.tries("train_expert")
    assert [job["JobState"] for job in jobs] == ["TIMEOUT", "COMPLETED"]
    assert [job["TimeLimit"] for job in jobs] == ["00:01:00"] * 2
    number = jobs[0]["JobId"]
    assert f"SLURM-job '{number}' failed, SLURM status is: 'TIMEOUT'" in interrupted.output()


def test_a_job_killed_for_memory_or_time_is_told_plainly(interrupted: Run) -> None:
    assert interrupted.status == 1
    message = interrupted.output().partition("The cluster killed")[2]
    killed = re.findall(r"(memory|time): results/logs/slurm/rule_(\w+)/\S+\.log\n", message)
    attempts = [("memory", "aggregate_segments")] * 2
    assert sorted(killed) == [*attempts, ("time", "train_expert")]
    assert "--set-resources RULE:mem_mb=... or RULE:runtime=..." in message

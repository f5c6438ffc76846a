"""The real rules on a real Slurm, on nodes that fail and with jobs that are killed."""

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
from harness import REPOSITORY, merge

pytestmark = pytest.mark.cluster

#: What this site needs beside profiles/slurm: a partition with GPUs, and no accounting to ask.
SITE = {
    "default-resources": {"slurm_partition": "cpu"},
    "set-resources": {"train_expert": {"slurm_partition": "gpu", "gpu": 1}},
    "slurm-status-command": "squeue",
}
#: Looking every two seconds suits a test; every 20 s suits a cluster.
OFTEN = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")


class Run:
    """A run of Snakemake on the cluster, watched while it goes on."""

    def __init__(self, folder: Path, configuration: dict[str, object], *arguments: str) -> None:
        (folder / "my.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        (folder / "site").mkdir(exist_ok=True)
        (folder / "site" / "config.yaml").write_text(yaml.safe_dump(SITE), encoding="utf-8")
        self.log = folder / "snakemake.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"),
                 "--profile", "site", "--workflow-profile", str(REPOSITORY / "profiles/slurm"),
                 "--configfile", "my.yaml", *OFTEN, *arguments],
                stdout=log, stderr=subprocess.STDOUT, cwd=folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
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
    tries = [job for job in disturbed.jobs.values() if job.get("Comment") == comment]
    assert [job["JobState"] for job in tries] == ["CANCELLED", "COMPLETED"]
    assert [job["MinMemoryNode"] for job in tries] == ["10000M", "20000M"]
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


def test_a_job_killed_for_memory_or_time_is_told_plainly(
    slurm: None, disturbed: Run, music: Path
) -> None:
    assert "The cluster killed" not in disturbed.output()  # a cancelled job is another matter
    folder = disturbed.log.parent
    # Memory for no Python; and a training that takes more than its minute.
    endless = merge(CONFIGURATION, {"expert": {"epochs": 100_000, "learning_rate": 1e-9}})
    models = "results/music/models/split/seed0/fold0"
    run = Run(
        folder, endless, "--retries", "0", "--forcerun", "aggregate_segments",
        "--set-resources", "aggregate_segments:mem_mb=40", "train_expert:runtime=1",
        "train_expert:slurm_partition=gpu", "--",
        "results/music/segments/split/seed0/fold0/sf.h5", f"{models}/mfcc.safetensors",
    )  # fmt: skip
    try:
        assert run.finish() == 1
    finally:
        run.stop()
    message = run.output()[run.output().index("The cluster killed") :]
    assert re.search(r"memory: results/logs/slurm/rule_aggregate_segments/\S+\.log\n", message)
    assert re.search(r"time: results/logs/slurm/rule_train_expert/\S+\.log\n", message)
    assert "--set-resources RULE:mem_mb=... or RULE:runtime=..." in message

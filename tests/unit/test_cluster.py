"""What is told of jobs that a cluster killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from genreflow.jobs.cluster import describe_killed_jobs

#: Lines as the systems write them, and what they are about.
LINES = {
    "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been "
    "OOM Killed.": "memory",
    "slurmstepd: error: Detected 1 oom-kill event(s) in step 7.batch cgroup.": "memory",
    "slurmstepd-n1: error: StepId=7.batch exceeded memory limit (89280512 > 83886080), being "
    "killed": "memory",
    "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT "
    "***": "time",
    "=>> PBS: job killed: mem 1205160kb exceeded limit 1048576kb": "memory",
    "=>> PBS: job killed: walltime 3661 exceeded limit 3600": "time",
}


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("line", "reason"), LINES.items())
def test_the_reason_and_the_log_are_named(tmp_path: Path, line: str, reason: str) -> None:
    write(tmp_path / "rule_train_expert" / "music_split", "7.log", f"before\n{line}\nafter\n")
    message = describe_killed_jobs(["7"], tmp_path)
    assert f"{reason}: {tmp_path}/rule_train_expert/music_split/7.log" in message
    assert line in message
    assert f"RULE:{ {'memory': 'mem_mb', 'time': 'runtime'}[reason] }=..." in message


def test_both_reasons_are_asked_for_differently(tmp_path: Path) -> None:
    memory, *_, time = LINES
    write(tmp_path / "slurm", "7.log", memory)
    write(tmp_path / "cluster", "8.server.OU", time)
    message = describe_killed_jobs(["7", "8.server"], tmp_path / "slurm", tmp_path / "cluster")
    assert "RULE:mem_mb=... or RULE:runtime=..." in message
    assert message.index("7.log") < message.index("8.server.OU")


def test_other_failures_and_other_jobs_are_no_matter_of_limits(tmp_path: Path) -> None:
    write(tmp_path, "7.log", "*** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***\n")
    write(tmp_path, "77.log", next(iter(LINES)))
    assert describe_killed_jobs(["7"], tmp_path) == ""
    assert describe_killed_jobs(["9"], tmp_path / "missing") == ""

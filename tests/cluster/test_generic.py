"""The real rules through the generic executor, on a stand-in for PBS: its three commands.

There is no PBS to install from Debian.  The stand-in runs jobs on this machine and answers as PBS
does; that the commands fit a real one is not tested.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from collection import CONFIGURATION, copy
from harness import REPOSITORY

pytestmark = pytest.mark.cluster

PROFILE = REPOSITORY / "profiles" / "generic"
#: $PBS holds a line for each submission, and a file with the exit status of each job that is over.
COMMANDS = {
    "qsub": """
        id=$(($(wc -l < "$PBS/submitted") + 1)).server
        echo "$@" >> "$PBS/submitted"
        while [ $# -gt 1 ]; do [ "$1" = -o ] && folder=$2; shift; done
        (setsid sh "$1" > "$folder/$id.OU" 2>&1; echo $? > "$PBS/$id") > /dev/null 2>&1 &
        echo "$id"
    """,
    "qstat": """
        [ "$1 $2" = "-x -f" ] || exit 2
        echo "Job Id: $3"
        if [ -e "$PBS/$3" ]; then
          printf '    job_state = F\\n    Exit_status = %s\\n' "$(cat "$PBS/$3")"
        else
          echo "    job_state = R"
        fi
    """,
    "qdel": "exit 0",
}


@pytest.fixture
def pbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in's commands first on the path; return its folder."""
    folder = tmp_path / "pbs"
    folder.mkdir()
    (folder / "submitted").touch()
    for name, text in COMMANDS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PBS", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def status(job: str) -> subprocess.CompletedProcess[str]:
    """Ask the profile's script after a job."""
    script = str(PROFILE / "status.sh")
    return subprocess.run([script, job], capture_output=True, text=True, check=False)


def test_jobs_run_through_the_commands_of_the_profile(
    pbs: Path, music: Path, tmp_path: Path
) -> None:
    folder = copy(music, tmp_path)
    # One shard's file is all it takes to see that a group goes through.
    (folder / "my.yaml").write_text(yaml.safe_dump(CONFIGURATION), encoding="utf-8")
    target = "results/music/features/mel_original/000-of-004.h5"
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"),
        "--workflow-profile", str(PROFILE), "--configfile", "my.yaml",
        "--seconds-between-status-checks", "1", "--latency-wait", "10", "--", target,
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
    assert (folder / target).is_file()
    first, second = (pbs / "submitted").read_text().splitlines()
    # The chain of three jobs, and one more: megabytes of the largest, minutes of all.
    assert "-l select=1:ncpus=1:mem=1000mb -l walltime=7800 " in first
    assert "-l select=1:ncpus=1:mem=1000mb -l walltime=3600 " in second
    logs = sorted(path.name for path in (folder / "results/logs/cluster").iterdir())
    assert logs == ["1.server.OU", "2.server.OU"]


def test_a_finished_job_is_judged_by_its_exit_status(pbs: Path) -> None:
    for number, told in (("0", "success"), ("1", "failed"), ("271", "failed"), ("-29", "failed")):
        (pbs / "7.server").write_text(number)
        assert status("7.server").stdout == f"{told}\n", number
    assert status("8.server").stdout == "running\n"


def test_a_server_without_history_is_told_plainly(pbs: Path) -> None:
    (pbs / "qstat").write_text("#!/bin/sh\necho 'qstat: Unknown Job Id 7' >&2\nexit 153\n")
    result = status("7")
    assert result.returncode == 1
    assert "job_history_enable" in result.stderr


def test_a_server_that_does_not_answer_is_waited_for(pbs: Path) -> None:
    (pbs / "qstat").write_text("#!/bin/sh\necho 'Connection refused' >&2\nexit 111\n")
    assert status("7").stdout == "running\n"

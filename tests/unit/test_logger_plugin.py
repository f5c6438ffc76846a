"""What a run says on the terminal with ``--logger genreflow``."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import genreflow.jobs.job
import pytest
import snakemake_logger_plugin_genreflow as plugin
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

RUN_SCRIPT = Path(genreflow.__file__).parents[2] / "run_script.py"


class Terminal:
    """A handler with records of Snakemake to write, and what it wrote."""

    def __init__(self, **settings: object) -> None:
        given = {"nocolor": True, "quiet": None, "debug_dag": False, "verbose": False,
                 "show_failed_logs": False, "stdout": False, "dryrun": False,
                 "printshellcmds": False}  # fmt: skip
        self.handler = plugin.LogHandler(SimpleNamespace(**(given | settings)), None)
        self.handler._terminal.setStream(stream := io.StringIO())
        self._stream = stream

    def tell(self, event: LogEvent | None = None, message: str = "", **values: object) -> None:
        record = logging.LogRecord("snakemake", logging.INFO, "", 0, message, None, None)
        vars(record).update(values | ({"event": event} if event else {}))
        self.handler.handle(record)

    def start(self, jobid: int, rule: str, log: Path | str) -> None:
        nothing = {"input": [], "output": [], "benchmark": None, "reason": "", "wildcards": {},
                   "priority": 0, "threads": 1, "resources": {}, "rule_msg": None,
                   "local": False, "is_checkpoint": False}  # fmt: skip
        self.tell(
            LogEvent.JOB_INFO, "block", jobid=jobid, rule_name=rule, log=[str(log)], **nothing
        )

    def finish(self, jobid: int) -> None:
        self.tell(LogEvent.JOB_FINISHED, f"Finished jobid: {jobid}", job_id=jobid)

    def fail(self, jobid: int, rule: str, log: Path) -> None:
        self.tell(
            LogEvent.JOB_ERROR, "block", jobid=jobid, rule_name=rule, log=[str(log)],
            aux={"external_jobid": 77},
        )  # fmt: skip

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without results, and what the handler sets taken back."""
    monkeypatch.setenv(plugin.LINE_A_JOB, "")
    monkeypatch.chdir(tmp_path)


def log(folder: Path, name: str, text: str) -> Path:
    path = folder / "results" / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_snakemake_finds_it_by_its_name() -> None:
    assert LoggerPluginRegistry().get_plugin("genreflow").log_handler is plugin.LogHandler


def test_a_finished_job_has_one_line_with_what_it_came_to(tmp_path: Path) -> None:
    terminal = Terminal()
    terminal.tell(LogEvent.RUN_INFO, "table", stats={"a": 2, "b": 1, "total": 3})
    path = log(tmp_path, "a/music/TF", "D T 84/100 right\nD T done in 3.1 s: 84/100 right\n")
    terminal.start(1, "a", path)
    terminal.tell(message="Select jobs to execute...")
    terminal.tell(message="something else")
    terminal.finish(1)
    terminal.start(2, "a", log(tmp_path, "a/music/SF", "D T done in 3.1 s: \n"))
    terminal.finish(2)
    assert terminal.lines == [
        "3 jobs of 2 rules to run",
        "something else",
        "[1 of 3] a/music/TF: 84/100 right, 0 s",
        "[2 of 3] a/music/SF, 0 s",
    ]


def test_time_left_is_that_of_the_work_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(plugin.time, "monotonic", lambda: clock.now)
    # Of `train` it is known what it took before: 600 s a job on average.
    for name, seconds in (("x", 900), ("y", 300)):
        path = tmp_path / "results" / "benchmarks" / "train" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tcpu_time\n{seconds}\t1.0\n")
    terminal = Terminal()
    terminal.tell(LogEvent.RUN_INFO, stats={"short": 3, "train": 2, "total": 5})
    terminal.start(1, "short", "no log")
    clock.now = 10.0
    terminal.finish(1)
    # Two short ones of 10 s and two long ones, one at a time.
    assert terminal.lines[-1] == "[1 of 5, about 20 min left] short, 10 s"
    for jobid in (2, 3):
        terminal.start(jobid, "train", "no log")
    clock.now = 410.0
    terminal.start(4, "short", "no log")
    clock.now = 420.0
    terminal.finish(4)
    # 10 s, and of both long ones 190 s, two of them at a time: 840 job seconds in 420 s.
    assert terminal.lines[-1] == "[2 of 5, about 3 min left] short, 10 s"


def test_what_no_job_has_shown_yet_makes_it_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(plugin.time, "monotonic", lambda: clock.now)
    terminal = Terminal()
    terminal.tell(LogEvent.RUN_INFO, stats={"a": 3, "unknown": 1})
    terminal.start(1, "a", "no log")
    clock.now = 120.0
    terminal.finish(1)
    assert terminal.lines[-1] == "[1 of 4, over 4 min left] a, 2 min"


def test_failed_jobs_are_named_once_at_the_end_with_their_reasons(tmp_path: Path) -> None:
    terminal = Terminal()
    path = log(tmp_path, "a/music", "D T reading\nD T Error: no clips\n  Where: here\n")
    for _ in range(2):  # Snakemake names a job again at the end
        terminal.start(1, "a", path)
        terminal.fail(1, "a", path)
    terminal.start(2, "b", killed := log(tmp_path, "b/music", ""))
    terminal.fail(2, "b", killed)
    terminal.start(3, "c", again := log(tmp_path, "c/music", "D T Error: once\n"))
    terminal.fail(3, "c", again)
    terminal.start(3, "c", again)
    terminal.finish(3)
    terminal.handler.close()
    end = terminal.lines.index("Failed, 2 in all:")
    assert terminal.lines[:3] == [
        f"failed: {name}/music; the reason is given at the end" for name in "abc"
    ]
    assert terminal.lines[end + 1 :] == [
        "a/music:", "    Error: no clips", "      Where: here", f"    log: {path}",
        "    external_jobid: 77",
        "b/music:", "    it left no word in its log: it was killed, or could not begin",
        f"    log: {killed}", "    external_jobid: 77",
    ]  # fmt: skip


def test_an_interrupted_job_has_no_traceback(tmp_path: Path) -> None:
    path = log(
        tmp_path, "a", "D T at the end\nTraceback (most recent call last):\nKeyboardInterrupt\n"
    )
    assert plugin.reason([str(path)]) == ["it was interrupted; the same command goes on"]


@pytest.mark.parametrize("settings", [{"dryrun": True}, {"verbose": True}])
def test_dry_and_verbose_runs_have_the_jobs_blocks(settings: dict[str, bool]) -> None:
    terminal = Terminal(**settings)
    terminal.start(1, "a", "results/logs/a.log")
    assert "rule a:" in terminal.lines
    assert os.environ[plugin.LINE_A_JOB] == ""


def test_quiet_all_is_silent(tmp_path: Path) -> None:
    quiet = plugin.Quietness.ALL
    terminal = Terminal(quiet={quiet})
    terminal.start(1, "a", path := log(tmp_path, "a", ""))
    terminal.fail(1, "a", path)
    terminal.handler.close()
    assert terminal.lines == []


def test_scripts_leave_what_they_came_to_to_the_line_of_their_job(tmp_path: Path) -> None:
    assert plugin.LINE_A_JOB == genreflow.jobs.job.LINE_A_JOB
    (tmp_path / "clips.csv").write_text("track_id,path,label,group,split\n")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "count.py").write_text(
        "from genreflow.jobs.job import log\n"
        "def main(job):\n"
        "    log.info('half', extra={'progress': True})\n"
        "    log.warning('odd')\n"
        "    log.info('7 % of 100 clips')\n"
    )
    path = log(tmp_path, "count/my%music", "")
    paths = os.pathsep.join([str(tmp_path / "scripts"), os.environ.get("PYTHONPATH", "")])
    shown = {}
    for value in ("", "1"):
        result = subprocess.run(
            [sys.executable, RUN_SCRIPT, "count", "--log", path],
            env=os.environ | {"PYTHONPATH": paths, plugin.LINE_A_JOB: value},
            capture_output=True,
            text=True,
            check=True,
        )
        shown[value] = result.stderr.splitlines()
        assert plugin.result([str(path)]) == "7 % of 100 clips"
    assert shown[""] == [f"[count/my%music] {said}" for said in ("half", "odd", "7 % of 100 clips")]
    assert shown["1"] == shown[""][:2]

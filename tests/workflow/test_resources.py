"""What jobs ask for grows with each attempt, and Snakemake begins as many as there is room for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import SMALL_DEMO, music_configuration, run_here, run_snakemake, write_music
from snakemake.scheduling.job_scheduler import JobScheduler


def asked(folder: Path, attempt: int) -> dict[str, tuple[int, int]]:
    """Return what every job asks for at an attempt: megabytes and minutes."""
    outcome = run_snakemake(
        folder, music_configuration(), "-n", "--attempt", str(attempt), "--", "results/report.html"
    )
    assert outcome.status == 0, outcome.output[-3000:]
    found = {}
    for block in re.split(r"^(?=(?:local)?rule )", outcome.output, flags=re.MULTILINE):
        output = re.search(r"^ +output: (.*)$", block, re.MULTILINE)
        memory, minutes = (re.search(rf"\b{name}=(\d+)", block) for name in ("mem_mb", "runtime"))
        if output:
            assert memory, block
            assert minutes, block
            found[output[1]] = int(memory[1]), int(minutes[1])
    return found


def test_memory_and_time_grow_with_the_attempt(tmp_path: Path) -> None:
    write_music(tmp_path)
    first, third = asked(tmp_path, 1), asked(tmp_path, 3)
    assert len(first) > 50
    assert third == {job: (3 * memory, 3 * time) for job, (memory, time) in first.items()}


def test_a_finished_run_is_not_run_again_for_its_resources(finished: Path) -> None:
    outcome = run_snakemake(
        finished, music_configuration(), "-n", "--attempt", "3", "--", "results/tables.csv"
    )
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]


@pytest.mark.parametrize(
    ("asked_for", "timers"), [((), False), (("--max-jobs-per-timespan", "50/1s"), True)]
)
def test_the_scheduler_sets_timers_only_for_a_limit_that_is_asked_for(
    asked_for: tuple[str, ...], timers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each would have it look for jobs again, which is costly (rules/start_of_run.smk).
    delays: list[float] = []
    monkeypatch.setattr(
        JobScheduler, "_schedule_reevalutation", lambda _, delay: delays.append(delay)
    )
    outcome = run_here(
        tmp_path, {"datasets": SMALL_DEMO, "experiments": []},
        *asked_for, "--", "results/run_config.yaml",
    )  # fmt: skip
    assert outcome.status == 0, outcome.output[-3000:]
    assert bool(delays) == timers

"""Jobs that a cluster has killed for their memory or time, told from the cluster's own logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

#: What the systems write into the log of a job that they kill. Slurm: slurmstepd, with and without
#: cgroups; PBS: the execution daemon.
_REASONS = {
    "memory": re.compile(
        r"oom[-_ ]kill|exceeded (job |step )?memory limit|PBS: job killed: .*mem .* exceeded limit",
        re.IGNORECASE,
    ),
    "time": re.compile(r"DUE TO TIME LIMIT|PBS: job killed: walltime .* exceeded limit"),
}
#: What each is asked for by.
_RESOURCES = {"memory": "mem_mb", "time": "runtime"}


def describe_killed_jobs(jobs: Iterable[str], *folders: Path) -> str:
    """Return a message about the jobs that were killed for a limit, or nothing if none was.

    Parameters
    ----------
    jobs
        The cluster's names of all jobs that failed.
    folders
        Where its logs are, at any depth; the name of a log starts with the name of its job.
    """
    logs = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    lines, asked = [], {}
    for job in jobs:
        for path in logs:
            # Not another job whose number only starts alike.
            if not re.match(re.escape(job) + r"(?!\d)", path.name):
                continue
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                reason = next((name for name, words in _REASONS.items() if words.search(line)), "")
                if reason:
                    lines += [f"  {reason}: {path}", f"    {line.strip()}"]
                    asked[_RESOURCES[reason]] = reason
                    break
    if not lines:
        return ""
    options = " or ".join(f"RULE:{name}=..." for name in sorted(asked))
    return "\n".join(
        [
            "The cluster killed jobs that took more than they had asked for:",
            *lines,
            f"  Hint: start again with --set-resources {options} (megabytes, minutes),",
            "  the rule being in the path; in place of a block set-resources in your profile, so",
            "  where you have one, add it there.",
        ]
    )

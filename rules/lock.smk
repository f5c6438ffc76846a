"""Whose lock it is: Snakemake locks its folder, and a run that was killed can't take that away.

Out: .snakemake/genreflow_runs/{host}-{process}.json for as long as a run goes on: where and when it
     began.
"""

import socket
from datetime import datetime

import psutil

RUNS = Path(".snakemake/genreflow_runs")
#: Seconds by which a start may differ when it is asked for again: the clock may have been set.
CLOCK = 60


def run_record():
    """Return the file that says that this run goes on."""
    return RUNS / f"{socket.gethostname()}-{os.getpid()}.json"


def record_run():
    """Write down where and when this run began, and forget those that were killed here."""
    RUNS.mkdir(exist_ok=True)
    for path in RUNS.iterdir():
        if describe_run(path)[1] is False:
            path.unlink(missing_ok=True)
    began = psutil.Process().create_time()
    record = {"host": socket.gethostname(), "process": os.getpid(), "began": began}
    write_whole(run_record(), json.dumps(record).encode())


def describe_run(path):
    """Return a run in words, and whether it goes on; None where that can't be told from here."""
    try:
        record = json.loads(path.read_bytes())
        host, process, began = (record[name] for name in ("host", "process", "began"))
        words = f"process {process} on {host}, begun {datetime.fromtimestamp(began):%Y-%m-%d %H:%M}"
        if host != socket.gethostname():
            return f"{words}: whether it goes on can only be told there", None
        if abs(psutil.Process(process).create_time() - began) < CLOCK:
            return f"{words}: it is running", True
    except psutil.NoSuchProcess:
        pass
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path} can't be read", None
    return f"{words}: it was killed", False


def describe_lock():
    """Return who may hold the lock, and what helps."""
    runs = [describe_run(path) for path in sorted(RUNS.glob("*.json"))]
    lines = [f"    {words}" for words, _ in runs] or ["    no run that is known"]
    if any(goes_on for _, goes_on in runs):
        hint = "wait for the run that goes on, or end it with Ctrl-C."
    else:
        hint = (
            "when no run goes on, the same command with --unlock takes the lock away; then run "
            "again. What was finished is kept."
        )
    return "\n".join(["is locked. Runs that have not ended:", *lines, f"  Hint: {hint}"])


def name_who_holds_the_lock(record):
    """Put that in the place of Snakemake's message about a folder that is locked."""
    if getattr(record, "exception", None) == "LockException":
        record.msg = f"Error: the folder {Path.cwd()} {describe_lock()}"
    return True


logger.addFilter(name_who_holds_the_lock)

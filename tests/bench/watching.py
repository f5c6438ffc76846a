"""Run a job in the place of its Python, and add a line to a file on what it took.

    watching.py RECORDS PYTHON ARGUMENT ...

Nothing large is imported, since the memory of a job counts what the process that starts it has.
"""

import json
import os
import sys
import time
from contextlib import suppress

#: Seconds between two counts of a job's open files.
INTERVAL = 0.02


def main() -> int:
    """Return the job's status; it is killed with the whole group, so no signal is handed on."""
    records, *command = sys.argv[1:]
    started = time.monotonic()
    job = os.posix_spawn(command[0], command, os.environ)
    files = 0
    ended = 0
    while not ended:
        time.sleep(INTERVAL)
        # It may just have ended.
        with suppress(OSError):
            files = max(files, len(os.listdir(f"/proc/{job}/fd")))
        ended, status, usage = os.wait4(job, os.WNOHANG)
    line = {
        "log": command[command.index("--log") + 1],
        "seconds": time.monotonic() - started,
        "memory": usage.ru_maxrss * 1024,
        "files": files,
    }
    # One short line at a time is written whole.
    with open(records, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return abs(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.exit(main())

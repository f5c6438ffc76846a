"""Run the script of a rule: ``run_script.py compute_stft --params ... --log ...``."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from genreflow.jobs.job import run

# A job that is cancelled, or whose terminal is closed, ends like one that fails: it removes what is
# half written.  Under nohup the signal stays ignored.
for number in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_DFL:
        signal.signal(number, lambda received, _: sys.exit(128 + received))

run(sys.argv[1], sys.argv[2:])

"""Run the script of a rule: ``run_script.py compute_stft --params ... --log ...``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from genreflow.jobs.job import run

run(sys.argv[1], sys.argv[2:])

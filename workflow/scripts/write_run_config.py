"""Write the configuration in force."""

from __future__ import annotations

import yaml
from genreflow.files.atomic import write_whole
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Write it as YAML, with every default."""
    text = yaml.safe_dump(job.planned["configuration"], sort_keys=False, allow_unicode=True)
    write_whole(job.path("run_config"), text.encode())

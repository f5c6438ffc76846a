"""Which checkpoint a training may go on from."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import h5py

from genreflow.files.checkpoints import Checkpoint
from genreflow.files.integrity import digest
from genreflow.files.store import DIGEST
from genreflow.jobs.job import Job

#: The packages whose versions decide the last bits of a training.
COMPUTING = ("numba", "numpy", "scipy", "torch")


def find_checkpoint(job: Job, *, device: str = "cpu") -> Checkpoint:
    """Return the checkpoint of a job's training: what an interrupted run left, or a new one.

    What is left counts only if the job's parameters, the contents of its files, the device and the
    packages that compute are the same.
    """
    versions = {name: version(name) for name in COMPUTING}
    text = json.dumps([job.params, versions, device], sort_keys=True)
    files = (_content(path) for path in job.inputs if path.is_file())
    return Checkpoint(job.path("model"), digest(text.encode(), *files))


def _content(path: Path) -> bytes:
    """Return what tells a file's content from another: of a cache, its digest of everything."""
    if path.suffix == ".h5":
        with h5py.File(path, "r", locking=False) as file:
            if DIGEST in file.attrs:
                return str(file.attrs[DIGEST]).encode()
    return path.read_bytes()

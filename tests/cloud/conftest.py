"""A bucket of a local server, and the same run with its results on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from bucket import CONFIGURATION, Bucket, write_clips
from harness import run_snakemake


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """A bucket on a server of this machine."""
    # Here, since the environment of the other tests has no such packages.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Bucket(f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips and their manifest."""
    folder = tmp_path_factory.mktemp("music")
    write_clips(folder)
    return folder


@pytest.fixture(scope="session")
def local(music: Path) -> Path:
    """The folder with the clips, after a run whose results are in it."""
    outcome = run_snakemake(music, CONFIGURATION, "--", "results/tables.csv")
    assert outcome.status == 0, outcome.output[-6000:]
    return music

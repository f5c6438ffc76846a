"""Shared fixtures: the package on the path, real clips, and signals whose features are known."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "workflow" / "scripts"))

RATE = 22050


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were tried, as the tests have counted them with `record_property`."""
    tried: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, number in report.user_properties if report.when == "call" else ():
            tried[name] += number
    if tried:
        terminalreporter.section("tried, and none of it silent")
        for name, number in sorted(tried.items()):
            terminalreporter.write_line(f"{number:7d} {name}")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return a function that mounts a disk of 16 KB in memory, by name and further options."""
    folders = []

    def mount(name: str, *options: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        words = ",".join(["size=16k", *options])
        command = ["mount", "-t", "tmpfs", "-o", words, "none", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("only who may mount has a disk of its own")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def emotify() -> Path:
    """Return the folder of real clips, whose licence keeps them out of the repository."""
    default = REPOSITORY.parent / "shared" / "data" / "emotify"
    folder = Path(os.environ.get("GENREFLOW_EMOTIFY", default))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"no real clips in {folder}: set GENREFLOW_EMOTIFY to the emotify folder")
    return folder


@pytest.fixture(scope="session")
def gtzan_lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the published lists and index, which are not ours to keep in the repository."""
    source = Path(
        os.environ.get(
            "GENREFLOW_GTZAN_LISTS", REPOSITORY.parent / "shared" / "data" / "gtzan_lists"
        )
    )
    indexes = sorted(source.glob("*index.txt"))
    lists = [source / f"{role}_filtered.txt" for role in ("train", "valid", "test")]
    if not indexes or not all(path.is_file() for path in lists):
        pytest.skip(
            f"no published lists in {source}: set GENREFLOW_GTZAN_LISTS to a folder with "
            "train_filtered.txt, valid_filtered.txt, test_filtered.txt and index.txt"
        )
    folder = tmp_path_factory.mktemp("gtzan_lists")
    for path in lists:
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(indexes[0], folder / "index.txt")
    return folder


@pytest.fixture(scope="session")
def make_signal() -> Callable[..., npt.NDArray[np.float32]]:
    """Return a function that makes a mono test signal at 22 050 Hz, by kind.

    ``sine``: ``frequency`` in Hz and ``amplitude``; ``noise``: uniform in [-0.5, 0.5];
    ``clicks``: an impulse every quarter of a second; ``music``: decaying tones, clicks and noise
    from loud to below 16 bits, with a stretch of digital silence.
    """

    def make(
        kind: str,
        *,
        seconds: float = 2.0,
        frequency: float = 440.0,
        amplitude: float = 1.0,
        rate: int = RATE,
    ) -> npt.NDArray[np.float32]:
        size = round(seconds * rate)
        time = np.arange(size) / rate
        random = np.random.default_rng(7)
        if kind == "sine":
            values = amplitude * np.sin(2 * np.pi * frequency * time)
        elif kind == "noise":
            values = random.uniform(-0.5, 0.5, size)
        elif kind == "clicks":
            values = np.zeros(size)
            values[rate // 8 :: rate // 4] = 0.9
        elif kind == "music":
            tones = [np.sin(2 * np.pi * f * time) / k for k, f in enumerate((220, 441, 1320), 1)]
            values = 0.3 * np.sum(tones, axis=0) * np.exp(-4 * (time % 0.5))
            values[:: rate // 3] += 0.5
            values += 1e-3 * random.standard_normal(size)
            values *= 10 ** (-5 * time / time[-1])
            values[size // 2 : size // 2 + rate // 2] = 0
        else:
            raise ValueError(kind)
        return values.astype(np.float32)

    return make

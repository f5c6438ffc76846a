"""Every rule's own command where its files have no room, and `results` that can't be written."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from genreflow.files.records import read_rows
from harness import (
    REPOSITORY,
    SMALL_DEMO,
    Outcome,
    Snakemake,
    merge,
    music_configuration,
    plan,
    run_here,
    run_snakemake,
    write_music,
)

#: Rules without a script: they only collect what others make.
COLLECTING = {"all", "classified", "features", "report", "tables"}
#: Rules whose commands need the network, and what is tried in their place.
ELSEWHERE = {
    "retrieve_collection": "unpacking, and the writer of its list, in unit/test_full_disk",
    "retrieve_annotations": "the writer of its list, in unit/test_full_disk",
}
RULES = {
    name
    for path in [REPOSITORY / "Snakefile", *(REPOSITORY / "rules").glob("*.smk")]
    for name in re.findall(
        r"^(?:use )?rule (?:\w+ as )?(\w+)\b.*:$", path.read_text(), re.MULTILINE
    )
}
SPLIT = {"dataset": "music", "partition": "split", "systems": ["SF"]}
CONFIG = merge(
    music_configuration(), {"datasets": {"demo": SMALL_DEMO["demo"] | {"shards": 1}}}
) | {
    "classify": [{"dataset": "music", "classifier": "results/music/classifiers/SF"}],
    "probes": {"mert": {"vectors": "mert.npz"}},
    "studies": [SPLIT | {"name": "points", "vary": {"rf.trees": [10]}}],
}
#: What of the rules is not in `finished`.
MORE = (
    "results/demo/audio/000-of-001",
    "results/music/classifiers/SF",
    "results/music/classifiers/stats",
    "results/music/vectors/probe:mert.h5",
    "results/music/classifiers/split/seed0/fold0/SF",
    "classified",
    "results/ro-crate-metadata.json",
)
TARGETS = ("results/report.html", "results/run_config.yaml", *MORE)
CARD = "MODEL_CARD.md"
#: What is said, and the place that is named.
FAULTS = {
    "the file is larger than the system allows.": "results/",
    # By what trains with PyTorch, where there is no room for one byte.
    "temporary files can't be written anywhere.": r"\['",
}
#: A seal is longer.
LITTLE = 64


class Commands:
    """A run, and for every rule the command of one of its jobs, with its outputs."""

    def __init__(self, folder: Path, config: dict[str, object], *targets: str) -> None:
        self.folder = folder
        self.found: dict[str, tuple[str, list[Path]]] = {}
        listed = run_here(folder, config, "--detailed-summary", "--", *targets)
        assert listed.status == 0, listed.output[-3000:]
        self.environment = listed.environment
        lines = listed.output.splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("output_file\t"))
        for line in lines[start + 1 :]:
            output, _, rule, _, _, shell, *_ = line.split("\t")
            if shell == "-":  # never run: of the demo, only its clips are made
                continue
            command, outputs = self.found.setdefault(rule, (shell, []))
            if command == shell:
                outputs.append(folder / output)

    def run(self, rule: str, temporary: Path, limit: int | None = None) -> Outcome:
        """Run a rule's command; no file that it writes may exceed ``limit`` bytes."""

        def restrict() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = subprocess.run(
            self.found[rule][0], shell=True, cwd=self.folder, preexec_fn=restrict,
            env={**self.environment, "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == ""
        return Outcome(done.returncode, done.stderr)

    def contents(self) -> dict[Path, bytes]:
        """Return what every file has in it, but for logs and benchmarks."""
        results = self.folder / "results"
        return {
            path: path.read_bytes()
            for path in results.rglob("*")
            if path.is_file() and path.relative_to(results).parts[0] not in ("logs", "benchmarks")
        }


@pytest.fixture(scope="module")
def commands(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """The commands of a copy of the finished run, with one of every rule."""
    folder = tmp_path_factory.mktemp("full") / finished.name
    shutil.copytree(finished, folder)
    track_ids = [row["track_id"] for row in read_rows(folder / "manifest.csv")]
    np.savez(folder / "mert.npz", track_id=track_ids, vectors=np.eye(len(track_ids)))
    # The clips lie elsewhere now, which would make all anew.
    outcome = run_snakemake(folder, CONFIG, "--rerun-triggers", "mtime", "--", *MORE)
    assert outcome.status == 0, outcome.output[-3000:]
    return Commands(folder, CONFIG, *TARGETS)


def size(path: Path) -> int:
    """Return the bytes of a file, or of the largest in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return max(file.stat().st_size for file in files)


@pytest.mark.long
@pytest.mark.parametrize("rule", sorted(RULES - COLLECTING - ELSEWHERE.keys()))
def test_rule_without_room_keeps_what_was_there_and_completes_later(
    commands: Commands, tmp_path: Path, rule: str, record_property: Callable[[str, object], None]
) -> None:
    outputs = commands.found[rule][1]
    assert outputs
    # Its paths of clips are those of the copy.
    first = commands.run(rule, tmp_path)
    assert first.status == 0, first.output
    whole = commands.contents()
    # Of a classifier's files, those are written that differ.
    cards = [path / CARD for path in outputs if (path / CARD).is_file()]
    largest = max(map(size, cards or outputs))
    # No byte; some of the largest file; where that is short, all of it but not its seal.
    limits = [0, largest // 2, *([largest] if largest < LITTLE else [])]
    for limit in limits:
        older = whole | dict.fromkeys(cards, b"older")
        for card in cards:
            card.write_bytes(older[card])
        outcome = commands.run(rule, tmp_path, limit)
        assert outcome.status != 0, outcome.output
        assert outcome.output.count("Error: ") == 1, outcome.output
        fault = next(words for words in FAULTS if f"Error: {words}" in outcome.output)
        assert re.search(rf"^ *Where: {FAULTS[fault]}", outcome.output, re.MULTILINE)
        assert "Hint: " in outcome.output
        for word in ("Traceback", "report it", "Logging error", "Exception"):
            assert word not in outcome.output
        found = commands.contents()
        assert found.keys() == older.keys()
        assert [path for path in older if found[path] != older[path]] == []
        assert not list((commands.folder / "results").rglob("*.part"))
        # PyTorch makes an empty folder for its caches.
        assert all(name.startswith("torchinductor_") for name in os.listdir(tmp_path))
    again = commands.run(rule, tmp_path)
    assert again.status == 0, again.output
    found = commands.contents()
    assert found.keys() == whole.keys()
    assert [path for path in whole if found[path] != whole[path]] == []
    record_property("commands of rules without room for what they write", len(limits))


def test_no_rule_is_forgotten(snakemake: Snakemake, tmp_path: Path) -> None:
    write_music(tmp_path)
    (tmp_path / "mert.npz").touch()
    outcome = snakemake(CONFIG, "--list-rules")
    listed = {
        line.split()[0] for line in outcome.output.splitlines() if re.match(r"\w+( \(|$)", line)
    }
    assert listed == RULES
    assert COLLECTING | ELSEWHERE.keys() < RULES
    planned = {job.rule for job in plan(tmp_path, CONFIG, "--", *TARGETS)}
    assert RULES - COLLECTING - ELSEWHERE.keys() <= planned


def test_results_that_are_a_file_are_refused(snakemake: Snakemake, tmp_path: Path) -> None:
    write_music(tmp_path)
    results = tmp_path / "results"
    results.write_bytes(b"mine")
    outcome = snakemake(music_configuration(), "--", "results/tables.csv")
    assert_refused(outcome, "there is a file where a folder should be.", results)
    assert results.read_bytes() == b"mine"


def test_results_that_are_read_only_are_refused(
    snakemake: Snakemake, tmp_path: Path, mounted: Callable[..., Path]
) -> None:
    write_music(tmp_path)
    # Not even the superuser can write to it.
    read_only = mounted("results", "ro")
    outcome = snakemake(music_configuration(), "--", "results/tables.csv")
    assert_refused(outcome, "the disk is read-only.", read_only)
    assert os.listdir(read_only) == []
    # Planning writes nothing.
    assert snakemake(music_configuration(), "-n", "--", "results/tables.csv").status == 0


def assert_refused(outcome: Outcome, words: str, place: Path) -> None:
    """One message says what is wrong, where and what to do, before any job has begun."""
    assert outcome.status != 0
    assert outcome.output.count("Error: ") == 1, outcome.output
    assert f"Error: {words}\n  Where: {place}\n  Hint: " in outcome.output, outcome.output
    assert "Traceback" not in outcome.output
    assert "rule write_manifest:" not in outcome.output

"""Results in a bucket: the bytes of one machine, also after a kill and from another machine."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from bucket import CONFIGURATION, FOLDER, NAME, PROFILE, Bucket, copies, machine
from harness import REPOSITORY, Outcome, planned_jobs
from snakemake.cli import parse_args

pytestmark = pytest.mark.cloud

MODEL = "results/music/models/split/seed0/fold0/mfcc.safetensors"
LOG = "results/logs/train_expert/music/split/seed0/fold0/mfcc.log"
CHECKPOINT = Path(MODEL).with_name(f".{Path(MODEL).name}.checkpoint")
#: Read by every Python at its start.  For the expert's training ten seconds are between any
#: two looks at the clock, so that it writes a checkpoint of every epoch; it kills the whole run in
#: its second.
KILLER = """
import itertools, logging, os, signal, sys, time

if "train_expert" in sys.orig_argv:
    clock, looks, emit = time.monotonic, itertools.count(), logging.FileHandler.emit

    def killing(self, record):
        emit(self, record)
        if record.getMessage().startswith("epoch 2 of"):
            os.killpg(os.getpgrp(), signal.SIGKILL)

    time.monotonic = lambda: clock() + 10 * next(looks)
    logging.FileHandler.emit = killing
"""
TABLES = ("--", "results/tables.csv")
FIGURE = "results/figures/accuracy/music_split.png"


@dataclass(frozen=True)
class Run:
    """A run that was killed, and the one that went on in its folder."""

    folder: Path
    killed: Outcome
    left: set[str]
    went_on: Outcome


@pytest.fixture(scope="module")
def resumed(music: Path, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that was killed while its expert was trained."""
    base = tmp_path_factory.mktemp("killed, it's not dead")
    folder = machine(music, base / "music")
    (base / "sitecustomize.py").write_text(KILLER)
    killed = bucket.run(folder, CONFIGURATION, *TABLES, environment={"PYTHONPATH": str(base)})
    left = set(bucket.content())
    assert (copies(folder) / CHECKPOINT).is_file()
    assert bucket.run(folder, CONFIGURATION, "--unlock").status == 0
    return Run(folder, killed, left, bucket.run(folder, CONFIGURATION, *TABLES))


def test_a_killed_job_leaves_nothing_in_the_bucket(resumed: Run) -> None:
    assert resumed.killed.status == -signal.SIGKILL, resumed.killed.output[-6000:]
    assert "results/music/features/mfcc/000-of-002.h5" in resumed.left
    assert not any("/mfcc.safetensors" in name for name in resumed.left)


def test_its_training_goes_on(resumed: Run, bucket: Bucket) -> None:
    assert resumed.went_on.status == 0, resumed.went_on.output[-6000:]
    assert f"All results are in s3://{NAME}/{FOLDER}." in resumed.went_on.output
    text = bucket.content()[LOG].get()["Body"].read().decode()
    assert "goes on after epoch 1," in text
    assert re.findall(r"epoch (\d) of at most", text)[0] == "2"


def test_the_bucket_has_the_bytes_of_one_machine(resumed: Run, local: Path, bucket: Bucket) -> None:
    def of_jobs(names: set[str]) -> set[str]:
        return {n for n in names if not n.startswith(("results/logs/", "results/benchmarks/"))}

    found = bucket.content()
    here = {str(f.relative_to(local)) for f in (local / "results").rglob("*") if f.is_file()}
    assert of_jobs(set(found)) == of_jobs(here)
    assert "results/.tables.csv.sha256" in found
    assert not any("features/audio" in name for name in found)  # removed after its last use
    # The lists of clips have their paths, which are another folder's.
    lists = re.compile(r"results/music/(shards/|audio_reports?[/.]|manifest\.csv)")
    compared = [n for n in of_jobs(here) if not lists.match(re.sub(r"/\.(.*)\.sha256$", r"/\1", n))]
    assert len(compared) > 60
    for name in compared:
        assert found[name].get()["Body"].read() == (local / name).read_bytes(), name


def test_only_what_no_rule_names_stays_here(resumed: Run) -> None:
    files = [f.relative_to(copies(resumed.folder)) for f in copies(resumed.folder).rglob("*")]
    kinds = {file.parts[1] for file in files if (copies(resumed.folder) / file).is_file()}
    assert kinds == {"logs", "benchmarks"}


def test_a_second_run_has_nothing_to_do(resumed: Run, bucket: Bucket) -> None:
    outcome = bucket.run(resumed.folder, CONFIGURATION, *TABLES)
    assert outcome.status == 0, outcome.output[-3000:]
    assert "Nothing to be done" in outcome.output


def test_another_machine_goes_on_from_the_bucket_and_finds_damage(
    resumed: Run, music: Path, bucket: Bucket, tmp_path: Path
) -> None:
    folder = machine(music, tmp_path / "another")
    outcome = bucket.run(folder, CONFIGURATION, "--", FIGURE)
    assert planned_jobs(outcome) == {"plot_accuracy": 1}

    altered = bucket.content()["results/music/predictions/split/SF.csv"]
    content = altered.get()["Body"].read()
    altered.put(Body=content.replace(b"high", b"low", 1))
    # Nobody has a copy of it left.
    for place in (folder, resumed.folder):
        outcome = bucket.run(place, CONFIGURATION, *TABLES)
        assert outcome.status == 1
        assert "predictions/split/SF.csv" in outcome.output.partition("  Where: ")[2].split("\n")[0]
        assert "the file is not as the job that wrote it left it." in outcome.output
    altered.put(Body=content)


def test_rendered_clips_and_variants_are_found_in_the_bucket(
    bucket: Bucket, tmp_path: Path
) -> None:
    configuration = {
        **CONFIGURATION,
        "datasets": {
            "demo": {"source": "synthetic", "seeds": [0], "artists": 4, "seconds": 6},
            "other": {"like": "demo", "settings": {"mel": {"n_mels": 48}}},
        },
        "experiments": [],
    }
    target = "results/other/features/mel_original/000-of-001.h5"
    outcome = bucket.run(tmp_path, configuration, "--", target, "results/demo/quarantine.csv")
    jobs = planned_jobs(outcome)
    assert (
        jobs["synthesise_audio"] == jobs["compute_stft"] == 1
    )  # those of the variant are the demo's
    found = bucket.content()
    assert target in found
    assert found["results/demo/quarantine.csv"].get()["Body"].read() == b"track_id,path,reason\n"


def test_copies_with_an_absolute_path_are_refused(bucket: Bucket, music: Path) -> None:
    arguments = ("--local-storage-prefix", "/tmp/copies", "-n", *TABLES)
    outcome = bucket.run(music, CONFIGURATION, *arguments)
    assert outcome.status == 1
    assert "Error: copies of what is in the bucket have an absolute path." in outcome.output


def test_versions_are_those_of_the_lock() -> None:
    lines = (REPOSITORY / "requirements-cloud.lock").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            package, _, pinned = line.partition("==")
            assert version(package) == pinned, package


def test_the_profile_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    arguments = parse_args(["--workflow-profile", str(PROFILE), "--cores", "1"])[1]
    assert arguments.default_storage_provider == "s3"
    assert (arguments.keep_going, arguments.rerun_incomplete) == (True, True)
    # What costs, and what is secret, is nobody's but the user's.
    assert not arguments.default_storage_prefix
    assert not re.search(r"key|token|endpoint|s3://[a-z]", (PROFILE / "config.yaml").read_text())

"""The profiles' values in force, as Snakemake itself reads them, and a reason for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from snakemake.cli import get_argument_parser, parse_args
from snakemake.profiles import ProfileConfigFileParser

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = REPOSITORY / "profiles"
NAMES = ("default", "slurm", "generic", "s3")
GROUPS = {
    "write_shard": "audio", "synthesise_audio": "audio", "resample_audio": "audio",
    "compute_stft": "audio", "compute_fingerprint": "audio",
    "compute_cepstrogram": "cepstrum", "compute_cepstral_modulation": "cepstrum",
    "separate_hpss": "mel", "compute_mel": "mel", "compute_modulation": "mel",
    "compute_mfcc": "mel",
}  # fmt: skip
EVERYWHERE = {
    "printshellcmds": False,
    "keep_going": True,
    "rerun_incomplete": True,
    "show_failed_logs": True,
}
CLUSTER = {
    "jobs": 100,
    "cores": None,
    "local_cores": 1,
    "scheduler": "greedy",
    "retries": 2,
    "latency_wait": 60,
}
EXPECTED: dict[str, dict[str, Any]] = {
    "default": {**EVERYWHERE, "scheduler": "ilp", "retries": 0, "latency_wait": 5},
    "slurm": {**EVERYWHERE, **CLUSTER},
    "generic": {**EVERYWHERE, **CLUSTER, "max_status_checks_per_second": 5},
    "s3": {**EVERYWHERE, "scheduler": "greedy", "retries": 0, "latency_wait": 5},
}
#: Of the executors, which the default environment does not have: tests/cluster asserts these.
EXECUTORS = {
    "slurm": {"executor": "slurm", "slurm-requeue": "True", "slurm-logdir": "results/logs/slurm",
              "slurm-delete-logfiles-older-than": "0",
              "slurm-init-seconds-before-status-checks": "20"},
    "generic": {"executor": "cluster-generic", "cluster-generic-cancel-cmd": "qdel",
                "cluster-generic-status-cmd": str(PROFILES / "generic" / "status.sh")},
}  # fmt: skip


def raw(name: str) -> dict[str, Any]:
    """Return a profile's entries as Snakemake's parser hands them on."""
    with (PROFILES / name / "config.yaml").open(encoding="utf-8") as stream:
        return dict(ProfileConfigFileParser().parse(stream))


def in_force(name: str) -> Any:
    """Return Snakemake's arguments with a profile."""
    parser = get_argument_parser(profiles=[str(PROFILES / name)])
    # The executor is given, since that of the profile may not be installed; its options are then
    # unknown, and are left out.
    arguments, _ = parser.parse_known_args(["--executor", "local"])
    return arguments


@pytest.mark.parametrize("name", NAMES)
def test_values_in_force(name: str) -> None:
    arguments = vars(in_force(name))
    assert {key: arguments[key] for key in EXPECTED[name]} == EXPECTED[name]
    triggers = {trigger.name.lower() for trigger in arguments["rerun_triggers"]}
    assert triggers == {"mtime", "params", "input", "code", "software_env"}


@pytest.mark.parametrize("name", EXECUTORS)
def test_values_for_the_executor(name: str) -> None:
    values = raw(name)
    assert {key: values[key] for key in EXECUTORS[name]} == EXECUTORS[name]


@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_groups_are_of_rules_that_exist(name: str) -> None:
    assert in_force(name).groups == GROUPS
    rules = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    assert set(GROUPS) <= set(re.findall(r"^rule (\w+):", rules, re.MULTILINE))


@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_nothing_replaces_the_user_s_blocks(name: str) -> None:
    assert not {"default-resources", "set-resources", "set-threads", "resources"} & set(raw(name))


@pytest.mark.parametrize("name", NAMES)
def test_profiles_are_complete_in_themselves(name: str) -> None:
    # What one machine wants, a cluster wants too, since profiles/default is not read there.
    assert set(raw("default")) <= set(raw(name))


def test_the_default_is_taken_without_being_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    _, arguments = parse_args(["--cores", "1"])
    assert arguments.keep_going
    assert arguments.rerun_incomplete
    _, arguments = parse_args(["--cores", "1", "--workflow-profile", "none"])
    assert not arguments.keep_going


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_has_a_comment(name: str) -> None:
    entry = re.compile(r"[a-z][a-z-]*:")
    lines = (PROFILES / name / "config.yaml").read_text(encoding="utf-8").splitlines()
    entries = [number for number, line in enumerate(lines) if entry.match(line)]
    assert len(entries) == len(raw(name))
    assert [lines[n] for n in entries if not lines[n - 1].startswith("# ")] == []

"""The finished run as a Workflow Run RO-Crate: valid, complete, and enough to run it again."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from crate_validation import broken_rules, unknown_terms
from genreflow.files.records import read_rows
from harness import SMALL_DEMO, SNAKEFILE, music_configuration, run_here

CRATE = "results/ro-crate-metadata.json"
#: What RO-Crate recommends and nothing here knows: who ran it and answers for the results (agent,
#: author, publisher), addresses of the workflow and of its developers, affiliations; and a README,
#: and a profile of Bioschemas that asks for an address too.
UNKNOWN = {
    "process-run-crate-0.5_3.2", "process-run-crate-0.5_5.1", "process-run-crate-0.5_8.6",
    "ro-crate-1.1_22.2", "ro-crate-1.1_22.3", "ro-crate-1.1_30.2", "ro-crate-1.1_30.3",
    "ro-crate-1.1_31.2", "workflow-ro-crate-1.0_6.1", "workflow-ro-crate-1.0_6.2",
    "workflow-ro-crate-1.0_8.1",
}  # fmt: skip


@pytest.fixture(scope="module")
def described(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run with its crate."""
    # The validator takes no folder with spaces in its path.
    folder = tmp_path_factory.mktemp("crate") / "run"
    shutil.copytree(finished, folder)
    # The clips lie elsewhere now, which would make all anew.
    outcome = run_here(folder, music_configuration(), "--rerun-triggers", "mtime", "--", CRATE)
    assert outcome.status == 0, outcome.output[-3000:]
    return folder


@pytest.fixture(scope="module")
def crate(described: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((described / CRATE).read_bytes())
    return found


@pytest.fixture(scope="module")
def entities(crate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in crate["@graph"]}


def test_the_validator_of_its_profiles_finds_only_what_nobody_knows(
    described: Path, crate: dict[str, Any], tmp_path: Path
) -> None:
    assert unknown_terms(crate) == set()
    found = broken_rules(described / "results", tmp_path / "cache")
    assert found == {"REQUIRED": set(), "RECOMMENDED": UNKNOWN}


def test_the_validator_finds_what_is_missing(
    described: Path, crate: dict[str, Any], tmp_path: Path
) -> None:
    broken = json.loads(json.dumps(crate))
    for entity in broken["@graph"]:
        entity.pop("instrument", None)
    shutil.copytree(described / "results" / "workflow", tmp_path / "crate" / "workflow")
    (tmp_path / "crate" / "ro-crate-metadata.json").write_text(json.dumps(broken))
    required = broken_rules(tmp_path / "crate", tmp_path / "cache")["REQUIRED"]
    assert any(rule.startswith("process-run-crate") for rule in required)


def test_every_file_is_there_with_its_checksum(
    described: Path, entities: dict[str, dict[str, Any]]
) -> None:
    results = described / "results"
    files = {unquote(name): each for name, each in entities.items() if each["@type"] == "File"}
    for name, entity in files.items():
        content = (results / name).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
        assert entity["contentSize"] == str(len(content))
    made = [results / name for name in ("run_config.yaml", "tables.csv", "report.html")]
    made += [*(results / "tables").glob("*.csv"), *(results / "figures").rglob("*.png")]
    # Other tests of the same run may have made others.
    for row in read_rows(results / "tables.csv"):
        predictions = results / row["dataset"] / "predictions" / row["partition"]
        made.append(predictions / f"{row['system']}.csv")
    made.append(results / "music" / "manifest.csv")
    made += (results / "music" / "fingerprints").glob("*.h5")
    assert {str(path.relative_to(results)) for path in made if path.name[0] != "."} <= set(files)
    parts = {part["@id"] for part in entities["./"]["hasPart"]}
    assert set(entities) & parts == parts
    assert parts > {name for name, each in entities.items() if each["@type"] == "File"}


def test_run_says_what_ran_on_what_and_when(
    described: Path, entities: dict[str, dict[str, Any]]
) -> None:
    run = entities["#run"]
    assert run["instrument"] == {"@id": "workflow/Snakefile"} == entities["./"]["mainEntity"]
    assert [each["@id"] for each in run["object"]] == ["run_config.yaml", "#music-music"]
    assert {"@id": "tables.csv"} in run["result"]
    assert "music, split_swapped: SF, MFCC" in run["description"]
    logs = [
        path for path in (described / "results/logs").rglob("*.log") if path.stem != "write_crate"
    ]
    ends = [path.stat().st_mtime for path in logs]
    start, end = (datetime.fromisoformat(run[key]).timestamp() for key in ("startTime", "endTime"))
    # Every log is written to its end when its job ends, and the first job took a while.
    assert min(ends) - 60 < start <= min(ends)
    assert end == pytest.approx(max(ends), abs=2)


def test_music_is_described_without_reading_it(
    described: Path, entities: dict[str, dict[str, Any]]
) -> None:
    music = entities["#music-music"]
    sizes = [path.stat().st_size for path in described.glob("clip *")]
    assert (music["collectionSize"], music["contentSize"]) == (24, str(sum(sizes)))
    assert music["mainEntity"] == {"@id": "music/manifest.csv"}
    licence = entities[music["license"]["@id"]]
    assert licence["description"].startswith("Unknown")
    assert entities[entities["./"]["license"]["@id"]]["name"] == "Not stated"
    workflow = entities["workflow/Snakefile"]
    assert workflow["license"] == {"@id": "https://spdx.org/licenses/MIT"}


def test_papers_are_cited(entities: dict[str, dict[str, Any]]) -> None:
    papers = [entities[paper["@id"]] for paper in entities["./"]["citation"]]
    assert [paper["datePublished"] for paper in papers] == ["2016", "2019"]
    authors = [[entities[a["@id"]]["familyName"] for a in paper["author"]] for paper in papers]
    assert authors == [["Jeong", "Lee"], ["Yi", "Chen", "Gu"]]


def test_the_crate_s_workflow_and_configuration_are_what_ran(
    described: Path, finished: Path
) -> None:
    results = described / "results"
    config = yaml.safe_load((results / "run_config.yaml").read_text(encoding="utf-8"))
    # With all reasons to run again: parameters, code, inputs.
    outcome = run_here(
        finished, config, "-n", "--", "results/tables.csv", snakefile=results / "workflow/Snakefile"
    )
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]


def test_described_again_it_is_the_same(described: Path) -> None:
    before = (described / CRATE).read_bytes()
    outcome = run_here(
        described,
        music_configuration(),
        *("--rerun-triggers", "mtime", "--forcerun", "write_crate", "--", CRATE),
    )
    assert outcome.status == 0, outcome.output[-3000:]
    assert (described / CRATE).read_bytes() == before


def test_a_module_with_a_prefix_describes_its_own_results_and_studies(tmp_path: Path) -> None:
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(
        f"module genreflow:\n    snakefile: '{SNAKEFILE}'\n    config: config\n"
        "    prefix: 'genres'\nuse rule * from genreflow as genreflow_*\n",
        encoding="utf-8",
    )
    split = {"dataset": "demo", "partition": "split", "systems": ["stats"]}
    config: dict[str, Any] = {"datasets": SMALL_DEMO, "experiments": [split]}
    outcome = run_here(tmp_path, config, "-n", "--", f"genres/{CRATE}", snakefile=snakefile)
    assert "input: genres/results/tables.csv, " in described_job(outcome.output)
    (tmp_path / "mert.npz").touch()
    config["probes"] = {"mert": {"vectors": "mert.npz"}}
    systems = ["stats", "probe:mert"]
    config["studies"] = [split | {"name": "points", "systems": systems, "vary": {"rf.trees": [5]}}]
    outcome = run_here(tmp_path, config, "-n", "--", CRATE)
    files = described_job(outcome.output)
    assert "results/tables/study_costs.csv" in files
    assert "results/figures/studies/points.png" in files
    # Of a probe that no experiment has.
    assert files.count("results/demo/vectors/probe:mert.h5") == 1


def described_job(output: str) -> str:
    """Return the lines of the job that writes the crate, of a dry run."""
    _, found, rest = output.partition("write_crate:\n")
    assert found, output[-3000:]
    return rest.partition("    output:")[0]

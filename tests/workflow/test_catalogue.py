"""What the Snakemake workflow catalogue reads: its file, the documents, and the rule graph."""

from __future__ import annotations

import html
import re
from pathlib import Path

import networkx
import yaml
from genreflow.plan.loading import load
from genreflow.plan.schema import Experiment
from genreflow.systems import SYSTEMS
from harness import REPOSITORY, run_here

PICTURE = REPOSITORY / "docs" / "images" / "rules.svg"


def graph(edges: list[tuple[str, str]], names: dict[str, str]) -> networkx.DiGraph:
    """Return which rule comes after which, directly or not."""
    found = networkx.DiGraph([(names[a], names[b]) for a, b in edges])
    found.add_nodes_from(names.values())
    return networkx.transitive_closure(found)


def test_the_picture_shows_the_rules_as_they_are(tmp_path: Path) -> None:
    outcome = run_here(tmp_path, None, "--rulegraph", "--", "results/report.html")
    assert outcome.status == 0, outcome.output[-3000:]
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', outcome.output, re.MULTILINE))
    edges = re.findall(r"^\s*(\d+) -> (\d+)$", outcome.output, re.MULTILINE)
    ours = graph(edges, names)
    assert {"write_shard", "train_mixer", "write_report"} <= set(ours)
    text = html.unescape(PICTURE.read_text(encoding="utf-8"))
    shown = dict(re.findall(r"<title>(\d+)</title>.*?<text [^>]*>(\w+)</text>", text, re.DOTALL))
    picture = graph(re.findall(r"<title>(\d+)->(\d+)</title>", text), shown)
    hint = "the picture is out of date: make rulegraph"
    assert set(picture) == set(ours), hint
    assert set(picture.edges) == set(ours.edges), hint


def test_the_catalogue_s_file_says_what_there_is() -> None:
    path = REPOSITORY / ".snakemake-workflow-catalog.yml"
    usage = yaml.safe_load(path.read_text(encoding="utf-8"))["usage"]
    assert set(usage) == {"software-stack-deployment", "mandatory-flags", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    # The tests of the same names: test_conda, test_container and test_snakemake_report.
    assert usage["report"] is True
    assert usage["software-stack-deployment"]["conda"] is True
    for name in ("workflow/Snakefile", "workflow/documentation.md", "config/README.md", "LICENSE"):
        assert (REPOSITORY / name).is_file(), name


def test_what_the_documents_name_is_there() -> None:
    for page in ("workflow/documentation.md", "config/README.md"):
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert ((REPOSITORY / page).parent / link).exists(), f"{page}: {link}"


def test_the_readme_of_the_configuration_gives_one_that_is_right() -> None:
    text = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    config = load({}, yaml.safe_load(block))
    assert list(config.datasets) == ["mymusic"]
    named = [
        [
            name
            for row in table.splitlines()[2:]
            for name in re.findall(r"`([^`]+)`", row.split("|")[1])
        ]
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    ]
    assert named[0] == list(SYSTEMS)
    choices = Experiment.model_fields["partition"].annotation
    known = re.findall(r"'(\w+)'", str(choices))
    assert set(named[1]) == {name for name in known if not name.endswith("_swapped")}

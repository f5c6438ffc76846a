"""Snakemake's own report: every table and figure, under its category, with a caption."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from docutils.core import publish_parts
from harness import REPOSITORY, music_configuration, plan, run_here

CAPTIONS = REPOSITORY / "workflow" / "report"
#: Of each category the beginnings of its files below results.
CATEGORIES = {
    "Accuracy": [
        "tables.csv", "tables/accuracy.csv", "tables/earlier_works.csv", "tables/mcnemar.csv",
        "figures/accuracy/",
    ],
    "Figures of merit": ["tables/figure_of_merit_", "figures/figure_of_merit/"],
    "Experts by genre": ["tables/experts_by_genre.csv", "figures/experts_by_genre/"],
    "Learning curves": ["figures/learning_curves/"],
    "t-SNE maps": ["figures/tsne/"],
    "Clips": [
        "tables/leak_audit.csv", "music/audio_report.csv", "music/quarantine.csv",
        "figures/clips/", "figures/wrong_clips/",
    ],
}  # fmt: skip


def shown(page: str, name: str) -> Any:
    """Return what the report's page holds as JSON under a name."""
    [text] = re.findall(rf'<script id="{name}">\s*var \w+ = (.*?);\s*</script>', page, re.DOTALL)
    return json.loads(text)


def make_report(finished: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a report of the finished run, without a network."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    before = {each: each.stat().st_mtime_ns for each in (finished / "results").rglob("*")}
    outcome = run_here(finished, music_configuration(), "--report", str(path), "--", "report")
    assert outcome.status == 0, outcome.output[-3000:]
    assert before == {each: each.stat().st_mtime_ns for each in (finished / "results").rglob("*")}


@pytest.fixture(scope="module")
def archive(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report as an archive, unpacked."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_report(finished, folder / "report.zip", monkeypatch)
    with zipfile.ZipFile(folder / "report.zip") as file:
        assert file.testzip() is None
        file.extractall(folder)
    return folder / "report"


def test_marking_an_output_runs_nothing_again(finished: Path) -> None:
    assert not plan(finished, music_configuration(), "--", "report")


def test_every_table_and_figure_is_under_its_category(finished: Path, archive: Path) -> None:
    page = (archive / "report.html").read_text(encoding="utf-8")
    results, categories = shown(page, "results"), shown(page, "categories")
    assert set(categories) == set(CATEGORIES)
    made = [
        str(path.relative_to(finished / "results"))
        for pattern in ("tables.csv", "tables/*.csv", "figures/**/*.png")
        for path in (finished / "results").glob(pattern)
        if path.name[0] != "."
    ]
    made += ["music/audio_report.csv", "music/quarantine.csv"]
    found = {
        file.removeprefix("results/"): (category, kind)
        for category, kinds in categories.items()
        for kind, files in kinds.items()
        for file in files
    }
    assert sorted(found) == sorted(made)
    for file, (category, kind) in found.items():
        assert any(file.startswith(start) for start in CATEGORIES[category]), file
        assert kind == ("Figures" if file.endswith(".png") else "Tables")
        entry = results[f"results/{file}"]
        assert (archive / entry["data_uri"]).read_bytes() == (
            finished / "results" / file
        ).read_bytes()
    # Two files of a kind never have the same row.
    for kinds in categories.values():
        for files in kinds.values():
            rows = [tuple(results[file]["labels"].items()) for file in files]
            assert len(set(rows)) == len(rows)
    matrix = results["results/figures/figure_of_merit/music_split_SF+TF.png"]
    assert matrix["labels"] == {
        "content": "figure of merit", "dataset": "music", "partition": "split", "system": "SF+TF",
    }  # fmt: skip


def test_the_captions_render(archive: Path) -> None:
    page = (archive / "report.html").read_text(encoding="utf-8")
    captions = {file: entry["caption"] for file, entry in shown(page, "results").items()}
    for file, caption in captions.items():
        assert caption.startswith("<p>"), file
        assert "system-message" not in caption, caption
        assert not re.search(r"\{\{|\}\}|``|problematic", caption), caption
    assert (
        "SF+TF on music, split," in captions["results/tables/figure_of_merit_music_split_SF+TF.csv"]
    )
    description = shown(page, "workflow-desc")
    assert "Jeong &amp; Lee" in description
    assert "<li>" in description
    assert "system-message" not in description


def test_the_page_alone_needs_no_network(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_report(finished, tmp_path / "report.html", monkeypatch)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'<(?:script|img|link)[^>]*(?:src|href)=["\']?https?:', page)
    uris = [entry["data_uri"] for entry in shown(page, "results").values()]
    assert all(uri.startswith("data:") for uri in uris)


def test_every_caption_belongs_to_an_output_and_is_right_by_itself() -> None:
    # Those of studies too, which the run above has none of.
    rules = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*"))
    rules = rules.replace("FIGURE_OF_MERIT, ", '"results/tables/figure_of_merit_{system}.csv", ')
    marked = re.findall(r'in_report\(\s*"([^"]+)"', rules)
    named = {
        f"figures/{Path(file).parent.name}"
        if file.endswith(".png")
        else f"tables/{Path(file).stem.partition('_{')[0]}"
        for file in marked
    }
    captions = {str(p.relative_to(CAPTIONS).with_suffix("")) for p in CAPTIONS.glob("*/*.rst")}
    assert captions == named
    for caption in CAPTIONS.glob("**/*.rst"):
        text = publish_parts(caption.read_text(encoding="utf-8"), writer="html")["body"]
        assert "system-message" not in text, caption

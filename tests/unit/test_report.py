"""The report: what it shows, that it escapes it, and that it needs nothing from outside."""

from __future__ import annotations

import base64
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from genreflow.files.assignments import Assignment
from genreflow.files.audio_report import AudioReport
from genreflow.results.costs import RuleCost
from genreflow.results.mistakes import answers_of, find_mistakes
from genreflow.results.report import (
    DatasetSection,
    ExperimentSection,
    Image,
    MistakeSection,
    package_versions,
    render_report,
    role_counts,
)
from genreflow.results.scores import MEAN, Comparison, GenreScore, Score, read_comparisons

HOSTILE = '<script>alert("1")</script> & co'
VOID = {"meta", "img", "br"}
VERSIONS = {"genreflow": "9.9"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += " " + " ".join(data.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.attributes if name == tag]


def predictions(track_id: str, true: str, *said: str) -> list[dict[str, str]]:
    """Return a clip's rows of predictions, a seed each."""
    return [
        {"seed": str(seed), "fold": "0", "track_id": track_id, "true": true, "predicted": label}
        for seed, label in enumerate(said)
    ]


@pytest.fixture
def dataset() -> DatasetSection:
    return DatasetSection(
        name=HOSTILE,
        source="manifest",
        clips=40,
        classes=2,
        labels=["blues", HOSTILE],
        deviations=[
            {
                "key": "dnn.epochs",
                "value": 2,
                "default": 200,
                "changed": True,
                "paper": "200",
                "authors": None,
                "status": "stated in the paper",
                "place": "Jeong 2016, 4.2",
            },
            {
                "key": "hpss.conserve",
                "value": "magnitude",
                "default": "magnitude",
                "changed": False,
                "paper": "power",
                "authors": "magnitude",
                "status": "read",
                "place": "",
            },
        ],
        citations=[f"the collection of {HOSTILE}"],
        licence="CC0",
        statuses={"ok": 39, "quarantined": 1},
        quarantined=[AudioReport(HOSTILE, "x.wav", "quarantined", "empty file")],
    )


@pytest.fixture
def experiment(tmp_path: Path) -> ExperimentSection:
    path = tmp_path / "figure.png"
    path.write_bytes(b"\x89PNG picture")
    scores = [
        Score("SF", "Jeong 2016", "0", 37.5, 30.0, 8, None, 13.68, 69.43, 3, 48.3, HOSTILE),
        Score("MFCC", "Yi 2019", "0", 25.0, None, 8, None, 7.15, 59.07, 2),
    ]
    audit = [
        {"check": "group", "system": "", "verdict": "leaky", "test_clips": "3", "n": "8",
         "detail": HOSTILE},
    ]  # fmt: skip
    said = {
        "SF": answers_of(predictions(HOSTILE, "x", "x")),
        "MFCC": answers_of(predictions(HOSTILE, "x", "y")),
    }
    return ExperimentSection(
        dataset=HOSTILE,
        partition="split",
        seeds=[0],
        systems=["SF", "MFCC"],
        folds=1,
        roles={"train": "20", "valid": "10", "test": "10 (1 quarantined)"},
        majority=52.5,
        scores=scores,
        mistakes=MistakeSection(
            tested=8,
            missed=1,
            missed_by_all=0,
            clips=find_mistakes(said),
            groups={HOSTILE: HOSTILE},
            excerpts={HOSTILE: "data:audio/mpeg;base64,AAAA"},
        ),
        comparisons=[Comparison("0", "SF", "MFCC", 12.5, 1, 0, 8, 1.0)],
        audit=audit,
        accuracy=Image(path, "accuracy of each system"),
        matrices=[Image(path, f"matrix of {HOSTILE}")],
        curves=Image(path, "loss by epoch", "A caption."),
        tsne=Image(path, "maps of the segments", "Not standardised."),
    )


def test_labels_names_and_notes_are_escaped(
    dataset: DatasetSection, experiment: ExperimentSection
) -> None:
    html = render_report(
        [dataset],
        [experiment],
        versions=VERSIONS | {"numpy": HOSTILE},
        costs=[RuleCost(HOSTILE, 1, 2.0, 2.0, None)],
        citations=[HOSTILE],
    )
    page = Page(html)
    assert HOSTILE not in html
    assert page.tags["script"] == 1
    assert page.text.count(HOSTILE) >= 16
    assert f"matrix of {HOSTILE}" in [image["alt"] for image in page.all("img")]


def test_it_is_one_file_whose_pictures_have_alternatives(
    dataset: DatasetSection, experiment: ExperimentSection
) -> None:
    html = render_report([dataset], [experiment], versions=VERSIONS)
    page = Page(html)
    images = page.all("img")
    assert len(images) == 4
    for image in images:
        kind, _, data = (image["src"] or "").partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == b"\x89PNG picture"
        assert image["alt"]
    assert page.tags["link"] == 0
    assert not re.search(r"https?://|@import|url\(", html)
    for link in page.all("a"):
        assert (link["href"] or "").startswith("#")
        assert (link["href"] or "")[1:] in [a.get("id") for _, a in page.attributes]
    assert html.startswith("<!DOCTYPE html>")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )


def test_every_accuracy_has_interval_count_and_published_value(
    dataset: DatasetSection, experiment: ExperimentSection
) -> None:
    text = Page(render_report([dataset], [experiment], versions=VERSIONS | {"numpy": "2.0"})).text
    assert "SF 37.50 13.7 to 69.4 3 / 8 30.00 48.30" in re.sub(r" +", " ", text)
    assert "MFCC 25.00 7.2 to 59.1 2 / 8 – –" in re.sub(r" +", " ", text)
    assert "published" in text
    assert "10 (1 quarantined)" in text
    assert "39 ok, 1 quarantined" in text
    assert "dnn.epochs 2 200 200 – stated in the paper: Jeong 2016, 4.2" in re.sub(r" +", " ", text)
    assert "numpy 2.0" in text
    assert "52.5" in text


def test_columns_without_content_are_left_out(
    dataset: DatasetSection, experiment: ExperimentSection
) -> None:
    plain = [replace(score, published=None, note="") for score in experiment.scores]
    page = render_report(
        [dataset], [replace(experiment, scores=plain, tsne=None)], versions=VERSIONS
    )
    assert ">published</th>" not in page
    assert ">note</th>" not in page
    assert "t-SNE" not in page


def test_means_over_seeds_have_a_deviation_and_no_interval(
    dataset: DatasetSection, experiment: ExperimentSection
) -> None:
    scores = [experiment.scores[0], Score("SF", "Jeong 2016", MEAN, 40.0, 35.0, 8, std=3.5)]
    page = Page(
        render_report(
            [dataset], [replace(experiment, seeds=[0, 1], scores=scores)], versions=VERSIONS
        )
    )
    text = re.sub(r" +", " ", page.text)
    assert "SF mean 40.00 ± 3.50 – – / 8 35.00" in text
    # On top, what its seeds have.
    assert "SF leaky: group Jeong 2016 40.00 ± 3.50 13.7 to 69.4 3 / 8 " in text


def test_differences_that_pass_the_corrected_test_are_listed(
    dataset: DatasetSection, experiment: ExperimentSection
) -> None:
    pairs = [
        Comparison("0", "SF", "MFCC", -25.0, 4, 24, 80, 0.0021),
        Comparison("0", "SF", "TF", 5.0, 6, 2, 80, 0.29),
    ]
    page = Page(
        render_report([dataset], [replace(experiment, comparisons=pairs)], versions=VERSIONS)
    )
    text = re.sub(r" +", " ", page.text)
    assert "Differences between systems: 1 of 2 pairs" in text
    assert "MFCC SF 25.0 24 4 80 0.0021" in text
    assert "0.29" not in text


def test_experts_by_genre_are_shown_with_their_agreement(
    dataset: DatasetSection, experiment: ExperimentSection, tmp_path: Path
) -> None:
    assert "Experts by genre" not in render_report([dataset], [experiment], versions=VERSIONS)
    found = [
        GenreScore("MoEC", "", "", "0", "rank_correlation", 48, 0.268, None, 0.12, 0.44, 0.134),
        GenreScore("MoER", "", "", "0", "rank_correlation", 48, note=HOSTILE),
    ]
    shown = replace(experiment, agreements=found, experts=experiment.curves)
    page = Page(render_report([dataset], [shown], versions=VERSIONS))
    text = re.sub(r" +", " ", page.text)
    assert "MoEC 0.27 0.12 to 0.44 0.13 48" in text
    assert f"MoER – – – 48 {HOSTILE}" in text
    assert len(page.all("img")) == 5


def test_no_difference_is_said_to_be_one(
    dataset: DatasetSection, experiment: ExperimentSection
) -> None:
    text = Page(render_report([dataset], [experiment], versions=VERSIONS)).text
    assert "Differences between systems: 0 of 1 pairs" in text
    assert "better" not in text
    alone = Page(render_report([dataset], [replace(experiment, comparisons=[])], versions=VERSIONS))
    assert "Differences between systems" not in alone.text


def test_the_leak_audit_is_shown(dataset: DatasetSection, experiment: ExperimentSection) -> None:
    text = Page(render_report([dataset], [experiment], versions=VERSIONS)).text
    assert "Leak audit: leaky" in text
    assert f"group all leaky 3 8 {HOSTILE}" in re.sub(r" +", " ", text)
    clean = [{**row, "verdict": "clean", "test_clips": "0"} for row in experiment.audit]
    text = Page(
        render_report([dataset], [replace(experiment, audit=clean)], versions=VERSIONS)
    ).text
    assert "Leak audit: nothing found" in text
    assert "not everything" not in text
    unknown = [{**row, "verdict": "unknown"} for row in clean]
    text = Page(
        render_report([dataset], [replace(experiment, audit=unknown)], versions=VERSIONS)
    ).text
    assert "nothing found, not everything could be checked" in text


def test_comparisons_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "mcnemar.csv"
    path.write_text(
        "dataset,partition,seed,system_a,system_b,n,both_right,only_a,only_b,both_wrong,"
        "difference,p,p_holm\n"
        "NA,split,1,SF,TF,42,10,3,12,17,-21.43,0.03516,0.1055\n"
        "NA,random,1,SF,TF,42,10,12,3,17,21.43,0.03516,0.1055\n"
    )
    (found,) = read_comparisons(path, "NA", "split")
    assert found == Comparison("1", "SF", "TF", -21.43, 3, 12, 42, 0.1055)
    assert (found.better, found.worse) == ("TF", "SF")


def test_a_run_without_experiments_has_a_report() -> None:
    page = Page(render_report([], [], versions=VERSIONS))
    assert "No experiment is configured" in page.text
    assert page.tags["table"] == 0


def test_role_counts_name_the_quarantined_clips() -> None:
    assignments = [
        Assignment(0, "a", "x", "train"),
        Assignment(0, "b", "x", "test"),
        Assignment(0, "c", "y", "test"),
    ]
    assert role_counts(assignments, {"c", "elsewhere"}) == {
        "train": "1",
        "valid": "0",
        "test": "2 (1 quarantined)",
    }


def test_versions_are_those_of_this_environment() -> None:
    import numpy as np

    versions = package_versions("9.9")
    assert versions["genreflow"] == "9.9"
    assert versions["numpy"] == np.__version__

"""What the report gathers: mistakes, headlines, costs, deviations, citations, and sound."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from genreflow.files.benchmarks import Measurement, read_measurement
from genreflow.plan.citations import read_citations
from genreflow.plan.deviations import OURS, STATED, deviations, read_points
from genreflow.plan.schema import Settings
from genreflow.results.costs import RuleCost, costs_by_rule
from genreflow.results.excerpts import MOST_EXCERPTS, SAMPLE_RATE, SECONDS, excerpt
from genreflow.results.headlines import headlines
from genreflow.results.mistakes import Answer, answers_of, find_mistakes
from genreflow.results.report import duration
from genreflow.results.scores import MEAN, Score

REPOSITORY = Path(__file__).resolve().parents[2]


def said(**tests: str) -> list[dict[str, str]]:
    """Return predictions: of each clip, whose label is x, the answers of its tests in order."""
    return [
        {"track_id": track_id, "true": "x", "predicted": "" if answer == "0" else answer}
        for track_id, answers in tests.items()
        for answer in answers
    ]


# Mistakes.


def test_an_answer_is_what_most_tests_gave_and_the_first_of_equals() -> None:
    answers = answers_of(said(a="xyx", b="yx", c="0", d="xx"))
    assert answers == {
        "a": Answer("x", "x", 2, 3),
        "b": Answer("x", "y", 1, 2),
        "c": Answer("x", "", 1, 1),
        "d": Answer("x", "x", 2, 2),
    }
    assert [answer.right for answer in answers.values()] == [True, False, False, True]


def test_clips_are_in_the_order_of_how_many_systems_got_them_wrong() -> None:
    found = find_mistakes(
        {
            "SF": answers_of(said(a="x", b="y", c="y", d="y")),
            "TF": answers_of(said(d="x", c="x", b="0", a="x")),
        }
    )
    assert [(clip.track_id, clip.true, clip.wrong) for clip in found] == [
        ("b", "x", 2),
        ("c", "x", 1),
        ("d", "x", 1),
    ]
    assert found[0].answers["TF"].label == ""


# Headlines.


def audit(*verdicts: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"system": s, "check": check, "verdict": v} for s, check, v in verdicts]


def test_a_headline_of_several_seeds_is_their_mean_and_all_of_their_intervals() -> None:
    scores = [
        Score("SF", "Jeong 2016", "0", 40.0, None, 10, ci_low=16.8, ci_high=68.7, correct=4),
        Score("SF", "Jeong 2016", "1", 60.0, None, 10, ci_low=31.3, ci_high=83.2, correct=6),
        Score("SF", "Jeong 2016", MEAN, 50.0, None, 10, std=14.1, published=48.3, note="noted"),
        Score("TF", "Jeong 2016", "0", 70.0, None, 10, ci_low=39.7, ci_high=89.2, correct=7),
    ]
    sf, tf = headlines(scores, audit(("", "clip", "clean")))
    assert (sf.accuracy, sf.std, sf.low, sf.high, sf.correct) == (50.0, 14.1, 16.8, 83.2, [4, 6])
    assert (sf.published, sf.note, sf.stamp) == (48.3, "noted", "no leak found")
    assert (tf.accuracy, tf.std, tf.low, tf.high, tf.correct) == (70.0, None, 39.7, 89.2, [7])


def test_a_stamp_is_the_worst_of_what_concerns_the_system() -> None:
    scores = [Score(s, "", "0", 1.0, None, 1) for s in ("SF", "TF", "MoEB", "stats")]
    found = headlines(
        scores,
        audit(
            ("", "clip", "clean"),
            ("", "group", "unknown"),
            ("SF", "selection", "leaky"),
            ("SF", "training", "doubtful"),
            ("TF", "selection", "clean"),
            ("MoEB", "training", "doubtful"),
        ),
    )
    assert [(line.system, line.stamp) for line in found] == [
        ("SF", "leaky: selection"),
        ("TF", "not fully checked: group"),
        ("MoEB", "doubtful training"),
        ("stats", "not fully checked: group"),
    ]
    # Nothing that was checked is no clean verdict.
    assert headlines(scores[:1], [])[0].stamp.startswith("not fully checked")


# Time and memory.


def measured(path: Path, seconds: float, memory: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t{memory}\n")


def test_costs_are_those_of_the_jobs_of_known_datasets(tmp_path: Path) -> None:
    measured(tmp_path / "make_tables.tsv", 4.0, "100.5")
    measured(tmp_path / "train_dnn/demo/split/seed0/fold0/sf.tsv", 2.0, "300")
    measured(tmp_path / "train_dnn/demo/split/seed0/fold0/tf.tsv", 9.0, "200")
    measured(tmp_path / "train_dnn/earlier/split/seed0/fold0/sf.tsv", 50.0, "900")
    measured(tmp_path / "write_manifest/demo.tsv", 0.1, "NA")
    (tmp_path / "train_dnn/demo/cut.tsv").write_text("s\th:m:s\tmax_rss\n")
    (tmp_path / "train_dnn/demo/strange.tsv").write_text("s\th:m:s\tmax_rss\nsoon\t\t\n")
    assert costs_by_rule(tmp_path, ["demo"]) == [
        RuleCost("train_dnn", 2, 11.0, 9.0, 300.0),
        RuleCost("make_tables", 1, 4.0, 4.0, 100.5),
        RuleCost("write_manifest", 1, 0.1, 0.1, None),
    ]
    assert costs_by_rule(tmp_path / "nowhere", ["demo"]) == []
    assert read_measurement(tmp_path / "write_manifest/demo.tsv") == Measurement(0.1, None)


def test_durations_are_said_in_their_units() -> None:
    seconds = (0.04, 59.94, 59.96, 90, 3569, 3571, 7320)
    found = ["0.0 s", "59.9 s", "1 min", "2 min", "59 min", "1 h 00 min", "2 h 02 min"]
    assert [duration(s) for s in seconds] == found


# Deviations.


def test_points_of_the_page_are_read_with_whose_values_they_are() -> None:
    points = read_points(REPOSITORY / "docs" / "deviations.md")
    assert set(points) == {key for key, _ in leaves(Settings().model_dump())}
    assert (points["hpss.conserve"].paper, points["hpss.conserve"].authors) == (
        "power", "magnitude",
    )  # fmt: skip
    assert points["hpss.conserve"].status == "read from the authors’ code"
    assert points["rf.max_features"].status.startswith("open")
    assert points["dnn.hidden"].status.endswith("arithmetic")
    epochs = points["expert.epochs"]
    assert (epochs.status, epochs.place, epochs.paper) == (STATED, "Yi 2019, IV.C", "50")
    assert points["training.device"].status == OURS


def leaves(settings: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    return [
        pair
        for key, value in settings.items()
        for pair in (
            leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
        )
    ]


def test_what_differs_from_defaults_papers_or_code_is_in_force() -> None:
    defaults = Settings().model_dump()
    points = read_points(REPOSITORY / "docs" / "deviations.md")
    # By the page's own two blocks of switches.
    known = {
        "audio.resampler", "hpss.conserve", "modulation.spectrogram", "mixer.dropout",
        "mixer.frozen_batchnorm",
    }  # fmt: skip
    found = deviations(defaults, defaults, points)
    assert {row["key"] for row in found} == known
    assert not any(row["changed"] for row in found)
    changed = Settings.model_validate(
        {"hpss": {"conserve": "power"}, "rf": {"trees": 7}, "seeds": [0, 1]}
    )
    rows = {row["key"]: row for row in deviations(changed.model_dump(), defaults, points)}
    assert {key for key, row in rows.items() if row["changed"]} == {
        "hpss.conserve", "rf.trees", "seeds",
    }  # fmt: skip
    assert rows["rf.trees"] == {
        "key": "rf.trees", "value": 7, "default": 500, "changed": True,
        "status": STATED, "place": "Jeong 2016, 4.3", "paper": "500", "authors": None,
    }  # fmt: skip


def test_without_the_page_only_changed_settings_are_known(tmp_path: Path) -> None:
    points = read_points(tmp_path / "deviations.md")
    (row,) = deviations({"rf": {"trees": 7}}, {"rf": {"trees": 500}}, points)
    assert (row["key"], row["status"], row["paper"]) == ("rf.trees", "", None)
    assert deviations({"rf": {"trees": 7}}, {"rf": {"trees": 7}}, points) == []


# Citations.


def test_citations_are_the_papers_and_then_the_software(tmp_path: Path) -> None:
    jeong, yi, software = read_citations(REPOSITORY / "CITATION.cff")
    assert jeong.startswith("Il-Young Jeong and Kyogu Lee, Learning temporal features using")
    assert yi.startswith("Yang Yi, Kuan-Yu Chen and Hung-Yan Gu, Mixture of CNN Experts")
    assert all("Proceedings of the" in paper for paper in (jeong, yi))
    assert (jeong.endswith(", 2016."), yi.endswith(", 2019.")) == (True, True)
    version = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"]
    assert software.startswith("The genreflow developers, genreflow: a Snakemake workflow")
    assert f"version {version}" in software
    assert read_citations(tmp_path / "CITATION.cff") == []


# Sound.


@pytest.mark.parametrize(("seconds", "rate"), [(12.0, 44100), (3.0, 22050)])
def test_an_excerpt_is_the_start_of_a_clip(tmp_path: Path, seconds: float, rate: int) -> None:
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    # The right channel is silent, and what follows the excerpt is another tone.
    tone[time >= SECONDS] = 0.5 * np.sin(2 * np.pi * 2000 * time[time >= SECONDS])
    soundfile.write(tmp_path / "clip.wav", np.stack([tone, 0 * tone], axis=1), rate)
    kind, _, data = excerpt(tmp_path / "clip.wav").partition(",")
    assert kind == "data:audio/mpeg;base64"
    found, found_rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert found_rate == SAMPLE_RATE
    assert found.ndim == 1
    # An encoder adds less than a tenth of a second.
    assert min(seconds, SECONDS) <= len(found) / found_rate <= min(seconds, SECONDS) + 0.1
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    peak = np.argmax(spectrum) * found_rate / len(found)
    assert peak == pytest.approx(440, abs=1)
    middle = found[SAMPLE_RATE : 2 * SAMPLE_RATE]
    # LAME makes everything 5 % quieter, so that nothing is cut off.
    assert np.sqrt(2) * middle.std() == pytest.approx(0.95 * 0.25, rel=0.01)


def test_a_page_of_sound_can_be_sent(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-3, 3, round(SECONDS * SAMPLE_RATE))
    soundfile.write(tmp_path / "clip.wav", noise, SAMPLE_RATE, subtype="FLOAT")
    # Noise takes no more than a tone, since the rate is constant.
    assert MOST_EXCERPTS * len(excerpt(tmp_path / "clip.wav")) < 3.5e6


def test_a_clip_that_can_t_be_read_has_no_excerpt(tmp_path: Path) -> None:
    (tmp_path / "clip.mp3").write_bytes(b"this is no audio")
    assert excerpt(tmp_path / "clip.mp3") == ""
    assert excerpt(tmp_path / "gone.wav") == ""

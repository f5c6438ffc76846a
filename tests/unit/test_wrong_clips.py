"""Clips that were got wrong: which are shown, and that their votes are those of the predictions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from genreflow.files.assignments import Assignment
from genreflow.files.predictions import (
    ClipPrediction,
    read_predictions,
    tabulate_predictions,
    write_predictions,
)
from genreflow.jeong2016.forest import ForestFold, clip_shares, segment_probabilities
from genreflow.results.drawing import WIDTH, save_figure
from genreflow.results.wrong_clips import MOST_CLIPS, WrongClip, choose_wrong, draw_wrong_clips
from matplotlib.figure import Figure

LABELS = ["blues", "$jazz$", "rock"]
STARTS = 2.5 * np.arange(11)


def table(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    found = []
    for track_id, true, predicted, share in rows:
        shares = dict.fromkeys([f"probability_{label}" for label in LABELS], np.nan)
        shares |= {f"probability_{predicted}": share} if predicted else {}
        found.append({"track_id": track_id, "true": true, "predicted": predicted, **shares})
    return pd.DataFrame(found)


def test_of_each_label_the_surest_mistake_is_chosen() -> None:
    predictions = table(
        ("t1", "blues", "rock", 0.6),
        ("t2", "blues", "rock", 0.9),
        ("t3", "rock", "rock", 1.0),
        ("t5", "rock", "$jazz$", 0.95),
        ("t4", "rock", "blues", 0.95),
        ("t6", "$jazz$", "", np.nan),
        ("t7", "$jazz$", "blues", 0.4),
    )
    chosen = choose_wrong(predictions)
    assert [(c.track_id, c.true, c.predicted, c.share) for c in chosen] == [
        ("t4", "rock", "blues", 0.95),
        ("t2", "blues", "rock", 0.9),
        ("t7", "$jazz$", "blues", 0.4),
    ]
    assert [clip.track_id for clip in choose_wrong(predictions, most=1)] == ["t4"]
    assert choose_wrong(predictions[predictions["track_id"] == "t3"]) == []


def fold() -> ForestFold:
    """Three labels that overlap, so that some of the test clips are got wrong."""
    rng = np.random.default_rng(4)
    assignments, segments = [], {}
    for number in range(60):
        label = LABELS[number % 3]
        role = "test" if number >= 30 else "train"
        track_id = f"t{number:02d}"
        assignments.append(Assignment(0, track_id, label, role))
        centre = 1.5 * (number % 3) + rng.normal()
        segments[track_id] = (centre + rng.normal(size=(11, 4))).astype(np.float32)
    return ForestFold(0, assignments, sorted(LABELS), segments, [])


@pytest.mark.parametrize("decision", ["majority", "mean_proba"])
def test_what_is_drawn_adds_up_to_the_prediction_file(decision: str, tmp_path: Path) -> None:
    found = fold()
    settings = {"trees": 25, "max_features": "sqrt", "seed": 3, "threads": 1}
    forest = found.grow(**settings)  # type: ignore[arg-type]
    test = [a for a in found.assignments if a.role == "test"]
    predictions = tabulate_predictions(
        test,
        {
            a.track_id: ClipPrediction(
                clip_shares(
                    segment_probabilities(forest, found.segments[a.track_id], classes=3),
                    decision,  # type: ignore[arg-type]
                )
            )
            for a in test
        },
        labels=found.labels,
        quarantined=[],
        seed=3,
    )
    path = tmp_path / "SF.csv"
    write_predictions(predictions, path)
    chosen = choose_wrong(read_predictions(path))
    assert len(chosen) >= 2
    # Grown again, as the script does.
    again = found.grow(**settings)  # type: ignore[arg-type]
    clips = [
        replace(
            clip,
            probabilities=segment_probabilities(again, found.segments[clip.track_id], classes=3),
        )
        for clip in chosen
    ]
    figure = draw_wrong_clips(
        clips, labels=found.labels, starts=STARTS, segment_seconds=5, decision=decision, title="t"
    )
    rows = read_predictions(path).set_index("track_id")
    for axes, clip in zip(figure.axes, clips, strict=False):
        votes: Counter[str] = Counter()
        for line in axes.lines:
            votes[line.get_gid()] = len(line.get_markevery() or [])
            mean = float(np.mean(line.get_ydata()))
            if decision == "mean_proba":
                assert mean == pytest.approx(
                    rows.loc[clip.track_id, f"probability_{line.get_gid()}"], abs=1e-6
                )
        assert votes.total() == 11
        if decision == "majority":
            for label, count in votes.items():
                share = rows.loc[clip.track_id, f"probability_{label}"]
                assert count == round(11 * share), clip.track_id
        said = axes.get_title(loc="left").splitlines()
        assert said[:3] == [clip.track_id, f"true: {clip.true}", f"predicted: {clip.predicted}"]
        expected = f"{votes[clip.predicted]} of 11 votes"
        assert said[3] == (
            expected if decision == "majority" else f"mean probability {clip.share:.2f}"
        )


def wrong(number: int) -> Figure:
    rng = np.random.default_rng(number)
    clips = [
        WrongClip(f"a clip with a name that is long {n}", LABELS[n % 2], LABELS[2], 7 / 11,
                  rng.dirichlet([1, 1, 1], size=11))
        for n in range(number)
    ]  # fmt: skip
    return draw_wrong_clips(
        clips, labels=LABELS, starts=STARTS, segment_seconds=5, decision="majority",
        title="demo, random_group_disjoint: SF+TF\nclips that were got wrong, fold 0, seed 0",
    )  # fmt: skip


def test_a_segment_is_drawn_in_its_middle_over_the_clip() -> None:
    axes = wrong(1).axes[0]
    assert all(line.get_xdata().tolist() == (STARTS + 2.5).tolist() for line in axes.lines)
    assert axes.get_xlim() == (0, 30)
    assert axes.get_xlabel() == "time (s)"
    looks = {line.get_gid(): line.get_linestyle() for line in axes.lines}
    # The two that matter are told apart in grey.
    assert (looks["rock"], looks["blues"]) == ("-", "--")


def test_of_a_single_segment_every_label_is_seen() -> None:
    clip = WrongClip("t1", "blues", "rock", 1.0, np.array([[0.3, 0.2, 0.5]]))
    figure = draw_wrong_clips(
        [clip], labels=LABELS, starts=STARTS[:1], segment_seconds=5, decision="majority", title="t"
    )
    marks = {line.get_gid(): line.get_marker() for line in figure.axes[0].lines}
    assert marks == {"blues": "_", "$jazz$": "_", "rock": "o"}


@pytest.mark.parametrize("number", [0, 1, MOST_CLIPS])
def test_nothing_is_cut_off_and_bytes_repeat(number: int, tmp_path: Path) -> None:
    figure = wrong(number)
    figure.draw_without_rendering()
    inner = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert width == WIDTH
    assert min(inner.x0, inner.y0) >= -0.01
    assert inner.x1 <= width + 0.01
    assert inner.y1 <= height + 0.01
    paths = [tmp_path / "a.pdf", tmp_path / "b.pdf"]
    for path in paths:
        save_figure(wrong(number), [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_where_no_clip_is_wrong_the_figure_says_so() -> None:
    assert [text.get_text() for text in wrong(0).texts][:1] == ["No clip was got wrong."]

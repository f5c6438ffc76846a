"""Figures: what is on their axes, and that they come out the same twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from genreflow.results.drawing import TITLE_LENGTH, WIDTH, save_figure
from genreflow.results.embedding import PERPLEXITY, choose_perplexity, embed_segments
from genreflow.results.figures import (
    LearningCurve,
    draw_accuracies,
    draw_experts_by_genre,
    draw_figure_of_merit,
    draw_learning_curves,
    draw_study,
    draw_tsne,
)
from genreflow.results.scores import (
    MEAN,
    Difference,
    GenreScore,
    Score,
    majority_share,
    read_differences,
    read_figure_of_merit,
    read_scores,
)
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

LABELS = ["blues", "bright_clustered_percussive", "$pop$"]
#: Rows predicted, columns true; the margins are those of 10 clips a class.
MATRIX = np.array(
    [
        [90.0, 10.0, 0.0, 90.0],
        [10.0, 60.0, 30.0, 60.0],
        [0.0, 20.0, 70.0, 77.8],
        [90.0, 60.0, 73.7, 73.3],
    ]
)
TABLE = """\
paper,table,dataset,partition,system,seed,metric,value,std,ci_low,ci_high,correct,n,published,difference,note
Jeong 2016,own,NA,split,SF,0,accuracy,37.50,,13.68,69.43,3,8,48.30,-10.80,a note
Jeong 2016,own,NA,split,SF,0,macro_f,30.00,,,,,8,,,
Jeong 2016,own,NA,split,SF,1,accuracy,62.50,,30.57,86.32,5,8,48.30,14.20,
Jeong 2016,own,NA,split,SF,1,macro_f,50.00,,,,,8,,,
Jeong 2016,own,NA,split,SF,mean,accuracy,50.00,17.68,,,,8,48.30,1.70,
Jeong 2016,own,NA,split,SF,mean,macro_f,40.00,14.14,,,,8,,,
Yi 2019,own,NA,random,MFCC,0,accuracy,12.50,,2.24,47.09,1,8,,,
"""


def curve(epochs: int, best: int, last: float = 0.5) -> LearningCurve:
    train = np.geomspace(2.0, last, epochs)
    return LearningCurve(list(train), list(train + 0.1), best)


def figure_of_merit() -> Figure:
    return draw_figure_of_merit(LABELS, MATRIX, title="demo, split: SF\naccuracy 73.3 %, n = 30")


def learning_curves() -> Figure:
    return draw_learning_curves({"SF": [curve(5, 3)], "MFCC": [curve(4, 2)]}, classes=8, title="t")


def tsne() -> Figure:
    points = np.random.default_rng(0).normal(size=(9, 2))
    classes = [0, 1, 2] * 3
    return draw_tsne({"SF": points, "SF+TF": points}, classes, labels=LABELS, title="t")


def accuracies() -> Figure:
    score = Score("SF", "Jeong 2016", "0", 37.5, 30.0, 8, ci_low=13.7, ci_high=69.4, correct=3)
    return draw_accuracies([score], majority=12.5, title="t")


def genre_scores() -> list[GenreScore]:
    """Recalls of two experts in the three genres, and the weights of a mixture of both."""
    recalls = {"original": [90.0, 40.0, None], "percussive": [20.0, 40.0, None]}
    weights = {"original": [100.0, 55.0, None], "percussive": [0.0, 45.0, None]}
    cells = [
        GenreScore(
            mixture, expert, label, "0", "weight" if mixture else "recall",
            n=0 if value is None else 10,
            value=value,
            ci_low=None if value is None else max(0.0, value - 12),
            ci_high=None if value is None else min(100.0, value + 9),
        )
        for mixture, cells in (("", recalls), ("MoER", weights))
        for expert, values in cells.items()
        for label, value in zip(LABELS, values, strict=True)
    ]  # fmt: skip
    agreement = GenreScore("MoER", "", "", "0", "rank_correlation", 20, 0.5, None, 0.1, 0.9, 0.25)
    return [*cells, agreement]


def experts_by_genre() -> Figure:
    return draw_experts_by_genre(genre_scores(), title="demo, split: experts by genre\nn = 20")


def study() -> Figure:
    rows = [("SF", "rf.trees", 2.0), ("SF", "rf.decision", -9.0), ("TF", "rf.trees", 0.0)]
    differences = [
        Difference(system, key, "x", 50.0, None, 42, value, value - 5, value + 5, [1.0])
        for system, key, value in rows
    ]
    return draw_study(differences, title="points")


DRAWN = [figure_of_merit, learning_curves, tsne, accuracies, experts_by_genre, study]


@pytest.mark.parametrize("draw", DRAWN)
def test_the_same_data_give_the_same_bytes(draw: Callable[[], Figure], tmp_path: Path) -> None:
    first, second = (
        [tmp_path / f"{time}.{ending}" for ending in ("png", "pdf")] for time in ("first", "second")
    )
    save_figure(draw(), first)
    save_figure(draw(), second)
    for path, again, start in zip(first, second, (b"\x89PNG", b"%PDF"), strict=True):
        assert path.read_bytes() == again.read_bytes()
        assert path.read_bytes().startswith(start)
        assert b"matplotlib" not in path.read_bytes().lower()
    assert b"Date" not in first[1].read_bytes()
    # Letters, not outlines of them.
    assert b"/TrueType" in first[1].read_bytes() or b"/CIDFontType2" in first[1].read_bytes()


@pytest.mark.parametrize("draw", DRAWN)
def test_nothing_is_cut_off(draw: Callable[[], Figure]) -> None:
    figure = draw()
    figure.draw_without_rendering()
    inner = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert inner.x0 >= -0.01
    assert inner.y0 >= -0.01
    assert inner.x1 <= width + 0.01
    assert inner.y1 <= height + 0.01


@pytest.mark.parametrize("draw", DRAWN)
def test_a_phone_shows_a_figure_or_at_least_its_title_whole(draw: Callable[[], Figure]) -> None:
    figure = draw()
    figure.draw_without_rendering()
    assert draw is figure_of_merit or figure.get_size_inches()[0] == WIDTH
    # 358 of 390 px are left beside the margins; an inch has 96 where the picture is not shrunk.
    inches = WIDTH if draw is not figure_of_merit else 358 / 96
    title = figure.get_suptitle()
    assert max(map(len, title.splitlines())) <= TITLE_LENGTH
    assert figure._suptitle.get_window_extent().x1 / figure.dpi <= inches


def test_a_long_title_is_broken_and_loses_nothing() -> None:
    title = "a_very_long_name_of_a_dataset_of_somebody, random_group_disjoint: SF+TF\nn = 30"
    figure = draw_figure_of_merit(LABELS, MATRIX, title=title)
    assert figure.get_suptitle().replace("\n", "").replace(" ", "") == title.replace(
        "\n", ""
    ).replace(" ", "")
    assert max(map(len, figure.get_suptitle().splitlines())) <= TITLE_LENGTH


def test_figure_of_merit_prints_every_number_at_its_place() -> None:
    (axes,) = figure_of_merit().axes
    printed = {}
    for text in axes.texts:
        column, row = (round(place) for place in text.get_position())
        printed[row, column] = text.get_text()
    for (row, column), value in np.ndenumerate(MATRIX):
        assert float(printed[row, column]) == value
    assert len(printed) == MATRIX.size


def test_figure_of_merit_has_the_published_matrix_below_it() -> None:
    published = MATRIX + 1
    ours, theirs = draw_figure_of_merit(LABELS, MATRIX, title="t", published=published).axes
    assert ours.get_position().y0 > theirs.get_position().y0
    for axes, matrix in ((ours, MATRIX), (theirs, published)):
        printed = [float(text.get_text()) for text in axes.texts]
        assert printed == pytest.approx(list(matrix.ravel()), abs=0.05)
    assert ours.get_title(loc="left") == "here"
    assert theirs.get_title(loc="left") == "published (Jeong & Lee 2016, figure 3)"


def test_figure_of_merit_names_rows_and_columns() -> None:
    (axes,) = figure_of_merit().axes
    assert [t.get_text() for t in axes.get_xticklabels()] == [*LABELS, "precision"]
    assert [t.get_text() for t in axes.get_yticklabels()] == [*LABELS, "F-score"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true", "predicted")
    assert not any(t.get_parse_math() for t in axes.get_xticklabels())


def test_figure_of_merit_shades_the_confusions_alone() -> None:
    (axes,) = figure_of_merit().axes
    (image,) = axes.images
    assert np.array_equal(image.get_array(), MATRIX[:3, :3])
    assert image.get_clim() == (0, 100)
    assert len(axes.patches) == 7
    assert all(patch.get_facecolor()[3] == 0 for patch in axes.patches)
    # A gap keeps the margins apart.
    assert min(patch.get_x() for patch in axes.patches[:3]) > 2.5


def test_figure_of_merit_is_readable_on_every_shade() -> None:
    shades = np.zeros((12, 12))
    shades[:11, :11] = np.arange(0, 101, 10)
    (axes,) = draw_figure_of_merit([f"{i}" for i in range(11)], shades, title="t").axes
    (image,) = axes.images

    def luminance(colour: tuple[float, ...]) -> float:
        c = np.asarray(colour[:3])
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for text in axes.texts:
        column, row = text.get_position()
        if column > 10 or row > 10:
            continue
        ground = luminance(image.cmap(image.norm(shades[int(row), int(column)])))
        ink = luminance(to_rgba(text.get_color()))
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5


def test_learning_curves_mark_the_epoch_that_was_kept() -> None:
    figure = draw_learning_curves(
        {"SF": [curve(5, 3), curve(7, 6)], "MFCC": [curve(4, 2)]}, classes=8, title="t"
    )
    sf, mfcc = figure.axes[:2]
    assert sf.get_title(loc="left") == "SF (2 trainings)"
    assert mfcc.get_title(loc="left") == "MFCC"
    kept = [line for line in sf.lines if line.get_marker() == "o"]
    assert [int(line.get_xdata()[0]) for line in kept] == [3, 6]
    assert kept[0].get_ydata()[0] == pytest.approx(curve(5, 3).valid_loss[2])
    (guess,) = [line for line in mfcc.lines if line.get_linestyle() == ":"]
    assert guess.get_ydata()[0] == pytest.approx(math.log(8))
    assert mfcc.get_yscale() == "linear"


def test_learning_curves_have_axes_of_their_own_and_say_where_one_is_logarithmic() -> None:
    figure = draw_learning_curves(
        {"SF": [curve(5, 3)], "MFCC": [curve(9, 9, last=1e-3)]}, classes=8, title="t"
    )
    sf, mfcc = figure.axes[:2]
    assert (sf.get_yscale(), mfcc.get_yscale()) == ("linear", "log")
    assert (sf.get_ylabel(), mfcc.get_ylabel()) == ("", "logarithmic")
    # Without the line of a guess, the one ends where its own losses do.
    assert sf.get_ylim()[0] > 0.4
    assert mfcc.get_ylim()[0] < 1e-3


def test_one_epoch_is_visible_and_its_ticks_whole() -> None:
    figure = draw_learning_curves({"SF": [curve(1, 1)]}, classes=8, title="t")
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]
    assert any(line.get_marker() == "." for line in axes.lines)


def test_tsne_has_a_marker_a_segment_and_a_colour_a_genre() -> None:
    figure = tsne()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["SF", "SF+TF"]
    for axes in figure.axes:
        looks = {
            (*c.get_facecolor()[0], *c.get_paths()[0].vertices.ravel()) for c in axes.collections
        }
        assert len(looks) == len({look[4:] for look in looks}) == len(LABELS)
        assert sum(len(cloud.get_offsets()) for cloud in axes.collections) == 9
        colours = {tuple(cloud.get_facecolor()[0]) for cloud in axes.collections}
        assert len(colours) == len(LABELS)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == LABELS


def test_tsne_legend_keeps_labels_with_an_underscore_and_tells_twenty_apart() -> None:
    labels = [f"_{index}" for index in range(20)]
    figure = draw_tsne({"SF": np.eye(20)[:, :2]}, range(20), labels=labels, title="t")
    (legend,) = figure.legends
    assert [text.get_text().lstrip("\u200b") for text in legend.get_texts()] == labels
    looks = {(line.get_color(), line.get_marker()) for line in legend.get_lines()}
    assert len(looks) == 20


def test_tsne_of_too_few_segments_says_so() -> None:
    figure = draw_tsne({"SF": np.zeros((2, 2))}, [0, 1], labels=LABELS, title="t")
    (text,) = figure.axes[0].texts
    assert text.get_text() == "2 segments: too few for a map"


def test_perplexity_is_thirty_unless_the_segments_are_few() -> None:
    assert choose_perplexity(2750) == PERPLEXITY == 30
    assert choose_perplexity(100) == 30
    assert choose_perplexity(61) == pytest.approx(20)
    assert choose_perplexity(97) == 30


def test_embedding_keeps_clusters_and_repeats_itself() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(40, 6)) + 50 * np.repeat([0, 1], 20)[:, None]
    perplexity = choose_perplexity(40)
    first = embed_segments(features, perplexity=perplexity, seed=5)
    again = embed_segments(features, perplexity=perplexity, seed=5)
    assert first.shape == (40, 2)
    assert np.array_equal(first, again)
    centres = first[:20].mean(axis=0), first[20:].mean(axis=0)
    spread = max(np.linalg.norm(first[:20] - centres[0], axis=1))
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * spread


def test_embedding_of_equal_segments_is_finite() -> None:
    found = embed_segments(np.zeros((12, 4)), perplexity=3, seed=1)
    assert np.isfinite(found).all()


def test_accuracies_draw_interval_majority_and_published_value(tmp_path: Path) -> None:
    path = tmp_path / "tables.csv"
    path.write_text(TABLE)
    figure = draw_accuracies(read_scores(path, "NA", "split"), majority=12.5, title="t")
    axes = figure.axes[0]
    intervals = [c.get_segments()[0][:, 0].tolist() for c in axes.collections]
    assert intervals[:2] == [[13.68, 69.43], [30.57, 86.32]]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert dots == [37.5, 62.5]
    (published,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert published.get_xdata()[0] == 48.3
    (chance,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert chance.get_xdata()[0] == 12.5
    assert [t.get_text() for t in axes.get_yticklabels()] == ["SF"]
    (right,) = axes.child_axes
    assert [t.get_text() for t in right.get_yticklabels()] == ["50.0 ± 17.7"]
    (legend,) = figure.legends
    assert "published" in [text.get_text() for text in legend.get_texts()]


def test_accuracy_of_one_seed_is_printed_with_its_count() -> None:
    figure = accuracies()
    (right,) = figure.axes[0].child_axes
    assert [t.get_text() for t in right.get_yticklabels()] == ["37.5  (3/8)"]
    (legend,) = figure.legends
    assert not {"published", "mean of the seeds"} & {t.get_text() for t in legend.get_texts()}


def test_experts_by_genre_print_recalls_and_weights_at_their_place() -> None:
    recall, weight = experts_by_genre().axes
    numbers = {}
    for axes in (recall, weight):
        assert [t.get_text() for t in axes.get_xticklabels()] == ["original", "percussive"]
        printed: dict[tuple[int, int], list[str]] = {}
        for text in axes.texts:
            column, row = (round(place) for place in text.get_position())
            printed.setdefault((row, column), []).append(text.get_text())
        numbers[axes] = printed
    assert numbers[recall] == {
        (0, 0): ["90", "78–99"], (1, 0): ["40", "28–49"], (2, 0): ["–"],
        (0, 1): ["20", "8–29"], (1, 1): ["40", "28–49"], (2, 1): ["–"],
    }  # fmt: skip
    assert numbers[weight][0, 0] == ["100", "88–100"]
    assert [t.get_text() for t in recall.get_yticklabels()] == [
        f"{label} ({n})" for label, n in zip(LABELS, (10, 10, 0), strict=True)
    ]
    # An equal share of weight is half dark.
    assert [axes.images[0].get_clim() for axes in (recall, weight)] == [(0, 100), (0, 100)]
    bold = [t.get_text() for t in recall.texts if t.get_fontweight() == "bold"]
    assert bold == ["90", "40", "40"]
    assert weight.get_title(loc="left").splitlines() == [
        "MoER: weight (%)", "rank correlation 0.50", "(0.10 to 0.90), p 0.25",
    ]  # fmt: skip


def test_experts_by_genre_of_several_seeds_show_the_deviation() -> None:
    scores = [
        replace(s, seed=MEAN, std=3.2, ci_low=None, ci_high=None) if not s.mixture else s
        for s in genre_scores()
        if s.value is not None
    ]
    recall, _ = draw_experts_by_genre(scores, title="t").axes
    assert "± 3" in [text.get_text() for text in recall.texts]
    assert "deviation over the seeds" in recall.get_title(loc="left")


def test_a_correlation_that_is_undefined_is_a_dash() -> None:
    scores = genre_scores()
    undefined = replace(scores[-1], value=None, ci_low=None, ci_high=None, p=None)
    _, weight = draw_experts_by_genre([*scores[:-1], undefined], title="t").axes
    assert weight.get_title(loc="left").splitlines()[1] == "rank correlation –"


def test_scores_are_read_back_by_dataset_and_partition(tmp_path: Path) -> None:
    path = tmp_path / "tables.csv"
    path.write_text(TABLE)
    scores = read_scores(path, "NA", "split")
    assert [score.seed for score in scores] == ["0", "1", MEAN]
    assert scores[0] == Score(
        "SF", "Jeong 2016", "0", 37.5, 30.0, 8,
        ci_low=13.68, ci_high=69.43, correct=3, published=48.3, note="a note",
    )  # fmt: skip
    assert (scores[2].std, scores[2].correct, scores[2].macro_f) == (17.68, None, 40.0)
    assert [score.system for score in read_scores(path, "NA", "random")] == ["MFCC"]
    assert read_scores(path, "other", "split") == []


def test_figure_of_merit_is_read_by_place_whatever_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text("predicted,F,precision,precision\nF,1,2,3\nprecision,4,5,6\nF,7,8,9\n")
    labels, matrix = read_figure_of_merit(path)
    assert labels == ["F", "precision"]
    assert matrix.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_majority_share_is_that_of_the_largest_class() -> None:
    assert majority_share(["a", "b", "b", "c"]) == 50


def test_a_study_has_a_panel_a_system_and_the_largest_gain_first() -> None:
    panels = [axes for axes in study().axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["SF", "TF"]
    names = [[label.get_text() for label in axes.get_yticklabels()] for axes in panels]
    assert names == [["rf.trees\n= x", "rf.decision\n= x"], ["rf.trees\n= x"]]
    # Only the interval from -14 to -4 leaves out 0.
    markers = [line for line in panels[0].lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() == "white" for line in markers] == [True, False]


def test_differences_of_a_study_are_those_of_the_mean(tmp_path: Path) -> None:
    path = tmp_path / "studies.csv"
    columns = (
        "study,system,varied,value,seed,accuracy,std,n,difference,difference_low,"
        "difference_high,p_holm,note"
    )
    rows = [
        "s,TF,,,0,40,,42,,,,,",
        "s,TF,rf.trees,9,0,42,,42,2,-3,7,0.5,",
        "s,TF,rf.trees,9,1,44,,42,4,-1,9,0.04,",
        "s,TF,rf.trees,9,mean,43,1.4,42,3,0.5,5.5,,kept its first epoch",
        "other,TF,rf.trees,9,0,42,,42,2,-3,7,1,",
    ]
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    (found,) = read_differences(path, "s")
    assert (found.difference, found.low, found.high, found.std) == (3, 0.5, 5.5, 1.4)
    assert (found.p_holm, found.note) == ([0.5, 0.04], "kept its first epoch")

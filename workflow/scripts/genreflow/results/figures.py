"""Figures of the results: data in, a matplotlib figure out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from genreflow.results.drawing import (
    COLOURS,
    GREY,
    MARKERS,
    STYLE,
    WIDTH,
    put_title,
    shorten,
    wrap_title,
)
from genreflow.results.embedding import LEAST_SEGMENTS
from genreflow.results.scores import MEAN, NEITHER, Difference, GenreScore, Score

Array = npt.NDArray[np.floating]

TRAIN, VALID = COLOURS[0], COLOURS[6]
#: Dashes tell the two apart in grey.
TRAIN_LINE = (0, (4, 1.2))
#: Width of the gap between the confusions and the margins, in cells.
GAP = 0.25
#: Largest ratio of losses on a linear axis.
LINEAR_RATIO = 30.0


@dataclass(frozen=True)
class LearningCurve:
    """Losses of one training by epoch, the first epoch being 1, and the epoch that was kept."""

    train_loss: Sequence[float]
    valid_loss: Sequence[float]
    best_epoch: int


@style.context(STYLE)
def draw_figure_of_merit(
    labels: Sequence[str], matrix: Array, *, title: str, published: Array | None = None
) -> Figure:
    """Draw a figure-of-merit matrix as Jeong 2016, figure 3.

    The shade is the share of the true class.  Precision, F-scores and accuracy stand apart,
    unshaded.

    Parameters
    ----------
    labels
        The classes in the order of the matrix.
    matrix
        Shape (classes + 1, classes + 1), in percent: rows predicted, columns true.
    published
        The paper's matrix, to be drawn below it.
    """
    size = len(labels)
    # 0.43 inches hold "100.0"; with many genres the cells shrink as far as numbers can be read.
    cell = min(0.43, max(0.28, 14 / size))
    margin = 0.4 + 0.07 * max(len(shorten(label)) for label in labels)
    span = cell * (size + 1 + GAP)
    panels = [matrix] if published is None else [matrix, published]
    lines = wrap_title(title).splitlines()
    # A few classes make a matrix narrower than its title.
    width = max(span + margin + 0.6, 0.085 * max(map(len, lines)) + 0.2)
    height = len(panels) * (span + 0.8 * margin + 0.5) + 0.2 * len(lines)
    figure = Figure(figsize=(width, height), layout="constrained")
    every_axes = figure.subplots(len(panels), 1, squeeze=False).ravel()
    for axes, panel in zip(every_axes, panels, strict=True):
        _draw_matrix(axes, labels, panel, font=min(8, 18.5 * cell))
    if published is not None:
        every_axes[0].set_title("here")
        every_axes[1].set_title("published (Jeong & Lee 2016, figure 3)")
    put_title(figure, title)
    return figure


def _draw_matrix(axes: Axes, labels: Sequence[str], matrix: Array, *, font: float) -> None:
    size = len(labels)
    names = [shorten(label) for label in labels]
    colours = colormaps["Blues"]
    axes.imshow(matrix[:size, :size], cmap=colours, vmin=0, vmax=100)
    places = [*range(size), size + GAP]
    for row, y in enumerate(places):
        for column, x in enumerate(places):
            value = float(matrix[row, column])
            text, colour = f"{value:.1f}", "black"
            if row < size and column < size:
                colour = _text_colour(colours, value)
                # Most confusions never happen: a bare 0 keeps the others visible.
                text = text if value else "0"
            else:
                corner = (x - 0.5, y - 0.5)
                axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="#bbbbbb", lw=0.6))
            weight = "bold" if row == column == size else "normal"
            axes.text(
                x, y, text, color=colour,
                ha="center", va="center", fontsize=font, fontweight=weight,
            )  # fmt: skip
    end = size + GAP + 0.55
    axes.set(xlabel="true", ylabel="predicted", xlim=(-0.5, end), ylim=(end, -0.5))
    axes.set_xticks(
        places, [*names, "precision"],
        rotation=40, ha="right", rotation_mode="anchor", fontsize=font + 0.5,
    )  # fmt: skip
    axes.set_yticks(places, [*names, "F-score"], fontsize=font + 0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


@style.context(STYLE)
def draw_learning_curves(
    curves: Mapping[str, Sequence[LearningCurve]], *, classes: int, title: str
) -> Figure:
    """Draw training and validation loss by epoch, a panel a network, a thin line a training.

    Each panel has axes of its own: losses of networks of different inputs are no rivals.  One
    whose losses differ much has a logarithmic axis, and says so.

    Parameters
    ----------
    curves
        All trainings (folds and seeds) of every network.
    classes
        Their number gives the loss of a uniform guess, drawn as a dotted line.
    """
    columns = min(2, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(WIDTH, 1.75 * rows + 1.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (network, trainings) in zip(panels, curves.items(), strict=False):
        _draw_losses(axes, trainings)
        axes.axhline(math.log(classes), color=GREY, linestyle=":", linewidth=1.2, zorder=0)
        count = f" ({len(trainings)} trainings)" if len(trainings) > 1 else ""
        axes.set_title(network + count)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(curves) - columns) : len(curves)]:
        axes.set_xlabel("epoch")
    figure.supylabel("mean cross-entropy (nats)", fontsize=9)
    handles = [
        Line2D([], [], color=TRAIN, linestyle=TRAIN_LINE, label="training"),
        Line2D([], [], color=VALID, label="validation"),
        Line2D([], [], color="none", marker="o", markeredgecolor="black", label="epoch kept"),
        Line2D([], [], color=GREY, linestyle=":", label=f"uniform guess, ln {classes}"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    put_title(figure, title)
    return figure


def _draw_losses(axes: Axes, trainings: Sequence[LearningCurve]) -> None:
    width = 1.6 if len(trainings) == 1 else 0.7
    for curve in trainings:
        for values, colour, line in (
            (curve.train_loss, TRAIN, TRAIN_LINE),
            (curve.valid_loss, VALID, "-"),
        ):
            # A single epoch makes no line.
            marker = "." if len(values) == 1 else ""
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, linestyle=line, linewidth=width, marker=marker)
    for curve in trainings:
        axes.plot(
            curve.best_epoch, curve.valid_loss[curve.best_epoch - 1], marker="o", markersize=5,
            color="none", markeredgecolor="black", zorder=3, clip_on=False,
        )  # fmt: skip
    axes.set_xlim(0.5, max(len(curve.train_loss) for curve in trainings) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    losses = np.concatenate([np.r_[curve.train_loss, curve.valid_loss] for curve in trainings])
    losses = losses[np.isfinite(losses) & (losses > 0)]
    if len(losses) and float(losses.max() / losses.min()) > LINEAR_RATIO:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
        axes.set_ylabel("logarithmic", fontsize=8)


@style.context(STYLE)
def draw_tsne(
    maps: Mapping[str, Array], classes: npt.ArrayLike, *, labels: Sequence[str], title: str
) -> Figure:
    """Draw t-SNE maps, one marker a segment, one colour and one form a genre.

    Parameters
    ----------
    maps
        Shape (segments, 2) for every system; with fewer than `LEAST_SEGMENTS` segments there is
        no map, and the panels say so.
    classes
        Class index of every segment.
    """
    names = [shorten(label) for label in labels]
    # About thirteen characters an inch, and four for the marker.
    columns = max(1, min(len(names), int(13 * WIDTH / (max(map(len, names)) + 4))))
    legend_rows = math.ceil(len(names) / columns)
    across = min(2, len(maps))
    down = math.ceil(len(maps) / across)
    figure = Figure(
        figsize=(WIDTH, WIDTH * down / across + 0.25 * down + 0.17 * legend_rows + 0.6),
        layout="constrained",
    )
    chosen = np.asarray(classes)
    genres: list[dict[str, Any]] = [
        # The shift gives the eleventh genre, which has the first one's colour, another marker.
        {"color": COLOURS[index % len(COLOURS)],
         "marker": MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]}
        for index in range(len(labels))
    ]  # fmt: skip
    # Large collections need smaller markers to remain clouds.
    area = float(np.clip(4000 / max(1, len(chosen)), 4, 28))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[len(maps) :]:
        axes.set_axis_off()
    for axes, (system, points) in zip(panels, maps.items(), strict=False):
        axes.set(title=system, xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#bbbbbb")
        if len(points) < LEAST_SEGMENTS:
            axes.text(
                0.5, 0.5, f"{len(points)} segments: too few for a map",
                ha="center", va="center", transform=axes.transAxes, color=GREY,
            )  # fmt: skip
            continue
        for index, genre in enumerate(genres):
            axes.scatter(*points[chosen == index].T, s=area, alpha=0.8, linewidths=0, **genre)
        axes.margins(0.05)
        # Both directions of a map have the same scale.
        axes.set_aspect("equal", adjustable="datalim")
    handles = [
        # The legend of matplotlib passes over labels that begin with an underscore.
        Line2D([], [], linestyle="", markersize=5, **genre,
               label="\u200b" + name if name.startswith("_") else name)
        for name, genre in zip(names, genres, strict=True)
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=8, handletextpad=0.2
    )
    put_title(figure, title)
    return figure


@style.context(STYLE)
def draw_accuracies(scores: Sequence[Score], *, majority: float, title: str) -> Figure:
    """Draw the accuracies of a partition's systems with their 95 % intervals.

    Every seed is a dot with its interval; where there are several, a bar marks their mean.

    Parameters
    ----------
    scores
        Of one partition; the systems are drawn from the top in their order.
    majority
        Accuracy in percent of always guessing the largest class, a dashed line.
    """
    systems = list(dict.fromkeys(score.system for score in scores))
    figure = Figure(figsize=(WIDTH, 0.3 * len(systems) + 1.9), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(majority, color=GREY, linestyle="--", linewidth=1, zorder=0)
    published: dict[str, Any] = {"marker": "D", "color": "none", "markeredgecolor": COLOURS[2]}
    right = []
    for y, system in enumerate(systems):
        mine = [score for score in scores if score.system == system]
        seeds = [score for score in mine if score.seed != MEAN]
        offsets = np.linspace(-0.25, 0.25, len(seeds)) if len(seeds) > 1 else [0.0]
        for score, offset in zip(seeds, offsets, strict=True):
            if score.ci_low is not None and score.ci_high is not None:
                axes.hlines(y + offset, score.ci_low, score.ci_high, color=TRAIN, linewidth=1.6)
            size = 6 if len(seeds) == 1 else 4
            axes.plot(
                score.accuracy, y + offset, color=TRAIN, marker="o", markersize=size, clip_on=False
            )
        shown = mine[-1]
        if shown.seed == MEAN:
            axes.vlines(shown.accuracy, y - 0.38, y + 0.38, color="black", linewidth=1.6)
            right.append(f"{shown.accuracy:.1f} ± {shown.std:.1f}")
        else:
            right.append(f"{shown.accuracy:.1f}  ({shown.correct}/{shown.n})")
        if shown.published is not None:
            axes.plot(shown.published, y, **published, markersize=7, zorder=3)
    papers = {score.system: score.paper for score in scores}
    names = [f"{s} *" if papers[s] == NEITHER else s for s in systems]
    axes.set_yticks(range(len(systems)), names)
    axes.set(xlabel="accuracy (%)", xlim=(0, 100), ylim=(len(systems) - 0.4, -0.6))
    axes.grid(axis="x", color="#e5e5e5", zorder=-1)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0, pad=6)
    values = axes.secondary_yaxis("right")
    values.set_yticks(range(len(systems)), right)
    values.tick_params(length=0, pad=6)
    values.spines[:].set_visible(False)
    handles = [
        Line2D([], [], color=TRAIN, marker="o", label="accuracy, 95 % interval"),
        Line2D([], [], color=GREY, linestyle="--", label=f"largest class, {majority:.1f} %"),
    ]
    if any(score.seed == MEAN for score in scores):
        handles.append(
            Line2D([], [], color="black", linestyle="", marker="|", markersize=12,
                   markeredgewidth=1.6, label="mean of the seeds")
        )  # fmt: skip
    if any(score.published is not None for score in scores):
        handles.append(Line2D([], [], **published, label="published"))
    if NEITHER in papers.values():
        handles.append(Line2D([], [], linestyle="", label="* in neither paper"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
    put_title(figure, title)
    return figure


@style.context(STYLE)
def draw_study(differences: Sequence[Difference], *, title: str) -> Figure:
    """Draw what each variation of a study changes, a panel a system, the largest gain first.

    A marker is filled where the interval does not hold zero.
    """
    panels: dict[str, list[Difference]] = {}
    for difference in differences:
        panels.setdefault(difference.system, []).append(difference)
    rows = [len(panel) for panel in panels.values()]
    figure = Figure(figsize=(WIDTH, 1.4 + sum(0.36 * n + 0.45 for n in rows)), layout="constrained")
    every_axes = figure.subplots(
        len(panels), 1, squeeze=False, sharex=True, height_ratios=[n + 0.6 for n in rows]
    ).ravel()
    for axes, (system, panel) in zip(every_axes, panels.items(), strict=True):
        panel = sorted(panel, key=lambda difference: -difference.difference)
        for place, found in enumerate(panel):
            clear = found.low > 0 or found.high < 0
            axes.plot([found.low, found.high], [place, place], color=TRAIN, linewidth=1.6)
            axes.plot(
                found.difference, place, marker="o", markersize=5, markeredgecolor=TRAIN,
                color=TRAIN if clear else "white",
            )  # fmt: skip
        axes.axvline(0, color="black", linewidth=0.8, zorder=0)
        axes.set_title(system, fontweight="bold")
        axes.set_ylim(len(panel) - 0.4, -0.6)
        # On a line of its own, a long value leaves room for the interval.
        names = [shorten(found.varied) + "\n= " + shorten(found.value, 28) for found in panel]
        axes.set_yticks(range(len(panel)), names, fontsize=8)
        axes.tick_params(axis="y", length=0)
        # Whoever looks at one panel of many doesn't see the last.
        axes.tick_params(axis="x", labelbottom=True)
        axes.grid(axis="x", color="#e5e5e5", zorder=-1)
        axes.set_axisbelow(True)
        values = axes.secondary_yaxis("right")
        shown = [f"{found.difference:+.1f}" for found in panel]
        values.set_yticks(range(len(panel)), shown, fontsize=8)
        values.tick_params(length=0)
        values.spines[:].set_visible(False)
    every_axes[-1].set_xlabel("difference (percent points, 95 % interval)")
    put_title(figure, title)
    return figure


@style.context(STYLE)
def draw_experts_by_genre(scores: Sequence[GenreScore], *, title: str) -> Figure:
    """Draw what each expert knows of each genre, and below it what each mixture makes of it.

    Rows are genres, columns experts.  Recalls are dark at 100 %, weights at twice the share that
    each expert would have if all counted the same; below each number is its 95 % interval, or its
    deviation over the seeds.  The best expert of a genre is bold, and so is the one with the most
    weight.

    Parameters
    ----------
    scores
        Of one partition, from `read_genre_scores`.
    """
    cells = [score for score in scores if score.expert]
    labels = list(dict.fromkeys(score.label for score in cells))
    panels = {
        mixture: [score for score in cells if score.mixture == mixture]
        for mixture in dict.fromkeys(score.mixture for score in cells)
    }
    columns = {
        mixture: list(dict.fromkeys(score.expert for score in panel))
        for mixture, panel in panels.items()
    }
    agreements = {s.mixture: s for s in scores if not s.expert}  # of several seeds, their mean
    most = max(map(len, columns.values()))
    figure = Figure(
        figsize=(WIDTH, len(panels) * (0.36 * len(labels) + 1.4) + 0.6), layout="constrained"
    )
    every_axes = figure.subplots(len(panels), 1, squeeze=False).ravel()
    counts = {score.label: score.n for score in panels[""]}
    rows = [f"{shorten(label, 28)} ({counts[label]})" for label in labels]
    for axes, (mixture, panel) in zip(every_axes, panels.items(), strict=True):
        names = columns[mixture]
        darkest = 200 / len(names) if mixture else 100
        _draw_genre_scores(axes, panel, labels, names, darkest=darkest)
        if mixture:
            heading = f"{mixture}: weight (%)\n{_describe(agreements[mixture])}"
        else:
            below = "95 % interval" if panel[0].seed != MEAN else "deviation over the seeds"
            heading = f"recall (%), below: {below}"
        axes.set_title(heading)
        axes.set_yticks(range(len(labels)), rows, fontsize=8)
        # Experts stand below each other.
        axes.set_xlim(-0.5, most - 0.5)
    every_axes[0].set_ylabel("genre (test clips)")
    put_title(figure, title)
    return figure


def _draw_genre_scores(
    axes: Axes,
    scores: Sequence[GenreScore],
    labels: Sequence[str],
    experts: Sequence[str],
    *,
    darkest: float,
) -> None:
    values = np.full((len(labels), len(experts)), np.nan)
    found = {(labels.index(s.label), experts.index(s.expert)): s for s in scores}
    for place, score in found.items():
        values[place] = np.nan if score.value is None else score.value
    colours = colormaps["Blues"]
    axes.imshow(values, cmap=colours, vmin=0, vmax=darkest, aspect="auto")
    best = np.fmax.reduce(values, axis=1)
    for (row, column), score in found.items():
        if score.value is None:
            axes.text(column, row, "–", color=GREY, ha="center", va="center")
            continue
        colour = _text_colour(colours, min(100.0, 100 * max(score.value, 1e-9) / darkest))
        weight = "bold" if score.value == best[row] else "normal"
        axes.text(
            column, row - 0.13, f"{score.value:.0f}", color=colour, fontweight=weight,
            ha="center", va="center",
        )  # fmt: skip
        axes.text(
            column, row + 0.25, _spread(score), color=colour, fontsize=6.5,
            ha="center", va="center",
        )  # fmt: skip
    axes.set_xticks(range(len(experts)), experts, rotation=30, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _spread(score: GenreScore) -> str:
    """Return a score's interval, or the deviation of a mean."""
    if score.ci_low is not None and score.ci_high is not None:
        return f"{score.ci_low:.0f}–{score.ci_high:.0f}"
    return f"± {score.std:.0f}" if score.std is not None else ""


def _describe(agreement: GenreScore) -> str:
    """Return a rank correlation in words."""
    if agreement.value is None:
        return "rank correlation –"
    return (
        f"rank correlation {agreement.value:.2f}\n"
        f"({agreement.ci_low:.2f} to {agreement.ci_high:.2f}), p {agreement.p:.2g}"
    )


def _text_colour(colours: Colormap, value: float) -> str:
    if not value:
        return GREY
    # Relative luminance of WCAG 2; below 0.18 white has the better contrast.
    linear = np.asarray(colours(value / 100)[:3]) ** 2.2
    return "white" if float(linear @ (0.2126, 0.7152, 0.0722)) < 0.18 else "black"

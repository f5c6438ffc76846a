"""Clips that were got wrong: which to look at, and what their segments were taken for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genreflow.files.predictions import PROBABILITY
from genreflow.results.drawing import COLOURS, GREY, STYLE, WIDTH, put_title, shorten

if TYPE_CHECKING:
    import pandas as pd

#: Clips in a figure.
MOST_CLIPS = 6
PREDICTED, TRUE, OTHER = COLOURS[2], COLOURS[0], "#bdbdbd"


@dataclass(frozen=True)
class WrongClip:
    """A clip that was got wrong: its labels, their share of the decision, and its segments.

    Attributes
    ----------
    share
        Of the predicted label, as the prediction file has it.
    probabilities
        Shape (segments, classes); None until they are computed.
    """

    track_id: str
    true: str
    predicted: str
    share: float
    probabilities: npt.NDArray[np.float64] | None = None


def choose_wrong(predictions: pd.DataFrame, *, most: int = MOST_CLIPS) -> list[WrongClip]:
    """Return of each true label the clip that was got wrong with the largest share, largest first.

    Of equals it is the first in the order of the track ids.  A clip without a prediction is wrong
    too, but has no segments to show.

    Parameters
    ----------
    predictions
        A prediction file, of one seed and fold.
    """
    wrong = [
        WrongClip(row["track_id"], row["true"], found, float(row[PROBABILITY + found]))
        for _, row in predictions.iterrows()
        if (found := row["predicted"]) not in ("", row["true"])
    ]
    wrong.sort(key=lambda clip: (-clip.share, clip.track_id))
    surest: dict[str, WrongClip] = {}
    for clip in wrong:
        surest.setdefault(clip.true, clip)
    return list(surest.values())[:most]


@style.context(STYLE)
def draw_wrong_clips(
    clips: Sequence[WrongClip],
    *,
    labels: Sequence[str],
    starts: npt.NDArray[np.float64],
    segment_seconds: float,
    decision: str,
    title: str,
) -> Figure:
    """Draw what the segments of clips that were got wrong were taken for, a panel a clip.

    Each segment has a point in its middle on every line; the label that it votes for has a filled
    one.

    Parameters
    ----------
    clips
        With the probabilities of their segments; where there are none, the figure says so.
    labels
        The classes in their order.
    starts
        Where the segments start, in seconds.
    decision
        ``majority`` or ``mean_proba``: what the share of a clip counts.
    """
    if not clips:
        figure = Figure(figsize=(WIDTH, 1.0), layout="constrained")
        figure.text(0.01, 0.3, "No clip was got wrong.", color=GREY)
        put_title(figure, title)
        return figure
    columns = min(2, len(clips))
    rows = math.ceil(len(clips) / columns)
    figure = Figure(figsize=(WIDTH, 2.0 * rows + 1.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    middles = starts + segment_seconds / 2
    for axes, clip in zip(panels, clips, strict=False):
        _draw_segments(axes, clip, labels, middles)
        axes.set_title(_describe(clip, len(starts), decision), fontsize=8)
        axes.set(xlim=(0, starts[-1] + segment_seconds), ylim=(0, 1.02))
    for axes in panels[len(clips) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(clips) - columns) : len(clips)]:
        axes.set_xlabel("time (s)")
        axes.tick_params(labelbottom=True)
    figure.supylabel("probability of a segment", fontsize=9)
    vote: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 5}
    handles = [
        Line2D([], [], color=PREDICTED, linewidth=1.8, label="predicted label"),
        Line2D([], [], color=TRUE, linewidth=1.8, linestyle="--", label="true label"),
        Line2D([], [], color=OTHER, linewidth=1, label="other labels"),
        Line2D([], [], color="black", **vote, label="what the segment votes for"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    put_title(figure, title)
    return figure


def _draw_segments(
    axes: Axes, clip: WrongClip, labels: Sequence[str], middles: npt.NDArray[np.float64]
) -> None:
    assert clip.probabilities is not None
    votes = clip.probabilities.argmax(axis=1)
    looks: dict[str, dict[str, Any]] = {
        clip.predicted: {"color": PREDICTED, "linewidth": 1.8, "zorder": 3},
        clip.true: {"color": TRUE, "linewidth": 1.8, "linestyle": "--", "zorder": 2.5},
    }
    for index, label in enumerate(labels):
        look = looks.get(label, {"color": OTHER, "linewidth": 1, "zorder": 1})
        chosen = [int(segment) for segment in np.flatnonzero(votes == index)]
        # A single segment makes no line.
        mark = "o" if chosen else "_" if len(middles) == 1 else ""
        axes.plot(
            middles, clip.probabilities[:, index], marker=mark, markersize=4.5 if chosen else 9,
            markevery=chosen or None, gid=label, **look,
        )  # fmt: skip


def _describe(clip: WrongClip, segments: int, decision: str) -> str:
    share = (
        f"{round(clip.share * segments)} of {segments} votes"
        if decision == "majority"
        else f"mean probability {clip.share:.2f}"
    )
    return (
        f"{shorten(clip.track_id, 30)}\ntrue: {shorten(clip.true, 26)}\n"
        f"predicted: {shorten(clip.predicted, 20)}\n{share}"
    )

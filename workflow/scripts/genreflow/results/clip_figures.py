"""Figures of the features of single clips, as Yi 2019, figure 1."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from genreflow.features.mel import hz_to_mel, mel_to_hz
from genreflow.results.drawing import STYLE, WIDTH, put_title, shorten, wrap_title

Array = npt.NDArray[np.floating]
#: The settings of every feature, a map a section.
Parameters = Mapping[str, Mapping[str, Any]]

#: Labels in a figure of clips: as many as FMA has genres at its top level.
MOST_LABELS = 16
#: Its lightness rises evenly, so that it reads in grey and with every kind of colour vision.  The
#: report holds every figure, and few colours take few bytes.
COLOUR_MAP = colormaps["magma"].resampled(40)
#: dB below the loudest value of a clip at which spectrograms end.
FLOOR = 80.0
#: Share of the values at either end that lie off the scale, where a feature has no natural ends.
OFF_SCALE = 0.02


@dataclass(frozen=True)
class Axis:
    """An axis of a feature: its name with the unit, and where each row or column lies on it.

    Attributes
    ----------
    places
        In the unit, ascending.
    ticks
        Where there are ticks, if not at round numbers.
    """

    label: str
    places: npt.NDArray[np.float64]
    ticks: tuple[float, ...] = ()


def choose_clips(
    labels: Mapping[str, str], usable: Mapping[str, str], *, most: int = MOST_LABELS
) -> dict[str, str]:
    """Return a clip for each label: the first in the order of the track ids that is whole.

    Only where a label has none it is one that is short, or silent.  Of more labels than ``most``,
    those with the most clips are shown, in alphabetical order as always.

    Parameters
    ----------
    labels
        By track id, of every clip.
    usable
        Status in the audio report (``ok``, ``padded``, ``silent``) by track id, without the clips
        in quarantine.

    Returns
    -------
    dict
        Track ids by label.
    """
    found: dict[str, str] = {}
    ranks = {"ok": 0, "padded": 1, "silent": 2}
    for track_id in sorted(usable, key=lambda track_id: (ranks[usable[track_id]], track_id)):
        if label := labels.get(track_id, ""):
            found.setdefault(label, track_id)
    sizes = Counter(labels[track_id] for track_id in usable if track_id in labels)
    largest = sorted(found, key=lambda label: (-sizes[label], label))[:most]
    return {label: found[label] for label in sorted(largest)}


def feature_axis(name: str, size: int, *, feature: str, parameters: Parameters) -> Axis:
    """Return an axis of a feature in Hz, kHz, seconds or milliseconds.

    Parameters
    ----------
    name
        As the registry has it, such as ``time [frames]``; other names count from 0.
    size
        Number of values along it.
    feature
        The frames of ``cepstrogram`` start where those of all others have their centre.
    parameters
        The sections of the settings that shape the feature.
    """
    places = np.arange(size, dtype=float)
    if name == "coefficient" or "stft" not in parameters:
        return Axis(name, places)
    rate = parameters["audio"]["sample_rate"]
    n_fft, hop = parameters["stft"]["n_fft"], parameters["stft"]["hop"]
    frames_a_second = rate / hop
    if name == "time [frames]":
        start = n_fft / 2 if feature == "cepstrogram" else 0
        return Axis("time (s)", (places * hop + start) / rate)
    if name == "frequency [bins]":
        return Axis("frequency (kHz)", places * rate / n_fft / 1000)
    if name == "mel band":
        low, high = hz_to_mel(np.array([parameters["mel"]["fmin"], parameters["mel"]["fmax"]]))
        centres = mel_to_hz(np.linspace(low, high, size + 2)[1:-1])
        return Axis("frequency (kHz)", centres / 1000, (0.5, 1, 2, 4, 8))
    if name == "quefrency [samples]":
        return Axis("quefrency (ms)", places / rate * 1000)
    if name.startswith("modulation frequency"):
        if name.endswith("[cycles per window]"):
            frames = parameters["cepstral_modulation"]["window_frames"]
        else:
            samples = round(parameters["audio"]["clip_seconds"] * rate)
            frames = 1 + samples // hop
        return Axis("modulation frequency (Hz)", places * frames_a_second / frames)
    return Axis(name, places)


@dataclass(frozen=True)
class Panel:
    """A part of a clip's feature as it is drawn: rows upwards, columns to the right."""

    values: Array
    vertical: Axis
    horizontal: Axis


@dataclass(frozen=True)
class View:
    """How a feature is drawn.

    Attributes
    ----------
    unit
        Of the colours, one for each part or for all.
    parts
        From the clip's features to what is drawn of them, by name; a single part has none.
    limits
        Of the colours, or None where they follow from the values.
    """

    unit: tuple[str, ...]
    parts: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    limits: tuple[float, float] | None = None


def clip_panels(
    name: str,
    values: Mapping[str, Array],
    axes: Mapping[str, Sequence[str]],
    *,
    parameters: Parameters,
) -> dict[str, Panel]:
    """Return the parts of a clip that are drawn of a feature.

    Parameters
    ----------
    name
        A key of `VIEWS`, or any other feature, which is drawn as it is.
    values
        The features of the clip that `genreflow.features.extraction` gives, by name.
    axes
        Their axes, as the registry names them.
    """
    *_, feature = values
    vertical, *_, horizontal = axes[feature]
    found = {}
    for part, shown in _view(name).parts(values).items():
        rows, columns = (
            feature_axis(axis, size, feature=feature, parameters=parameters)
            for axis, size in zip((vertical, horizontal), shown.shape, strict=True)
        )
        found[part] = Panel(shown, rows, columns)
    return found


def decibels(magnitude: Array) -> Array:
    """Return the level of magnitudes, reference 1; of zero it is -200 dB."""
    return np.asarray(20 * np.log10(np.maximum(magnitude, 1e-10, dtype=np.float64)))


def _below_loudest(levels: Mapping[str, Array]) -> dict[str, Array]:
    """Return levels in dB below the loudest of the first, down to `FLOOR`."""
    loudest = next(iter(levels.values())).max()
    return {part: np.maximum(level - loudest, -FLOOR) for part, level in levels.items()}


def _hpss(values: Mapping[str, Array]) -> dict[str, Array]:
    names = {"power": "stft", "harmonic": "hpss_harmonic", "percussive": "hpss_percussive"}
    return _below_loudest({part: decibels(values[name]) for part, name in names.items()})


def _mel(values: Mapping[str, Array]) -> dict[str, Array]:
    names = ("original", "harmonic", "percussive")
    return _below_loudest({part: values[f"mel_{part}"] for part in names})


def _mfcc(values: Mapping[str, Array]) -> dict[str, Array]:
    parts = np.split(values["mfcc"], 3)
    return dict(zip(("coefficients", "1st derivative", "2nd derivative"), parts, strict=True))


def _as_it_is(values: Mapping[str, Array]) -> dict[str, Array]:
    *_, shown = values.values()
    # What is between the first and the last axis: windows.
    return {"": shown.mean(axis=tuple(range(1, shown.ndim - 1))) if shown.ndim > 2 else shown}


def _level(values: Mapping[str, Array]) -> dict[str, Array]:
    [(part, shown)] = _as_it_is({name: np.abs(of) for name, of in values.items()}).items()
    return {part: decibels(shown)}


VIEWS = {
    "hpss": View(("dB below the clip's maximum",), _hpss, (-FLOOR, 0)),
    "mel": View(("dB below the clip's maximum",), _mel, (-FLOOR, 0)),
    "modulation": View(("dB",), _level),
    "mfcc": View(("dB", "dB a frame", "dB a frame²"), _mfcc),
    "cepstrogram": View(("Np",), _as_it_is),
    "cepstral_modulation": View(("dB, mean of the windows",), _level),
}


def _view(name: str) -> View:
    return VIEWS.get(name, View(("",), _as_it_is))


@style.context(STYLE)
def draw_clips(
    name: str, clips: Mapping[tuple[str, str], Mapping[str, Panel]], *, title: str
) -> Figure:
    """Draw a feature of one clip a label, as Yi 2019, figure 1.

    A row is a label and a column a part; of a feature without parts there are two labels in a row.
    Colours mean the same in all panels of a part.

    Parameters
    ----------
    name
        Of the feature, as of `clip_panels`.
    clips
        The panels of each label and track id; all of the same shapes.
    """
    view = _view(name)
    parts = list(next(iter(clips.values())))
    across = 1 if len(parts) > 1 else min(2, len(clips))
    rows, columns = math.ceil(len(clips) / across), len(parts) * across
    # In inches: panels, what stands above each of them and above the first row, and below the last.
    panel, head, top, below = (0.8, 0.27, 0.42, 0.95) if across == 1 else (1.1, 0.42, 0.42, 0.95)
    top += 0.17 * wrap_title(title).count("\n") + 0.2
    height = top + rows * panel + (rows - 1) * head + below
    figure = Figure(figsize=(WIDTH, height))
    grid = figure.add_gridspec(
        rows, columns, hspace=head / panel, wspace=0.1,
        left=0.6 / WIDTH, right=1 - 0.12 / WIDTH, top=1 - top / height, bottom=below / height,
    )  # fmt: skip
    for column, part in enumerate(parts):
        limits = view.limits or _limits([clip[part].values for clip in clips.values()])
        for place, ((label, track_id), clip) in enumerate(clips.items()):
            row, beside = divmod(place, across)
            axes = figure.add_subplot(grid[row, column + beside])
            lowest = place + across >= len(clips)
            image = _draw_panel(axes, clip[part], limits, first=column + beside == 0, last=lowest)
            named = [shorten(label, 28), shorten(track_id, 28)]
            # They may reach over the other parts, whose names stand above the first row alone.
            lines = named if across > 1 else [": ".join(named)] if column == 0 else []
            axes.set_title("\n".join([*lines, *([part] if row == 0 and part else [])]), fontsize=8)
        # Parts with the same ends have one bar.
        if column == 0 or not view.limits:
            whole = slice(None) if view.limits or across > 1 else column
            width = grid[-1, whole].get_position(figure)
            bar = figure.add_axes((width.x0, 0.42 / height, width.width, 0.09 / height))
            figure.colorbar(
                image, cax=bar, orientation="horizontal",
                extend="neither" if view.limits else "both",
            )  # fmt: skip
            bar.tick_params(labelsize=8)
            bar.xaxis.set_major_locator(MaxNLocator(3 if across == 1 and not view.limits else 8))
            bar.set_xlabel(view.unit[min(column, len(view.unit) - 1)])
    figure.supylabel(clip[parts[0]].vertical.label, fontsize=9, x=0.02)
    put_title(figure, title).set_y(1 - 0.05 / height)
    return figure


def _limits(values: Sequence[Array]) -> tuple[float, float]:
    """Return the ends of the colours; the first row, often a level, is left out of account."""
    shown = np.concatenate([of[1:].ravel() for of in values])
    low, high = np.quantile(shown, (OFF_SCALE, 1 - OFF_SCALE))
    return float(low), float(high if high > low else low + 1)


def _draw_panel(
    axes: Axes, panel: Panel, limits: tuple[float, float], *, first: bool, last: bool
) -> AxesImage:
    image = axes.imshow(
        panel.values, cmap=COLOUR_MAP, vmin=limits[0], vmax=limits[1], origin="lower",
        aspect="auto", interpolation_stage="data",
    )  # fmt: skip
    for axis, found, labelled in (
        (axes.xaxis, panel.horizontal, last),
        (axes.yaxis, panel.vertical, first),
    ):
        places = np.arange(len(found.places))
        low, high = found.places[[0, -1]]
        ticks = found.ticks or MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
        shown = [tick for tick in ticks if low <= tick <= high]
        axis.set_ticks(
            np.interp(shown, found.places, places),
            [f"{tick:g}" for tick in shown] if labelled else [],
            fontsize=8,
        )
    if last:
        axes.set_xlabel(panel.horizontal.label)
    return image

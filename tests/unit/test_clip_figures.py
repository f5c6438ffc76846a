"""Figures of clips: what is known of a signal lies where the axes say, and which clip is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from genreflow.features.extraction import extract_clip
from genreflow.features.registry import CACHES, FEATURES, feature_parameters
from genreflow.plan.loading import checked_settings
from genreflow.results.clip_figures import (
    FLOOR,
    VIEWS,
    Panel,
    choose_clips,
    clip_panels,
    decibels,
    draw_clips,
    feature_axis,
)
from genreflow.results.drawing import WIDTH, save_figure
from matplotlib.figure import Figure

RATE = 22050
SETTINGS = checked_settings({"audio": {"clip_seconds": 12}})
PARAMETERS: dict[str, Any] = feature_parameters(SETTINGS)
#: The features that each figure needs, as the rule gives them.
NEEDED = {
    "hpss": ["stft", "hpss_harmonic", "hpss_percussive"],
    "mel": ["mel_original", "mel_harmonic", "mel_percussive"],
    **{name: [name] for name in ("modulation", "mfcc", "cepstrogram", "cepstral_modulation")},
}
TIME = np.arange(12 * RATE) / RATE


def panels(samples: npt.NDArray[np.floating], name: str) -> dict[str, Panel]:
    found = extract_clip(samples.astype(np.float32), NEEDED[name], PARAMETERS)
    return clip_panels(
        name,
        {feature: clip.values for feature, clip in found.items()},
        {feature: FEATURES[feature].axes for feature in found},
        parameters=PARAMETERS,
    )


def tone(frequency: float) -> npt.NDArray[np.floating]:
    return 0.5 * np.sin(2 * np.pi * frequency * TIME)


def figure_of(name: str, number: int = 3) -> Figure:
    clips = {(f"$label_{n}", f"t{n}"): panels(tone(300 * (n + 1)), name) for n in range(number)}
    return draw_clips(name, clips, title=f"demo: {name}, a clip a label")


def test_every_feature_but_audio_and_stft_has_a_figure() -> None:
    assert set(VIEWS) == set(NEEDED) == {*CACHES} - {"audio", "stft"}


@pytest.mark.parametrize(("name", "width"), [("hpss", RATE / 1024), ("mel", 100)])
def test_a_tone_is_at_its_frequency_and_0_db(name: str, width: float) -> None:
    whole, harmonic, percussive = panels(tone(3000), name).values()
    row, _ = np.unravel_index(whole.values.argmax(), whole.values.shape)
    assert whole.vertical.label == "frequency (kHz)"
    assert 1000 * whole.vertical.places[row] == pytest.approx(3000, abs=width)
    assert (whole.values.min(), whole.values.max()) == (-FLOOR, 0)
    # A steady tone is harmonic.
    middle = slice(200, 300)
    assert harmonic.values[row, middle].mean() == pytest.approx(0, abs=1)
    assert percussive.values[row, middle].mean() < -20


def test_a_click_is_at_its_second() -> None:
    samples = np.zeros(12 * RATE)
    samples[7 * RATE] = 1
    hop = 512 / RATE
    for name, parts in (("hpss", ("power", "percussive")), ("mel", ("original",))):
        found = panels(samples, name)
        for part in parts:
            loudest = found[part].values.sum(axis=0).argmax()
            assert found[part].horizontal.places[loudest] == pytest.approx(7, abs=hop)
    # Frames of the cepstrogram start later, so the place of the same click is the same.
    [cepstrogram] = panels(samples, "cepstrogram").values()
    changed = np.abs(cepstrogram.values[0] - np.median(cepstrogram.values[0])).argmax()
    assert cepstrogram.horizontal.places[changed] == pytest.approx(7, abs=hop)
    assert cepstrogram.horizontal.label == "time (s)"


def test_a_tone_that_beats_four_times_a_second_is_at_4_hz() -> None:
    samples = (1 + 0.9 * np.cos(2 * np.pi * 4 * TIME)) * tone(1000)
    samples += 1e-3 * np.random.default_rng(1).standard_normal(len(samples))
    [found] = panels(samples, "modulation").values()
    band = np.abs(found.vertical.places - 1).argmin()
    assert found.horizontal.label == "modulation frequency (Hz)"
    # Its mean over the clip is at 0.
    peak = found.horizontal.places[1 + found.values[band, 1:].argmax()]
    assert peak == pytest.approx(4, abs=1 / 12)
    assert found.horizontal.places[-1] == pytest.approx(RATE / 512 / 2, abs=2 / 12)


def test_a_pulse_train_is_at_its_period_in_quefrency_and_in_modulation() -> None:
    samples = np.zeros(12 * RATE)
    # 5 ms apart, louder and softer three times a second.
    places = np.arange(0, len(samples), 110)
    samples[places] = 1 + 0.8 * np.sin(2 * np.pi * 3 * places / RATE)
    [cepstrogram] = panels(samples, "cepstrogram").values()
    mean = cepstrogram.values.mean(axis=1)
    low = 40
    peak = cepstrogram.vertical.places[low + mean[low:300].argmax()]
    assert cepstrogram.vertical.label == "quefrency (ms)"
    assert peak == pytest.approx(1000 * 110 / RATE, abs=0.1)
    [modulation] = panels(samples, "cepstral_modulation").values()
    assert modulation.values.shape == (513, 108)
    # The level, at quefrency 0, swings with the loudness.
    fastest = modulation.horizontal.places[1 + modulation.values[0, 1:].argmax()]
    assert fastest == pytest.approx(3, abs=RATE / 512 / 214)


def test_coefficients_and_their_derivatives_are_side_by_side() -> None:
    found = panels(tone(500), "mfcc")
    assert list(found) == ["coefficients", "1st derivative", "2nd derivative"]
    values = extract_clip(tone(500).astype(np.float32), ["mfcc"], PARAMETERS)["mfcc"].values
    assert np.array_equal(np.concatenate([p.values for p in found.values()]), values)


def test_decibels_of_half_precision_are_finite() -> None:
    found = decibels(np.array([0, 1, 10], np.float16))
    assert found == pytest.approx([-200, 0, 20])


def test_an_axis_that_has_no_unit_counts() -> None:
    axis = feature_axis("pitch class", 12, feature="chroma", parameters=PARAMETERS)
    assert axis.label == "pitch class"
    assert axis.places.tolist() == list(range(12))


def test_any_other_feature_is_drawn_as_it_is() -> None:
    values = {"chroma": np.random.default_rng(0).random((12, 50))}
    axes = {"chroma": ("pitch class", "time [frames]")}
    found = clip_panels("chroma", values, axes, parameters=PARAMETERS)
    assert np.array_equal(found[""].values, values["chroma"])
    figure = draw_clips("chroma", {("pop", "t1"): found}, title="t")
    assert figure.get_supylabel() == "pitch class"


@pytest.mark.parametrize("name", NEEDED)
def test_ticks_are_where_the_panels_say(name: str) -> None:
    figure = figure_of(name)
    found = panels(tone(300), name)
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 3 * len(found)
    first, panel = drawn[0], next(iter(found.values()))
    # Those of a part come one after the other; the third stands below the first.
    for axis, where in ((first.yaxis, panel.vertical), (drawn[2].xaxis, panel.horizontal)):
        labels = [float(label.get_text()) for label in axis.get_ticklabels()]
        places = np.interp(axis.get_ticklocs(), range(len(where.places)), where.places)
        assert len(labels) >= 2
        assert places == pytest.approx(labels, abs=1e-6)
    # Rows go upwards.
    assert first.images[0].origin == "lower"
    assert np.array_equal(first.images[0].get_array(), panel.values)
    assert first.get_ylim() == (-0.5, len(panel.values) - 0.5)


@pytest.mark.parametrize("name", NEEDED)
def test_colours_have_units_and_nothing_is_cut_off(name: str) -> None:
    figure = figure_of(name)
    bars = [axes for axes in figure.axes if not axes.images and axes.get_xlabel()]
    assert [bar.get_xlabel() for bar in bars] == list(VIEWS[name].unit)
    figure.draw_without_rendering()
    inner = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert width == WIDTH
    assert inner.x0 >= -0.01
    assert inner.y0 >= -0.01
    assert inner.x1 <= width + 0.01
    assert inner.y1 <= height + 0.01


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        [tmp_path / f"{time}.{ending}" for ending in ("png", "pdf")] for time in ("a", "b")
    )
    save_figure(figure_of("mfcc"), first)
    save_figure(figure_of("mfcc"), second)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    # Images are pixels: nine of them, and no more vectors than the rest takes.
    pdf = first[1].read_bytes()
    assert pdf.count(b"/Subtype /Image") >= 9
    assert b"CreationDate" not in pdf


def test_the_first_whole_clip_of_a_label_is_shown() -> None:
    labels = {"t1": "pop", "t2": "pop", "t3": "rock", "t4": "pop", "t5": "jazz", "t6": ""}
    usable = {"t4": "ok", "t2": "ok", "t1": "padded", "t3": "silent", "t6": "ok"}
    assert choose_clips(labels, usable) == {"pop": "t2", "rock": "t3"}


def test_of_many_labels_those_with_the_most_clips_are_shown() -> None:
    labels = {f"{label}{n}": label for label, size in zip("cab", (2, 3, 1), strict=True)
              for n in range(size)}  # fmt: skip
    usable = dict.fromkeys(labels, "ok")
    assert choose_clips(labels, usable, most=2) == {"a": "a0", "c": "c0"}
    # Clips in quarantine count for nothing.
    usable = {track_id: status for track_id, status in usable.items() if track_id != "a0"}
    usable |= {"b1": "ok", "b2": "ok"}
    labels |= {"b1": "b", "b2": "b"}
    assert choose_clips(labels, usable, most=1) == {"b": "b0"}

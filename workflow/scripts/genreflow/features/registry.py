"""Every cached feature, defined once: what it is made from, its axes, its shape, its number type.

The rules, the schema and the caches take it from here.  Jobs get their part as a parameter, so that
one more feature runs no other again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genreflow.files.layouts import Layout

if TYPE_CHECKING:
    from genreflow.plan.schema import Settings

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A cached feature.

    Attributes
    ----------
    parent
        The feature that it is made from; empty for the audio.
    section
        Section of the settings that shapes it.
    axes
        Axes of a clip with their units.
    shape
        From the parent's shape and the settings to the shape of a clip.
    dtype
        Number type.  float16 rounds by a relative 5e-4, which meets the bounds in
        docs/architecture.md where nothing but the end result is rounded; from a float16 stft the
        masks of HPSS and the mel features exceed them.
    step, moments
        As of `Layout`.
    droppable
        Value of the key `keep` where nothing but features is made from it, so that it need not
        stay; else empty.
    """

    name: str
    parent: str
    section: str
    axes: tuple[str, ...]
    shape: Callable[[Shape, Settings], Shape]
    dtype: str = "float32"
    step: float | None = None
    moments: bool = False
    droppable: str = ""

    @property
    def cache(self) -> str:
        """Name in the keys `keep` and `drop`: that of the section for all that one rule makes."""
        several = self.name.startswith(f"{self.section}_")
        return self.section if several else self.name

    def layout(self, shape: Shape) -> Layout:
        """Return how a cache holds clips of a shape."""
        return Layout(
            self.name, self.section, self.axes, shape, self.dtype, self.step, self.moments
        )


def _hpss(part: str) -> Feature:
    return Feature(
        name=f"hpss_{part}",
        parent="stft",
        section="hpss",
        axes=("frequency [bins]", "time [frames]"),
        shape=lambda stft, _: stft,
        dtype="float16",
        droppable="hpss",
    )


def _mel(component: str, parent: str) -> Feature:
    return Feature(
        name=f"mel_{component}",
        parent=parent,
        section="mel",
        axes=("mel band", "time [frames]"),
        shape=lambda magnitude, settings: (settings.mel.n_mels, magnitude[1]),
        # In dB.  The bytes that are then zero are compressed away.
        step=2.0**-10,
        moments=True,
    )


FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature(
            name="audio",
            parent="",
            section="audio",
            axes=("time [samples]",),
            shape=lambda _, s: (round(s.audio.clip_seconds * s.audio.sample_rate),),
            droppable="audio",
        ),
        Feature(
            name="stft",
            parent="audio",
            section="stft",
            axes=("frequency [bins]", "time [frames]"),
            shape=lambda audio, s: (s.stft.n_fft // 2 + 1, 1 + audio[0] // s.stft.hop),
            moments=True,
        ),
        Feature(
            name="cepstrogram",
            parent="stft",
            section="cepstrum",
            axes=("quefrency [samples]", "time [frames]"),
            # Without the centred frames that reach beyond the signal.
            shape=lambda stft, s: (stft[0], stft[1] - s.stft.n_fft // s.stft.hop),
            dtype="float16",
            moments=True,
        ),
        Feature(
            name="cepstral_modulation",
            parent="cepstrogram",
            section="cepstral_modulation",
            axes=(
                "quefrency [samples]",
                "window",
                "modulation frequency [cycles per window]",
            ),
            shape=lambda cepstrogram, s: (
                cepstrogram[0],
                1
                + (cepstrogram[1] - s.cepstral_modulation.window_frames)
                // s.cepstral_modulation.shift_frames,
                s.cepstral_modulation.window_frames // 2 + 1,
            ),
            dtype="float16",
        ),
        _hpss("harmonic"),
        _hpss("percussive"),
        _mel("original", "stft"),
        _mel("harmonic", "hpss_harmonic"),
        _mel("percussive", "hpss_percussive"),
        Feature(
            name="modulation",
            parent="mel_original",
            section="modulation",
            axes=("mel band", "modulation frequency [cycles per clip]"),
            shape=lambda mel, _: (mel[0], mel[1] // 2),
            moments=True,
        ),
        Feature(
            name="mfcc",
            parent="mel_original",
            section="mfcc",
            axes=("coefficient", "time [frames]"),
            shape=lambda mel, s: (3 * s.mfcc.n_mfcc, mel[1]),
            moments=True,
        ),
    )
}
#: Values of the key `keep`.
DROPPABLE = tuple(dict.fromkeys(f.droppable for f in FEATURES.values() if f.droppable))
#: Values of the key `drop`.
CACHES = tuple(dict.fromkeys(f.cache for f in FEATURES.values()))


def feature_parameters(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return everything that shapes features, a map a section; one without keys is empty."""
    sections = dict.fromkeys(feature.section for feature in FEATURES.values())
    found = {
        section: getattr(settings, section).model_dump() if hasattr(settings, section) else {}
        for section in sections
    }
    # What a run does with unusable clips shapes none.
    del found["audio"]["max_missing"], found["audio"]["max_quarantined"]
    return found


def clip_shape(feature: str, settings: Settings) -> Shape:
    """Return the shape of a clip of a feature."""
    found = FEATURES[feature]
    return found.shape(clip_shape(found.parent, settings) if found.parent else (), settings)

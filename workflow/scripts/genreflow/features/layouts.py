"""Which features are cached, their axes and number types; read when the workflow is planned."""

from __future__ import annotations

#: Axes after the clip axis, with their units, and the number type of the values.
#: float16 rounds by a relative 5e-4, which meets the bounds in docs/architecture.md where nothing
#: but the end result is rounded; from a float16 stft the masks of HPSS and the mel features exceed
#: them.
LAYOUTS: dict[str, tuple[tuple[str, ...], str]] = {
    "audio": (("time [samples]",), "float32"),
    "stft": (("frequency [bins]", "time [frames]"), "float32"),
    "cepstrogram": (("quefrency [samples]", "time [frames]"), "float16"),
    "cepstral_modulation": (
        ("quefrency [samples]", "window", "modulation frequency [cycles per window]"),
        "float16",
    ),
    "hpss_harmonic": (("frequency [bins]", "time [frames]"), "float16"),
    "hpss_percussive": (("frequency [bins]", "time [frames]"), "float16"),
    "mel_original": (("mel band", "time [frames]"), "float32"),
    "mel_harmonic": (("mel band", "time [frames]"), "float32"),
    "mel_percussive": (("mel band", "time [frames]"), "float32"),
    "modulation": (("mel band", "modulation frequency [cycles per clip]"), "float32"),
    "mfcc": (("coefficient", "time [frames]"), "float32"),
}

#: Features that are rounded to whole steps of this, in their unit: the bytes that are then zero are
#: compressed away, and what is left is read as any other float.
STEPS = {f"mel_{component}": 2.0**-10 for component in ("original", "harmonic", "percussive")}

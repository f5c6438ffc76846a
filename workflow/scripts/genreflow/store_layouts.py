"""Which features are cached, their axes and number types; read when the workflow is planned."""

from __future__ import annotations

#: Axes after the clip axis, with their units, and the number type of the values.
#: float16 rounds by a relative 5e-4, which meets the bounds in docs/architecture.md where nothing
#: but the end result is rounded; from a float16 stft the masks of HPSS and the mel features exceed
#: them.  Decibels are rounded evenly instead: uint16 counts steps, 65535 of which
#: span a clip's values.
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
    "mel_original": (("mel band", "time [frames]"), "uint16"),
    "mel_harmonic": (("mel band", "time [frames]"), "uint16"),
    "mel_percussive": (("mel band", "time [frames]"), "uint16"),
    "modulation": (("mel band", "modulation frequency [cycles per clip]"), "float32"),
    "mfcc": (("coefficient", "time [frames]"), "float32"),
}

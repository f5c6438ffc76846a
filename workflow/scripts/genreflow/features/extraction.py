"""Features of one clip in memory, with the bits that its caches would hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from genreflow.features.registry import FEATURES
from genreflow.features.stft import compute_stft, uncentred_frames
from genreflow.files.layouts import as_stored

Array = npt.NDArray[Any]
#: The settings of every feature, a map a section.
Parameters = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ClipInMemory:
    """One clip of a feature, in the form of `genreflow.files.layouts.Clips`."""

    values: Array
    parameters: Parameters
    attributes: Mapping[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the clip."""
        return self.values.shape

    def clip(self, track_id: str) -> Array:
        """Return the values, whatever the track id."""
        return self.values


def extract_clip(
    samples: npt.NDArray[np.float32], features: Iterable[str], parameters: Parameters
) -> dict[str, ClipInMemory]:
    """Return features of one clip, each computed and rounded as its rule does.

    On one thread, as a rule's job: products of matrices may have other last bits on several.

    Parameters
    ----------
    samples
        Mono samples at ``audio.sample_rate``, of the length of a clip.
    features
        Names of the registry, such as ``mel_original``.
    parameters
        The sections of the settings that shape them.
    """
    counted = _counted(parameters)
    attributes = {"uncentred_start": counted.start, "uncentred_stop": counted.stop}
    found: dict[str, Array] = {"audio": samples}

    def values(feature: str) -> Array:
        if feature not in found:
            results = _compute(feature, values(FEATURES[feature].parent), parameters)
            for name, result in results.items():
                found[name] = as_stored(FEATURES[name].layout(result.shape), result)
        return found[feature]

    with threadpool_limits(1):
        return {name: ClipInMemory(values(name), parameters, attributes) for name in features}


def _compute(feature: str, parent: Array, parameters: Parameters) -> Mapping[str, Array]:
    """Return a feature, with what is computed in one go with it, from its parent's values."""
    if feature in COMPUTE:
        return {feature: COMPUTE[feature](parent, parameters)}
    if feature.startswith("mel_"):
        return {feature: _mel(parent, parameters)}
    from genreflow.features.hpss import separate_hpss

    parts = separate_hpss(parent, **parameters["hpss"])
    return dict(zip(("hpss_harmonic", "hpss_percussive"), parts, strict=True))


def _counted(parameters: Parameters) -> slice:
    """Return the frames that Jeong 2016 counts."""
    audio = parameters["audio"]
    samples = round(audio["clip_seconds"] * audio["sample_rate"])
    return uncentred_frames(samples, **parameters["stft"])


def _cepstrogram(magnitude: Array, parameters: Parameters) -> Array:
    from genreflow.features.cepstrum import compute_cepstrogram

    return compute_cepstrogram(magnitude[:, _counted(parameters)], **parameters["cepstrum"])


def _cepstral_modulation(cepstrogram: Array, parameters: Parameters) -> Array:
    from genreflow.features.cepstrum import compute_cepstral_modulation

    return compute_cepstral_modulation(cepstrogram, **parameters["cepstral_modulation"])


def _mel(magnitude: Array, parameters: Parameters) -> Array:
    from genreflow.features.mel import compute_mel, mel_filters

    settings = dict(parameters["mel"])
    top_db = settings.pop("top_db")
    filters = mel_filters(
        sample_rate=parameters["audio"]["sample_rate"],
        n_fft=parameters["stft"]["n_fft"],
        **settings,
    )
    return compute_mel(magnitude, filters=filters, top_db=top_db)


def _modulation(mel: Array, parameters: Parameters) -> Array:
    from genreflow.features.modulation import compute_modulation

    return compute_modulation(mel, **parameters["modulation"])


def _mfcc(mel: Array, parameters: Parameters) -> Array:
    from genreflow.features.mfcc import compute_mfcc

    return compute_mfcc(mel, **parameters["mfcc"])


#: From the parent's values and the settings, a map a section, to a feature.
COMPUTE: dict[str, Callable[[Array, Parameters], Array]] = {
    "stft": lambda samples, parameters: compute_stft(samples, **parameters["stft"]),
    "cepstrogram": _cepstrogram,
    "cepstral_modulation": _cepstral_modulation,
    "modulation": _modulation,
    "mfcc": _mfcc,
}

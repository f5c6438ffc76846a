"""The settings and the sound that the benchmarks share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from genreflow.features.registry import clip_shape
from genreflow.plan.schema import Settings

SETTINGS = Settings()
RATE = SETTINGS.audio.sample_rate


def music() -> npt.NDArray[np.float32]:
    """Return 30 s of tones, clicks and noise that swell and fade."""
    random = np.random.default_rng(0)
    seconds = np.arange(*clip_shape("audio", SETTINGS)) / RATE
    tones = sum(np.sin(2 * np.pi * f * seconds) / f for f in (110, 221, 440, 1319, 3520))
    samples = 20 * np.asarray(tones) * np.exp(-3 * (seconds % 0.5))
    samples[:: RATE // 4] += 0.5
    samples += 0.02 * random.standard_normal(samples.size) * (1 + np.sin(seconds))
    return (samples / np.abs(samples).max()).astype(np.float32)

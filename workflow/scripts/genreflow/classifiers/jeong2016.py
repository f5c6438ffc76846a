"""The systems of Jeong 2016 on new music."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from genreflow.classifiers.folder import FOREST
from genreflow.classifiers.running import ClipResult, Features
from genreflow.files.models import read_model, read_tensors
from genreflow.jeong2016.forest import Forest, clip_shares
from genreflow.jeong2016.segments import segments_for
from genreflow.systems import JEONG_SYSTEMS, features_read, networks_of


class Jeong:
    """Small networks, a forest on their segments, and a vote (Jeong 2016)."""

    experts: tuple[str, ...] = ()

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self._description = description
        self._models = {
            name: read_model(folder / f"{name}.safetensors")[0]
            for name in networks_of(description["system"])
        }
        self._forest = Forest.from_tensors(read_tensors(folder / FOREST))

    def run(self, clip: Features) -> ClipResult:
        """Return what the system says of a clip."""
        parameters = self._description["feature_parameters"]
        windows = parameters["cepstral_modulation"]
        parts = []
        with threadpool_limits(1):
            for name in JEONG_SYSTEMS[self._description["system"]]:
                caches = [clip[feature] for feature in features_read(name)]
                segments = segments_for(name, self._models, caches, **windows)
                parts.append(segments([cache.values for cache in caches]))
        found = self._forest.segment_probabilities(np.concatenate(parts, axis=1))
        hop = parameters["stft"]["hop"] / parameters["audio"]["sample_rate"]
        shift, length = (windows[key] * hop for key in ("shift_frames", "window_frames"))
        return ClipResult(
            clip_shares(found, self._description["decision"]),
            None,
            [(row * shift, row * shift + length, values) for row, values in enumerate(found)],
        )

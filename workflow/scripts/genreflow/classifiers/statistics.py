"""The system of neither paper on new music: statistics of a feature, and an SVM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genreflow.baselines.statistics import clip_statistics
from genreflow.baselines.svm import svm_from_tensors
from genreflow.classifiers.running import ClipResult, Features
from genreflow.files.models import read_model
from genreflow.systems import STATISTICS_SYSTEMS


class Statistics:
    """Statistics of a clip's bands, standardised, and a support vector machine."""

    experts: tuple[str, ...] = ()

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self._feature = STATISTICS_SYSTEMS[description["system"]]
        self._classes = len(description["labels"])
        self._svm = svm_from_tensors(read_model(folder / f"{description['system']}.safetensors")[0])

    def run(self, clip: Features) -> ClipResult:
        """Return what the system says of a clip."""
        vector = clip_statistics(clip[self._feature].values)
        return ClipResult(self._svm.probabilities(vector, classes=self._classes))

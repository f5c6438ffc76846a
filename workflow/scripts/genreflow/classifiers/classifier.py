"""A classifier that runs on new music: features in memory, networks, forest or mixture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from genreflow.classifiers.folder import read_folder
from genreflow.classifiers.music import Music, prepared_clips
from genreflow.classifiers.running import ClipResult, Features, Probabilities, System
from genreflow.features.extraction import extract_clip
from genreflow.files.predictions import PROBABILITY, WEIGHT
from genreflow.systems import JEONG_SYSTEMS, STATISTICS_SYSTEMS, features_of


@dataclass(frozen=True)
class Segment:
    """A part of the music, in seconds from its start, and the classes' probabilities in it."""

    start: float
    end: float
    probabilities: dict[str, float]

    def row(self) -> dict[str, str | float]:
        """Return the columns of a table."""
        values = self.probabilities
        label = max(values, key=lambda name: values[name])
        return {
            "start": self.start,
            "end": self.end,
            "label": label,
            **_columns(PROBABILITY, values),
        }


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of a piece of music.

    Attributes
    ----------
    label
        The most probable class, the first of equals.
    probabilities
        Of every class, averaged over the clips; shares of votes where a forest votes.
    weights
        A mixture's weight of each expert, averaged over the clips; empty for other systems.
    segments
        A 5 s segment each for the systems of Jeong 2016, which overlap by half, and a clip each
        for those of Yi 2019.
    """

    label: str
    probabilities: dict[str, float]
    weights: dict[str, float] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)

    def row(self) -> dict[str, str | float]:
        """Return the columns of a table: label, its probability, all of them, weights."""
        return {
            "label": self.label,
            "probability": self.probabilities[self.label],
            **_columns(PROBABILITY, self.probabilities),
            **_columns(WEIGHT, self.weights),
        }


def _columns(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {prefix + name: value for name, value in values.items()}


class Classifier:
    """A trained system with everything that it takes to run it (`genreflow.load`).

    Attributes
    ----------
    system
        One of the registry, such as ``SF+TF``.
    labels
        The classes, in the order of the probabilities.
    features
        Those that it reads.
    description
        What ``classifier.json`` holds.
    """

    def __init__(
        self, folder: str | PathLike[str], *, device: str = "cpu", threads: int = 1
    ) -> None:
        self.folder = Path(folder)
        self.description = read_folder(self.folder)
        self.system: str = self.description["system"]
        self.labels: list[str] = self.description["labels"]
        self.parameters: dict[str, dict[str, Any]] = self.description["feature_parameters"]
        self.features = features_of(self.system, self.description.get("experts", ()))
        self._system: System
        if self.system in JEONG_SYSTEMS:
            from genreflow.classifiers.jeong2016 import Jeong

            self._system = Jeong(self.folder, self.description)
        elif self.system in STATISTICS_SYSTEMS:
            from genreflow.classifiers.statistics import Statistics

            self._system = Statistics(self.folder, self.description)
        else:
            from genreflow.classifiers.yi2019 import Yi

            self._system = Yi(self.folder, self.description, device=device, threads=threads)

    def __repr__(self) -> str:
        return f"<Classifier {self.system} of {', '.join(self.labels)}>"

    def predict(
        self,
        music: Music,
        sample_rate: int | None = None,
        *,
        first: bool = False,
    ) -> Prediction:
        """Classify a file, or samples in memory.

        Clips are cut from the start, the first one as in training; a rest of less than half a
        clip is dropped, and the clips' probabilities are averaged.

        Parameters
        ----------
        music
            A path, or samples of shape (n,) or (n, channels) in [-1, 1].
        sample_rate
            Of samples in memory, in Hz.
        first
            Use the first clip alone, as experiments do.

        Raises
        ------
        UserError
            The file can't be used, with the reason.
        """
        audio = self.parameters["audio"]
        results, segments = [], []
        for number, (samples, present) in enumerate(prepared_clips(music, sample_rate, audio)):
            result = self._system.run(extract_clip(samples, self.features, self.parameters))
            results.append(result)
            start = number * audio["clip_seconds"]
            parts = result.segments or [(0.0, audio["clip_seconds"], result.probabilities)]
            segments += [
                Segment(start + begin, start + min(end, present), self._named(values))
                for begin, end, values in parts
                # What was padded is heard, as in training, but is no part of the music.
                if begin < present
            ]
            if first:
                break
        return self._prediction(results, segments)

    def classify(self, features: Features) -> Prediction:
        """Return what the classifier says of one clip, from its features.

        Parameters
        ----------
        features
            Those that it reads, as their caches hold them.
        """
        return self._prediction([self._system.run(features)], [])

    def _prediction(self, results: list[ClipResult], segments: list[Segment]) -> Prediction:
        """Return the mean of the clips' results."""
        probabilities = np.mean([result.probabilities for result in results], axis=0)
        weights = [result.weights for result in results if result.weights is not None]
        mean_weights = np.mean(weights, axis=0).tolist() if weights else []
        return Prediction(
            self.labels[int(np.argmax(probabilities))],
            self._named(probabilities),
            dict(zip(self._system.experts, mean_weights, strict=True)),
            segments,
        )

    def _named(self, values: Probabilities) -> dict[str, float]:
        return dict(zip(self.labels, values.tolist(), strict=True))

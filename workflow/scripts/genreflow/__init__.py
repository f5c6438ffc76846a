"""genreflow: two papers on music genre classification, a folder a subject.

The package knows nothing of Snakemake.  What is imported while the workflow is parsed (``plan``,
``collections``, ``partitions`` and the registries) loads no heavy library at import, and neither
does ``import genreflow`` itself.

>>> prediction = genreflow.load("results/mymusic/classifiers/SF+TF").predict("song.mp3")
>>> prediction.label, prediction.probabilities
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    import numpy.typing as npt

    from genreflow.classifiers.classifier import Classifier
    from genreflow.files.reading import Features

__version__ = "1.0.0"


def load(folder: str | PathLike[str], *, device: str = "cpu", threads: int = 1) -> Classifier:
    """Return the classifier of a folder, ready to `predict` files or samples.

    Parameters
    ----------
    folder
        What the target ``results/{dataset}/classifiers/{system}`` makes, or a copy of it.
    device
        ``cpu``, ``cuda`` or ``auto``, for the systems of Yi 2019.
    threads
        Of the networks on a CPU.

    Raises
    ------
    UserError
        The folder holds no classifier, or one of its files is missing or damaged.
    """
    from genreflow.classifiers.classifier import Classifier

    return Classifier(folder, device=device, threads=threads)


def extract(
    music: str | PathLike[str] | npt.ArrayLike,
    features: Iterable[str],
    *,
    sample_rate: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Return features of the first clip of a file or of samples, as their caches would hold them.

    Parameters
    ----------
    music
        As of `Classifier.predict`.
    sample_rate
        The same.
    features
        Names such as ``mel_original``, ``cepstral_modulation`` or ``mfcc``.
    settings
        What differs from the defaults, such as ``{"audio": {"clip_seconds": 10}}``.

    Raises
    ------
    UserError
        An unknown feature or setting, or a file that can't be used.
    """
    from genreflow.classifiers.music import prepared_clips
    from genreflow.errors import UserError
    from genreflow.features.extraction import extract_clip
    from genreflow.features.registry import FEATURES
    from genreflow.plan.loading import checked_settings

    names = list(features)
    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise UserError(
            f"unknown feature `{unknown[0]}`.", expected="one of " + ", ".join(FEATURES)
        )
    parameters = checked_settings(settings or {}).model_dump()
    samples, _ = next(prepared_clips(music, sample_rate, parameters["audio"]))
    return {k: v.values for k, v in extract_clip(samples, names, parameters).items()}


def read_features(folder: str | PathLike[str]) -> Features:
    """Return the cached feature of a folder: a mapping from track ids to arrays.

    Parameters
    ----------
    folder
        That of the feature, such as ``results/mymusic/features/mfcc``.

    Raises
    ------
    UserError
        There is no feature in the folder, or not every shard of it.
    """
    from pathlib import Path

    from genreflow.files.reading import Features

    return Features(Path(folder))

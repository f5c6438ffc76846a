"""What a classifier's folder says of itself, gathered from the models that it is made of."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from genreflow import __version__
from genreflow.errors import UserError
from genreflow.files.models import read_model
from genreflow.systems import JEONG_SYSTEMS, MIXTURE_SYSTEMS

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "soundfile", "soxr")


def describe_classifier(
    models: Iterable[Path],
    *,
    features: Mapping[str, Mapping[str, Any]],
    decision: str,
    experts: Sequence[str],
    system: str,
    dataset: str,
    partition: str,
    seed: int,
    fold: int,
) -> dict[str, Any]:
    """Return the description of a classifier.

    Parameters
    ----------
    models
        The files of its networks.
    features
        The settings of every feature, a map a section.
    decision
        How the segments of a clip vote.
    experts
        Those that mixtures mix.

    Raises
    ------
    UserError
        A network was trained on features with other settings, or has other labels or clips than
        the first one.
    """
    first: dict[str, Any] | None = None
    for path in models:
        _, found = read_model(path)
        first = found if first is None else first
        for section, values in found["feature_parameters"].items():
            if values != features[section]:
                raise UserError(
                    f"the network was trained with other settings of `{section}`.",
                    where=str(path),
                    hint="delete the file and run again.",
                )
        for key in ("labels", "clips", "seed", "fold"):
            if found[key] != first[key]:
                raise UserError(f"the network has other {key} than the first one.", where=str(path))
    assert first is not None
    clips = {role: sorted(ids) for role, ids in first["clips"].items()}
    digest = hashlib.sha256(json.dumps(clips, sort_keys=True, separators=(",", ":")).encode())
    description = {
        "system": system,
        "labels": first["labels"],
        "dataset": dataset,
        "partition": partition,
        "seed": seed,
        "fold": fold,
        "feature_parameters": features,
        "clips": clips,
        "clips_sha256": digest.hexdigest(),
        "versions": {"genreflow": __version__, "python": platform.python_version(), **_versions()},
    }
    if system in JEONG_SYSTEMS:
        description["decision"] = decision
    if system in MIXTURE_SYSTEMS:
        description["experts"] = experts
    return description


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found

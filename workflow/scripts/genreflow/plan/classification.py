"""A collection to classify, before any job has run: which features, and whether they fit."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genreflow.classifiers.folder import DESCRIPTION, SUMS
from genreflow.errors import UserError
from genreflow.features.registry import FEATURES, feature_parameters
from genreflow.plan.schema import Classification, Settings
from genreflow.systems import SYSTEMS, features_of

#: A classifier that this workflow makes: its dataset and its system.
OWN = re.compile(rf"results/([^/]+)/classifiers/(?:.*/)?({'|'.join(map(re.escape, SYSTEMS))})")


@dataclass(frozen=True)
class PlannedClassification:
    """A dataset that is to be classified.

    Attributes
    ----------
    folder
        The classifier's.
    features
        What it reads.
    digest
        Of its checksums; empty where this workflow is still to make it.
    """

    folder: str
    features: Sequence[str]
    digest: str


def plan_classification(
    wanted: Classification, settings: Mapping[str, Settings]
) -> PlannedClassification:
    """Return what planning knows of a collection to classify.

    Parameters
    ----------
    settings
        Of every dataset.

    Raises
    ------
    UserError
        There is no such classifier, or the dataset's features have other parameters than those
        that it was trained on.
    """
    folder = Path(wanted.classifier)
    where = f"config, classify of dataset `{wanted.dataset}`: {folder}"
    own = OWN.fullmatch(folder.as_posix())
    if own and own[1] in settings:
        # Made with the settings in force, now or before.
        trained, system = settings[own[1]], own[2]
        known = feature_parameters(trained)
        experts, digest = trained.mixer.experts, ""
    else:
        try:
            description = json.loads((folder / DESCRIPTION).read_bytes())
            known, system = description["feature_parameters"], description["system"]
            experts = description.get("experts", [])
            digest = hashlib.sha256((folder / SUMS).read_bytes()).hexdigest()[:16]
        except (OSError, ValueError, KeyError):
            raise UserError(
                "there is no classifier.",
                where=where,
                expected=f"a folder that holds {DESCRIPTION} and {SUMS}, or "
                "results/{dataset}/classifiers/{system} of this workflow",
            ) from None
    features = features_of(system, experts)
    needed = {FEATURES[name].section for feature in features for name in _lineage(feature)}
    ours = feature_parameters(settings[wanted.dataset])
    differing = [
        f"{section}.{key} is {ours[section].get(key)!r} here and {value!r} there"
        for section in sorted(needed)
        for key, value in known[section].items()
        if ours[section].get(key) != value
    ]
    if differing:
        raise UserError(
            f"the classifier was trained on other features: {'; '.join(differing)}.",
            where=where,
            hint=f"give dataset `{wanted.dataset}` these values in its `settings`.",
        )
    return PlannedClassification(str(folder), features, digest)


def _lineage(feature: str) -> list[str]:
    """Return a feature and all that it is made from."""
    parent = FEATURES[feature].parent
    return [feature, *(_lineage(parent) if parent else [])]

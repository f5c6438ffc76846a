"""Studies: which settings are run beside a dataset's own, as variants of the dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any

from genreflow.plan.schema import Config, Settings, Study, Variant, merge

#: Characters of a variant's name; the rest of a longer one is a digest.
LONGEST = 120


@dataclass(frozen=True)
class Variation:
    """What differs from a dataset's own settings, and the variant that has it.

    Attributes
    ----------
    changes
        Values by their dotted keys; none for the baseline.
    dataset
        Name of the variant; that of the dataset where nothing differs.
    """

    changes: Mapping[str, Any]
    dataset: str


def variations(study: Study, config: Config) -> list[Variation]:
    """Return the baseline of a study and what it varies.

    A value that is the dataset's own is none of them.
    """
    own = config.settings(study.dataset)
    keys = {}
    for key, values in study.vary.items():
        checked = (_checked(own, key, value) for value in values)
        keys[key] = [value for value in checked if value != value_of(own, key)]
    if study.design == "one_at_a_time":
        changes = [{key: value} for key, values in keys.items() for value in values]
    else:
        full = ([value_of(own, key), *values] for key, values in keys.items())
        changes = [
            {k: v for k, v in zip(keys, chosen, strict=True) if v != value_of(own, k)}
            for chosen in product(*full)
        ][1:]
    seeds = {} if study.seeds in (None, own.seeds) else {"seeds": study.seeds}
    return [
        Variation(changed, _name(study.dataset, {**changed, **seeds})) for changed in [{}, *changes]
    ]


def with_studies(config: Config) -> Config:
    """Return the configuration with a variant for each variation of its studies."""
    datasets = dict(config.datasets)
    for study in config.studies:
        seeds = {"seeds": study.seeds} if study.seeds else {}
        for variation in variations(study, config):
            settings = changed({**variation.changes, **seeds})
            datasets.setdefault(variation.dataset, Variant(like=study.dataset, settings=settings))
    return config.model_copy(update={"datasets": datasets})


def value_of(settings: Settings, key: str) -> Any:
    """Return the value of a dotted key."""
    return reduce(getattr, key.split("."), settings)


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree of settings from values by their dotted keys."""
    tree: dict[str, Any] = {}
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        holder = tree.setdefault(section, {}) if section else tree
        holder[name] = value
    return tree


def varied(own: Settings, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with other values of some dotted keys, not yet checked."""
    return merge(own.model_dump(), changed(changes))


def _checked(own: Settings, key: str, value: Any) -> Any:
    """Return a value as the schema takes it: `1e-6` is text in YAML."""
    return value_of(Settings.model_validate(varied(own, {key: value})), key)


def _name(dataset: str, changes: Mapping[str, Any]) -> str:
    """Return the name of a variant by what differs, so that other variations leave its files."""
    if not changes:
        return dataset
    words = ",".join(f"{key}={_word(value)}" for key, value in sorted(changes.items()))
    if len(words) > LONGEST:
        words = words[:LONGEST] + hashlib.sha256(words.encode()).hexdigest()[:8]
    return f"{dataset}@{words}"


def _word(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).translate(str.maketrans("", "", '[]"'))

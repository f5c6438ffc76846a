"""The configuration as it is read: the defaults, the user's values over them, clear messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from genreflow.errors import UserError
from genreflow.plan.checks import check_experiments, check_settings, not_one_of
from genreflow.plan.schema import SOURCES, Config, Experiment, Settings, merge


def load(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> Config:
    """Return the checked configuration: the default file with the user's values over it.

    ``datasets`` and ``experiments`` of the user replace the defaults as a whole, so that asking
    for one's own music does not also run the demo.

    Raises
    ------
    UserError
        An unknown key, a value out of range, or two values that contradict each other.
    """
    blocks = {"datasets", "experiments"} & overrides.keys()
    merged = merge(defaults, overrides) | {block: overrides[block] for block in blocks}
    if "datasets" in overrides and "experiments" not in overrides:
        raise UserError(
            "datasets are given without experiments.",
            where="your config file",
            expected="an `experiments` block that uses them",
            hint="add `experiments: []` to make features alone with the target `features`.",
        )
    config: Config = _validate(Config, merged, "config")
    for name in config.datasets:
        where = f"config, datasets.{name}.settings"
        check_settings(_validate(Settings, config.merged_settings(name), where), name)
    check_experiments(config)
    return config


def canonical(value: Any) -> str:
    """Return JSON that is equal exactly when the values are: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _validate(model: type[Any], data: Mapping[str, Any], where: str) -> Any:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        # Pydantic puts the source behind a dataset's name; by its place, since names and keys may
        # be the same word.
        if path[:1] == ["datasets"] and len(path) > 2:
            del path[2]
        raise _explain(model, first, path, where) from None


def _explain(model: type[Any], first: Any, path: list[str], where: str) -> UserError:
    key, value = ".".join(path), first["input"]
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, first["loc"])
        return not_one_of(f"unknown key `{key}`.", path[-1], known, where=where)
    if first["type"] == "literal_error":
        choices = first["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        found = f"`{key}` is {value!r}."
        return not_one_of(found, str(value), choices, where=where, cutoff=0.5)
    if first["type"] == "missing":
        return UserError(f"`{key}` is missing.", where=where)
    if first["type"].startswith("union_tag"):
        source = value.get("source") if isinstance(value, dict) else value
        found = f"`{key}.source` is {source!r}."
        return not_one_of(found, str(source), SOURCES, where=where)
    shown = value if isinstance(value, str | int | float | None) else type(value).__name__
    return UserError(f"`{key}` is {shown!r}: {first['msg'].lower()}.", where=where)


def _known_keys(model: type[Any], place: Sequence[str | int]) -> list[str]:
    """Return the keys that are allowed beside the last one of pydantic's ``place``."""
    block: Any = place[0]
    if len(place) == 1:
        kind: Any = model
    elif block == "datasets":
        kind = SOURCES[str(place[2])]
    else:
        kind = Experiment if block == "experiments" else model.model_fields[block].annotation
    return list(kind.model_fields)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping."""
    with path.open(encoding="utf-8") as handle:
        content = yaml.safe_load(handle)
    if not isinstance(content, dict):
        raise UserError("the file holds no mapping of keys.", where=str(path))
    return content

"""The configuration as it is read: the defaults, the user's values over them, clear messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from genreflow.errors import UserError
from genreflow.partitions.names import ALL
from genreflow.plan.checks import (
    Place,
    cache_errors,
    classification_errors,
    experiment_errors,
    name_errors,
    not_one_of,
    settings_errors,
    size_errors,
    variant_errors,
)
from genreflow.plan.schema import (
    KINDS,
    SOURCES,
    Classification,
    Config,
    Experiment,
    Probe,
    Settings,
    Study,
    merge,
    setting_keys,
)
from genreflow.plan.studies import variations, varied


def load(
    defaults: Mapping[str, Any], overrides: Mapping[str, Any], files: Sequence[Path] = ()
) -> Config:
    """Return the checked configuration: the default file with the user's values over it.

    ``datasets`` and ``experiments`` of the user replace the defaults as a whole, so that asking
    for one's own music does not also run the demo.

    Parameters
    ----------
    files
        The user's configuration files, for the lines of messages.

    Raises
    ------
    UserError
        Unknown keys, values out of range, values that contradict each other: all of them.
    """
    blocks = {"datasets", "experiments", "studies", "classify"} & overrides.keys()
    merged = merge(defaults, overrides) | {block: overrides[block] for block in blocks}
    merged["studies"] = _placed_studies(merged)
    place = _places(files)
    if "datasets" in overrides and "experiments" not in overrides:
        raise UserError(
            "datasets are given without experiments.",
            where=place("datasets"),
            expected="an `experiments` block that uses them",
            hint="add `experiments: []` to make features alone with the target `features`.",
        )
    config: Config
    config, errors = _validated(Config, merged, place)
    if config is not None:
        errors += variant_errors(config, place)
        for name in config.datasets if not errors else ():

            def own(*keys: str | int, name: str = name) -> str:
                path = f"datasets.{name}.settings"
                return f"{place('datasets', name, 'settings', *keys)}, {path}"

            settings, found = _validated(Settings, config.merged_settings(name), own)
            errors += found
            if settings is not None:
                errors += settings_errors(settings, f"the settings of dataset `{name}`")
        if not errors:
            for check in (name_errors, cache_errors, experiment_errors, classification_errors):
                errors += check(config, place)
        if not errors:
            errors += _study_errors(config, place)
    _refuse(errors)
    return config


def _placed_studies(merged: Mapping[str, Any]) -> Any:
    """Return the studies; one that names no dataset has that and the partition of an experiment."""
    studies, experiments = merged.get("studies", []), merged.get("experiments")
    if not (isinstance(studies, list) and isinstance(experiments, list) and experiments):
        return studies
    if not isinstance(first := experiments[0], dict):
        return studies
    names = ("dataset", "partition", "group_disjoint")
    place = {name: first[name] for name in names if name in first}
    return [
        place | study if isinstance(study, dict) and "dataset" not in study else study
        for study in studies
    ]


#: What a study can't vary, and why.
FIXED = {
    "seeds": "a study has a key `seeds` of its own.",
    "audio.max_quarantined": "it changes no result.",
    **dict.fromkeys(
        ("partitions.seed", "partitions.random_draws", "partitions.without_group"),
        "with other test clips, no clip is compared with itself.",
    ),
}


def _study_errors(config: Config, place: Place) -> Iterator[UserError]:
    """Yield what is wrong with what studies vary."""
    names = [study.name for study in config.studies]
    for index, study in enumerate(config.studies):
        if names.index(study.name) != index:
            yield UserError(
                f"two studies are called `{study.name}`.", where=place("studies", index, "name")
            )
        own, errors = config.settings(study.dataset), []
        for key, values in study.vary.items():
            where = place("studies", index, "vary", key)
            if key in FIXED:
                errors.append(UserError(f"`{key}` can't be varied.", where=where, hint=FIXED[key]))
            elif key not in (known := list(setting_keys())):
                errors.append(not_one_of(f"unknown key `{key}`.", key, known, where=where))
            else:
                for value in values:
                    _, found = _validated(
                        Settings, varied(own, {key: value}), lambda *_, where=where: where
                    )
                    errors += found
        yield from errors
        if errors:
            continue
        where = place("studies", index)
        every = variations(study, config)
        if len(every) == 1:
            yield UserError(
                f"study `{study.name}` varies nothing: every value is that of the dataset.",
                where=where,
            )
        for variation in every:
            settings = Settings.model_validate(varied(own, variation.changes))
            with_what = ", ".join(f"{k} = {v}" for k, v in variation.changes.items())
            of = f"{where}, dataset `{study.dataset}`" + (f" with {with_what}" if with_what else "")
            yield from settings_errors(settings, of)
            yield from size_errors(settings, study, of)


def checked_settings(overrides: Mapping[str, Any]) -> Settings:
    """Return the default settings with some values over them, checked.

    Raises
    ------
    UserError
        As of `load`.
    """
    merged = merge(Settings().model_dump(), overrides)
    settings: Settings
    settings, errors = _validated(Settings, merged, lambda *_: "settings")
    _refuse(errors or settings_errors(settings, "settings"))
    return settings


def _refuse(errors: Sequence[UserError]) -> None:
    """Raise the errors, if there are any, as one."""
    # A value that settings share is wrong in each dataset's.
    messages = list(dict.fromkeys(map(str, errors)))
    if len(messages) == 1:
        raise errors[0]
    if messages:
        raise UserError("\n\n".join([f"{len(messages)} mistakes in the configuration.", *messages]))


def _places(files: Sequence[Path]) -> Place:
    """Return a function from a path of keys to the file and the line that has it."""
    trees = [(path, yaml.compose(path.read_text(encoding="utf-8"))) for path in files]

    def line(node: Any, keys: Sequence[str | int]) -> tuple[int, int]:
        """Return how many of the keys a file has, and the line of the last one."""
        known, found = 0, 1
        for key in keys:
            if isinstance(node, yaml.MappingNode):
                pairs = {name.value: (name, value) for name, value in node.value}
                if str(key) not in pairs:
                    break
                name, node = pairs[str(key)]
            elif isinstance(node, yaml.SequenceNode) and int(key) < len(node.value):
                name = node = node.value[int(key)]
            else:
                break
            known, found = known + 1, name.start_mark.line + 1
        return known, found

    def place(*keys: str | int) -> str:
        # The last file that has the most of it: that is whose value counts.
        candidates = [(line(node, keys), str(path)) for path, node in trees]
        (known, number), path = max(candidates, key=lambda one: one[0][0], default=((0, 0), ""))
        return f"{path}, line {number}" if known else "config"

    return place


def canonical(value: Any) -> str:
    """Return JSON that is equal exactly when the values are: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _validated(
    model: type[Any], data: Mapping[str, Any], place: Place
) -> tuple[Any, list[UserError]]:
    """Return a checked model, or None and what is wrong with it."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        errors = []
        for found in error.errors():
            path = list(found["loc"])
            # Pydantic puts the source behind a dataset's name; by its place, since names and keys
            # may be the same word.
            if path[:1] == ["datasets"] and len(path) > 2:
                del path[2]
            errors.append(_explain(model, found, [str(part) for part in path], place(*path)))
        return None, errors


def _explain(model: type[Any], first: Any, path: list[str], where: str) -> UserError:
    key, value = ".".join(path), first["input"]
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, first["loc"])
        return not_one_of(f"unknown key `{key}`.", path[-1], known, where=where)
    if first["type"] == "literal_error":
        if value == ALL and path[-1] == "partition":
            return UserError(
                f"`{key}` is {value!r}, which has no test clips.",
                where=where,
                hint="it is what `results/{dataset}/classifiers/{system}` trains on; an experiment "
                "needs another one.",
            )
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
        kind = KINDS[str(place[2])]
    else:
        several = {
            "experiments": Experiment,
            "studies": Study,
            "classify": Classification,
            "probes": Probe,
        }
        kind = several.get(block) or model.model_fields[block].annotation
    return list(kind.model_fields)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping."""
    with path.open(encoding="utf-8") as handle:
        content = yaml.safe_load(handle)
    if not isinstance(content, dict):
        raise UserError("the file holds no mapping of keys.", where=str(path))
    return content

"""Where settings leave the papers or the authors' code, by docs/deviations.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

#: What the letters of the page mean.
STATUS = {
    "O": "open: no source settles it",
    "R": "read from the authors’ code",
    "A": "follows by arithmetic",
}
STATED, OURS = "stated in the paper", "of the workflow"


@dataclass(frozen=True)
class Point:
    """What the page says of a key: its status, and values by who has them, as YAML texts.

    ``place`` is where a paper states the default, or what the key is for.
    """

    status: str
    place: str = ""
    paper: str | None = None
    authors: str | None = None


def read_points(page: Path) -> dict[str, Point]:
    """Return the points that have a key, by key; none where the page is not there.

    A workflow that is used as a module, or was copied in part, may come without its docs.
    """
    if not page.is_file():
        return {}
    points = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        named = re.fullmatch(r"`([a-z_.]+)`(?: ([ORA]))?", cells[0]) if cells else None
        if named is None:
            continue
        key, letter = named.groups()
        marks = dict(_marks(" ".join(cells[1:3])))
        if letter:
            points[key] = Point(
                STATUS[letter], paper=marks.get("paper"), authors=marks.get("authors")
            )
        elif re.match(r"(Jeong|Yi) \d{4}", cells[2]):
            points[key] = Point(STATED, cells[2], paper=cells[1].strip("`"))
        else:
            points[key] = Point(OURS, cells[2])
    return points


def deviations(
    settings: Mapping[str, Any], defaults: Mapping[str, Any], points: Mapping[str, Point]
) -> list[dict[str, Any]]:
    """Return the settings that differ from the defaults, the papers' words or the authors' code.

    Returns
    -------
    list of dict
        ``key``, ``value``, ``default``, whether it was ``changed``, and its `Point`.
    """
    default = dict(_flatten(defaults))
    found = []
    for key, value in _flatten(settings):
        point = points.get(key, Point(""))
        others = [text for text in (point.paper, point.authors) if text is not None]
        if value == default[key] and all(yaml.safe_load(text) == value for text in others):
            continue
        changed = value != default[key]
        row = {"key": key, "value": value, "default": default[key], "changed": changed}
        found.append(row | vars(point))
    return found


def _marks(text: str) -> Iterator[tuple[str, str]]:
    """Yield who has each value of a row, as `value` (authors)."""
    for value, marks in re.findall(r"`([^`]*)` \(([a-z, ]+)\)", text):
        for who in marks.split(", "):
            yield who, value


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value

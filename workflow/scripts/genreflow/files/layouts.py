"""How a cache holds the clips of a feature; planned by the registry, written by the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layout:
    """How the cache of a feature holds a clip.

    Attributes
    ----------
    feature
        Name of the feature.
    section
        Section of the settings that shapes it.
    axes
        Axes of a clip with their units.
    shape
        Shape of a clip.
    dtype
        Number type of the values.
    step
        The values are rounded to whole steps of this, in their unit, and compressed; None: neither.
    moments
        Whether each clip's sums over the last axis are kept, for `normalisation`.
    """

    feature: str
    section: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    step: float | None = None
    moments: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Layout:
        """Return the layout of which JSON has made maps and lists."""
        return cls(**{**values, "axes": tuple(values["axes"]), "shape": tuple(values["shape"])})

"""How a cache holds the clips of a feature; planned by the registry, written by the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from genreflow.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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


def as_stored(layout: Layout, values: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
    """Return values as a reader of their cache finds them."""
    import numpy as np

    if layout.step is not None:
        steps = values / layout.step
        np.rint(steps, out=steps)
        values = np.multiply(steps, layout.step, out=steps)
    return values.astype(layout.dtype, copy=False)


def check_finite(values: npt.NDArray[np.floating], *, of: str, where: str) -> None:
    """Refuse what a network would turn into weights that are no numbers.

    Raises
    ------
    UserError
        A value is NaN or infinite.
    """
    import numpy as np

    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise UserError(
            f"{bad} of {values.size} {of} are NaN or infinite.",
            where=where,
            hint="delete these files and run again; if they come out the same, please report it.",
        )


class Clips(Protocol):
    """The clips of a feature: those of caches (`files.store`) or in memory (`extraction`)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a clip."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What the feature's caches say of it, such as which frames Jeong 2016 counts."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings that shaped it, a map a section."""

    def clip(self, track_id: str) -> npt.NDArray[Any]:
        """Return the values of a clip as a cache holds them."""


def finite_clip(clips: Clips, track_id: str) -> npt.NDArray[Any]:
    """Return the values of a clip, or refuse them as `check_finite`."""
    values = clips.clip(track_id)
    feature = clips.attributes.get("feature", "")
    check_finite(values, of=f"values of clip {track_id!r}", where=f"features/{feature}")
    return values

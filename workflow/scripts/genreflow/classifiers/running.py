"""What a system that runs on new music reads, and what it says of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from genreflow.features.extraction import ClipInMemory

Probabilities = npt.NDArray[np.floating]
Features = Mapping[str, ClipInMemory]


@dataclass(frozen=True)
class ClipResult:
    """What a system says of a clip.

    Attributes
    ----------
    probabilities
        Shape (classes,).
    weights
        Of the experts that a mixture mixes; None for other systems.
    segments
        Start and end in the clip, in seconds, and probabilities; none where the clip is one.
    """

    probabilities: Probabilities
    weights: Probabilities | None = None
    segments: list[tuple[float, float, Probabilities]] = field(default_factory=list)


class System(Protocol):
    """A system, trained."""

    @property
    def experts(self) -> Sequence[str]:
        """The experts that it gives weights; none where it is no mixture."""

    def run(self, clip: Features) -> ClipResult:
        """Return what the system says of a clip."""

"""Vector files: one vector a clip of a dataset, and the clips that have none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genreflow.files.store import read_arrays, write_arrays


@dataclass(frozen=True)
class Vectors:
    """A vector a clip, in the form of `genreflow.files.assignments.CachedClips`.

    Attributes
    ----------
    rows
        By track id, shape (values,).
    quarantined
        Clips that have no vector: in quarantine, or missing in somebody's embeddings.
    """

    rows: Mapping[str, npt.NDArray[np.float64]]
    quarantined: list[str]

    def __contains__(self, track_id: object) -> bool:
        return track_id in self.rows


def write_vectors(
    path: Path,
    rows: Mapping[str, npt.NDArray[np.float64]],
    *,
    without: Iterable[str],
    values: str,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Write vectors in the order of their track ids.

    Parameters
    ----------
    without
        The clips that have none.
    values
        What a vector holds, in words.
    parameters
        What shaped the feature that they were made from, a map a section.
    """
    track_ids = sorted(rows)
    write_arrays(
        path,
        {
            "track_id": np.array(track_ids, dtype=object),
            "data": np.stack([rows[track_id] for track_id in track_ids]),
            "quarantined": np.array(sorted(without), dtype=object),
        },
        values=values,
        parameters=json.dumps(parameters or {}, sort_keys=True),
    )


def read_vectors(path: Path) -> Vectors:
    """Return the vectors of a file from `write_vectors`."""
    arrays, _ = read_arrays(path)
    rows = dict(zip(arrays["track_id"].tolist(), arrays["data"], strict=True))
    return Vectors(rows, arrays["quarantined"].tolist())

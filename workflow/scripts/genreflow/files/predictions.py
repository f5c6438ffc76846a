"""Prediction files: a row for every test clip of every fold and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genreflow.errors import UserError
from genreflow.files.assignments import Assignment, check_present
from genreflow.files.atomic import write_whole

if TYPE_CHECKING:
    import pandas as pd

PROBABILITY = "probability_"
WEIGHT = "weight_"


@dataclass(frozen=True)
class ClipPrediction:
    """Class probabilities (or vote shares) of a clip, and the mixture's weights if any."""

    probabilities: npt.NDArray[np.floating]
    weights: npt.NDArray[np.floating] | None = None


def tabulate_predictions(
    test: Iterable[Assignment],
    predictions: Mapping[str, ClipPrediction],
    *,
    labels: Sequence[str],
    quarantined: Iterable[str],
    experts: Sequence[str] = (),
    seed: int,
) -> pd.DataFrame:
    """Return the rows of one fold in the order of the track ids.

    A quarantined test clip stays in with an empty prediction, so that it counts as wrong.  The
    label of the highest probability is predicted, the first of equals.

    Raises
    ------
    UserError
        A test clip has no prediction and is not in quarantine, or one that is no number.
    """
    import pandas as pd

    test = list(test)
    check_present(test, predictions, quarantined)
    rows = []
    for clip in sorted(test, key=lambda assignment: assignment.track_id):
        row: dict[str, Any] = {"seed": seed, "fold": clip.fold, "track_id": clip.track_id}
        row |= {"true": clip.label, "predicted": ""}
        row |= dict.fromkeys([PROBABILITY + label for label in labels], np.nan)
        row |= dict.fromkeys([WEIGHT + expert for expert in experts], np.nan)
        found = predictions.get(clip.track_id)
        if found is not None:
            if not np.isfinite(found.probabilities).all():
                raise UserError(f"the probabilities of {clip.track_id!r} are not finite.")
            row["predicted"] = labels[int(np.argmax(found.probabilities))]
            row |= {
                PROBABILITY + k: float(p) for k, p in zip(labels, found.probabilities, strict=True)
            }
            if found.weights is not None:
                row |= {WEIGHT + e: float(w) for e, w in zip(experts, found.weights, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write predictions; six decimals are enough and the same on every platform."""
    text = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_whole(path, text.encode())


def read_predictions(path: Path) -> pd.DataFrame:
    """Return a prediction file, with empty text where a clip has no prediction."""
    import pandas as pd

    text = {"track_id": str, "true": str, "predicted": str}
    # A label or a track may be called "NA": only the numbers may be missing.
    table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={})
    for column in table.columns:
        if column.startswith((PROBABILITY, WEIGHT)):
            table[column] = pd.to_numeric(table[column], errors="coerce")
    return table

"""Statistics of a clip's spectrogram: what a feature is worth without any network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def clip_statistics(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return mean and deviation of a clip's bands and of their first differences along time.

    Parameters
    ----------
    values
        Shape (bands, frames).

    Returns
    -------
    ndarray, shape (4 bands,), float64
        Means, deviations (ddof 0), means of the differences, deviations of the differences.
    """
    wide = values.astype(np.float64)
    differences = np.diff(wide, axis=1)
    return np.concatenate(
        [found for part in (wide, differences) for found in (part.mean(axis=1), part.std(axis=1))]
    )

"""Two-dimensional maps of the segment features (Jeong 2016, figures 5 and 6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PERPLEXITY = 30.0
#: Below this a neighbourhood of 30 would be most of the map.
FEW_SEGMENTS = 100
#: Fewer have no neighbourhoods to keep.
LEAST_SEGMENTS = 4


def choose_perplexity(segments: int) -> float:
    """Return the perplexity for a number of segments: 30, and (n - 1) / 3 for fewer than 100."""
    return PERPLEXITY if segments >= FEW_SEGMENTS else min(PERPLEXITY, (segments - 1) / 3)


def embed_segments(
    features: npt.NDArray[np.floating], *, perplexity: float, seed: int
) -> npt.NDArray[np.float32]:
    """Return a t-SNE map of segments, features as they are (not standardised).

    Parameters
    ----------
    features
        Shape (segments, features), at least `LEAST_SEGMENTS` of them.
    perplexity
        Effective number of neighbours, less than the number of segments.
    seed
        32 bits.

    Returns
    -------
    ndarray, shape (segments, 2), float32
    """
    from sklearn.manifold import TSNE

    # PCA divides by the spread of its first component; a network that died gives equal segments.
    init = "pca" if np.ptp(features, axis=0).any() else "random"
    tsne = TSNE(n_components=2, perplexity=perplexity, init=init, random_state=seed)
    mapped: npt.NDArray[np.float32] = tsne.fit_transform(features).astype(np.float32)
    return mapped

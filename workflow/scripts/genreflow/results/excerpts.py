"""The first seconds of clips, small enough to be inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np

from genreflow.features.audio import UnusableClip, decode, prepare_clip

#: What an excerpt has: as much as one needs to know a genre, in a format that every browser plays.
SECONDS, SAMPLE_RATE = 10.0, 22050
#: Of libsndfile, for a constant 40 kbit/s at that rate: 50 KB an excerpt.
COMPRESSION = 0.8
#: How many a page holds, over all partitions: 3.2 MB in base64, which mail still takes.
MOST_EXCERPTS = 48


def excerpt(path: Path) -> str:
    """Return the start of a clip as a data URI of an MP3, mono; empty where it can't be read."""
    import soundfile

    try:
        samples, found = prepare_clip(
            decode(path, seconds=SECONDS),
            sample_rate=SAMPLE_RATE,
            length=round(SECONDS * SAMPLE_RATE),
            resampler="soxr_hq",
        )
    except UnusableClip:
        return ""
    encoded = io.BytesIO()
    soundfile.write(
        encoded,
        np.clip(samples[:found], -1, 1),
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=COMPRESSION,
        bitrate_mode="CONSTANT",
    )
    return "data:audio/mpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")

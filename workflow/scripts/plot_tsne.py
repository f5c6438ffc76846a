"""Plot t-SNE maps of the test segments as Jeong 2016, figures 5 and 6."""

from __future__ import annotations

import numpy as np
from genreflow.files.assignments import read_assignments
from genreflow.files.store import read_arrays
from genreflow.jobs.job import Job, log
from genreflow.results.drawing import save_figure
from genreflow.results.embedding import (
    LEAST_SEGMENTS,
    PERPLEXITY,
    choose_perplexity,
    embed_segments,
)
from genreflow.results.figures import draw_tsne
from genreflow.seeds import derive_seed
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Draw a map for each of the systems: of one network's features or of both together."""
    planned, fold, seed = job.planned, job.planned["fold"], job.settings["seed"]
    assignments = read_assignments(job.path("partition"), fold)
    labels = sorted({assignment.label for assignment in assignments})
    files = [read_arrays(path)[0] for path in job.paths("segments")]
    segments = {
        network: file["data"] for network, file in zip(planned["networks"], files, strict=True)
    }
    place = {track_id: row for row, track_id in enumerate(files[0]["track_id"].tolist())}
    test = [a for a in assignments if a.role == "test" and a.track_id in place]
    rows = np.array([place[clip.track_id] for clip in test], dtype=int)
    a_clip = files[0]["data"].shape[1]
    number = len(rows) * a_clip
    perplexity = choose_perplexity(number)
    maps = {}
    for system, networks in planned["systems"]:
        features = np.concatenate([segments[network][rows] for network in networks], axis=2)
        maps[system] = np.zeros((number, 2), np.float32)
        if number >= LEAST_SEGMENTS:
            features = features.reshape(number, -1)
            map_seed = derive_seed(seed, fold, system, "tsne")
            # One thread: the bits depend on the number.
            with threadpool_limits(1):
                maps[system] = embed_segments(features, perplexity=perplexity, seed=map_seed)
    title = (
        f"{job.wildcards['dataset']}, {job.wildcards['partition']}: t-SNE of {number} test "
        f"segments of {len(rows)} clips\nfold {fold}, seed {seed}, perplexity {perplexity:.3g}"
    )
    if perplexity < PERPLEXITY:
        title += f" (lowered from {PERPLEXITY:g}, as the segments are few)"
    log.info("%d segments, perplexity %.3g", number, perplexity)
    classes = np.repeat([labels.index(clip.label) for clip in test], a_clip)
    save_figure(draw_tsne(maps, classes, labels=labels, title=title), job.outputs)

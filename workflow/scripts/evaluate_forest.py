"""Classify segments by a random forest and clips by their segments (Jeong 2016, section 4.3)."""

from __future__ import annotations

import numpy as np
from genreflow.jeong import clip_shares
from genreflow.partitions import read_assignments
from genreflow.predictions import ClipPrediction, tabulate_predictions, write_predictions
from genreflow.runtime import Job, log, run
from genreflow.seeds import derive_seed
from genreflow.store import read_arrays
from sklearn.ensemble import RandomForestClassifier


def main(job: Job) -> None:
    """Train on training and validation clips, predict the test clips."""
    params = job.params
    forest = params["rf"]
    assignments = read_assignments(job.path("partition"), params["fold"])
    labels = sorted({assignment.label for assignment in assignments})
    files = [read_arrays(path)[0] for path in job.paths("segments")]
    track_ids = files[0]["track_id"].tolist()
    segments = np.concatenate([file["data"] for file in files], axis=2)
    place = {track_id: row for row, track_id in enumerate(track_ids)}
    known = [a for a in assignments if a.role != "test" and a.track_id in place]
    rows = [place[clip.track_id] for clip in known]
    classifier = RandomForestClassifier(
        n_estimators=forest["trees"],
        max_features=forest["max_features"],
        random_state=derive_seed(params["seed"], params["fold"], "forest"),
        n_jobs=job.number("threads"),
    )
    classifier.fit(
        segments[rows].reshape(-1, segments.shape[2]),
        np.repeat([labels.index(clip.label) for clip in known], segments.shape[1]),
    )
    # Several threads would add the trees' votes in any order, and the last bits decide ties.
    classifier.n_jobs = 1
    test = [a for a in assignments if a.role == "test"]
    predictions = {}
    for clip in test:
        if clip.track_id not in place:
            continue
        found = classifier.predict_proba(segments[place[clip.track_id]])
        probabilities = np.zeros((len(found), len(labels)))
        probabilities[:, classifier.classes_] = found
        predictions[clip.track_id] = ClipPrediction(clip_shares(probabilities, forest["decision"]))
    table = tabulate_predictions(test, predictions, labels=labels, seed=params["seed"])
    write_predictions(table, job.path("predictions"))
    log.info("%d of %d right", (table["true"] == table["predicted"]).sum(), len(table))


if __name__ == "__main__":
    run(main)

"""Render a shard of the demo's clips as FLAC files."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import soundfile
from genreflow.features.synthesis import clip_table, synthesise_clip
from genreflow.files.clips import ShardClip
from genreflow.files.records import read_records
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Render the shard's clips into a folder that gets its name only when all are there."""
    demo, rate = job.planned, job.settings["sample_rate"]
    planted = {p.track_id: p for p in clip_table(seeds=demo["seeds"], artists=demo["artists"])}
    clips = read_records(job.path("clips"), ShardClip)
    folder = job.path("audio")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for clip in clips:
            samples = synthesise_clip(
                planted[clip.track_id], sample_rate=rate, seconds=demo["seconds"]
            )
            # libsndfile does not say why a file can't be written.
            content = io.BytesIO()
            soundfile.write(content, samples, rate, format="FLAC")
            (part / Path(clip.path).name).write_bytes(content.getvalue())
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    log.info("%d clips rendered", len(clips))

"""Plot a feature of one clip a label, as Yi 2019, figure 1."""

from __future__ import annotations

from pathlib import Path

from genreflow.errors import UserError
from genreflow.features.audio import UnusableClip, decode, prepare_clip
from genreflow.features.extraction import extract_clip
from genreflow.files.audio_report import read_reports
from genreflow.files.clips import read_clips
from genreflow.jobs.job import Job, log
from genreflow.results.clip_figures import choose_clips, clip_panels, draw_clips
from genreflow.results.drawing import save_figure


def main(job: Job) -> None:
    """Compute the feature of the chosen clips from their files, so that no cache is needed."""
    parameters, axes, name = job.settings, dict(job.planned["features"]), job.wildcards["feature"]
    clips = {clip.track_id: clip for clip in read_clips(job.path("manifest"))}
    labels = {track_id: clip.label for track_id, clip in clips.items()}
    usable = {
        report.track_id: report.status
        for report in read_reports([job.path("report")])
        if report.status != "quarantined"
    }
    chosen = choose_clips(labels, usable)
    audio = parameters["audio"]
    rate, seconds = audio["sample_rate"], audio["clip_seconds"]
    panels = {}
    for label, track_id in chosen.items():
        path = clips[track_id].path
        try:
            samples, _ = prepare_clip(
                decode(Path(path), seconds=seconds),
                sample_rate=rate,
                length=round(seconds * rate),
                resampler=audio["resampler"],
            )
        except UnusableClip as error:
            raise UserError(f"{error}.", where=path) from None
        found = extract_clip(samples, axes, parameters)
        values = {feature: clip.values for feature, clip in found.items()}
        panels[label, track_id] = clip_panels(name, values, axes, parameters=parameters)
    title = f"{job.wildcards['dataset']}: {name.replace('_', ' ')}, a clip a label"
    if len(chosen) < (number := len(set(labels.values()))):
        title += f"\n{len(chosen)} of {number} labels: those with the most clips"
    save_figure(draw_clips(name, panels, title=title), job.outputs)
    log.info("%s of %d clips", name, len(chosen))

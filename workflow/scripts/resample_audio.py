"""Decode, check and resample a shard's clips; list what became of each file."""

from __future__ import annotations

from pathlib import Path

from genreflow.collections.originals import compare_original
from genreflow.features.audio import (
    UnusableClip,
    check_complete,
    decode,
    describe_versions,
    prepare_clip,
    reading,
    verify_file,
)
from genreflow.files.audio_report import AudioReport, write_reports
from genreflow.files.clips import ShardClip
from genreflow.files.records import read_records
from genreflow.files.store import FeatureWriter
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Write the usable clips to the cache and a report of every clip."""
    audio = dict(job.settings)
    # It decides which clips there are, and changes no sample.
    max_missing = audio.pop("max_missing")
    rate, seconds = audio["sample_rate"], audio["clip_seconds"]
    [(path, layout)] = job.caches("audio").items()
    (length,) = layout.shape
    reports = []
    with FeatureWriter(
        path,
        layout,
        parameters={"audio": audio},
        sample_rate=rate,
        hop=1,
        attributes=describe_versions(),
    ) as out:
        for clip in read_records(job.path("clips"), ShardClip):
            try:
                if clip.sha1:
                    verify_file(Path(clip.path), sha1=clip.sha1)
                decoded = decode(Path(clip.path), seconds=seconds)
                damage = check_complete(decoded, seconds=seconds, max_missing=max_missing)
                samples, present = prepare_clip(
                    decoded, sample_rate=rate, length=length, resampler=audio["resampler"]
                )
                compared = ""
                if clip.original_sha256:
                    with reading(Path(clip.path)):
                        compared = compare_original(
                            Path(clip.path),
                            sha256=clip.original_sha256,
                            size_bytes=clip.original_bytes,
                        )
            except (UnusableClip, MemoryError) as error:
                known = isinstance(error, UnusableClip)
                reason = str(error) if known else "it needs more memory than there is"
                out.leave_out(clip.track_id)
                log.warning("%s is set aside: %s (%s)", clip.track_id, reason, clip.path)
                reports.append(AudioReport(clip.track_id, clip.path, "quarantined", reason))
                continue
            status, note = "ok", ""
            if not samples.any():
                status, note = "silent", "every sample is zero"
            elif present < length:
                status, note = "padded", f"{present / rate:.3f} s of {seconds:g} s"
                log.warning("%s is short and padded: %s", clip.track_id, note)
            if damage:
                log.warning("%s is damaged: %s", clip.track_id, damage)
            note = "; ".join(filter(None, (note, damage, compared)))
            reports.append(
                AudioReport(
                    clip.track_id,
                    clip.path,
                    status,
                    note,
                    decoded.decoder,
                    decoded.sample_rate,
                    decoded.samples.shape[1],
                )
            )
            out.append(clip.track_id, samples)
    write_reports(reports, job.path("report"))
    set_aside = sum(report.status == "quarantined" for report in reports)
    log.info("%d clips, %d set aside", len(reports) - set_aside, set_aside)

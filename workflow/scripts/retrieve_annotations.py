"""Download the lists of a published collection, unless a copy is given, and read them."""

from __future__ import annotations

from pathlib import Path

from genreflow.collections.collection import Annotation
from genreflow.collections.download import retrieve
from genreflow.collections.sources import COLLECTIONS
from genreflow.files.records import write_records
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Write what the lists say of each clip."""
    collection = next(p for p in COLLECTIONS.values() if p.family == job.wildcards["family"])
    given = job.untracked["lists"].get(collection.family)
    folder = Path(given) if given else job.path("annotations").parent / f"{collection.family}_lists"
    if not given:
        for remote in collection.list_files:
            retrieve(
                remote,
                folder,
                hint=f"get it by other means, and give its folder as `{collection.lists}`.",
            )
    annotations = collection.read_lists(folder)
    write_records(annotations, Annotation, job.path("annotations"))
    log.info("%d clips", len(annotations))

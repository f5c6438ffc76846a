"""Download the lists of a published collection, unless a copy is given, and read them."""

from __future__ import annotations

from pathlib import Path

from genreflow.published import Annotation
from genreflow.records import write_records
from genreflow.retrieval import retrieve
from genreflow.runtime import Job, log, run
from genreflow.sources import COLLECTIONS


def main(job: Job) -> None:
    """Write what the lists say of each clip."""
    published = next(p for p in COLLECTIONS.values() if p.family == job.params["family"])
    given = job.untracked["lists"].get(published.family)
    folder = Path(given) if given else job.path("annotations").parent / f"{published.family}_lists"
    if not given:
        for remote in published.list_files:
            retrieve(
                remote,
                folder,
                hint=f"get it by other means, and give its folder as `{published.lists}`.",
            )
    annotations = published.read_lists(folder)
    write_records(annotations, Annotation, job.path("annotations"))
    log.info("%d clips", len(annotations))


if __name__ == "__main__":
    run(main)

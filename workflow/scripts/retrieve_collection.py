"""Download a published collection, unless a copy of its archive is given, and unpack it."""

from __future__ import annotations

from pathlib import Path

from genreflow.published import Unpacked
from genreflow.records import write_records
from genreflow.retrieval import retrieve, unpack, verify
from genreflow.runtime import Job, log, run
from genreflow.sources import COLLECTIONS


def main(job: Job) -> None:
    """Unpack the archive and list the files; the list is written last, when all are there."""
    listing = job.path("listing")
    published = COLLECTIONS[job.params["collection"]]
    log.info("licence of %s: %s", published.name, published.licence)
    for citation in published.citations:
        log.info("please cite: %s", citation)
    if given := job.untracked["archives"].get(published.name):
        archive = Path(given)
        verify(archive, published.archive, hint="unpack it and give the folder as `path`.")
    else:
        archive = retrieve(
            published.archive,
            listing.parent,
            hint="get it by other means, and give it, or the folder that it unpacks to, as `path`.",
        )
    folder = listing.with_suffix("")
    names = unpack(archive, folder, wanted=published.is_audio)
    states = {name: (folder / name).stat() for name in sorted(names)}
    # Whether it is the collection is found out here, and not at the next planning.
    found = len(published.find_files(folder))
    write_records(
        (Unpacked(name, state.st_size, state.st_mtime_ns) for name, state in states.items()),
        Unpacked,
        listing,
    )
    log.info("%d clips in %s", found, folder)


if __name__ == "__main__":
    run(main)

"""Download a published collection, unless a copy of its archive is given, and unpack it."""

from __future__ import annotations

from pathlib import Path

from genreflow.collections.collection import Unpacked
from genreflow.collections.download import retrieve, verify
from genreflow.collections.sources import COLLECTIONS
from genreflow.collections.unpacking import unpack
from genreflow.files.records import write_records
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Unpack the archive and list the files; the list is written last, when all are there."""
    listing = job.path("listing")
    collection = COLLECTIONS[job.wildcards["collection"]]
    log.info("licence of %s: %s", collection.name, collection.licence)
    for citation in collection.citations:
        log.info("please cite: %s", citation)
    if given := job.untracked["archives"].get(collection.name):
        archive = Path(given)
        verify(archive, collection.archive, hint="unpack it and give the folder as `path`.")
    else:
        archive = retrieve(
            collection.archive,
            listing.parent,
            hint="get it by other means, and give it, or the folder that it unpacks to, as `path`.",
        )
    folder = listing.with_suffix("")
    names = unpack(archive, folder, wanted=collection.is_audio)
    states = {name: (folder / name).stat() for name in sorted(names)}
    # Whether it is the collection is found out here, and not at the next planning.
    found = len(collection.find_files(folder))
    write_records(
        (Unpacked(name, state.st_size, state.st_mtime_ns) for name, state in states.items()),
        Unpacked,
        listing,
    )
    log.info("%d clips in %s", found, folder)

"""What is known of a dataset before any job has run: its shards, and what it can fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genreflow.choices import WithoutGroup
from genreflow.collections.collection import Collection, Unpacked, file_states, states_digest
from genreflow.collections.shards import membership_digest, number_of_shards, shard_clips
from genreflow.collections.sources import COLLECTIONS, listed_clips
from genreflow.errors import UserError
from genreflow.files.clips import Clip, labels
from genreflow.files.records import read_records
from genreflow.partitions.checks import check_partition
from genreflow.partitions.names import GROUP_DISJOINT, base_partition

#: Value of a key for what is to be downloaded.
DOWNLOAD = "download"


@dataclass(frozen=True)
class Planned:
    """What is known of a dataset before any job has run.

    Attributes
    ----------
    source
        Where a job reads the clips from, with `genreflow.collections.sources.read_source`.
    shard_source
        The same where only track ids and paths count.
    labels
        Every label.
    number
        Of clips.
    shards
        A digest of each shard's clips and of the states of their files.
    digest
        Of everything that is known of the clips.
    clips
        None where their list is still to be retrieved.
    files, shard_files
        What is to be retrieved before ``source`` and ``shard_source`` can be read, among the
        downloads.
    collection
        The published one, of a source that is one.
    """

    source: Mapping[str, Any]
    shard_source: Mapping[str, Any]
    labels: Sequence[str]
    number: int
    shards: Mapping[str, str]
    digest: str
    clips: Sequence[Clip] | None = None
    files: Sequence[str] = ()
    shard_files: Sequence[str] = ()
    collection: Collection | None = None


def plan_source(
    dataset: Mapping[str, Any], *, rendered: str, downloads: str, labels_needed: bool = True
) -> Planned:
    """Return what planning knows of a dataset, without decoding its audio.

    Parameters
    ----------
    dataset
        The dataset's part of the configuration.
    rendered
        The folder in which synthesised clips are rendered, a folder a shard; it lies among the
        dataset's results.
    downloads
        The folder of what is retrieved.
    labels_needed
        An experiment has the dataset.

    Raises
    ------
    UserError
        As `read_manifest`, `folder_clips`, or the functions of a published collection.
    """
    if dataset["source"] in COLLECTIONS:
        return _plan_collection(dataset, COLLECTIONS[dataset["source"]], downloads)
    source = {**dataset, "rendered": rendered}
    clips = listed_clips(source, planning=True, labels_needed=labels_needed)
    # Rendered files are an input of what reads them; the user's files are none, since a missing
    # one is set aside and must not stop the planning.
    own = dataset["source"] != "synthetic"
    return Planned(
        source=source,
        shard_source=source,
        labels=labels(clips),
        number=len(clips),
        shards={
            shard: membership_digest(members, files=own)
            for shard, members in shard_clips(clips, dataset["shards"]).items()
        },
        digest=states_digest({clip.track_id: list(vars(clip).values()) for clip in clips}),
        clips=clips,
    )


def check_planned(
    planned: Planned, partition_id: str, *, dataset: str, without_group: WithoutGroup
) -> None:
    """Refuse a partition that a dataset can't fill, as far as is known before any job has run.

    Raises
    ------
    UserError
        As `genreflow.partitions.checks.check_partition`.
    """
    if planned.clips is not None:
        check_partition(planned.clips, partition_id, dataset=dataset, without_group=without_group)
    if (collection := planned.collection) is None:
        return
    where = f"dataset `{dataset}`, partition `{partition_id}`"
    if reason := collection.refused.get(base_partition(partition_id)):
        found, _, hint = reason.partition(". ")
        raise UserError(f"{found}.", where=where, hint=f"{hint}." if hint else "")
    if GROUP_DISJOINT not in partition_id:
        return
    if not planned.source["annotations"]:
        raise UserError(
            f"no artist is known, since `{collection.lists}` is null.",
            where=where,
            hint=f"without `{collection.lists}: null`, the lists are downloaded.",
        )
    if collection.without_group and without_group == "refuse":
        raise UserError(
            f"{collection.without_group} of {collection.clips} clips have no known artist.",
            where=where,
            expected="a group for every clip",
            hint="partitions: {without_group: leave_out} divides the others alone.",
        )


def local_copies(datasets: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the archives by collection, and the lists by family, that are on disk already.

    They change no result, since each is known by its checksum.
    """
    copies: dict[str, dict[str, str]] = {"archives": {}, "lists": {}}
    for dataset in datasets:
        if collection := COLLECTIONS.get(dataset["source"]):
            archive, lists = dataset["path"], dataset[collection.lists]
            if archive != DOWNLOAD and Path(archive).is_file():
                copies["archives"].setdefault(collection.name, archive)
            if lists not in (DOWNLOAD, None):
                copies["lists"].setdefault(collection.family, lists)
    return copies


def _plan_collection(dataset: Mapping[str, Any], collection: Collection, downloads: str) -> Planned:
    """Plan a collection whose clips are the same wherever they come from.

    Which clips a shard has is read in its job, after the collection was retrieved; so the digests
    are of the files alone, and don't change when it is.
    """
    unpacked = dataset["path"] != DOWNLOAD and not Path(dataset["path"]).is_file()
    folder = Path(dataset["path"]).absolute() if unpacked else Path(downloads, collection.name)
    listing = Path(downloads, f"{collection.name}.csv")
    # Where the whole folder is gone nothing has changed: its caches may be all that somebody keeps.
    retrieved = not unpacked and listing.is_file() and folder.is_dir()
    files = collection.find_files(folder) if unpacked or retrieved else {}
    listed = read_records(listing, Unpacked) if retrieved else []
    states = file_states(files, folder=folder, unpacked=listed)
    lists = dataset[collection.lists]
    if lists not in (DOWNLOAD, None):
        if not Path(lists).exists():
            raise UserError(
                f"`{collection.lists}` does not exist.",
                where=str(Path(lists).absolute()),
                hint=f"without `{collection.lists}`, it is downloaded.",
            )
        if not collection.ids_in_lists:
            # Small enough to be read here, so that a wrong one is refused before anything runs.
            collection.read_lists(Path(lists))
    originals = collection.read_originals() if unpacked else {}
    number = dataset["shards"] or number_of_shards(collection.clips)
    members = shard_clips([Clip(track_id, "", "") for track_id in states], number)
    archives = [] if unpacked else [listing.name]
    annotations = [] if lists is None else [f"{collection.family}_annotations.csv"]
    source = {
        "source": collection.name,
        "folder": str(folder),
        "annotations": [str(Path(downloads, name)) for name in annotations],
        # A copy is compared with those that it holds; an archive has been already, as a whole.
        "checksums": states_digest({**collection.read_checksums(folder), **originals})
        if unpacked
        else "",
        "shards": dataset["shards"],
    }
    return Planned(
        source=source,
        shard_source=source if collection.ids_in_lists else {**source, "annotations": []},
        labels=sorted(collection.labels),
        number=collection.clips,
        shards={
            shard: states_digest({clip.track_id: states[clip.track_id] for clip in clips})
            for shard, clips in members.items()
        },
        digest=states_digest(
            {t: files[t].relative_to(folder).as_posix() if t in files else "" for t in states}
        ),
        files=[*archives, *annotations],
        shard_files=[*archives, *(annotations if collection.ids_in_lists else [])],
        collection=collection,
    )

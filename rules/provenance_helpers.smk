"""What the description of a finished run says of it."""

from importlib.metadata import version

from genreflow.plan.planning import DOWNLOAD

#: The datasets that have clips of their own.
WITH_CLIPS = [name for name in CONFIG.datasets if CLIPS_OF[name] == name]


def results_of_run(_):
    """Return the tables and the report, studies too, and every file that they are made from."""
    found = {}
    for target in ("results/tables.csv", *STUDIES, "results/report.html"):
        maker, wildcards = maker_of(target)
        for file in (*map(named, maker.output), *files_read(maker, wildcards)):
            found[file] = None
    return list(found)


def fingerprints_of_run(_):
    """Return the fingerprints of the clips, where experiments have them made."""
    return [
        file
        for dataset in WITH_CLIPS
        if dataset in REPORTED_DATASETS
        for file in all_shards("results/{dataset}/fingerprints/{shard}.h5", {"dataset": dataset})
    ]


def embeddings_of_run(_):
    """Return the vectors of every probe of experiments and studies, taken from its embeddings."""
    return list(
        dict.fromkeys(
            shared(f"results/{dataset}/vectors/{system}.h5")
            for (dataset, _), systems in STUDIED.items()
            for system in filter(is_probe, systems)
        )
    )


def published_files(dataset):
    """Return the files of a published collection that are verified by their checksum."""
    planned = PLANNED[dataset]
    if (collection := planned.collection) is None:
        return []
    # Of a folder that somebody unpacked the files are compared, one by one (audio_report.csv).
    archive = [collection.archive] if f"{collection.name}.csv" in planned.files else []
    downloaded = getattr(CONFIG.datasets[dataset], collection.lists) == DOWNLOAD
    lists = collection.list_files if downloaded else []
    return [
        {
            "name": remote.name,
            "address": remote.addresses[0],
            "checksum": remote.checksum,
            "size_bytes": remote.size_bytes,
        }
        for remote in (*archive, *lists)
    ]


def licence_of(dataset):
    """Return what is known of the licence of a dataset's music, in words."""
    if collection := PLANNED[dataset].collection:
        return collection.licence
    if CONFIG.datasets[dataset].source == "synthetic":
        return "None: synthesised by the workflow, and nobody's recording."
    return "Unknown to the workflow: ask whose music it is."


def described_run(_):
    """Return the datasets and experiments of the run, in words where people read them."""
    return {
        "snakemake": version("snakemake"),
        "experiments": [
            f"{dataset}, {partition}: {', '.join(systems)}"
            for (dataset, partition), systems in SYSTEMS_OF.items()
        ],
        "music": [
            {
                "name": name,
                "source": f"{planned.number} clips of {len(planned.labels)} labels, "
                f"source: {CONFIG.datasets[name].source}",
                "licence": licence_of(name),
                "citations": planned.collection.citations if planned.collection else [],
                "published": published_files(name),
            }
            for name in WITH_CLIPS
            for planned in [PLANNED[name]]
        ],
    }

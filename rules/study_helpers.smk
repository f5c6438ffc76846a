"""What studies compare, and all that is behind a variant."""

from math import prod

#: What the targets ask for where the configuration has studies.
STUDIES = ["results/tables/studies.csv"] if CONFIG.studies else []


def names_of(study, variation, system):
    """Return the names of a variation's files, by wildcard."""
    return {"dataset": variation.dataset, "partition": study.partition_id, "system": system}


def concerned(study, variation):
    """Return the systems of a study whose predictions a variation concerns."""
    baseline = VARIATIONS[study.name][0]
    own, base = (
        [with_wildcards(PREDICTIONS, names_of(study, each, system)) for system in study.systems]
        for each in (variation, baseline)
    )
    pairs = zip(study.systems, own, base, strict=True)
    return [s for s, mine, theirs in pairs if variation is baseline or mine != theirs]


def each_variation(pattern):
    """Return an input function: a file for each variation of the studies and system in it, once."""
    return lambda _: list(
        dict.fromkeys(
            with_wildcards(pattern, names_of(study, variation, system))
            for study in CONFIG.studies
            for variation in VARIATIONS[study.name]
            for system in concerned(study, variation)
        )
    )


def lists_of_shared(_):
    """Return the list of what is shared of each variation, also of one that concerns nothing."""
    names = [v.dataset for variations in VARIATIONS.values() for v in variations]
    return [f"results/{name}/shared.csv" for name in dict.fromkeys(names)]


def planned_studies(wildcards):
    """Return every study with the place of each variation's files among the inputs."""
    predictions, audits = each_variation(PREDICTIONS)(wildcards), each_variation(MODEL_AUDIT)(
        wildcards
    )
    lists = lists_of_shared(wildcards)

    def planned(study, variation):
        return {
            "changes": variation.changes,
            "dataset": variation.dataset,
            "shared": lists.index(f"results/{variation.dataset}/shared.csv"),
            "systems": [
                {
                    "system": system,
                    "predictions": predictions.index(with_wildcards(PREDICTIONS, names)),
                    "audit": audits.index(with_wildcards(MODEL_AUDIT, names)),
                }
                for system in concerned(study, variation)
                for names in [names_of(study, variation, system)]
            ],
        }

    return {
        "studies": [
            {
                "study": study.name,
                "dataset": study.dataset,
                "partition": study.partition_id,
                "variations": [planned(study, each) for each in VARIATIONS[study.name]],
            }
            for study in CONFIG.studies
        ]
    }


def compared_predictions(study, dataset):
    """Return what a study compares of a dataset: one of its variations, or none of them."""
    return [
        with_wildcards(PREDICTIONS, names_of(study, variation, system))
        for variation in VARIATIONS[study.name]
        if variation.dataset == dataset
        for system in study.systems
    ]


def behind(dataset):
    """Return what makes the predictions of a dataset, or its features where it has none.

    Each kind of job of `jobs_behind`, with the studies that compare what it is behind.
    """
    predictions = [
        with_wildcards(PREDICTIONS, {"dataset": dataset, "partition": partition, "system": system})
        for (name, partition), systems in STUDIED.items()
        for system in systems
        if name == dataset
    ]
    compared = {
        study.name: jobs_behind(compared_predictions(study, dataset), dataset)
        for study in CONFIG.studies
    }
    return [
        row | {"studies": " ".join(name for name, jobs in compared.items() if file in jobs)}
        for file, row in jobs_behind(predictions or cached_features(dataset), dataset).items()
    ]


def jobs_behind(files, dataset):
    """Return what makes some files of a dataset, by the first file that each kind of job writes.

    Of each kind: the rule, the number of jobs, the dataset that has the files, one of these and its
    benchmark, with `*` for shard, seed and fold.
    """
    waiting, seen, jobs = list(files), set(), {}
    while waiting:
        having, name = parts_of(waiting.pop(0))
        first = f"results/{having}/{stand_in(name)}"
        # Downloads are no dataset's.
        if not having or first in seen:
            continue
        seen.add(first)
        maker, wildcards = maker_of(first)
        numbers = {
            "shard": len(SHARDS[dataset]),
            "seed": len(SETTINGS[dataset].seeds),
            "fold": number_of_folds(wildcards.get("partition", ALL)),
        }
        own = {key: "*" if key in numbers else value for key, value in wildcards.items()}
        # A job may write several files.
        file = PREFIX + named(maker.output[0].apply_wildcards(own))
        jobs[file] = {
            "rule": maker.name,
            "jobs": prod(n for key, n in numbers.items() if key in wildcards.keys()),
            "dataset": having,
            "file": file,
            "benchmark": maker.benchmark.apply_wildcards(own),
        }
        waiting += files_read(maker, wildcards)
    return jobs

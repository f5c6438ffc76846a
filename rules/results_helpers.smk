"""What the audits, tables, figures and the report gather."""

import hashlib

from genreflow.plan.citations import read_citations
from genreflow.plan.deviations import deviations, read_points
from genreflow.plan.schema import Settings
from genreflow.systems import networks_of

#: Dataset, partition and system of every row block of tables.csv, in the order of the config.
REPORTED = [
    (dataset, partition, system)
    for (dataset, partition), systems in SYSTEMS_OF.items()
    for system in systems
]
PREDICTIONS = "results/{dataset}/predictions/{partition}/{system}.csv"
CLIP_AUDIT = "results/{dataset}/audit/{partition}/clips_summary.csv"
MODEL_AUDIT = "results/{dataset}/audit/{partition}/models_summary.csv"
FIGURE_OF_MERIT = "results/tables/figure_of_merit_{dataset}_{partition}_{system}.csv"
REPORTED_DATASETS = list(dict.fromkeys(dataset for dataset, _ in SYSTEMS_OF))
#: Dataset and partition of every t-SNE figure, which shows what the paper's figures show.
MAPPED = [key for key, systems in SYSTEMS_OF.items() if set(systems) & set(PUBLISHED_JEONG)]
#: Dataset and partition of every comparison of experts with the weights of a mixture.
WEIGHTED = [
    key for key, systems in SYSTEMS_OF.items() if any(MIXTURE_SYSTEMS.get(s) for s in systems)
]
#: Dataset and partition of every figure of learning curves: of those that train a network.
TRAINED = [key for key, systems in SYSTEMS_OF.items() if required_networks(systems)]
# The names of figures join dataset and partition by an underscore, which both may hold.
FIGURE_PARTITIONS = "|".join(re.escape(partition) for _, partition in SYSTEMS_OF) or "none"


def each_partition(pattern):
    """Return an input function: a file for every partition of the experiments."""
    return lambda _: [
        with_wildcards(pattern, {"dataset": d, "partition": p}) for d, p in SYSTEMS_OF
    ]


def each_system(pattern):
    """Return an input function: a file for every system of every experiment."""
    names = ("dataset", "partition", "system")
    return lambda _: [
        with_wildcards(pattern, dict(zip(names, reported, strict=True))) for reported in REPORTED
    ]


def each_dataset(pattern):
    """Return an input function: a file for every dataset of the experiments."""
    return lambda _: [with_wildcards(pattern, {"dataset": d}) for d in REPORTED_DATASETS]


def trainings(wildcards):
    """Return network, partition, seed and fold of every training behind a partition's systems."""
    systems = STUDIED.get((wildcards.dataset, wildcards.partition), [])
    own = dict.fromkeys(SMALL_NETWORKS, networks_partition(wildcards))
    return [
        (network, partition, seed, fold)
        for network in required_networks(systems, mixed(wildcards))
        for partition in [own.get(network, wildcards.partition)]
        for seed in SETTINGS[wildcards.dataset].seeds
        for fold in range(number_of_folds(partition))
    ]


def training_files(wildcards, ending):
    """Return a file of every training behind a partition's systems."""
    return [
        with_wildcards(
            fold_file("models", network + ending),
            wildcards,
            partition=partition,
            seed=seed,
            fold=fold,
        )
        for network, partition, seed, fold in trainings(wildcards)
    ]


def folds_of_system(wildcards):
    """Return the predictions of every seed and fold of a system."""
    return [
        with_wildcards(fold_file("folds", "{system}.csv"), wildcards, seed=seed, fold=fold)
        for seed in SETTINGS[wildcards.dataset].seeds
        for fold in range(number_of_folds(wildcards.partition))
    ]


def predictions_of_first(wildcards):
    """Return the predictions of a partition's first system; any has the whole test set in it."""
    system = SYSTEMS_OF[wildcards["dataset"], wildcards["partition"]][0]
    return with_wildcards(PREDICTIONS, wildcards, system=system)


def mapped_systems(wildcards):
    """Return the systems of t-SNE maps, with the networks whose segments each joins."""
    chosen = SYSTEMS_OF[wildcards.dataset, wildcards.partition]
    return [(system, pair) for system, pair in PUBLISHED_JEONG.items() if system in chosen]


def mapped_networks(wildcards):
    """Return the networks of which t-SNE maps have segments."""
    return sorted({network for _, pair in mapped_systems(wildcards) for network in pair})


def weighting_mixtures(wildcards):
    """Return the mixtures of a partition that have weights: not those in which all are equal."""
    chosen = SYSTEMS_OF.get((wildcards.dataset, wildcards.partition), [])
    return [system for system in chosen if MIXTURE_SYSTEMS.get(system)]


def compared_experts(wildcards):
    """Return the experts that a partition asks for or mixes, as systems with their networks.

    Those that are only mixed cost no training: their probabilities are there.
    """
    chosen = SYSTEMS_OF.get((wildcards.dataset, wildcards.partition), [])
    return [
        (system, expert)
        for system, expert in EXPERT_SYSTEMS.items()
        if system in chosen or expert in mixed(wildcards)
    ]


def predictions_of(systems, wildcards):
    """Return the predictions of some systems of a partition."""
    return [with_wildcards(PREDICTIONS, wildcards, system=system) for system in systems]


def published_digest(files):
    """Return a digest of published figures, by content."""
    content = b"".join(path.read_bytes() for path in sorted(files))
    return hashlib.sha256(content).hexdigest()[:16]


def holds_published_clips(dataset):
    """Return whether a dataset that has the name of a published collection has its clips too."""
    planned, collection = PLANNED[dataset], COLLECTIONS[dataset]
    return planned.collection is collection or (
        (planned.number, list(planned.labels)) == (collection.clips, sorted(collection.labels))
    )


def published_matrix(wildcards):
    """Return the name and the digest of the paper's matrix of a system, where it has one."""
    path = PUBLISHED / f"jeong2016_figure3_{wildcards.system.lower()}.csv"
    known = (wildcards.dataset, wildcards.partition) == ("gtzan", "random")
    if not known or not holds_published_clips("gtzan") or not path.is_file():
        return {"published": None}
    return {"published": path.name, "published_digest": published_digest([path])}


def reported(wildcards):
    """Return what the report says of the datasets and experiments."""
    # How much memory a training may take is no part of what was run.
    hidden = {"training": {"memory_gb"}}
    defaults = Settings().model_dump(exclude=hidden)
    templates = SCRIPTS / "genreflow" / "results" / "templates"
    families = {collection.family for collection in COLLECTIONS.values()}
    points = read_points(BASE / "docs" / "deviations.md")
    return {
        "datasets": [
            {
                "name": name,
                "source": getattr(dataset, "source", f"like {CLIPS_OF[name]}"),
                "clips": PLANNED[name].number,
                "classes": len(PLANNED[name].labels),
                # As many as one reads: a command has no room for thousands.
                "labels": [label[:60] for label in PLANNED[name].labels[:40]],
                "deviations": deviations(
                    SETTINGS[name].model_dump(exclude=hidden), defaults, points
                ),
                "citations": collection.citations if collection else (),
                "licence": collection.licence if collection else "",
                "pictures": DRAWN_FEATURES if name in REPORTED_DATASETS else [],
            }
            for name, dataset in CONFIG.datasets.items()
            for collection in [PLANNED[name].collection]
        ],
        "experiments": [
            {
                "dataset": dataset,
                "partition": partition,
                "seeds": SETTINGS[dataset].seeds,
                "systems": systems,
                "curves": (dataset, partition) in TRAINED,
                "tsne": (dataset, partition) in MAPPED,
                "experts": (dataset, partition) in WEIGHTED,
                "wrong_clips": [system for system in systems if system in JEONG_SYSTEMS],
            }
            for (dataset, partition), systems in SYSTEMS_OF.items()
        ],
        "studies": [
            {
                "name": study.name,
                "dataset": study.dataset,
                "partition": study.partition_id,
                "seeds": SETTINGS[found[0].dataset].seeds,
                "without_effect": [
                    ", ".join(f"{key} = {value}" for key, value in variation.changes.items())
                    for variation in found
                    if not concerned(study, variation)
                ],
            }
            for study in CONFIG.studies
            for found in [VARIATIONS[study.name]]
        ],
        "citations": read_citations(BASE / "CITATION.cff"),
        # Whose benchmarks are shown: of each name that stands below a rule's.
        "measured": sorted({*SETTINGS, *VARIATIONS, *COLLECTIONS, *families}),
        "audio": CONFIG.report.audio,
        "templates": hashlib.sha256(
            b"".join(path.read_bytes() for path in sorted(templates.iterdir()))
        ).hexdigest()[:16],
    }

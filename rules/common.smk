"""The configuration in force, the shards of every dataset, and what each rule depends on."""

import hashlib
import shlex
import sys
from pathlib import Path
from typing import get_args

from snakemake.exceptions import WorkflowError

BASE = Path(workflow.basedir)
SCRIPTS = BASE / "workflow" / "scripts"
PUBLISHED = BASE / "config" / "published"
sys.path.insert(0, str(SCRIPTS))

from genreflow.plan.schema import Intermediate, Settings
from genreflow.plan.loading import canonical, load, read_yaml
from genreflow.errors import UserError
from genreflow.partitions.names import base_partition, drawn_with, number_of_folds, partition_name
from genreflow.plan.planning import check_planned, local_copies, plan_source
from genreflow.plan.provenance import code_digest
from genreflow.features.layouts import LAYOUTS
from genreflow.collections.sources import COLLECTIONS
from genreflow.systems import (
    EXPERT_SYSTEMS,
    EXPERTS,
    JEONG_SYSTEMS,
    MIXTURE_SYSTEMS,
    NETWORKS,
    SPECTROGRAM_EXPERTS,
    SYSTEMS,
    required_networks,
)

# Under --sdm conda each rule has a Python of its own, else the one that runs Snakemake.
CONDA = any(
    str(method).lower().endswith("conda")
    for method in workflow.deployment_settings.deployment_method
)
PYTHON = "python" if CONDA else shlex.quote(sys.executable)
#: What the target `features` asks for: the others are made on the way there.  If it asked for those
#: that stay, one that was dropped before would be made again, and everything behind it.
FEATURES = [
    feature
    for feature in LAYOUTS
    if feature.partition("_")[0] not in get_args(Intermediate)
]
#: An expert's input among the features.
INPUTS = {name: f"mel_{name}" for name in ("original", "harmonic", "percussive")}
INPUTS |= {"modulation": "modulation", "mfcc": "mfcc"}


def rendered_folder(name):
    """Return the folder in which a dataset's synthesised clips are rendered."""
    return f"results/{name}/audio"


try:
    # `config` holds only what came from the command line: there is no configfile directive, since
    # Snakemake would merge the user's datasets with the demo's.
    CONFIG = load(read_yaml(BASE / "config" / "config.yaml"), config)
    SETTINGS = {name: CONFIG.settings(name) for name in CONFIG.datasets}
    #: What is known of every dataset's clips before any job has run.
    PLANNED = {
        name: plan_source(
            dataset.model_dump(exclude={"settings"}),
            rendered=rendered_folder(name),
            downloads=CONFIG.downloads,
        )
        for name, dataset in CONFIG.datasets.items()
    }
    for experiment in CONFIG.experiments:
        check_planned(
            PLANNED[experiment.dataset],
            experiment.partition_id,
            dataset=experiment.dataset,
            without_group=SETTINGS[experiment.dataset].partitions.without_group,
        )
except UserError as error:
    raise WorkflowError(f"\n{error}") from None

COPIES = canonical(
    local_copies(dataset.model_dump() for dataset in CONFIG.datasets.values())
)
SHARDS = {name: list(planned.shards) for name, planned in PLANNED.items()}
SYSTEMS_OF = {}
for experiment in CONFIG.experiments:
    chosen = SYSTEMS_OF.setdefault((experiment.dataset, experiment.partition_id), [])
    chosen += [system for system in experiment.systems if system not in chosen]


wildcard_constraints:
    dataset="|".join(map(re.escape, CONFIG.datasets)) or "none",
    shard=r"\d{3}-of-\d{3}",
    feature="|".join(LAYOUTS),
    partition=r"(split|random|cv10|fault_filtered|official)\w*",
    fold=r"\d+",
    seed=r"\d+",
    expert="|".join(EXPERTS),
    mixer="moec|moer",
    network="sf|tf",
    component="original|harmonic|percussive",


def depends(script, part):
    """Return a params function: the configuration that a rule's output depends on, and its code.

    One canonical text, since Snakemake compares params as a set of values without their names.
    """

    def params(wildcards):
        value = part(SETTINGS[wildcards.dataset], wildcards)
        return canonical({**value, "code": code_digest(script, SCRIPTS)})

    return params


#: A feature job allocates and frees megabytes a clip, a training step gigabytes.  Kept by the
#: process instead of being returned to the system each time, they save Linux a quarter of the step
#: and some of the features.
KEEP_MEMORY = "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 "


def command(script):
    """Return the start of a rule's shell command."""
    return (
        KEEP_MEMORY
        + "{PYTHON} {SCRIPTS:q}/"
        + script
        + ".py --params {params.config:q} --log {log:q} "
    )


def intermediate(name, path):
    """Return an output that is removed after its last use, unless the key `keep` names it."""
    return path if name in CONFIG.keep else temp(path)


def growing(amount):
    """Return a resource that grows with each attempt: a number, or a function of the wildcards.

    A job that was killed for its memory or time is tried again with more, where the profile says
    `retries`.
    """

    def resource(wildcards, attempt):
        return attempt * (amount(wildcards) if callable(amount) else amount)

    return resource


def shards(feature):
    """Return an input function: all shards of a feature."""
    return lambda wildcards: [
        f"results/{wildcards.dataset}/features/{feature}/{shard}.h5"
        for shard in SHARDS[wildcards.dataset]
    ]


def fold_file(wildcards, kind, name, **others):
    """Return a file of one fold, with the wildcards' values for what is not given."""
    value = {**wildcards, **others}
    path = "results/{dataset}/{kind}/{partition}/seed{seed}/fold{fold}/{name}"
    return path.format(kind=kind, name=name, **value)


def folds(pattern):
    """Return an input function: a file for every seed and fold of a partition."""

    def files(wildcards):
        return expand(
            pattern,
            **{**wildcards, "seed": SETTINGS[wildcards.dataset].seeds},
            fold=range(number_of_folds(wildcards.partition)),
        )

    return files


# Clips.


def manifest_parameters(wildcards):
    planned = PLANNED[wildcards.dataset]
    value = {"source": planned.source, "clips": planned.digest}
    if planned.collection:
        # Its clips are not in the digest: they are known only when its lists are read.
        value["collection"] = code_digest(
            f"genreflow.collections.{planned.collection.family}", SCRIPTS
        )
    return canonical({**value, "code": code_digest("write_manifest", SCRIPTS)})


def shard_parameters(wildcards):
    planned = PLANNED[wildcards.dataset]
    return canonical(
        {
            "source": planned.shard_source,
            "clips": planned.shards[wildcards.shard],
            "shard": wildcards.shard,
            "code": code_digest("write_shard", SCRIPTS),
        }
    )


def published_sizes(wildcards):
    """Return the sizes of a partition that is a published list, before quarantine, or None."""
    collection = PLANNED[wildcards.dataset].collection
    name = partition_name(wildcards.partition)
    return collection.sizes.get(name) if collection else None


def known_bad(wildcards):
    """Return the clips of a published collection that are known to be unusable, and why."""
    collection = PLANNED[wildcards.dataset].collection
    return collection.known_bad if collection else {}


def synthesis_parameters(settings, wildcards):
    dataset = CONFIG.datasets[wildcards.dataset]
    return {
        "seeds": dataset.seeds,
        "artists": dataset.artists,
        "seconds": dataset.seconds,
        "sample_rate": settings.audio.sample_rate,
    }


def resample_parameters(settings, wildcards):
    # max_quarantined is no part of it: it changes no sample.
    return settings.audio.model_dump(exclude={"max_quarantined"})


def rendered_audio(wildcards):
    if CONFIG.datasets[wildcards.dataset].source != "synthetic":
        return []
    return f"results/{wildcards.dataset}/audio/{wildcards.shard}"


def mel_magnitude(wildcards):
    source = (
        "stft" if wildcards.component == "original" else f"hpss_{wildcards.component}"
    )
    return f"results/{wildcards.dataset}/features/{source}/{wildcards.shard}.h5"


# Jeong 2016.


def network_vectors(wildcards):
    feature = {"sf": "stft", "tf": "cepstral_modulation"}[wildcards.network]
    return shards(feature)(wildcards)


def network_moments(wildcards):
    return shards({"sf": "stft", "tf": "cepstrogram"}[wildcards.network])(wildcards)


def networks_partition(wildcards):
    """Return the partition whose networks the forest of a partition builds on."""
    if SETTINGS[wildcards.dataset].partitions.swapped_networks == "retrained":
        return wildcards.partition
    return base_partition(wildcards.partition)


def forest_segments(wildcards):
    partition = networks_partition(wildcards)
    return [
        fold_file(wildcards, "segments", f"{network}.h5", partition=partition)
        for network in NETWORKS[wildcards.system]
    ]


# Yi 2019.


def training_gpus(wildcards):
    """Return 1 where a GPU is asked for; `auto` takes one that is there, but requests none."""
    return int(SETTINGS[wildcards.dataset].training.device == "cuda")


def inputs_mb(wildcards):
    """Return how much of its inputs a training may keep in memory, which changes no result."""
    return int(1000 * SETTINGS[wildcards.dataset].training.memory_gb)


def training_mb(wildcards):
    """Return a training's memory: its inputs and what the largest steps were seen to take."""
    return 6000 + inputs_mb(wildcards)


def training_threads(wildcards):
    return SETTINGS[wildcards.dataset].training.threads


def training_parameters(settings):
    return settings.training.model_dump(exclude={"memory_gb"})


def expert_inputs(wildcards):
    return shards(INPUTS[wildcards.expert])(wildcards)


def expert_of_system(wildcards):
    expert = EXPERT_SYSTEMS[wildcards.system]
    return fold_file(wildcards, "probabilities", f"{expert}.h5")


def mixed_probabilities(wildcards):
    return [
        fold_file(wildcards, "probabilities", f"{expert}.h5")
        for expert in SPECTROGRAM_EXPERTS
    ]


def rerun_experts(wildcards):
    """Return what the mixer needs to run the experts again inside its batches, if it does."""
    if SETTINGS[wildcards.dataset].mixer.frozen_batchnorm == "running":
        return {}
    models = [
        fold_file(wildcards, "models", f"{expert}.safetensors")
        for expert in SPECTROGRAM_EXPERTS
    ]
    return {"models": models} | {
        f"inputs_{expert}": shards(INPUTS[expert])(wildcards)
        for expert in SPECTROGRAM_EXPERTS
    }


def rerun_arguments(wildcards, input):
    names = ["models", *(f"inputs_{expert}" for expert in SPECTROGRAM_EXPERTS)]
    return " ".join(
        f"--{name} " + " ".join(map(shlex.quote, input[name]))
        for name in names
        if name in input.keys()
    )


def mixer_model(wildcards):
    if wildcards.system == "MoEB":
        return []
    return fold_file(wildcards, "models", f"{wildcards.system.lower()}.safetensors")


def mixer_inputs(wildcards):
    return [] if wildcards.system == "MoEB" else shards("mel_original")(wildcards)


# Tables, figures and the report.

#: Dataset, partition and system of every row block of tables.csv, in the order of the config.
REPORTED = [
    (dataset, partition, system)
    for (dataset, partition), systems in SYSTEMS_OF.items()
    for system in systems
]

REPORTED_DATASETS = list(dict.fromkeys(dataset for dataset, _ in SYSTEMS_OF))


def published_digest(files):
    """Return a digest of published figures, by content."""
    content = b"".join(path.read_bytes() for path in sorted(files))
    return hashlib.sha256(content).hexdigest()[:16]


def published_matrix(wildcards):
    """Return the name and the digest of the paper's matrix of a system, where it has one."""
    name = f"jeong2016_figure3_{wildcards.system.lower()}.csv"
    path = PUBLISHED / name
    if (wildcards.dataset, wildcards.partition) != (
        "gtzan",
        "random",
    ) or not path.is_file():
        return {"published": None}
    return {"published": name, "published_digest": published_digest([path])}


def audits(kind):
    """Return the summaries of all audits, of the clips or of the models."""
    return [
        f"results/{dataset}/audit/{partition}/{kind}_summary.csv"
        for dataset, partition in SYSTEMS_OF
    ]


PLOTTED = list(SYSTEMS_OF)
#: Dataset and partition of every t-SNE figure.
MAPPED = [key for key in PLOTTED if set(SYSTEMS_OF[key]) & set(JEONG_SYSTEMS)]


def trained_networks(wildcards):
    """Return network, partition, seed and fold of every training behind a partition's systems."""
    systems = SYSTEMS_OF[wildcards.dataset, wildcards.partition]
    own = dict.fromkeys(("sf", "tf"), networks_partition(wildcards))
    return [
        (network, partition, seed, fold)
        for network in required_networks(systems)
        for partition in [own.get(network, wildcards.partition)]
        for seed in SETTINGS[wildcards.dataset].seeds
        for fold in range(number_of_folds(partition))
    ]


def training_files(ending):
    return lambda wildcards: [
        fold_file(
            wildcards,
            "models",
            network + ending,
            partition=partition,
            seed=seed,
            fold=fold,
        )
        for network, partition, seed, fold in trained_networks(wildcards)
    ]


def mapped_systems(wildcards):
    chosen = SYSTEMS_OF[wildcards.dataset, wildcards.partition]
    return [(system, NETWORKS[system]) for system in JEONG_SYSTEMS if system in chosen]


def mapped_networks(wildcards):
    return sorted(
        {network for _, pair in mapped_systems(wildcards) for network in pair}
    )


def mapped_segments(wildcards):
    partition = networks_partition(wildcards)
    first = SETTINGS[wildcards.dataset].seeds[0]
    return [
        fold_file(
            wildcards,
            "segments",
            f"{network}.h5",
            partition=partition,
            seed=first,
            fold=0,
        )
        for network in mapped_networks(wildcards)
    ]


def first_predictions(wildcards):
    system = SYSTEMS_OF[wildcards.dataset, wildcards.partition][0]
    return f"results/{wildcards.dataset}/predictions/{wildcards.partition}/{system}.csv"


def figures(kind, keys):
    return [
        f"results/figures/{kind}/{dataset}_{partition}.png"
        for dataset, partition in keys
    ]


def report_parameters():
    # How much memory a training may take is no part of what was run.
    hidden = {"training": {"memory_gb"}}
    template = SCRIPTS / "genreflow" / "results" / "templates" / "report.html"
    return canonical(
        {
            "datasets": [
                {
                    "name": name,
                    "source": dataset.source,
                    "clips": PLANNED[name].number,
                    "labels": PLANNED[name].labels,
                    "settings": SETTINGS[name].model_dump(exclude=hidden),
                }
                for name, dataset in CONFIG.datasets.items()
            ],
            "defaults": Settings().model_dump(exclude=hidden),
            "experiments": [
                {
                    "dataset": dataset,
                    "partition": partition,
                    "seeds": SETTINGS[dataset].seeds,
                    "systems": systems,
                    "tsne": (dataset, partition) in MAPPED,
                }
                for (dataset, partition), systems in SYSTEMS_OF.items()
            ],
            "template": hashlib.sha256(template.read_bytes()).hexdigest()[:16],
            "code": code_digest("write_report", SCRIPTS),
        }
    )


# The names of figures join dataset and partition by an underscore, which both may hold.
FIGURE_PARTITIONS = "|".join(re.escape(partition) for _, partition in PLOTTED) or "none"

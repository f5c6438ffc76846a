"""The configuration in force, the shards of every dataset, and what each rule depends on."""

import hashlib
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

BASE = Path(workflow.basedir)
SCRIPTS = BASE / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from genreflow.config import canonical, load, read_yaml
from genreflow.errors import UserError
from genreflow.manifest import (
    Clip,
    labels,
    membership_digest,
    read_manifest,
    shard_clips,
)
from genreflow.partitions import base_partition, check_partition, number_of_folds
from genreflow.provenance import code_digest
from genreflow.store_layouts import LAYOUTS
from genreflow.synthesis import clip_table
from genreflow.systems import EXPERT_SYSTEMS, EXPERTS, JEONG_SYSTEMS, MIXTURE_SYSTEMS
from genreflow.systems import SPECTROGRAM_EXPERTS

# Under --sdm conda each rule has a Python of its own, else the one that runs Snakemake.
CONDA = any(
    str(method).lower().endswith("conda")
    for method in workflow.deployment_settings.deployment_method
)
PYTHON = "python" if CONDA else shlex.quote(sys.executable)
FEATURES = list(LAYOUTS)
#: An expert's input among the features.
INPUTS = {name: f"mel_{name}" for name in ("original", "harmonic", "percussive")}
INPUTS |= {"modulation": "modulation", "mfcc": "mfcc"}


def dataset_clips(name, dataset):
    """Return the clips of a dataset without touching its audio."""
    if dataset.source == "manifest":
        return read_manifest(Path(dataset.manifest))
    planted = clip_table(seeds=dataset.seeds, artists=dataset.artists)
    clips = [Clip(p.track_id, p.track_id, p.label, p.group, p.split) for p in planted]
    return sorted(clips, key=lambda clip: clip.track_id)


try:
    # `config` holds only what came from the command line: there is no configfile directive, since
    # Snakemake would merge the user's datasets with the demo's.
    CONFIG = load(read_yaml(BASE / "config" / "config.yaml"), config)
    SETTINGS = {name: CONFIG.settings(name) for name in CONFIG.datasets}
    CLIPS = {
        name: dataset_clips(name, dataset) for name, dataset in CONFIG.datasets.items()
    }
    for experiment in CONFIG.experiments:
        check_partition(
            CLIPS[experiment.dataset],
            experiment.partition_id,
            dataset=experiment.dataset,
        )
except UserError as error:
    raise WorkflowError(f"\n{error}") from None

SHARDS = {
    name: shard_clips(clips, CONFIG.datasets[name].shards)
    for name, clips in CLIPS.items()
}
SYSTEMS_OF = {}
for experiment in CONFIG.experiments:
    chosen = SYSTEMS_OF.setdefault((experiment.dataset, experiment.partition_id), [])
    chosen += [system for system in experiment.systems if system not in chosen]


wildcard_constraints:
    dataset="|".join(map(re.escape, CONFIG.datasets)) or "none",
    shard=r"\d{3}-of-\d{3}",
    feature="|".join(FEATURES),
    partition=r"(split|random|cv10)\w*",
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


def command(script):
    """Return the start of a rule's shell command."""
    return (
        "{PYTHON} {SCRIPTS:q}/"
        + script
        + ".py --params {params.config:q} --log {log:q} "
    )


def shards(feature):
    """Return an input function: all shards of a feature."""
    return lambda wildcards: [
        f"results/{wildcards.dataset}/features/{feature}/{shard}.h5"
        for shard in SHARDS[wildcards.dataset]
    ]


def folds(pattern):
    """Return an input function: a file for every seed and fold of a partition."""

    def files(wildcards):
        return expand(
            pattern,
            **{**wildcards, "seed": SETTINGS[wildcards.dataset].seeds},
            fold=range(number_of_folds(wildcards.partition)),
        )

    return files


rule write_run_config:
    """Write the configuration in force, with every default."""
    output:
        "results/run_config.yaml",
    log:
        "results/logs/write_run_config.log",
    benchmark:
        "results/benchmarks/write_run_config.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        config=canonical(CONFIG),
    shell:
        command("write_run_config") + "--run-config {output:q}"

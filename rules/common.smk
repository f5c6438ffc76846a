"""The configuration in force, what is known of every dataset, and what all rules share."""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = BASE / "workflow" / "scripts"
PUBLISHED = BASE / "config" / "published"
sys.path.insert(0, str(SCRIPTS))

from genreflow.collections.sources import COLLECTIONS
from genreflow.errors import UserError
from genreflow.features.registry import CACHES, FEATURES, clip_shape, feature_parameters
from genreflow.files.atomic import check_folder, check_readable, write_whole
from genreflow.files.integrity import digest_parameters
from genreflow.partitions.names import ALL, FOLDS, number_of_folds
from genreflow.plan.loading import canonical, load, read_yaml
from genreflow.plan.planning import check_planned, local_copies, plan_source
from genreflow.plan.provenance import code_digest
from genreflow.plan.studies import variations, with_studies
from genreflow.systems import (
    EXPERT_SYSTEMS,
    EXPERTS,
    JEONG_SYSTEMS,
    MIXER_FEATURE,
    MIXTURE_SYSTEMS,
    PROBE,
    PUBLISHED_JEONG,
    SMALL_NETWORKS,
    STATISTICS_SYSTEMS,
    SYSTEMS,
    is_probe,
    required_networks,
)

#: Whether `results` lies in a bucket, or in what else Snakemake has a storage plugin for.
IN_STORAGE = workflow.storage_settings.default_storage_provider is not None

#: What Snakemake makes of the paths of rules, which it says only while it reads these.
PATHS = workflow.modifier.path_modifier
#: What stands before them where another workflow has this one as a module.
PREFIX = PATHS.replace_prefix("results/").removesuffix("results/")
#: Where the results lie on this machine, unless they are in a bucket.
RESULTS = Path(PREFIX, "results")


def located(path):
    """Return where a file of the workflow lies on this machine.

    That is another place where the workflow is a module with a prefix, or `results` in a bucket.
    """
    return str(PATHS.modify(path))


def kept_here(path):
    """Return a file that stays on this machine, also where `results` is in a bucket."""
    return local(path) if IN_STORAGE else path


def named(file):
    """Return a rule's own file by the name that these files have for it, wherever it lies."""
    name = str(file)
    if IN_STORAGE and file.is_storage:
        bucket = os.path.join(workflow.storage_settings.default_storage_prefix, "")
        name = file.storage_object.query.removeprefix(bucket)
    return name.removeprefix(PREFIX)


@contextmanager
def clear_messages():
    """End with a mistake of the user as the last word, without a place in the rules."""
    try:
        yield
    except UserError as error:
        logger.error(f"Error: {error}")
        sys.exit(1)


with clear_messages():
    # Snakemake would look for the outputs in it, and end with a traceback.
    check_readable(RESULTS.absolute())
    # `config` holds only what came from the command line: there is no configfile directive, since
    # Snakemake would merge the user's datasets with the demo's.
    CONFIG = load(
        read_yaml(BASE / "config" / "config.yaml"),
        config,
        [Path(file) for file in workflow.configfiles],
    )
    WITH_STUDIES = with_studies(CONFIG)
    SETTINGS = {name: WITH_STUDIES.settings(name) for name in WITH_STUDIES.datasets}
    #: The dataset of which each one has the clips: itself, or the one that it is a variant of.
    CLIPS_OF = {name: WITH_STUDIES.related(name)[0] for name in SETTINGS}
    COMPARED = [*CONFIG.experiments, *CONFIG.studies]
    #: What is known of every dataset's clips before any job has run.
    PLANNED = {
        name: plan_source(
            dataset.model_dump(exclude={"settings"}),
            rendered=located(f"results/{name}/audio"),
            downloads=located(kept_here(CONFIG.downloads)),
            labels_needed=any(CLIPS_OF[e.dataset] == name for e in COMPARED),
        )
        for name, dataset in CONFIG.datasets.items()
        if name == CLIPS_OF[name]
    }
    PLANNED = {name: PLANNED[clips] for name, clips in CLIPS_OF.items()}
    for experiment in COMPARED:
        check_planned(
            PLANNED[experiment.dataset],
            experiment.partition_id,
            dataset=experiment.dataset,
            without_group=SETTINGS[experiment.dataset].partitions.without_group,
        )

SHARDS = {name: list(planned.shards) for name, planned in PLANNED.items()}
SYSTEMS_OF = {}
for experiment in CONFIG.experiments:
    chosen = SYSTEMS_OF.setdefault((experiment.dataset, experiment.partition_id), [])
    chosen += [system for system in experiment.systems if system not in chosen]
#: The variations of every study, its baseline first.
VARIATIONS = {study.name: variations(study, CONFIG) for study in CONFIG.studies}
#: Systems by dataset and partition, those of studies too.
STUDIED = {key: list(systems) for key, systems in SYSTEMS_OF.items()}
for study in CONFIG.studies:
    for variation in VARIATIONS[study.name]:
        chosen = STUDIED.setdefault((variation.dataset, study.partition_id), [])
        chosen += [system for system in study.systems if system not in chosen]

#: What --sdm names: where jobs find their packages.
DEPLOYMENT = {str(method).lower() for method in workflow.deployment_settings.deployment_method}

# What is no reason to run a job again goes by the environment: this folder, the Python that runs
# Snakemake (under --sdm conda each rule has its own, under --sdm apptainer the image), and copies of
# what could be downloaded.
os.environ.update(
    GENREFLOW_BASE=str(BASE),
    GENREFLOW_PYTHON="python" if DEPLOYMENT & {"conda", "apptainer"} else sys.executable,
    GENREFLOW_PARAMETERS=json.dumps(
        {name: digest_parameters(feature_parameters(s)) for name, s in SETTINGS.items()}
    ),
    GENREFLOW_LIMITS=json.dumps({name: s.audio.max_quarantined for name, s in SETTINGS.items()}),
    GENREFLOW_COPIES=json.dumps(
        local_copies(CONFIG.source(name).model_dump() for name in CONFIG.datasets)
    ),
)


wildcard_constraints:
    dataset="|".join(map(re.escape, SETTINGS)) or "none",
    shard=r"\d{3}-of-\d{3}",
    feature="|".join(FEATURES),
    partition=rf"({'|'.join(FOLDS)})\w*|{ALL}",
    fold=r"\d+",
    seed=r"\d+",
    expert="|".join(EXPERTS),
    mixer="|".join(mixer for mixers in MIXTURE_SYSTEMS.values() for mixer in mixers),
    network="|".join(SMALL_NETWORKS),
    component="original|harmonic|percussive",


def depends(script, *, settings=None, wildcards=(), planned=None):
    """Return a params function: what a rule's output depends on, in parts, and its code.

    One canonical text, since Snakemake compares params as a set of values without their names.

    Parameters
    ----------
    settings
        From a dataset's settings and the wildcards to the part that counts.
    wildcards
        Names of those that count.
    planned
        From the wildcards to what is known before any job runs and counts.
    """

    def params(w):
        parts = {"code": code_digest(script, SCRIPTS)}
        if settings is not None:
            parts["settings"] = settings(SETTINGS[w.dataset], w)
        if wildcards:
            parts["wildcards"] = {
                name: int(w[name]) if name in ("fold", "seed") else w[name] for name in wildcards
            }
        if planned is not None:
            parts["planned"] = planned(w)
        return canonical(parts)

    return params


def layouts(*features):
    """Return a function for `depends`: how the caches of some features hold a clip."""

    def planned(wildcards):
        settings = SETTINGS[wildcards.dataset]
        names = [feature.format(**wildcards) for feature in features]
        return {"layouts": [vars(FEATURES[f].layout(clip_shape(f, settings))) for f in names]}

    return planned


def command(script, arguments):
    """Return a rule's shell command.

    The memory that a feature job allocates for each clip, and a training in each step, is kept
    by the process: to return it each time takes Linux a quarter of a step.

    Parameters
    ----------
    arguments
        Names such as ``input.stft``, ``output.mel``, ``resources.inputs_mb`` or ``threads``, each of
        which becomes an option with its last part as the name.
    """
    options = " ".join(
        f"--{name.rpartition('.')[2].replace('_', '-')} "
        + (f"{{{name}:q}}" if name.startswith(("input.", "output.")) else f"{{{name}}}")
        for name in arguments.split()
    )
    written = ",".join(
        name.removeprefix("output.") for name in arguments.split() if name.startswith("output.")
    )
    return (
        "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 "
        f'"$GENREFLOW_PYTHON" "$GENREFLOW_BASE/workflow/run_script.py" {script} '
        f"--params {{params.config:q}} --log {{log:q}} --written {written} {options}"
    )


def growing(**amounts):
    """Return resources that grow with each attempt: numbers, or functions of the wildcards.

    A job that was killed for its memory or time is tried again with more, where the profile says
    `retries`.
    """

    def resource(amount):
        return lambda wildcards, attempt: attempt * (
            amount(wildcards) if callable(amount) else amount
        )

    return {name: resource(amount) for name, amount in amounts.items()}

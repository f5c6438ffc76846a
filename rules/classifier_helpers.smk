"""What a classifier is made of."""

from genreflow.plan.classification import plan_classification
from genreflow.systems import networks_of


def trained_on(wildcards):
    """Return partition, seed and fold of a classifier; without them, every clip trained it."""
    return {
        "partition": wildcards.get("partition", ALL),
        "seed": wildcards.get("seed", SETTINGS[wildcards.dataset].seeds[0]),
        "fold": wildcards.get("fold", 0),
    }


def of_training(pattern):
    """Return an input function: a file of a classifier's training."""
    return lambda w: with_wildcards(pattern, {**w, **trained_on(w)})


def classifier_models(wildcards):
    """Return the models of a classifier's networks, or what learned without any."""
    fold = trained_on(wildcards)
    if wildcards.system in STATISTICS_SYSTEMS:
        return [with_wildcards(fold_file("svms", "{system}.safetensors"), wildcards, **fold)]
    if wildcards.system in JEONG_SYSTEMS and fold["partition"] != ALL:
        fold["partition"] = networks_partition(wildcards)
    return [
        with_wildcards(fold_file("models", f"{network}.safetensors"), wildcards, **fold)
        for network in networks_of(wildcards.system, mixed(wildcards))
    ]


def classifier_forest(wildcards):
    """Return a classifier's forest, if it has one."""
    pattern = fold_file("forests", "{system}.safetensors")
    return [of_training(pattern)(wildcards)] if wildcards.system in JEONG_SYSTEMS else []


def experiments_of(wildcards):
    """Return the partitions on which the experiments have a dataset's system."""
    return [p for d, p, s in REPORTED if (d, s) == (wildcards.dataset, wildcards.system)]


def each_experiment(pattern):
    """Return an input function: a file of each experiment of a classifier's dataset and system."""
    return lambda w: [with_wildcards(pattern, w, partition=p) for p in experiments_of(w)]


def classifier_facts(wildcards):
    """Return what a classifier is."""
    fold = trained_on(wildcards)
    return {
        "dataset": wildcards.dataset,
        "system": wildcards.system,
        "partition": fold["partition"],
        "seed": int(fold["seed"]),
        "fold": int(fold["fold"]),
    }


def classifier_settings(settings, wildcards):
    """Return what a classifier needs besides its networks and forest to run."""
    return {
        "features": feature_parameters(settings),
        "decision": settings.rf.decision,
        "experts": settings.mixer.experts,
    }


with clear_messages():
    #: What is to be classified, by dataset and name of the result.
    CLASSIFIED = {
        (wanted.dataset, wanted.file): plan_classification(wanted, SETTINGS)
        for wanted in CONFIG.classify
    }
CLASSIFIED_NAMES = "|".join(re.escape(name) for _, name in CLASSIFIED) or "none"


def classification(wildcards):
    """Return what is known of a collection to classify."""
    return CLASSIFIED[wildcards.dataset, wildcards.name]


def classifier_folder(planned):
    """Return a classifier's folder: of this workflow, or somebody's."""
    return kept_here(planned.folder) if planned.digest else planned.folder

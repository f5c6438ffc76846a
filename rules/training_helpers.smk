"""What trainings take of a machine, and where their predictions go."""

FOLD_OF_SYSTEM = "{dataset}/{partition}/seed{seed}/fold{fold}/{system}"


def training_gpus(wildcards):
    """Return 1 where a GPU is asked for; `auto` takes one that is there, but requests none."""
    return int(SETTINGS[wildcards.dataset].training.device == "cuda")


def inputs_mb(wildcards):
    """Return how much of its inputs a training may keep in memory, which changes no result."""
    return int(1000 * SETTINGS[wildcards.dataset].training.memory_gb)


def training_mb(wildcards):
    """Return a training's memory: its inputs, and twice what steps were seen to take a clip."""
    settings = SETTINGS[wildcards.dataset]
    return 2000 + 100 * max(settings.expert.batch, settings.mixer.batch) + inputs_mb(wildcards)


def training_threads(wildcards):
    """Return the threads of a training: a key, since their number changes the last bits."""
    return SETTINGS[wildcards.dataset].training.threads


def training_settings(settings):
    """Return the part of `training` that changes results."""
    return settings.training.model_dump(exclude={"memory_gb"})

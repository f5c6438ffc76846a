"""Which files the experts and mixtures of Yi 2019 read."""

FOLD_OF_EXPERT = "{dataset}/{partition}/seed{seed}/fold{fold}/{expert}"
FOLD_OF_MIXER = "{dataset}/{partition}/seed{seed}/fold{fold}/{mixer}"


def expert_inputs(wildcards):
    """Return all shards of an expert's feature."""
    return shards_of(EXPERTS[wildcards.expert].feature)(wildcards)


def mixed(wildcards):
    """Return the experts that a dataset's mixtures mix."""
    return SETTINGS[wildcards.dataset].mixer.experts


def mixed_probabilities(wildcards):
    """Return the probabilities of the experts that are mixed."""
    pattern = fold_file("probabilities", "{expert}.h5")
    return [with_wildcards(pattern, wildcards, expert=expert) for expert in mixed(wildcards)]


def rerun(files):
    """Return an input function: files of all mixed experts, where they run again in each batch."""

    def inputs(wildcards):
        if SETTINGS[wildcards.dataset].mixer.frozen_batchnorm == "running":
            return []
        return [file for expert in mixed(wildcards) for file in files(wildcards, expert)]

    return inputs


def mixer_model(wildcards):
    """Return the model of a mixture's mixer, if it has one."""
    pattern = fold_file("models", "{mixer}.safetensors")
    return [with_wildcards(pattern, wildcards, mixer=m) for m in MIXTURE_SYSTEMS[wildcards.system]]


def mixer_inputs(wildcards):
    """Return what a mixture's mixer looks at, if it has one."""
    return shards_of(MIXER_FEATURE)(wildcards) if MIXTURE_SYSTEMS[wildcards.system] else []


def mixer_settings(settings, wildcards):
    """Return what a mixer's training depends on."""
    # The convolutional mixer drops nothing out.
    unused = {"experts"} | ({"dropout"} if wildcards.mixer == "moec" else set())
    return {
        "training": training_settings(settings),
        "mixer": settings.mixer.model_dump(exclude=unused),
        "experts": settings.mixer.experts,
        "normalisation": settings.expert.normalisation,
        "channels": settings.expert.channels,
        "pools": settings.expert_pools("original"),
    }


def mixture_settings(settings, wildcards):
    """Return what a mixture's predictions depend on: without a mixer there is nothing to run."""
    found = {"experts": settings.mixer.experts}
    if MIXTURE_SYSTEMS[wildcards.system]:
        found |= {
            "training": training_settings(settings),
            "batch": settings.mixer.batch,
        }
    return found

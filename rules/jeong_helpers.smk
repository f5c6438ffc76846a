"""Which files the networks and forests of Jeong 2016 read, and the memory that they take."""

from math import prod

from genreflow.partitions.names import base_partition

#: The networks whose inputs are normalised by themselves.
NORMALISED = [name for name, network in SMALL_NETWORKS.items() if network.moments]
FOLD_OF_NETWORK = "{dataset}/{partition}/seed{seed}/fold{fold}/{network}"


def small_network_mb(wildcards):
    """Return the memory of a small network's training: a block of vectors, and copies of it."""
    planned, settings = PLANNED[wildcards.dataset], SETTINGS[wildcards.dataset]
    read = SMALL_NETWORKS[wildcards.network].vectors
    values = sum(prod(clip_shape(feature, settings)) for feature in read)
    all_mb = planned.number * 4 * values // 1_000_000
    return 1000 + 3 * min(inputs_mb(wildcards), all_mb)


def forest_mb(wildcards):
    """Return a forest's memory: 16 kB were seen to be taken by a segment."""
    planned, settings = PLANNED[wildcards.dataset], SETTINGS[wildcards.dataset]
    _, segments, _ = clip_shape("cepstral_modulation", settings)
    return 2000 + planned.number * segments // 50


def small_network_settings(settings, wildcards):
    """Return what a small network's training depends on."""
    network = SMALL_NETWORKS[wildcards.network]
    # What is read at a time decides in which order the vectors are seen.
    found = {"dnn": settings.dnn, "memory_gb": settings.training.memory_gb}
    if network.below:
        found["windows"] = settings.cepstral_modulation
    if network.parts:
        found["joint"] = settings.joint
    return found


def network_vectors(wildcards):
    """Return all shards of the features that have a network's vectors."""
    read = SMALL_NETWORKS[wildcards.network].vectors
    return [file for feature in read for file in shards_of(feature)(wildcards)]


def network_moments(wildcards):
    """Return all shards of the feature that has the moments of a network's vectors."""
    return shards_of(SMALL_NETWORKS[wildcards.network].moments)(wildcards)


def normalisations(wildcards):
    """Return what normalises a network's inputs: its own file, or those of its parts."""
    names = SMALL_NETWORKS[wildcards.network].parts or [wildcards.network]
    pattern = "results/{dataset}/normalisation/{partition}/fold{fold}/{network}.h5"
    return [with_wildcards(pattern, wildcards, network=n) for n in names if n in NORMALISED]


def networks_below(wildcards):
    """Return the network whose hidden units a network reads, if it does."""
    return list(filter(None, [SMALL_NETWORKS[wildcards.network].below]))


def models_of(networks, wildcards):
    """Return the models of some networks on a fold."""
    pattern = fold_file("models", "{network}.safetensors")
    return [with_wildcards(pattern, wildcards, network=network) for network in networks]


def networks_partition(wildcards):
    """Return the partition whose networks the forest of a partition builds on.

    A swapped one exchanges valid and test for the forest only, unless they are to be retrained.
    """
    if SETTINGS[wildcards.dataset].partitions.swapped_networks == "retrained":
        return wildcards.partition
    return base_partition(wildcards.partition)


def segments_of(networks, wildcards, **others):
    """Return the segments of some networks on a fold."""
    partition = networks_partition(wildcards)
    return [
        with_wildcards(
            fold_file("segments", f"{network}.h5"),
            wildcards,
            **{**others, "partition": partition},
        )
        for network in networks
    ]

"""Which files the networks and forests of Jeong 2016 read, and the memory that they take."""

from math import prod

from genreflow.partitions.names import base_partition

FOLD_OF_NETWORK = "{dataset}/{partition}/seed{seed}/fold{fold}/{network}"


def small_network_mb(wildcards):
    """Return the memory of a small network's training: a block of vectors, and copies of it."""
    planned, settings = PLANNED[wildcards.dataset], SETTINGS[wildcards.dataset]
    shape = clip_shape(SMALL_NETWORKS[wildcards.network].vectors, settings)
    all_mb = planned.number * 4 * prod(shape) // 1_000_000
    return 1000 + 3 * min(inputs_mb(wildcards), all_mb)


def forest_mb(wildcards):
    """Return a forest's memory: 16 kB were seen to be taken by a segment."""
    planned, settings = PLANNED[wildcards.dataset], SETTINGS[wildcards.dataset]
    _, segments, _ = clip_shape("cepstral_modulation", settings)
    return 2000 + planned.number * segments // 50


def network_features(kind):
    """Return an input function: all shards of the vectors or of the moments of a network."""
    return lambda w: shards_of(getattr(SMALL_NETWORKS[w.network], kind))(w)


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

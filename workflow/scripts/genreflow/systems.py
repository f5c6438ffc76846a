"""The systems: of the two papers, what these leave for later, and of neither; their networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SmallNetwork:
    """A network of Jeong 2016, or of what it names as future work.

    ``vectors`` are the features that have its vectors, and ``moments`` is the one that has their
    moments.  It reads the hidden units of the network ``below``, or has the hidden layers of its
    ``parts``; either way it is normalised by what these are.
    """

    name: str
    vectors: tuple[str, ...]
    moments: str = ""
    below: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expert:
    """An expert of Yi 2019: a k2c2 on a feature.

    ``pools`` is the one of the paper's tables (`genreflow.yi2019.pools.PAPER_POOLS`) that its
    pools stay close to, and ``system`` the name of the expert alone among the systems.
    """

    name: str
    system: str
    feature: str
    pools: str = "spectrogram"


SMALL_NETWORKS: dict[str, SmallNetwork] = {
    network.name: network
    for network in (
        SmallNetwork("sf", vectors=("stft",), moments="stft"),
        SmallNetwork("tf", vectors=("cepstral_modulation",), moments="cepstrogram"),
        SmallNetwork("series", vectors=("stft",), below="sf"),
        SmallNetwork("joint", vectors=("stft", "cepstral_modulation"), parts=("sf", "tf")),
    )
}
EXPERTS: dict[str, Expert] = {
    expert.name: expert
    for expert in (
        Expert("original", "original", "mel_original"),
        Expert("harmonic", "harmonic", "mel_harmonic"),
        Expert("percussive", "percussive", "mel_percussive"),
        Expert("modulation", "modulation", "modulation", pools="modulation"),
        Expert("mfcc", "MFCC", "mfcc", pools="mfcc"),
    )
}
#: The experts that the paper mixes, in its order.
MIXED = ("original", "harmonic", "percussive", "modulation")
#: What every mixer looks at.
MIXER_FEATURE = "mel_original"

#: System -> the small networks of which a forest joins the segments.
PUBLISHED_JEONG: dict[str, tuple[str, ...]] = {
    "SF": ("sf",),
    "TF": ("tf",),
    "SF+TF": ("sf", "tf"),
}
#: The same of what the paper leaves for later: its conclusion, and the end of its section 4.5.
FUTURE_JEONG: dict[str, tuple[str, ...]] = {"joint": ("joint",), "series": ("series",)}
JEONG_SYSTEMS = PUBLISHED_JEONG | FUTURE_JEONG
#: System -> the expert that it is.
EXPERT_SYSTEMS = {expert.system: expert.name for expert in EXPERTS.values()}
#: System -> the mixer that weights the experts; none where all count the same.
MIXTURE_SYSTEMS: dict[str, tuple[str, ...]] = {"MoEB": (), "MoEC": ("moec",), "MoER": ("moer",)}
#: System of neither paper -> the feature of which a classifier gets a clip's statistics.
STATISTICS_SYSTEMS = {"stats": "mel_original"}
SYSTEMS = (
    *PUBLISHED_JEONG, *EXPERT_SYSTEMS, *MIXTURE_SYSTEMS, *FUTURE_JEONG, *STATISTICS_SYSTEMS,
)  # fmt: skip
#: What a probe's system has in front of the name that the configuration gives it.
PROBE = "probe:"
#: System -> what is said of it in tables, where no paper has figures of it.
UNPUBLISHED = {
    **dict.fromkeys(FUTURE_JEONG, "not published: future work of Jeong 2016"),
    **dict.fromkeys(STATISTICS_SYSTEMS, "in neither paper"),
}
#: Every network, in the papers' order.
NETWORKS = (*SMALL_NETWORKS, *EXPERTS, "moec", "moer")


def is_probe(system: str) -> bool:
    """Return whether a system is a probe of somebody's embeddings, which no registry has."""
    return system.startswith(PROBE)


def in_order(systems: Iterable[str]) -> list[str]:
    """Return systems in the order of the tables: the registry's, then probes as they come."""
    return sorted(systems, key=lambda s: SYSTEMS.index(s) if s in SYSTEMS else len(SYSTEMS))


def networks_of(system: str, mixed: Sequence[str] = MIXED) -> tuple[str, ...]:
    """Return all trained networks behind a system.

    Parameters
    ----------
    mixed
        The experts that mixtures mix.
    """
    if system in STATISTICS_SYSTEMS or is_probe(system):
        return ()
    if system in JEONG_SYSTEMS:
        below = (SMALL_NETWORKS[network].below for network in JEONG_SYSTEMS[system])
        return (*filter(None, below), *JEONG_SYSTEMS[system])
    if system in EXPERT_SYSTEMS:
        return (EXPERT_SYSTEMS[system],)
    return (*mixed, *MIXTURE_SYSTEMS[system])


def features_read(network: str) -> tuple[str, ...]:
    """Return the features that a network reads."""
    if network in SMALL_NETWORKS:
        return SMALL_NETWORKS[network].vectors
    return (EXPERTS[network].feature if network in EXPERTS else MIXER_FEATURE,)


def features_of(system: str, mixed: Sequence[str] = MIXED) -> list[str]:
    """Return the features that a system reads, each once."""
    if system in STATISTICS_SYSTEMS:
        return [STATISTICS_SYSTEMS[system]]
    read = (f for network in networks_of(system, mixed) for f in features_read(network))
    return list(dict.fromkeys(read))


def required_networks(systems: Sequence[str], mixed: Sequence[str] = MIXED) -> list[str]:
    """Return the networks that some systems need, in the papers' order."""
    needed = {network for system in systems for network in networks_of(system, mixed)}
    return [network for network in NETWORKS if network in needed]

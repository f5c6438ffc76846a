"""The eleven systems of the two papers and the networks they are made of."""

from __future__ import annotations

from collections.abc import Sequence

JEONG_SYSTEMS = ("SF", "TF", "SF+TF")
SPECTROGRAM_EXPERTS = ("original", "harmonic", "percussive", "modulation")
EXPERTS = (*SPECTROGRAM_EXPERTS, "mfcc")
#: System name -> the expert network it is made of.
EXPERT_SYSTEMS = {**{name: name for name in SPECTROGRAM_EXPERTS}, "MFCC": "mfcc"}
MIXTURE_SYSTEMS = ("MoEB", "MoEC", "MoER")
SYSTEMS = (*JEONG_SYSTEMS, *EXPERT_SYSTEMS, *MIXTURE_SYSTEMS)
#: System name -> all trained networks behind it.
NETWORKS: dict[str, tuple[str, ...]] = {
    "SF": ("sf",),
    "TF": ("tf",),
    "SF+TF": ("sf", "tf"),
    **{system: (expert,) for system, expert in EXPERT_SYSTEMS.items()},
    "MoEB": SPECTROGRAM_EXPERTS,
    "MoEC": (*SPECTROGRAM_EXPERTS, "moec"),
    "MoER": (*SPECTROGRAM_EXPERTS, "moer"),
}


def required_networks(systems: Sequence[str]) -> list[str]:
    """Return the networks that some systems need, in the papers' order."""
    every = ("sf", "tf", *EXPERTS, "moec", "moer")
    return [name for name in every if any(name in NETWORKS[system] for system in systems)]

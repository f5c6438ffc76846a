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


def required_experts(systems: Sequence[str]) -> list[str]:
    """Return the expert networks that some systems need, in the papers' order."""
    needed = {EXPERT_SYSTEMS[system] for system in systems if system in EXPERT_SYSTEMS}
    if set(systems) & set(MIXTURE_SYSTEMS):
        needed |= set(SPECTROGRAM_EXPERTS)
    return [expert for expert in EXPERTS if expert in needed]

"""Which networks stand behind a system: what is trained for it, and what its audit must see."""

from __future__ import annotations

import pytest
from genreflow.systems import NETWORKS, SYSTEMS, required_networks

EXPERTS = ["original", "harmonic", "percussive", "modulation"]


@pytest.mark.parametrize(
    ("system", "networks"),
    [
        ("SF", ["sf"]),
        ("TF", ["tf"]),
        ("SF+TF", ["sf", "tf"]),
        ("harmonic", ["harmonic"]),
        ("MFCC", ["mfcc"]),
        ("MoEB", EXPERTS),
        ("MoEC", [*EXPERTS, "moec"]),
        ("MoER", [*EXPERTS, "moer"]),
    ],
)
def test_networks_behind_a_system(system: str, networks: list[str]) -> None:
    assert list(NETWORKS[system]) == networks
    assert required_networks([system]) == networks


def test_every_system_has_its_networks() -> None:
    assert tuple(NETWORKS) == SYSTEMS
    assert required_networks(SYSTEMS) == ["sf", "tf", *EXPERTS, "mfcc", "moec", "moer"]


def test_shared_networks_are_named_once_in_the_papers_order() -> None:
    assert required_networks(["MoER", "original", "SF"]) == ["sf", *EXPERTS, "moer"]
    assert required_networks([]) == []

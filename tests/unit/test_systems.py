"""Which networks stand behind a system: what is trained for it, and what its audit must see."""

from __future__ import annotations

import pytest
from genreflow.jeong2016.network import PARTS
from genreflow.systems import (
    MIXED,
    SMALL_NETWORKS,
    SYSTEMS,
    features_of,
    in_order,
    networks_of,
    required_networks,
)

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
        ("joint", ["joint"]),
        ("series", ["sf", "series"]),
        ("stats", []),
        ("probe:mert", []),
    ],
)
def test_networks_behind_a_system(system: str, networks: list[str]) -> None:
    assert list(networks_of(system)) == networks
    assert required_networks([system]) == networks


def test_every_system_has_its_networks() -> None:
    assert SYSTEMS == (
        "SF", "TF", "SF+TF", "original", "harmonic", "percussive", "modulation", "MFCC",
        "MoEB", "MoEC", "MoER", "joint", "series", "stats",
    )  # fmt: skip
    assert all(networks_of(system) for system in SYSTEMS if system != "stats")
    known = ["sf", "tf", "series", "joint", *EXPERTS, "mfcc", "moec", "moer"]
    assert required_networks(SYSTEMS) == known


@pytest.mark.parametrize(
    ("system", "networks"),
    [
        ("MoEB", ["original", "mfcc"]),
        ("MoEC", ["original", "mfcc", "moec"]),
        ("MoER", ["original", "mfcc", "moer"]),
        ("harmonic", ["harmonic"]),
        ("SF+TF", ["sf", "tf"]),
    ],
)
def test_mixtures_alone_depend_on_what_is_mixed(system: str, networks: list[str]) -> None:
    assert list(networks_of(system, ("original", "mfcc"))) == networks
    assert required_networks([system], ("original", "mfcc")) == networks


def test_experts_are_mixed_in_the_order_that_is_asked_for_and_trained_in_the_papers() -> None:
    assert networks_of("MoEC", ("mfcc", "original")) == ("mfcc", "original", "moec")
    assert required_networks(["MoEC"], ("mfcc", "original")) == ["original", "mfcc", "moec"]
    assert list(MIXED) == EXPERTS


def test_statistics_read_a_feature_without_a_network() -> None:
    assert features_of("stats") == ["mel_original"]
    assert features_of("probe:mert") == []


def test_tables_have_the_registry_s_order_and_probes_at_the_end() -> None:
    systems = ["probe:b", "stats", "MoER", "probe:a", "SF"]
    assert in_order(systems) == ["SF", "MoER", "stats", "probe:b", "probe:a"]


def test_unknown_system_has_no_networks() -> None:
    with pytest.raises(KeyError):
        networks_of("precussive")


def test_shared_networks_are_named_once_in_the_papers_order() -> None:
    assert required_networks(["MoER", "original", "SF"]) == ["sf", *EXPERTS, "moer"]
    assert required_networks([]) == []


def test_a_system_may_read_several_features_and_names_each_once() -> None:
    assert features_of("joint") == ["stft", "cepstral_modulation"]
    assert features_of("SF+TF") == features_of("joint")
    # Both of its networks read the same one.
    assert features_of("series") == ["stft"]
    assert SMALL_NETWORKS["joint"].parts == PARTS

"""Pool sizes: the papers' tables, and other input sizes that still end at 1 x 1."""

from __future__ import annotations

from itertools import product
from math import log

import pytest
from genreflow.systems import EXPERTS
from genreflow.yi2019.pools import (
    LARGEST_POOL,
    PAPER_POOLS,
    derive_axis_pools,
    derive_pools,
    map_sizes,
)
from hypothesis import given, settings
from hypothesis import strategies as st

#: SPEC section 4: input shape and the map after each pool.
PAPER_MAPS = {
    "spectrogram": ((96, 1292), [(47, 323), (23, 81), (11, 20), (3, 4), (1, 1)]),
    "modulation": ((96, 646), [(47, 322), (23, 80), (11, 16), (5, 4), (1, 1)]),
    "mfcc": ((60, 1292), [(29, 323), (14, 81), (6, 16), (4, 4), (1, 1)]),
}
POOLS_OF_SPEC = {
    "spectrogram": ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4)),
    "modulation": ((2, 2), (2, 4), (2, 5), (2, 4), (4, 4)),
    "mfcc": ((2, 4), (2, 4), (2, 5), (1, 4), (2, 4)),
}


def maps(shape: tuple[int, int], pools: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    rows, columns = (
        map_sizes(size, [pool[axis] for pool in pools]) for axis, size in enumerate(shape)
    )
    return list(zip(rows, columns, strict=True))


@pytest.mark.parametrize("kind", PAPER_MAPS)
def test_the_papers_inputs_give_the_papers_pools_and_maps(kind: str) -> None:
    shape, expected = PAPER_MAPS[kind]
    assert PAPER_POOLS[kind] == POOLS_OF_SPEC[kind]
    assert derive_pools(shape, kind) == POOLS_OF_SPEC[kind]
    assert maps(shape, POOLS_OF_SPEC[kind]) == expected


def test_maps_are_those_of_a_valid_convolution_and_same_pooling() -> None:
    for size in range(1, 60):
        for pool in range(1, 7):
            # A window starts at every pool-th of the size - 2 positions.
            assert map_sizes(size, [pool]) == [len(range(0, max(size - 2, 0), pool))]


def test_each_expert_starts_from_the_table_of_its_input() -> None:
    kinds = [EXPERTS[name].pools for name in ("original", "harmonic", "percussive")]
    assert kinds == ["spectrogram"] * 3
    assert (EXPERTS["modulation"].pools, EXPERTS["mfcc"].pools) == ("modulation", "mfcc")
    assert {expert.pools for expert in EXPERTS.values()} <= set(PAPER_POOLS)


@settings(max_examples=60, deadline=None)
@given(columns=st.integers(160, 4000), kind=st.sampled_from(sorted(PAPER_POOLS)))
def test_other_lengths_end_at_one_value(columns: int, kind: str) -> None:
    rows = PAPER_MAPS[kind][0][0]
    pools = derive_pools((rows, columns), kind)
    assert pools is not None
    assert maps((rows, columns), pools)[-1] == (1, 1)
    # What can stay as in the paper does.
    assert [pool[0] for pool in pools] == [pool[0] for pool in PAPER_POOLS[kind]]
    assert all(1 <= pool[1] <= LARGEST_POOL for pool in pools)


def test_no_other_choice_is_nearer_to_the_paper() -> None:
    reference = (2, 3, 2)
    for size in range(1, 40):
        fitting = {
            pools: sum(abs(log(a / b)) for a, b in zip(pools, reference, strict=True))
            for pools in product(range(1, LARGEST_POOL + 1), repeat=3)
            if map_sizes(size, pools)[-1] == 1
        }
        found = derive_axis_pools(size, reference)
        if found is None:
            assert not fitting
        else:
            assert fitting[found] == pytest.approx(min(fitting.values()))


@pytest.mark.parametrize("shape", [(96, 2), (2, 1292), (96, 10), (10, 1292), (1, 1)])
def test_too_small_an_input_gives_none(shape: tuple[int, int]) -> None:
    assert derive_pools(shape, "spectrogram") is None


def test_smallest_input_shrinks_by_the_convolutions_alone() -> None:
    # Five valid convolutions take 2 each: 11 = 5 * 2 + 1 is the least that reaches 1.
    # The last pool sees one value and stays as in the paper.
    assert derive_axis_pools(11, (2, 2, 2, 3, 4)) == (1, 1, 1, 1, 4)
    assert derive_axis_pools(10, (2, 2, 2, 3, 4)) is None


def test_too_large_an_input_gives_none() -> None:
    assert derive_pools((96, 10**8), "spectrogram") is None

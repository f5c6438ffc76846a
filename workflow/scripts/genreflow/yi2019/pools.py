"""Pool sizes of the k2c2 network for any input size (Yi 2019, section III.A)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import inf, log

#: Pools of the paper's three inputs, one (frequency, time) pair a block.
PAPER_POOLS: dict[str, tuple[tuple[int, int], ...]] = {
    "spectrogram": ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4)),
    "modulation": ((2, 2), (2, 4), (2, 5), (2, 4), (4, 4)),
    "mfcc": ((2, 4), (2, 4), (2, 5), (1, 4), (2, 4)),
}
KERNEL = 3
LARGEST_POOL = 16


def map_sizes(size: int, pools: Sequence[int]) -> list[int]:
    """Return the map size after each block of a valid 3x3 convolution and a "same" pooling.

    A size of 0 means that a map has become too small for the convolution.
    """
    sizes = []
    for pool in pools:
        size = -(-(size - KERNEL + 1) // pool) if size >= KERNEL else 0
        sizes.append(size)
    return sizes


@cache
def derive_axis_pools(size: int, reference: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the pools along one axis that end at 1 and are nearest to the paper's.

    The distance is the sum of the absolute log ratios to the reference, so that the paper's
    own sizes give the paper's own pools.  ``None`` when no choice ends at 1.
    """
    best: tuple[float, tuple[int, ...]] = (inf, ())

    def extend(remaining: int, chosen: tuple[int, ...], distance: float) -> None:
        nonlocal best
        if distance > best[0]:
            return
        block = len(chosen)
        if block == len(reference):
            if remaining == 1:
                best = min(best, (distance, chosen))
            return
        if remaining < KERNEL:
            return
        for pool in range(1, LARGEST_POOL + 1):
            step = abs(log(pool / reference[block]))
            extend(map_sizes(remaining, [pool])[0], (*chosen, pool), distance + step)

    extend(size, (), 0.0)
    return best[1] or None


def derive_pools(shape: tuple[int, int], kind: str) -> tuple[tuple[int, int], ...] | None:
    """Return five (frequency, time) pools that take an input of ``shape`` to a 1x1 map.

    Parameters
    ----------
    shape
        Rows (frequency) and columns (time) of the input.
    kind
        ``spectrogram``, ``modulation`` or ``mfcc``: the paper's table to stay close to.

    Returns
    -------
    tuple or None
        ``None`` when the input is too small (or too large) for five blocks.
    """
    reference = PAPER_POOLS[kind]
    axes = [
        derive_axis_pools(size, tuple(pool[axis] for pool in reference))
        for axis, size in enumerate(shape)
    ]
    if axes[0] is None or axes[1] is None:
        return None
    return tuple(zip(axes[0], axes[1], strict=True))

"""Running medians: the bits of a sort of every window, whatever the shape and the kernel."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest
from genreflow import compiled as compiled_module
from genreflow.compiled import compiled
from genreflow.features.running_median import (
    BOTH,
    LANES,
    LARGEST_GROUP,
    LOAD,
    MAXIMUM,
    MINIMUM,
    STORE,
    _program,
    running_median,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import median_filter

KERNELS = [1, 3, 5, 7, 9, 15, 17, 31, 33, 63, 101]


def sorted_windows(values: NDArray[np.float32], kernel: int) -> NDArray[np.float32]:
    padded = np.pad(values, ((kernel // 2, kernel // 2), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=0)
    return np.sort(windows, axis=-1)[..., kernel // 2]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (16, LANES), (50, LANES + 7), (131, 200)])
def test_equals_sorting_each_reflected_window(kernel: int, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(kernel).normal(size=shape).astype(np.float32)
    found = running_median(values, kernel)
    assert found.dtype == np.float32
    assert np.array_equal(found, sorted_windows(values, kernel))


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.integers(0, 25).map(lambda half: 2 * half + 1),
    rows=st.integers(1, 80),
    columns=st.integers(1, 2 * LANES + 1),
    levels=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_sorting_where_values_repeat(
    kernel: int, rows: int, columns: int, levels: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, levels, (rows, columns)).astype(np.float32)
    assert np.array_equal(running_median(values, kernel), sorted_windows(values, kernel))


@pytest.mark.parametrize("kernel", [3, 31])
def test_has_the_bits_of_scipys_two_dimensional_filter(kernel: int) -> None:
    values = np.random.default_rng(0).random((513, 90), dtype=np.float32)
    expected = median_filter(values, size=(kernel, 1), mode="reflect")
    assert np.array_equal(running_median(values, kernel), expected)


def test_takes_any_memory_layout() -> None:
    values = np.random.default_rng(0).random((70, 130), dtype=np.float32)
    expected = running_median(values, 31)
    assert np.array_equal(running_median(np.asfortranarray(values), 31), expected)
    assert np.array_equal(running_median(np.repeat(values, 2, axis=1)[:, ::2], 31), expected)


@pytest.mark.parametrize("kernel", KERNELS)
def test_program_reads_only_what_was_written_and_finds_a_median_for_each_window(
    kernel: int,
) -> None:
    steps, buffers, group = _program(kernel)
    assert group <= min(LARGEST_GROUP, kernel // 2 + 1)
    written: set[int] = set()
    stored = []
    for kind, a, b, c, d in steps.tolist():
        if kind == STORE:
            assert a in written
            stored.append(b)
            continue
        if kind != LOAD:
            assert {a, b} <= written
        written |= {c, d} if kind == BOTH else {c}
    assert sorted(stored) == list(range(group))
    assert max(written) < buffers


def test_windows_of_31_share_their_work() -> None:
    steps, buffers, group = _program(31)
    counts = np.bincount(steps[:, 0], minlength=5)
    comparisons = 2 * counts[BOTH] + counts[MINIMUM] + counts[MAXIMUM]
    assert comparisons / group < 33
    # Most of them in a first-level cache of 32 KiB.
    assert buffers * LANES * 4 < 40 * 1024


def test_code_is_kept_for_later_processes_and_a_read_only_place_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def double(value: float) -> float:
        return 2 * value

    real = numba.njit

    def read_only(*, cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(compiled_module.numba, "njit", read_only)
    assert compiled(double)(2.0) == 4
    monkeypatch.undo()
    running_median(np.zeros((40, 4), np.float32), 3)
    folder = Path(compiled_module.__file__).parent / "features"
    from genreflow.features.running_median import _run

    assert _run.stats.cache_path == str(folder / "__pycache__")
    assert sum(_run.stats.cache_hits.values()) + sum(_run.stats.cache_misses.values()) >= 1

"""Running medians along the first axis, many columns at a time, without a branch on a value.

Adjacent windows share most of their values.  A group of g windows shares k - g + 1 of them, of
which only the g middle ones can still be a median of the group.  So the shared values are sorted
once, each half of the group merges its own g / 2 further values into those middle ones and keeps
the g / 2 middle ones of the result, and so on down to single windows.  All of this is a fixed list
of minima and maxima, which runs on whole registers of columns: 32 for each median of 31 values,
where a network that finds one median alone needs 152.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from genreflow.compiled import compiled

Array = npt.NDArray[np.float32]
#: Columns that are worked on at a time.  More share the cost of a step, but the values of one group
#: have to stay near the processor.
LANES = 128
#: Windows a group; more share more, but take more registers.
LARGEST_GROUP = 16
#: Kinds of steps.
LOAD, BOTH, MINIMUM, MAXIMUM, STORE = range(5)


def running_median(values: Array, kernel: int) -> Array:
    """Return the running median of every column, reflected at both ends.

    A median is one of the values, so the result has the bits of any other exact method, such as
    ``scipy.ndimage.median_filter(values, (kernel, 1), mode="reflect")`` (which errs where the
    window is several times as long as the column; this one doesn't).

    Parameters
    ----------
    values
        Shape (rows, columns), finite.
    kernel
        Odd length of the windows.

    Returns
    -------
    ndarray, same shape, float32
    """
    rows, columns = values.shape
    width = max(columns, LANES)
    if columns < LANES:
        values = np.pad(values, ((0, 0), (0, LANES - columns)))
    steps, buffers, group = _program(kernel)
    # Row -1 is row 0 again, as scipy's "reflect" has it; longer windows are reflected repeatedly.
    places = np.arange(-(kernel // 2), rows + kernel // 2 + group) % (2 * rows)
    places = np.where(places < rows, places, 2 * rows - 1 - places)
    out = np.empty((rows, width), np.float32)
    _run(np.ascontiguousarray(values, np.float32), places, steps, buffers, group, out)
    return out[:, :columns]


class _Network:
    """Minima and maxima of values, each computed once."""

    def __init__(self) -> None:
        #: Kind, and the operands: numbers of values; of a load, the row.
        self.values: list[tuple[int, int, int]] = []
        self._known: dict[tuple[int, int, int], int] = {}

    def load(self, row: int) -> int:
        """Return the value of a row of the input."""
        return self._number((LOAD, row, 0))

    def exchange(self, a: int, b: int) -> tuple[int, int]:
        """Return the smaller and the larger of two values."""
        a, b = min(a, b), max(a, b)
        return self._number((MINIMUM, a, b)), self._number((MAXIMUM, a, b))

    def sort(self, values: list[int]) -> list[int]:
        """Return values in ascending order."""
        if len(values) < 2:
            return values
        half = (len(values) + 1) // 2
        return self.merge(self.sort(values[:half]), self.sort(values[half:]))

    def merge(self, a: list[int], b: list[int]) -> list[int]:
        """Return two ascending lists as one (Batcher's odd-even merge)."""
        if not a or not b:
            return a or b
        if len(a) == len(b) == 1:
            return list(self.exchange(a[0], b[0]))
        even = self.merge(a[::2], b[::2])
        odd = self.merge(a[1::2], b[1::2])
        merged = [even[0]]
        for place in range(max(len(even) - 1, len(odd))):
            if place < len(odd) and place + 1 < len(even):
                merged += self.exchange(odd[place], even[place + 1])
            else:
                merged += odd[place : place + 1] or even[place + 1 : place + 2]
        return merged

    def _number(self, value: tuple[int, int, int]) -> int:
        if value not in self._known:
            self._known[value] = len(self.values)
            self.values.append(value)
        return self._known[value]


@cache
def _program(kernel: int) -> tuple[npt.NDArray[np.int64], int, int]:
    """Return the steps for a group of windows, how many buffers they use, and the group's size."""
    middle = kernel // 2
    group = 1
    while 2 * group <= min(middle + 1, LARGEST_GROUP):
        group *= 2
    network = _Network()
    medians: list[int] = []

    def halve(first: int, size: int, middles: list[int]) -> None:
        """Find the medians of some windows from the middle values of what they share."""
        if size == 1:
            medians.append(*middles)
            return
        half = size // 2
        before = range(first + half - 1, first + size - 1)
        after = range(first + kernel, first + kernel + half)
        for start, rows in ((first, before), (first + half, after)):
            merged = network.merge(middles, network.sort([network.load(row) for row in rows]))
            surplus = (len(merged) - half) // 2
            halve(start, half, merged[surplus : surplus + half])

    shared = network.sort([network.load(row) for row in range(group - 1, kernel)])
    surplus = (len(shared) - group) // 2
    halve(0, group, shared[surplus : surplus + group])
    return (*_allocate(network, medians), group)


def _allocate(network: _Network, medians: list[int]) -> tuple[npt.NDArray[np.int64], int]:
    """Return the steps that lead to the medians, with the buffer of each value, and their number.

    Values that no median needs are left out, and a buffer is used again after its value's last use.
    """
    order: list[int] = []
    seen: set[int] = set()

    def visit(value: int) -> None:
        kind, a, b = network.values[value]
        if value in seen:
            return
        seen.add(value)
        if kind != LOAD:
            visit(a)
            visit(b)
        order.append(value)

    # Median by median, so that what only one of them needs is done and gone early.
    ends: dict[int, list[int]] = {}
    for row, median in enumerate(medians):
        visit(median)
        ends.setdefault(median, []).append(row)
    partners = {network.values[value]: value for value in order}
    last = {}
    for step, value in enumerate(order):
        kind, a, b = network.values[value]
        for operand in (a, b) if kind != LOAD else ():
            last[operand] = step
    steps: list[tuple[int, int, int, int, int]] = []
    buffer: dict[int, int] = {}
    free: list[int] = []
    number = 0

    def place(value: int) -> int:
        nonlocal number
        if not free:
            free.append(number)
            number += 1
        buffer[value] = free.pop()
        return buffer[value]

    for step, value in enumerate(order):
        kind, a, b = network.values[value]
        if value not in buffer:
            if kind == LOAD:
                steps.append((LOAD, a, 0, place(value), 0))
            else:
                other = partners.get((MAXIMUM if kind == MINIMUM else MINIMUM, a, b))
                one, two = buffer[a], buffer[b]
                if other is None:
                    steps.append((kind, one, two, place(value), 0))
                else:
                    pair = (value, other) if kind == MINIMUM else (other, value)
                    low, high = (place(each) for each in pair)
                    steps.append((BOTH, one, two, low, high))
        for operand in (a, b) if kind != LOAD else ():
            # The partner of a pair comes later and reads the operands no more.
            if last[operand] == step:
                free.append(buffer[operand])
        for row in ends.get(value, ()):
            steps.append((STORE, buffer[value], row, 0, 0))
        if value not in last:
            free.append(buffer[value])
    return np.array(steps, np.int64), number


@compiled
def _run(
    values: Array,
    places: npt.NDArray[np.int64],
    steps: npt.NDArray[np.int64],
    buffers: int,
    group: int,
    out: Array,
) -> None:
    rows, columns = out.shape
    work = np.empty((buffers, LANES), np.float32)
    for left in range(0, columns, LANES):
        # The last block overlaps the one before it.
        left = min(left, columns - LANES)
        for top in range(0, rows, group):
            for step in range(len(steps)):
                kind, a, b, c, d = steps[step]
                if kind == LOAD:
                    source = values[places[top + a], left : left + LANES]
                    target = work[c]
                    for lane in range(LANES):
                        target[lane] = source[lane]
                elif kind == STORE:
                    if top + b < rows:
                        source = work[a]
                        target = out[top + b, left : left + LANES]
                        for lane in range(LANES):
                            target[lane] = source[lane]
                else:
                    one, two, low, high = work[a], work[b], work[c], work[d]
                    if kind == BOTH:
                        for lane in range(LANES):
                            x, y = one[lane], two[lane]
                            low[lane] = min(x, y)
                            high[lane] = max(x, y)
                    elif kind == MINIMUM:
                        for lane in range(LANES):
                            low[lane] = min(one[lane], two[lane])
                    else:
                        for lane in range(LANES):
                            low[lane] = max(one[lane], two[lane])

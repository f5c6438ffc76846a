"""Measure everything, write docs/benchmarks.md, and fail where a bound does not hold.

    PYTHONPATH=workflow/scripts python tests/bench

A benchmark is a function without arguments that returns sections of the page; it joins by its
line here.
"""

from __future__ import annotations

import sys

import features
import planning
import training
from measuring import REPOSITORY
from page import exceeded, page, table

BENCHMARKS = (
    planning.plan_runs,
    planning.repeat_finished_runs,
    features.compare_with_librosa,
    training.measure_steps,
)


def main() -> int:
    """Run the benchmarks one after the other, since they would take each other's time."""
    sections = []
    for benchmark in BENCHMARKS:
        for section in benchmark():
            print(f"{section.title}\n{table(section.rows)}\n", flush=True)
            sections.append(section)
    (REPOSITORY / "docs" / "benchmarks.md").write_text(page(sections), encoding="utf-8")
    too_much = exceeded(sections)
    print("\n".join(too_much) or "Every bound holds.")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())

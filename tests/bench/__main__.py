"""Measure everything, write docs/benchmarks.md, and fail where a bound does not hold.

    PYTHONPATH=workflow/scripts python tests/bench [MODULE.FUNCTION ...]

With names, those are measured alone, and take the place of their sections on the page.

A benchmark is a function without arguments that returns sections of the page; it joins by its
line here.
"""

from __future__ import annotations

import sys
from importlib import import_module

from measuring import REPOSITORY
from page import exceeded, page, table

#: Module and function.  A module is imported when it is its turn, since the memory of a process
#: that is started counts what this one has.
BENCHMARKS = (
    ("planning", "plan_runs"),
    ("planning", "repeat_finished_runs"),
    ("stage", "measure_growth"),
    ("stage", "compare_whole_stage"),
    ("features", "compare_with_librosa"),
    ("storage", "measure_storage"),
    ("storage", "measure_digests"),
    ("storage", "measure_starts"),
    ("small_networks", "compare_with_torch"),
    ("small_networks", "measure_memory"),
    ("experts", "compare_with_torch"),
    ("training", "measure_steps"),
    ("load", "measure_load"),
)


def main() -> int:
    """Run the benchmarks one after the other, since they would take each other's time."""
    chosen = sys.argv[1:]
    if unknown := set(chosen) - {".".join(names) for names in BENCHMARKS}:
        sys.exit(f"no such benchmarks: {', '.join(sorted(unknown))}")
    sections = []
    for module, function in BENCHMARKS:
        if chosen and f"{module}.{function}" not in chosen:
            continue
        for section in getattr(import_module(module), function)():
            print(f"{section.title}\n{table(section.rows)}\n", flush=True)
            sections.append(section)
    path = REPOSITORY / "docs" / "benchmarks.md"
    earlier = path.read_text(encoding="utf-8") if chosen else ""
    path.write_text(page(sections, earlier), encoding="utf-8")
    too_much = exceeded(sections)
    print("\n".join(too_much) or "Every bound holds.")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())

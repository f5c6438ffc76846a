"""What removed caches cost later: jobs that run again after a change, counted on a run's graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, TypeVar, get_args, get_origin

from genreflow.features.registry import FEATURES, clip_shape
from genreflow.plan.schema import Section, Settings, setting_keys

Job = TypeVar("Job", bound=Hashable)
AnySettings = TypeVar("AnySettings", bound=Settings)
#: What is left of values that are rounded and compressed (docs/architecture.md, Storage types).
COMPRESSED = 0.56


@dataclass(frozen=True)
class Cost:
    """A change, the jobs that run again after it, and those that would with every cache there."""

    change: str
    jobs: int
    kept: int


def clip_bytes(feature: str, settings: Settings) -> float:
    """Return about how much a clip of a feature takes on disk."""
    found = FEATURES[feature]
    values = prod(clip_shape(feature, settings)) * int(found.dtype.removeprefix("float")) / 8
    return values if found.step is None else COMPRESSED * values


def with_another(settings: AnySettings, key: str) -> AnySettings:
    """Return settings with another value of a dotted key; it need not be a sensible one."""
    section, _, name = key.rpartition(".")
    holder: Section = getattr(settings, section) if section else settings
    annotation = type(holder).model_fields[name].annotation
    changed = holder.model_copy(update={name: _another(getattr(holder, name), annotation)})
    return settings.model_copy(update={section: changed}) if section else changed  # type: ignore[return-value]


def _another(value: Any, annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return next(choice for choice in get_args(annotation) if choice != value)
    if isinstance(value, list):
        return [*value, value[-1]]
    return 1 if value is None else 2 * value or type(value)(1)


def jobs_again(
    first: Iterable[Job],
    *,
    follow: Callable[[Job], Iterable[Job]],
    makers_of_gone: Callable[[Job], Iterable[Job]],
) -> set[Job]:
    """Return all jobs that run again with some.

    Snakemake runs what follows from a job, and what makes a file that a job reads and that is no
    longer there; of that, everything follows too, though the file's content is the same.

    Parameters
    ----------
    follow
        From a job to those that read what it makes.
    makers_of_gone
        From a job to those that make what it reads and is gone.
    """
    found: set[Job] = set()
    waiting = list(first)
    while waiting:
        job = waiting.pop()
        if job not in found:
            found.add(job)
            waiting += [*follow(job), *makers_of_gone(job)]
    return found


def describe_dropping(
    sizes: Mapping[str, float],
    *,
    total: float,
    again: Mapping[str, int],
    jobs: int,
    costs: Sequence[Cost],
) -> str:
    """Return what goes in a run and what a later change then costs, for the terminal.

    Parameters
    ----------
    sizes
        Bytes of each cache that goes, by name.
    total
        Bytes of all caches of the run.
    again
        How many jobs run again where one of these caches is read anew.
    jobs
        Of the run, finished ones included.
    costs
        Of changes; those that cost no more than with every cache there are left out.
    """
    dearer = [cost for cost in costs if cost.jobs > cost.kept]
    lines = [
        "Removed after their last use (`keep`, `drop`): caches of about "
        f"{_size(sum(sizes.values()))} of {_size(total)}.",
        "What reads one of them later, such as a seed, a partition or a system that is added, has "
        f"it made again, and these of the run's {jobs} jobs run with it:",
        *(f"    {name} ({_size(size)}): {again[name]}" for name, size in sizes.items()),
    ]
    if dearer:
        lines += [
            "After these changes run again (in brackets: were every cache there):",
            *(f"    {changes}: {more} ({less})" for (more, less), changes in _grouped(dearer)),
        ]
    return "\n".join(lines)


def _grouped(costs: Sequence[Cost]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield pairs of counts, the highest first, with their changes; whole sections as ``mel.*``."""
    sections: dict[str, list[str]] = {}
    for key in setting_keys():
        sections.setdefault(key.partition(".")[0], []).append(key)
    counts = {(cost.jobs, cost.kept) for cost in costs}
    for pair in sorted(counts, reverse=True):
        changes = [cost.change for cost in costs if (cost.jobs, cost.kept) == pair]
        shown = []
        for change in changes:
            section, dot, _ = change.partition(".")
            keys = sections.get(section, []) if dot else []
            shown.append(f"{section}.*" if len(keys) > 1 and set(keys) <= set(changes) else change)
        yield pair, ", ".join(dict.fromkeys(shown))


def _size(number: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"

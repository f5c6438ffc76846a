"""What runs again after a change: the tables of docs/reruns.md, and the graph they are held to.

A step is a rule, or a rule and its variant, as in `compute_mel harmonic`.  The page says which
steps a change concerns itself, and with what limits; `READS` gives what follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from genreflow.systems import (
    EXPERT_SYSTEMS,
    EXPERTS,
    JEONG_SYSTEMS,
    MIXED,
    MIXTURE_SYSTEMS,
    PUBLISHED_JEONG,
    SMALL_NETWORKS,
    STATISTICS_SYSTEMS,
    SYSTEMS,
    required_networks,
)


def _steps(rule: str, variants: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{rule} {variant}" for variant in variants)


#: The features that a network is trained on.
INPUTS: Final[dict[str, tuple[str, ...]]] = {
    "sf": ("compute_stft",),
    "tf": ("compute_cepstrogram", "compute_cepstral_modulation"),
    "joint": ("compute_stft", "compute_cepstral_modulation"),
    "series": ("compute_stft",),
    **{name: (f"compute_mel {name}",) for name in ("original", "harmonic", "percussive")},
    "modulation": ("compute_modulation",),
    "mfcc": ("compute_mfcc",),
}
#: The step that trains each small network.
TRAININGS: Final[dict[str, str]] = {
    name: f"{'train_joint' if network.parts else 'train_dnn'} {name}"
    for name, network in SMALL_NETWORKS.items()
}
#: The networks behind each: what it builds on comes first.
CHAINS: Final = {
    name: (*filter(None, [network.below]), name) for name, network in SMALL_NETWORKS.items()
}
NORMALISED: Final = tuple(name for name, network in SMALL_NETWORKS.items() if network.moments)
TRAINED_EXPERTS: Final = _steps("train_expert", EXPERTS)
MIXERS: Final = _steps("train_mixer", ("moec", "moer"))
#: A probe of somebody's embeddings: any other would do.
PROBE: Final = "probe:mert"
EVERY_SYSTEM: Final = (*SYSTEMS, PROBE)
PREDICTIONS: Final = _steps("predict_expert", MIXED)
#: The features of which there is a figure of clips.
DRAWN: Final = ("cepstrogram", "cepstral_modulation", "hpss", "mel", "modulation", "mfcc")

#: Every step in data-flow order, with the steps whose results it reads.
READS: Final[dict[str, tuple[str, ...]]] = {
    "retrieve_collection": (),
    "retrieve_annotations": (),
    "write_manifest": ("retrieve_collection", "retrieve_annotations"),
    "write_shard": ("retrieve_collection", "retrieve_annotations"),
    "synthesise_audio": ("write_shard",),
    "resample_audio": ("write_shard", "synthesise_audio"),
    "collect_quarantine": ("resample_audio",),
    "allow_training": ("resample_audio",),
    "check_quarantine": ("resample_audio", "allow_training"),
    "compute_stft": ("resample_audio",),
    "compute_cepstrogram": ("compute_stft",),
    "compute_cepstral_modulation": ("compute_cepstrogram",),
    "separate_hpss": ("compute_stft",),
    "compute_mel original": ("compute_stft",),
    "compute_mel harmonic": ("separate_hpss",),
    "compute_mel percussive": ("separate_hpss",),
    "compute_modulation": ("compute_mel original",),
    "compute_mfcc": ("compute_mel original",),
    "make_partition": ("write_manifest",),
    **{
        f"compute_normalisation {n}": ("make_partition", "allow_training", *INPUTS[n])
        for n in NORMALISED
    },
    **{
        TRAININGS[n]: (
            "make_partition",
            "allow_training",
            *_steps("compute_normalisation", {*(network.parts or (n,))}.intersection(NORMALISED)),
            *(TRAININGS[below] for below in CHAINS[n][:-1]),
            *INPUTS[n],
        )
        for n, network in SMALL_NETWORKS.items()
    },
    **{
        f"aggregate_segments {n}": (*(TRAININGS[read] for read in CHAINS[n]), *INPUTS[n])
        for n in SMALL_NETWORKS
    },
    **{
        f"evaluate_forest {s}": ("make_partition", *_steps("aggregate_segments", JEONG_SYSTEMS[s]))
        for s in JEONG_SYSTEMS
    },
    **{f"train_expert {e}": ("make_partition", "allow_training", *INPUTS[e]) for e in EXPERTS},
    **{f"predict_expert {e}": (f"train_expert {e}", *INPUTS[e]) for e in EXPERTS},
    **{
        f"evaluate_expert {s}": ("make_partition", f"predict_expert {e}")
        for s, e in EXPERT_SYSTEMS.items()
    },
    **dict.fromkeys(
        MIXERS, ("make_partition", "allow_training", *PREDICTIONS, "compute_mel original")
    ),
    "evaluate_mixture MoEB": ("make_partition", *PREDICTIONS),
    "evaluate_mixture MoEC": ("make_partition", *PREDICTIONS, "train_mixer moec"),
    "evaluate_mixture MoER": ("make_partition", *PREDICTIONS, "train_mixer moer"),
    "compute_statistics stats": ("compute_mel original",),
    "collect_embeddings": ("write_manifest", "collect_quarantine"),
    **{
        f"evaluate_vectors {s}": ("write_manifest", "make_partition", "allow_training", vectors)
        for s, vectors in (
            *((s, f"compute_statistics {s}") for s in STATISTICS_SYSTEMS),
            (PROBE, "collect_embeddings"),
        )
    },
    **{f"collect_predictions {s}": (f"evaluate_forest {s}",) for s in JEONG_SYSTEMS},
    **{f"collect_predictions {s}": (f"evaluate_expert {s}",) for s in EXPERT_SYSTEMS},
    **{f"collect_predictions {s}": (f"evaluate_mixture {s}",) for s in MIXTURE_SYSTEMS},
    **{
        f"collect_predictions {s}": (f"evaluate_vectors {s}",) for s in (*STATISTICS_SYSTEMS, PROBE)
    },
    "compare_experts": _steps("collect_predictions", (*EXPERT_SYSTEMS, "MoEC", "MoER")),
    "compute_fingerprint": ("compute_stft",),
    "find_duplicates": ("compute_fingerprint",),
    "audit_partition": ("make_partition", "find_duplicates"),
    "audit_models": ("make_partition", *TRAININGS.values(), *TRAINED_EXPERTS, *MIXERS),
    **{
        f"make_figure_of_merit {s}": ("make_partition", f"collect_predictions {s}")
        for s in EVERY_SYSTEM
    },
    "make_tables": (
        "collect_quarantine",
        "check_quarantine",
        *_steps("collect_predictions", EVERY_SYSTEM),
        *_steps("make_figure_of_merit", EVERY_SYSTEM),
        "compare_experts",
        "audit_partition",
        "audit_models",
    ),
    **dict.fromkeys(
        _steps("plot_clips", DRAWN), ("write_manifest", "synthesise_audio", "collect_quarantine")
    ),
    **{
        f"plot_wrong_clips {s}": (
            "make_partition",
            *_steps("aggregate_segments", JEONG_SYSTEMS[s]),
            f"evaluate_forest {s}",
        )
        for s in JEONG_SYSTEMS
    },
    "plot_accuracy": ("make_tables",),
    **{f"plot_figure_of_merit {s}": (f"make_figure_of_merit {s}",) for s in EVERY_SYSTEM},
    "plot_experts_by_genre": ("compare_experts",),
    "plot_learning_curves": (*TRAININGS.values(), *TRAINED_EXPERTS, *MIXERS),
    "plot_tsne": ("make_partition", *_steps("aggregate_segments", PUBLISHED_JEONG["SF+TF"])),
    "write_report": (
        "write_manifest",
        "make_tables",
        "plot_experts_by_genre",
        "plot_learning_curves",
        "plot_tsne",
        *_steps("plot_clips", DRAWN),
        *_steps("plot_wrong_clips", JEONG_SYSTEMS),
    ),
    "write_run_config": (),
}
#: Every rule with its steps.
RULES: Final[dict[str, tuple[str, ...]]] = {
    rule: tuple(step for step in READS if step.split()[0] == rule)
    for rule in (step.split()[0] for step in READS)
}
#: Both show the configuration itself.
SHOWN: Final = ("write_report", "write_run_config")
#: Rules that are there for each network; what reads those of several is made for a partition.
TRAINED: Final = (
    "train_dnn", "train_joint", "aggregate_segments", "train_expert", "predict_expert",
    "train_mixer",
)  # fmt: skip


def follows(first: Iterable[str], systems: Sequence[str] = SYSTEMS) -> tuple[str, ...]:
    """Return some steps and all that follow from them, in data-flow order.

    With ``systems`` the networks of other systems are left out of account: what follows is what
    follows in a partition that has no others.
    """
    networks = required_networks(systems)
    found: list[str] = []
    for step, read in READS.items():
        rule, _, variant = step.partition(" ")
        other = rule in TRAINED and variant not in networks
        if not other and (step in first or set(found).intersection(read)):
            found.append(step)
    return tuple(found)


#: One table holds the results of all datasets and partitions, so what is made of it is made whole.
WHOLE: Final = frozenset({*follows(["make_tables"]), *SHOWN})


@dataclass(frozen=True)
class Rerun:
    """Which jobs run again after a change.

    Attributes
    ----------
    first
        The steps that the change itself concerns.
    partitions
        Patterns of the partitions concerned; empty where all are.
    within
        What the jobs are limited to: the dataset or the partition that was changed, or, of the
        steps with a job for each shard, the shard of the dataset.
    new
        Jobs whose results aren't there yet run as well.

    The steps of `WHOLE` know no limits.
    """

    first: tuple[str, ...]
    partitions: tuple[str, ...] = ()
    within: Literal["", "dataset", "partition", "shard"] = ""
    new: bool = False

    def steps(self, systems: Sequence[str] = SYSTEMS) -> tuple[str, ...]:
        """Return the first steps and all that follow, see `follows`."""
        return follows(self.first, systems)


# The page.

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reruns.md"
#: What the jobs are limited to, by the words of the page; otherwise these are partitions.
LIMITS: Final[dict[str, Literal["", "dataset", "partition", "shard"]]] = {
    "everywhere": "",
    "the dataset": "dataset",
    "the partition": "partition",
    "the dataset; one shard, where there is a job for each": "shard",
}


@dataclass(frozen=True)
class Row:
    """A row of a table: its changes, what it says of each, and what it says follows."""

    changes: tuple[str, ...]
    rerun: Rerun
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    """A cache that is not kept: the steps that read it, and those that make it again."""

    cache: str
    readers: tuple[str, ...]
    makers: tuple[str, ...]


def steps_of(cell: str) -> tuple[str, ...]:
    """Return the steps that a cell names; a rule without variants stands for all of its steps."""
    found: list[str] = []
    for rule, variants in re.findall(r"`([^`]*)`(?: \(([^)]*)\))?", cell):
        found += _steps(rule, variants.split(", ")) if variants else RULES.get(rule, (rule,))
    return tuple(found)


def changes_of(cell: str) -> tuple[str, ...]:
    """Return the changes that a cell names: keys, those of one source named after it, or words."""
    keys = re.findall(r"`([\w.]+)`(?: \(`source: (\w+)`\))?", cell)
    return tuple(f"{source}.{key}" if source else key for key, source in keys) or (cell,)


def read_rows(section: str) -> Iterator[Row]:
    """Yield the rows of a section of the page."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == "| changed | where | runs for itself | follows |"
    for line in lines[2:]:
        changed, where, itself, then = (cell.strip() for cell in line.split("|")[1:-1])
        partitions = tuple(re.findall(r"`([^`]*)`", where))
        # The table of keys leaves out what runs with each of them.
        first = steps_of(itself) + (SHOWN if section == "Keys" else ())
        rerun = Rerun(
            first, partitions, "" if partitions else LIMITS[where], itself.startswith("new jobs")
        )
        yield Row(changes_of(changed), rerun, steps_of(then))


def read_removed() -> Iterator[Removed]:
    """Yield the rows of the table of caches that are not kept."""
    text = PAGE.read_text(encoding="utf-8").split("\n## Caches that are not kept\n")[1]
    lines = [line for line in text.split("\n## ")[0].splitlines() if line.startswith("|")]
    assert lines[0] == "| removed | where this runs | this runs as well |"
    for line in lines[2:]:
        removed, readers, makers = (cell.strip() for cell in line.split("|")[1:-1])
        yield Removed(removed.split("`")[1], steps_of(readers), steps_of(makers))


def with_removed(rerun: Rerun, caches: Iterable[str]) -> Rerun:
    """Return what a change comes to where some caches were removed, by the page."""
    rows = [row for row in REMOVED if row.cache in caches]
    while again := {
        maker
        for row in rows
        if set(row.readers).intersection(rerun.steps())
        for maker in row.makers
        if maker not in rerun.first
    }:
        rerun = replace(rerun, first=(*rerun.first, *again))
    return rerun


def by_change(rows: Iterable[Row]) -> dict[str, Rerun]:
    """Return what some rows say, by change."""
    found: dict[str, Rerun] = {}
    for row in rows:
        for change in row.changes:
            assert change not in found, f"{change} is in two rows"
            found[change] = row.rerun
    return found


#: The rows of each section that has such a table.
ROWS: Final = {
    section: tuple(read_rows(section))
    for section in ("Keys", "Datasets", "Experiments", "Other changes")
}
#: By dotted key of the settings.
SETTINGS: Final = by_change(ROWS["Keys"])
#: By key of a dataset, those of one source alone named after it, or of the collections' folders.
DATASETS: Final = by_change(ROWS["Datasets"])
#: By key of an experiment: another value takes one away and adds another.
EXPERIMENTS: Final = by_change(ROWS["Experiments"])
#: What is no other value of a key.
OTHERS: Final = by_change(ROWS["Other changes"])
#: By part of a cache that one step makes.
REMOVED: Final = tuple(read_removed())

"""The documented files that follow from the configuration's schema.

``python -m genreflow.plan.config_file REPOSITORY`` writes them: the default configuration, the JSON
schema, and the pages on deviations and on reruns.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from genreflow.plan.deviations import OWN, READINGS, STAGES, STATED, Fixed, Reading
from genreflow.plan.reruns import DATASETS, EXPERIMENTS, OTHERS, READS, SETTINGS, SHOWN, TOP, Rerun
from genreflow.plan.schema import Config, Section, Settings

HEADER = """\
# Every key of genreflow with its default.  Don't edit it for your own music: write a second file
# with your `datasets`, `experiments` and the keys that differ, and run
#     snakemake --cores 2 --configfile my.yaml -- results/tables.csv
# Your `datasets` and `experiments` replace the ones below as a whole; other keys are merged.
# This file is made by `make config` from workflow/scripts/genreflow/plan/schema.py.
"""

#: The demo: a planted truth that runs in minutes.  Shorter clips and fewer, smaller steps than
#: the papers'; never another network.
DEMO = """
# Collections by name.  Sources: `folder` (your own music, a folder for each label: `folder:
# path/to/music`), `manifest` (the same listed by you: `manifest: path/to/manifest.csv`), `gtzan`
# (config/gtzan.yaml), `fma_small` (config/fma_small.yaml), `fma_medium`, `fma_large`, `fma_full`,
# and `synthetic`.  `settings` holds what differs from the keys above for one dataset.
datasets:
  demo:
    source: synthetic
    seeds: [0, 1, 2]      # generator seeds, pooled; each has its own artists
    artists: 8            # artists a seed, a clip of each class each
    seconds: 10           # length of the rendered clips
    settings:
      audio: {clip_seconds: 10}
      expert: {epochs: 9, batch: 8}
      mixer: {epochs: 9, batch: 8}
      training: {threads: 1}

# What tables.csv reports: a dataset, a partition, systems.
#   partition: split | random | cv10 | fault_filtered (gtzan) | official (fma), each also with
#     _swapped; `group_disjoint: true` on any
#   systems: SF TF SF+TF (Jeong 2016), original harmonic percussive modulation MFCC MoEB MoEC MoER
experiments:
  - dataset: demo
    partition: split
    systems: [SF, TF, SF+TF, original, harmonic, percussive, modulation, MFCC, MoEB, MoEC, MoER]
  - dataset: demo
    partition: random
    group_disjoint: true
    systems: [SF, TF, SF+TF]
"""

DEVIATIONS = """\
# Deviations and open points

What the two papers leave open or contradict, what the authors' published code does there, and what genreflow does.
`make config` makes this page from the schema of the configuration and from `workflow/scripts/genreflow/plan/deviations.py`, and a test compares the two.

| letter | status |
| --- | --- |
| O | open: no source settles it, so the default is our choice |
| R | read from the authors' published code or weights |
| A | follows from the paper by arithmetic |

What the papers do state is in the [last section](#keys-that-follow-a-paper-or-belong-to-the-workflow).

The authors' code is that of Yi 2019, [github.com/superlyy/apsipa_2019](https://github.com/superlyy/apsipa_2019), for librosa and Keras 2.2.4: features, networks, and weights of the spectrogram experts for FMA-small, but no training scripts.
For Jeong 2016 we know of no code.
Quotes are verbatim.

How much any of these points changes an accuracy has not been measured here.

## Switching

"(authors)" marks the value of the authors' code, "(paper)" the one that follows the paper's words.
Where a default has no reason beside it, it follows the code, since the published accuracies are the code's.

Put a block in your own configuration file, beside `datasets` and `experiments`.
The authors' behaviour, where our defaults differ from it:

```yaml
{authors}```

The paper's words, where our defaults differ from them:

```yaml
{paper}```

With `keras224_bn` the mixers train much more slowly, since the experts run in every batch.
No key switches these points, in which genreflow differs from the authors' code: {differs}.
The demo has shorter clips and trainings of its own, see `config/config.yaml`.
"""  # noqa: E501

RERUNS = """\
# What runs again

After a change exactly these rules run again.
`make config` makes this page from `workflow/scripts/genreflow/plan/reruns.py`.
A test makes every change in the tables, one at a time, and compares all jobs that Snakemake then plans with them.

A rule's name stands for all its jobs; with variants behind it, as in `compute_mel` (harmonic, percussive), for those alone.
Jobs run only where `experiments` need them.

* "Where" limits the jobs to partitions or to a dataset. Forms are part of a partition's name: `random*` is also `random_swapped_group_disjoint`.
* `audit_models`, `plot_learning_curves` and `plot_tsne` of a partition run only if a network of its own systems is concerned.
* `make_tables`, `plot_accuracy`, `plot_figure_of_merit` and `write_report` have no limits, since one table holds all results. They take seconds.

## Keys

`write_report` and `write_run_config` show the configuration, so they run whenever a key changes, and are left out of this table.
A key in the `settings` of a dataset has the same effect on that dataset alone.

{settings}
`training.memory_gb` decides in which order the small networks of Jeong 2016 see their inputs.
The other trainings have the same result with any value.

## Datasets

Another value of a dataset's key gives other clips, and another folder `downloads` concerns the published collections that are retrieved into it.
`write_report` and `write_run_config` run as well.

The keys of a published collection are changed when its clips come from another folder, or its lists are left out.
An archive, lists or metadata in another place, or downloaded instead, run nothing again but `write_run_config`.
Nor does another `keep`, whichever of its caches are there.

{datasets}
## Experiments

Another value of an experiment's key takes rows out of the tables and puts others in.
What was never made is made.
Of what is there, this runs again, and `write_report` and `write_run_config` as well:

{experiments}
## Caches that are not kept

A cache that was dropped (`keep`) is made again when a job of the tables on this page reads it:

| dropped | where this runs | this runs as well |
| --- | --- | --- |
| `audio` | `compute_stft` | `resample_audio`, and `collect_quarantine` behind it |
| `hpss` | `compute_mel` (harmonic, percussive) | `separate_hpss` |

One job makes both parts of `hpss`, so where one of its two mel spectrograms is new, as with a system that is added, the other is made again, and what follows.

## Other changes

A dataset, partition, system or seed that is added has its own jobs besides.

{others}
With more clips the number of shards may double, and then all shards are new; `shards` of a dataset pins it.

## Code

A changed line in a script, or in a module of `genreflow` that it imports itself or through another, runs the rule of this script again, and what follows.
A change in `hpss.py` has the effect of the key `hpss.kernel`.
[The guide](guide.md#what-reruns) names the modules that are left out.

Other times of the workflow's files run nothing again: a fresh clone, with the old `results/` and `.snakemake/` moved into it, goes on where the old one was.
Nor does another number of cores.
"""  # noqa: E501


def render_config() -> str:
    """Return the documented default configuration as YAML."""
    lines = [HEADER]
    for name, field in Settings.model_fields.items():
        value = field.default
        if isinstance(value, Section):
            lines.append(f"\n# {(type(value).__doc__ or '').strip()}\n{name}:")
            for key, inner in type(value).model_fields.items():
                lines += _entry(key, inner, "  ")
        else:
            lines += ["", *_entry(name, field, "")]
    for name in TOP:
        lines += ["", *_entry(name, Config.model_fields[name], "")]
    return "\n".join(lines) + "\n" + DEMO


def render_schema() -> str:
    """Return the JSON schema of the configuration, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def render_deviations() -> str:
    """Return the page on what the papers leave open and what genreflow does, as Markdown."""
    fields = dict(_leaves(Settings, ""))
    switches = {
        who: yaml.safe_dump(_switched(fields, who), default_flow_style=None, sort_keys=False)
        for who in ("authors", "paper")
    }
    differs = [fixed.item for stage in STAGES for fixed in stage.fixed if fixed.differs]
    page = [DEVIATIONS.format(**switches, differs=", ".join(differs))]
    for stage in STAGES:
        page.append(f"## {stage.title}\n")
        page += _table(
            ("key", "default", "other values", "the paper", "the authors' code; our reason"),
            (_reading_row(key, reading, fields[key]) for key, reading in stage.readings.items()),
        )
        page.append("Without a key:\n")
        page += _table(
            ("item", "what is done", "the paper", "source or reason"), map(_fixed_row, stage.fixed)
        )
    page.append("## Keys that follow a paper or belong to the workflow\n")
    page += _table(
        ("key", "default", "stated in"),
        ((f"`{key}`", f"`{_yaml(fields[key].default)}`", place) for key, place in STATED.items()),
    )
    page += _table(
        ("key", "default", "for the workflow"),
        ((f"`{key}`", f"`{_yaml(fields[key].default)}`", use) for key, use in OWN.items()),
    )
    return "\n".join(page).strip() + "\n"


def render_reruns() -> str:
    """Return the page on what a change runs again, as Markdown."""
    header = ("changed", "where", "runs for itself", "follows")
    tables = {
        "settings": _rerun_rows(SETTINGS, code=True),
        "datasets": _rerun_rows(
            {_dataset_key(key): rerun for key, rerun in {**DATASETS, **TOP}.items()}
        ),
        "experiments": _rerun_rows(EXPERIMENTS, code=True),
        "others": _rerun_rows(OTHERS, hidden=()),
    }
    return RERUNS.format(**{name: "\n".join(_table(header, rows)) for name, rows in tables.items()})


def _dataset_key(key: str) -> str:
    source, _, name = key.rpartition(".")
    return f"`{name}` (`source: {source}`)" if source else f"`{name}`"


def _rerun_rows(
    reruns: Mapping[str, Rerun], *, hidden: Collection[str] = SHOWN, code: bool = False
) -> Iterator[tuple[str, ...]]:
    """Yield a row for all changes that have the same effect; ``hidden`` steps are left out."""
    together: dict[Rerun, list[str]] = {}
    for change, rerun in reruns.items():
        first = tuple(step for step in rerun.first if step not in hidden)
        key = Rerun(first, rerun.partitions, rerun.within, rerun.new)
        together.setdefault(key, []).append(f"`{change}`" if code else change)
    for rerun, changes in together.items():
        then = [step for step in rerun.steps() if step not in (*rerun.first, *hidden)]
        yield ", ".join(changes), _limits(rerun), _rules(rerun.first), _rules(then)


def _limits(rerun: Rerun) -> str:
    """Return in words what the jobs are limited to."""
    if rerun.partitions:
        return ", ".join(f"`{pattern}`" for pattern in rerun.partitions)
    return {
        "": "everywhere",
        "dataset": "the dataset",
        "partition": "the partition",
        "shard": "the dataset; one shard, where there is a job for each",
    }[rerun.within]


def _rules(steps: Collection[str]) -> str:
    """Return the rules of some steps, with their variants where these are not all."""
    every: dict[str, list[str]] = {}
    for step in READS:
        rule, _, variant = step.partition(" ")
        every.setdefault(rule, []).append(variant)
    shown = []
    for rule, variants in every.items():
        chosen = [variant for variant in variants if f"{rule} {variant}".strip() in steps]
        if chosen:
            shown.append(f"`{rule}`" + (f" ({', '.join(chosen)})" if chosen != variants else ""))
    return ", ".join(shown)


def _leaves(model: type[Section], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted name of every key with its field."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, Section):
            yield from _leaves(type(field.default), f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _switched(fields: Mapping[str, FieldInfo], who: str) -> dict[str, Any]:
    """Return the settings in which the authors' or the paper's values are not the defaults."""
    settings: dict[str, Any] = {}
    for key, reading in READINGS.items():
        value = getattr(reading, f"{who}_value")
        if value is not None and value != fields[key].default:
            section, _, name = key.rpartition(".")
            settings.setdefault(section, {})[name] = value
    return settings


def _reading_row(key: str, reading: Reading, field: FieldInfo) -> tuple[str, ...]:
    def value(shown: Any) -> str:
        named = {"authors": reading.authors_value, "paper": reading.paper_value}
        marks = [who for who, theirs in named.items() if theirs is not None and theirs == shown]
        return f"`{_yaml(shown)}`" + (f" ({', '.join(marks)})" if marks else "")

    if get_origin(field.annotation) is Literal:
        others = [choice for choice in get_args(field.annotation) if choice != field.default]
        alternatives = ", ".join(map(value, others))
    else:
        alternatives = _range(field)
        if reading.paper_value not in (None, field.default):
            alternatives += f", such as {value(reading.paper_value)}"
    return (
        f"`{key}` {reading.status}",
        value(field.default),
        alternatives,
        _quote(reading.paper, reading.where),
        f"{reading.authors} {reading.why}".strip(),
    )


def _fixed_row(fixed: Fixed) -> tuple[str, ...]:
    return (
        f"{fixed.item} {fixed.status}",
        fixed.done,
        _quote(fixed.paper, fixed.where),
        fixed.why,
    )


def _range(field: FieldInfo) -> str:
    """Return in words which values a number or a list of numbers may have."""
    limits = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("gt", "ge", "lt", "le", "min_length", "max_length")
        if getattr(limit, name, None) is not None
    }
    if get_origin(field.annotation) is list:
        least, most = limits.get("min_length", 0), limits.get("max_length")
        number = str(least) if least == most else f"{least} or more"
        inner = FieldInfo.from_annotation(get_args(field.annotation)[0])
        return f"{number} values, each a {_range(inner)}"
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [f"{sign} {limits[name]}" for name, sign in signs.items() if name in limits]
    kind = "whole number" if field.annotation is int else "number"
    return f"{kind} {' and '.join(bounds)}"


def _quote(words: str, where: str) -> str:
    return f'"{words}" ({where})' if words else "nothing"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a Markdown table, with an empty one at the end."""
    titles = list(header)
    # A bar would end the cell, in code as well.
    body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [titles, ["---"] * len(titles), *body]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True)
    return text.replace("\n...", "").strip()


def _entry(key: str, field: FieldInfo, indent: str) -> list[str]:
    comment = textwrap.wrap((field.description or "") + _choices(field), 94, break_on_hyphens=False)
    return [f"{indent}# {line}" for line in comment] + [f"{indent}{key}: {_yaml(field.default)}"]


def _choices(field: FieldInfo) -> str:
    choices: tuple[Any, ...] = getattr(field.annotation, "__args__", ())
    texts = [choice for choice in choices if isinstance(choice, str)]
    return f" [{' | '.join(texts)}]" if texts else ""


#: What is written, by path in the repository.
FILES = {
    "config/config.yaml": render_config,
    "config/schema.json": render_schema,
    "docs/deviations.md": render_deviations,
    "docs/reruns.md": render_reruns,
}


def main() -> None:
    """Write every file into the repository named on the command line."""
    for path, render in FILES.items():
        (Path(sys.argv[1]) / path).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The documented files that follow from the configuration's schema.

``python -m genreflow.plan.config_file REPOSITORY`` writes them: the default configuration and the
JSON schema.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import yaml
from pydantic.fields import FieldInfo

from genreflow.plan.schema import Config, Section

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
# and `synthetic`.  `settings` holds what differs from the keys above for one dataset; a dataset
# that is `like: another` has its clips, with other `settings` (docs/studies.md).
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
#     (Yi 2019), joint series (what Jeong 2016 leaves for later), stats (statistics of the mel bands
#     and an SVM, what all these have to beat), probe:NAME (embeddings of `probes`; docs/probes.md)
experiments:
  - dataset: demo
    partition: split
    systems: [SF, TF, SF+TF, original, harmonic, percussive, modulation, MFCC, MoEB, MoEC, MoER,
      joint, series, stats]
  - dataset: demo
    partition: random
    group_disjoint: true
    systems: [SF, TF, SF+TF, joint, series, stats]
"""


def render_config() -> str:
    """Return the documented default configuration as YAML."""
    lines = [HEADER]
    for name, field in Config.model_fields.items():
        value = field.default
        if isinstance(value, Section):
            lines.append(f"\n# {(type(value).__doc__ or '').strip()}\n{name}:")
            for key, inner in type(value).model_fields.items():
                lines += _entry(key, inner, "  ")
        elif name not in yaml.safe_load(DEMO):
            lines += ["", *_entry(name, field, "")]
    return "\n".join(lines) + "\n" + DEMO


def render_schema() -> str:
    """Return the JSON schema of the configuration, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def _entry(key: str, field: FieldInfo, indent: str) -> list[str]:
    choices = [name for name in getattr(field.annotation, "__args__", ()) if isinstance(name, str)]
    comment = (field.description or "") + (f" [{' | '.join(choices)}]" if choices else "")
    lines = textwrap.wrap(comment, 94, break_on_hyphens=False)
    value = yaml.safe_dump(field.default, default_flow_style=True).replace("\n...", "").strip()
    return [f"{indent}# {line}" for line in lines] + [f"{indent}{key}: {value}"]


#: What is written, by path in the repository.
FILES = {"config/config.yaml": render_config, "config/schema.json": render_schema}


def main() -> None:
    """Write every file into the repository named on the command line."""
    for path, render in FILES.items():
        (Path(sys.argv[1]) / path).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()

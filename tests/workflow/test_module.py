"""The workflow as a module of another one, and where tools look for it."""

from __future__ import annotations

import sys
from pathlib import Path

from harness import REPOSITORY, SMALL_DEMO, SNAKEFILE, planned_jobs, run_here, run_snakemake

CONFIG = {
    "datasets": SMALL_DEMO,
    "experiments": [{"dataset": "demo", "partition": "split", "systems": ["SF"]}],
    "dnn": {"epochs": 2},
    "rf": {"trees": 10},
    "training": {"threads": 1},
}
#: Another workflow, with rules of its own behind the caches and the tables of this one.
OTHER = """
module genreflow:
    snakefile:
        "{snakefile}"
    config:
        config
    prefix:
        "genres"


use rule * from genreflow as genreflow_*


rule count_clips:
    input:
        "genres/results/demo/features/stft/000-of-001.h5",
    output:
        "clips.txt",
    shell:
        "'{python}' -c 'import h5py, sys; print(len(h5py.File(sys.argv[1])[\\"data\\"]))' {{input}}"
        " > {{output}}"


rule mine:
    default_target: True
    input:
        "genres/results/tables.csv",
        "clips.txt",
"""


def test_another_workflow_uses_this_one_as_a_module_with_a_prefix(tmp_path: Path) -> None:
    # A name that needs quoting.
    folder = tmp_path / "another, it's mine"
    folder.mkdir()
    snakefile = folder / "Snakefile"
    snakefile.write_text(OTHER.format(snakefile=SNAKEFILE, python=sys.executable), encoding="utf-8")
    outcome = run_snakemake(folder, CONFIG, snakefile=snakefile)
    assert outcome.status == 0, outcome.output[-4000:]
    assert (folder / "clips.txt").read_text() == "32\n"
    # Everything that is ours lies below the prefix, and nothing beside it.
    names = {path.name for path in folder.iterdir() if path.suffix != ".yaml"}
    assert {name for name in names if name[0] != "."} == {"Snakefile", "clips.txt", "genres"}
    tables = (folder / "genres" / "results" / "tables.csv").read_text(encoding="utf-8")
    assert [line.split(",")[4] for line in tables.splitlines()[1:]] == ["SF"] * 3
    # The same files as without a prefix.
    alone = tmp_path / "alone"
    alone.mkdir()
    outcome = run_snakemake(alone, CONFIG, "--", "results/tables.csv")
    assert outcome.status == 0, outcome.output[-4000:]
    assert (alone / "results" / "tables.csv").read_text(encoding="utf-8") == tables
    outcome = run_snakemake(folder, CONFIG, "-n", snakefile=snakefile)
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]


def test_tools_that_look_in_the_folder_workflow_find_the_same_workflow(tmp_path: Path) -> None:
    planned = [
        planned_jobs(run_here(tmp_path, CONFIG, "-n", snakefile=snakefile))
        for snakefile in (SNAKEFILE, REPOSITORY / "workflow" / "Snakefile")
    ]
    assert planned[0] == planned[1]
    assert planned[0]["make_tables"] == 1

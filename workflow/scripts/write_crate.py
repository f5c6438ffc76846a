"""Describe the finished run as a Workflow Run RO-Crate, whose root is the folder of the results."""

from __future__ import annotations

import json

from genreflow import __version__
from genreflow.files.atomic import write_whole
from genreflow.jobs.job import Job, log
from genreflow.results.crate import Music, PublishedFile, copy_workflow, describe_run, read_span
from genreflow.results.report import package_versions


def main(job: Job) -> None:
    """Copy the workflow beside the results, and write what ran, on what, and what came of it."""
    crate, copy = job.path("crate"), job.path("workflow")
    root = crate.parent
    copy_workflow(job.path("base"), copy)
    versions = package_versions(__version__)
    # The workflow itself is no package that it ran with.
    del versions["genreflow"]
    music = []
    for planned, manifest in zip(job.planned["music"], job.paths("manifests"), strict=True):
        files = {
            "published": [PublishedFile(**file) for file in planned["published"]],
            "fingerprints": [
                path for path in job.paths("fingerprints") if path.parents[1] == manifest.parent
            ],
        }
        music.append(Music(**planned | files, manifest=manifest))
    metadata = describe_run(
        root,
        software=json.loads((copy / "codemeta.json").read_bytes()),
        snakemake=job.planned["snakemake"],
        versions=versions,
        experiments=job.planned["experiments"],
        music=music,
        configuration=job.path("run_config"),
        embeddings=job.paths("embeddings"),
        results=job.paths("results"),
        span=read_span(path for path in (root / "logs").rglob("*.log") if path != job.log_path),
    )
    write_whole(crate, (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode())
    log.info("%d entities", len(metadata["@graph"]))

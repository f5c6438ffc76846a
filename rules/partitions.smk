"""Partitions: each clip's role in each fold.

In:  manifest.csv, clips in quarantine included.
Out: partitions/{partition}.csv: fold,track_id,label,role.
"""

from genreflow.partitions.names import drawn_with, partition_name


rule make_partition:
    """Divide a dataset's clips into training, validation and test clips, for every fold."""
    input:
        manifest=made("results/{dataset}/manifest.csv"),
    output:
        partition=partition_file(),
    log:
        of_job("logs", "make_partition", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "make_partition", "{dataset}/{partition}")
    # As soon as it can: a partition that the clips can't fill should stop the run early.
    priority: 100
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "make_partition",
            settings=lambda s, w: s.partitions.model_dump(include=drawn_with(w.partition)),
            wildcards=("dataset", "partition"),
            # Of a published list, before quarantine.
            planned=lambda w: {
                "sizes": collection_facts(w, "sizes", {}).get(partition_name(w.partition))
            },
        ),
    shell:
        command("make_partition", "input.manifest output.partition")

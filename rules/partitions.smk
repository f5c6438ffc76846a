"""Partitions: each clip's role in each fold.

In:  manifest.csv, clips in quarantine included.
Out: partitions/{partition}.csv: fold,track_id,label,role.
"""


rule make_partition:
    input:
        manifest="results/{dataset}/manifest.csv",
    output:
        partition="results/{dataset}/partitions/{partition}.csv",
    log:
        "results/logs/make_partition/{dataset}/{partition}.log",
    benchmark:
        "results/benchmarks/make_partition/{dataset}/{partition}.tsv"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends(
            "make_partition",
            lambda s, w: {
                **s.partitions.model_dump(exclude={"swapped_networks"}),
                "dataset": w.dataset,
                "partition": w.partition,
            },
        ),
    shell:
        command("make_partition")
        + "--manifest {input.manifest:q} --partition {output.partition:q}"

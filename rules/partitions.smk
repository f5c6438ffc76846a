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
    # As soon as it can: a partition that the clips can't fill should stop the run early.
    priority: 100
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends(
            "make_partition",
            lambda s, w: {
                "draw": s.partitions.model_dump(include=drawn_with(w.partition)),
                "dataset": w.dataset,
                "partition": w.partition,
                "sizes": published_sizes(w),
            },
        ),
    shell:
        command("make_partition")
        + "--manifest {input.manifest:q} --partition {output.partition:q}"

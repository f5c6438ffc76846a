"""Partitions: each clip's role in each fold.

In:  manifest.csv; the quarantine only stops the run when too many clips are set aside.
Out: partitions/{partition}.csv: fold,track_id,label,role.
"""


rule make_partition:
    input:
        manifest="results/{dataset}/manifest.csv",
        gate=ancient("results/{dataset}/quarantine.csv"),
    output:
        partition="results/{dataset}/partitions/{partition}.csv",
    log:
        "results/logs/make_partition/{dataset}/{partition}.log",
    benchmark:
        "results/benchmarks/make_partition/{dataset}/{partition}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=depends(
            "make_partition",
            lambda s, w: {
                **s.partitions.model_dump(),
                "dataset": w.dataset,
                "partition": w.partition,
            },
        ),
    shell:
        command("make_partition")
        + "--manifest {input.manifest:q} --partition {output.partition:q}"

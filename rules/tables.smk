"""Predictions of every system, and the tables.

In:  folds/{partition}/seed{seed}/fold{fold}/{system}.csv.
Out: predictions/{partition}/{system}.csv, results/tables.csv and results/tables/*.csv.
"""


rule collect_predictions:
    input:
        parts=folds(
            "results/{dataset}/folds/{partition}/seed{seed}/fold{fold}/{system}.csv"
        ),
    output:
        predictions="results/{dataset}/predictions/{partition}/{system}.csv",
    log:
        "results/logs/collect_predictions/{dataset}/{partition}/{system}.log",
    benchmark:
        "results/benchmarks/collect_predictions/{dataset}/{partition}/{system}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends("collect_predictions", lambda s, w: {}),
    shell:
        command("collect_predictions")
        + "--parts {input.parts:q} --predictions {output.predictions:q}"


rule make_tables:
    input:
        predictions=[
            f"results/{dataset}/predictions/{partition}/{system}.csv"
            for dataset, partition, system in REPORTED
        ],
        clip_audits=audits("clips"),
        model_audits=audits("models"),
        partitions=[
            f"results/{dataset}/partitions/{partition}.csv"
            for dataset, partition in SYSTEMS_OF
        ],
        quarantine=[
            f"results/{dataset}/quarantine.csv" for dataset in REPORTED_DATASETS
        ],
    output:
        tables="results/tables.csv",
        table_one="results/tables/accuracy.csv",
        table_two="results/tables/earlier_works.csv",
        comparisons="results/tables/mcnemar.csv",
        leak_audit="results/tables/leak_audit.csv",
        matrices=[
            f"results/tables/figure_of_merit_{dataset}_{partition}_{system}.csv"
            for dataset, partition, system in REPORTED
        ],
    log:
        "results/logs/make_tables.log",
    benchmark:
        "results/benchmarks/make_tables.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=canonical(
            {
                "experiments": [
                    {
                        "dataset": dataset,
                        "partition": partition,
                        "system": system,
                        "labels": PLANNED[dataset].labels,
                    }
                    for dataset, partition, system in REPORTED
                ],
                "audits": list(SYSTEMS_OF),
                "datasets": REPORTED_DATASETS,
                "published": published_digest(PUBLISHED.glob("*.csv")),
                "code": code_digest("make_tables", SCRIPTS),
            }
        ),
    shell:
        command("make_tables")
        + "--predictions {input.predictions:q} --tables {output.tables:q} "
        "--table-one {output.table_one:q} --table-two {output.table_two:q} "
        "--comparisons {output.comparisons:q} "
        "--partitions {input.partitions:q} --quarantine {input.quarantine:q} "
        "--clip-audits {input.clip_audits:q} --model-audits {input.model_audits:q} "
        "--leak-audit {output.leak_audit:q} --matrices {output.matrices:q} --published {PUBLISHED:q}"


rule write_run_config:
    """Write the configuration in force, with every default."""
    output:
        "results/run_config.yaml",
    log:
        "results/logs/write_run_config.log",
    benchmark:
        "results/benchmarks/write_run_config.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        config=canonical(
            {
                "configuration": CONFIG,
                "code": code_digest("write_run_config", SCRIPTS),
            }
        ),
    shell:
        command("write_run_config") + "--run-config {output:q}"

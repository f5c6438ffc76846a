"""Predictions of every system, and the tables.

In:  folds/{partition}/seed{seed}/fold{fold}/{system}.csv.
Out: predictions/{partition}/{system}.csv, results/tables.csv and results/tables/*.csv.
"""

#: Dataset, partition and system of every row block of tables.csv, in the order of the config.
REPORTED = [
    (dataset, partition, system)
    for (dataset, partition), systems in SYSTEMS_OF.items()
    for system in systems
]


def published_digest():
    files = sorted((BASE / "config" / "published").glob("*_accuracy.csv"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[
        :16
    ]


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
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
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
    output:
        tables="results/tables.csv",
        table_one="results/tables/accuracy.csv",
        matrices=[
            f"results/tables/figure_of_merit_{dataset}_{partition}_{system}.csv"
            for dataset, partition, system in REPORTED
        ],
    log:
        "results/logs/make_tables.log",
    benchmark:
        "results/benchmarks/make_tables.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=canonical(
            {
                "experiments": [
                    {
                        "dataset": dataset,
                        "partition": partition,
                        "system": system,
                        "labels": labels(CLIPS[dataset]),
                    }
                    for dataset, partition, system in REPORTED
                ],
                "published": published_digest(),
                "code": code_digest("make_tables", SCRIPTS),
            }
        ),
        published=str(BASE / "config" / "published"),
    shell:
        command("make_tables")
        + "--predictions {input.predictions:q} --tables {output.tables:q} "
        "--table-one {output.table_one:q} --matrices {output.matrices:q} "
        "--published {params.published:q}"

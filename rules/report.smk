"""Figures and the report, which holds them all in one HTML file.

In:  results/tables.csv, results/tables/figure_of_merit_*.csv; predictions, partitions, learning
     curves, models and segments; audio_report.csv.
Out: results/figures/{accuracy,figure_of_merit,learning_curves,tsne}/*.png, results/report.html.
"""


rule plot_figure_of_merit:
    input:
        matrix="results/tables/figure_of_merit_{dataset}_{partition}_{system}.csv",
        predictions="results/{dataset}/predictions/{partition}/{system}.csv",
    output:
        figure="results/figures/figure_of_merit/{dataset}_{partition}_{system}.png",
    log:
        "results/logs/plot_figure_of_merit/{dataset}/{partition}/{system}.log",
    benchmark:
        "results/benchmarks/plot_figure_of_merit/{dataset}/{partition}/{system}.tsv"
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
        system="|".join(map(re.escape, SYSTEMS)),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends(
            "plot_figure_of_merit",
            lambda s, w: {
                "dataset": w.dataset,
                "partition": w.partition,
                "system": w.system,
                **published_matrix(w),
            },
        ),
    shell:
        command("plot_figure_of_merit")
        + "--matrix {input.matrix:q} --predictions {input.predictions:q} "
        "--published {PUBLISHED:q} --figure {output.figure:q}"


rule plot_accuracy:
    input:
        tables="results/tables.csv",
        predictions=first_predictions,
    output:
        figure="results/figures/accuracy/{dataset}_{partition}.png",
    log:
        "results/logs/plot_accuracy/{dataset}/{partition}.log",
    benchmark:
        "results/benchmarks/plot_accuracy/{dataset}/{partition}.tsv"
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends(
            "plot_accuracy",
            lambda s, w: {"dataset": w.dataset, "partition": w.partition},
        ),
    shell:
        command("plot_accuracy")
        + "--tables {input.tables:q} --predictions {input.predictions:q} "
        "--figure {output.figure:q}"


rule plot_learning_curves:
    input:
        curves=training_files("_curve.csv"),
        models=training_files(".safetensors"),
    output:
        figure="results/figures/learning_curves/{dataset}_{partition}.png",
    log:
        "results/logs/plot_learning_curves/{dataset}/{partition}.log",
    benchmark:
        "results/benchmarks/plot_learning_curves/{dataset}/{partition}.tsv"
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends(
            "plot_learning_curves",
            lambda s, w: {
                "dataset": w.dataset,
                "partition": w.partition,
                "classes": len(PLANNED[w.dataset].labels),
                "networks": [network for network, *_ in trained_networks(w)],
            },
        ),
    shell:
        command("plot_learning_curves")
        + "--curves {input.curves:q} --models {input.models:q} --figure {output.figure:q}"


rule plot_tsne:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        segments=mapped_segments,
    output:
        figure="results/figures/tsne/{dataset}_{partition}.png",
    log:
        "results/logs/plot_tsne/{dataset}/{partition}.log",
    benchmark:
        "results/benchmarks/plot_tsne/{dataset}/{partition}.tsv"
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        config=depends(
            "plot_tsne",
            lambda s, w: {
                "dataset": w.dataset,
                "partition": w.partition,
                "systems": mapped_systems(w),
                "networks": mapped_networks(w),
                "seed": s.seeds[0],
                "fold": 0,
            },
        ),
    shell:
        command("plot_tsne")
        + "--partition {input.partition:q} --segments {input.segments:q} "
        "--figure {output.figure:q}"


rule write_report:
    input:
        tables="results/tables.csv",
        comparisons="results/tables/mcnemar.csv",
        leak_audit="results/tables/leak_audit.csv",
        audio_reports=[
            f"results/{dataset}/audio_report.csv" for dataset in CONFIG.datasets
        ],
        partitions=[
            f"results/{dataset}/partitions/{partition}.csv"
            for dataset, partition in PLOTTED
        ],
        predictions=[
            f"results/{dataset}/predictions/{partition}/{systems[0]}.csv"
            for (dataset, partition), systems in SYSTEMS_OF.items()
        ],
        accuracy=figures("accuracy", PLOTTED),
        matrices=[
            f"results/figures/figure_of_merit/{dataset}_{partition}_{system}.png"
            for dataset, partition, system in REPORTED
        ],
        curves=figures("learning_curves", PLOTTED),
        tsne=figures("tsne", MAPPED),
    output:
        report="results/report.html",
    log:
        "results/logs/write_report.log",
    benchmark:
        "results/benchmarks/write_report.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=report_parameters(),
    shell:
        command("write_report")
        + "--tables {input.tables:q} --comparisons {input.comparisons:q} "
        "--leak-audit {input.leak_audit:q} "
        "--audio-reports {input.audio_reports:q} "
        "--partitions {input.partitions:q} --predictions {input.predictions:q} "
        "--accuracy {input.accuracy:q} --matrices {input.matrices:q} --curves {input.curves:q} "
        "--tsne {input.tsne:q} --report {output.report:q}"

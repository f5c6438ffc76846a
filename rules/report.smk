"""Figures and the report, which holds them all in one HTML file.

In:  results/tables.csv, results/tables/figure_of_merit_*.csv; predictions, partitions, learning
     curves, models and segments; audio_report.csv.
Out: results/figures/{accuracy,figure_of_merit,learning_curves,tsne}/*.png, results/report.html.
"""

from genreflow.config import Settings
from genreflow.systems import SYSTEMS, required_experts

PLOTTED = list(SYSTEMS_OF)
#: Dataset and partition of every t-SNE figure.
MAPPED = [key for key in PLOTTED if set(SYSTEMS_OF[key]) & set(JEONG_SYSTEMS)]


def trained_networks(wildcards):
    """Return network, partition, seed and fold of every training behind a partition's systems."""
    systems = SYSTEMS_OF[wildcards.dataset, wildcards.partition]
    jeong = sorted({n for s in systems for n in FOREST_INPUTS.get(s, [])})
    yi = [
        *required_experts(systems),
        *(system.lower() for system in systems if system in ("MoEC", "MoER")),
    ]
    chosen = [(network, base_partition(wildcards.partition)) for network in jeong]
    chosen += [(network, wildcards.partition) for network in yi]
    return [
        (network, partition, seed, fold)
        for network, partition in chosen
        for seed in SETTINGS[wildcards.dataset].seeds
        for fold in range(number_of_folds(partition))
    ]


def training_files(ending):
    return lambda wildcards: [
        f"results/{wildcards.dataset}/models/{partition}/seed{seed}/fold{fold}/{network}{ending}"
        for network, partition, seed, fold in trained_networks(wildcards)
    ]


def mapped_systems(wildcards):
    chosen = SYSTEMS_OF[wildcards.dataset, wildcards.partition]
    return [
        (system, FOREST_INPUTS[system]) for system in JEONG_SYSTEMS if system in chosen
    ]


def mapped_networks(wildcards):
    return sorted(
        {network for _, pair in mapped_systems(wildcards) for network in pair}
    )


def mapped_segments(wildcards):
    first = SETTINGS[wildcards.dataset].seeds[0]
    return [
        f"results/{wildcards.dataset}/segments/{base_partition(wildcards.partition)}/"
        f"seed{first}/fold0/{network}.h5"
        for network in mapped_networks(wildcards)
    ]


def first_predictions(wildcards):
    system = SYSTEMS_OF[wildcards.dataset, wildcards.partition][0]
    return f"results/{wildcards.dataset}/predictions/{wildcards.partition}/{system}.csv"


def figures(kind, keys):
    return [
        f"results/figures/{kind}/{dataset}_{partition}.png"
        for dataset, partition in keys
    ]


def report_parameters():
    # How much memory a training may take is no part of what was run.
    hidden = {"training": {"memory_gb"}}
    template = SCRIPTS / "genreflow" / "templates" / "report.html"
    return canonical(
        {
            "datasets": [
                {
                    "name": name,
                    "source": dataset.source,
                    "clips": len(CLIPS[name]),
                    "labels": labels(CLIPS[name]),
                    "settings": SETTINGS[name].model_dump(exclude=hidden),
                }
                for name, dataset in CONFIG.datasets.items()
            ],
            "defaults": Settings().model_dump(exclude=hidden),
            "experiments": [
                {
                    "dataset": dataset,
                    "partition": partition,
                    "seeds": SETTINGS[dataset].seeds,
                    "systems": systems,
                    "tsne": (dataset, partition) in MAPPED,
                }
                for (dataset, partition), systems in SYSTEMS_OF.items()
            ],
            "template": hashlib.sha256(template.read_bytes()).hexdigest()[:16],
            "code": code_digest("write_report", SCRIPTS),
        }
    )


# The names of figures join dataset and partition by an underscore, which both may hold.
FIGURE_PARTITIONS = "|".join(re.escape(partition) for _, partition in PLOTTED) or "none"


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
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=depends(
            "plot_figure_of_merit",
            lambda s, w: {
                "dataset": w.dataset,
                "partition": w.partition,
                "system": w.system,
            },
        ),
    shell:
        command("plot_figure_of_merit")
        + "--matrix {input.matrix:q} --predictions {input.predictions:q} "
        "--figure {output.figure:q}"


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
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
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
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=depends(
            "plot_learning_curves",
            lambda s, w: {
                "dataset": w.dataset,
                "partition": w.partition,
                "classes": len(labels(CLIPS[w.dataset])),
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
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
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
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=report_parameters(),
    shell:
        command("write_report")
        + "--tables {input.tables:q} --audio-reports {input.audio_reports:q} "
        "--partitions {input.partitions:q} --predictions {input.predictions:q} "
        "--accuracy {input.accuracy:q} --matrices {input.matrices:q} --curves {input.curves:q} "
        "--tsne {input.tsne:q} --report {output.report:q}"

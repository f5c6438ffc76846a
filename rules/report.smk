"""Figures and the report, which holds them all in one HTML file.

In:  results/tables.csv, results/tables/figure_of_merit_*.csv; predictions, experts_by_genre,
     partitions, learning curves, models and segments; audio_report.csv, manifest.csv; of clips
     that were got wrong, where the report has sound, their files; benchmarks, as far as there are.
Out: results/figures/{accuracy,experts_by_genre,figure_of_merit,learning_curves,tsne}/*.png, the same
     as PDF for print; results/report.html.
"""


rule plot_figure_of_merit:
    """Plot a figure-of-merit matrix as Jeong 2016, figure 3."""
    input:
        matrix=FIGURE_OF_MERIT,
        predictions=made(PREDICTIONS),
    output:
        figure=in_report(
            "results/figures/figure_of_merit/{dataset}_{partition}_{system}.png",
            "Figures of merit",
        ),
        vector="results/figures/figure_of_merit/{dataset}_{partition}_{system}.pdf",
    log:
        of_job("logs", "plot_figure_of_merit", "{dataset}/{partition}/{system}"),
    benchmark:
        of_job("benchmarks", "plot_figure_of_merit", "{dataset}/{partition}/{system}")
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
        system="|".join(map(re.escape, [*SYSTEMS, *PROBE_SYSTEMS])),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "plot_figure_of_merit",
            wildcards=("dataset", "partition", "system"),
            planned=published_matrix,
        ),
    shell:
        command(
            "plot_figure_of_merit", "input.matrix input.predictions output.figure output.vector"
        )
        + ' --published "$GENREFLOW_BASE/config/published"'


rule plot_accuracy:
    """Plot the accuracies of a partition's systems with their intervals."""
    input:
        tables="results/tables.csv",
        predictions=predictions_of_first,
    output:
        figure=in_report("results/figures/accuracy/{dataset}_{partition}.png", "Accuracy"),
        vector="results/figures/accuracy/{dataset}_{partition}.pdf",
    log:
        of_job("logs", "plot_accuracy", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "plot_accuracy", "{dataset}/{partition}")
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("plot_accuracy", wildcards=("dataset", "partition")),
    shell:
        command("plot_accuracy", "input.tables input.predictions output.figure output.vector")


rule plot_experts_by_genre:
    """Plot what each expert knows of each genre, beside the weights that mixtures give it."""
    input:
        comparison="results/{dataset}/experts_by_genre/{partition}.csv",
        # Any system has the whole test set in it.
        predictions=lambda w: predictions_of(weighting_mixtures(w)[:1], w),
    output:
        figure=in_report(
            "results/figures/experts_by_genre/{dataset}_{partition}.png", "Experts by genre"
        ),
        vector="results/figures/experts_by_genre/{dataset}_{partition}.pdf",
    log:
        of_job("logs", "plot_experts_by_genre", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "plot_experts_by_genre", "{dataset}/{partition}")
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("plot_experts_by_genre", wildcards=("dataset", "partition")),
    shell:
        command(
            "plot_experts_by_genre",
            "input.comparison input.predictions output.figure output.vector",
        )


rule plot_learning_curves:
    """Plot the learning curves of all networks of a partition."""
    input:
        curves=lambda w: training_files(w, "_curve.csv"),
        models=lambda w: training_files(w, ".safetensors"),
    output:
        figure=in_report(
            "results/figures/learning_curves/{dataset}_{partition}.png", "Learning curves"
        ),
        vector="results/figures/learning_curves/{dataset}_{partition}.pdf",
    log:
        of_job("logs", "plot_learning_curves", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "plot_learning_curves", "{dataset}/{partition}")
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "plot_learning_curves",
            wildcards=("dataset", "partition"),
            planned=lambda w: {
                "classes": len(PLANNED[w.dataset].labels),
                "networks": [network for network, *_ in trainings(w)],
            },
        ),
    shell:
        command("plot_learning_curves", "input.curves input.models output.figure output.vector")


rule plot_tsne:
    """Plot t-SNE maps of the test segments as Jeong 2016, figures 5 and 6."""
    input:
        partition=made(partition_file()),
        segments=lambda w: segments_of(
            mapped_networks(w), w, seed=SETTINGS[w.dataset].seeds[0], fold=0
        ),
    output:
        figure=in_report("results/figures/tsne/{dataset}_{partition}.png", "t-SNE maps"),
        vector="results/figures/tsne/{dataset}_{partition}.pdf",
    log:
        of_job("logs", "plot_tsne", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "plot_tsne", "{dataset}/{partition}")
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=4000, runtime=240),
    params:
        config=depends(
            "plot_tsne",
            settings=lambda s, w: {"seed": s.seeds[0]},
            wildcards=("dataset", "partition"),
            planned=lambda w: {
                "systems": mapped_systems(w),
                "networks": mapped_networks(w),
                "fold": 0,
            },
        ),
    shell:
        command("plot_tsne", "input.partition input.segments output.figure output.vector")


rule write_report:
    """Write the report: one HTML file with all tables and figures in it."""
    input:
        tables="results/tables.csv",
        comparisons="results/tables/mcnemar.csv",
        leak_audit="results/tables/leak_audit.csv",
        experts_by_genre="results/tables/experts_by_genre.csv",
        audio_reports=lambda _: [
            shared(f"results/{dataset}/audio_report.csv") for dataset in CONFIG.datasets
        ],
        partitions=each_partition(partition_file()),
        manifests=each_partition("results/{dataset}/manifest.csv"),
        predictions=each_system(PREDICTIONS),
        accuracy=each_partition("results/figures/accuracy/{dataset}_{partition}.png"),
        matrices=each_system("results/figures/figure_of_merit/{dataset}_{partition}_{system}.png"),
        curves=[
            f"results/figures/learning_curves/{dataset}_{part}.png" for dataset, part in TRAINED
        ],
        tsne=[f"results/figures/tsne/{dataset}_{part}.png" for dataset, part in MAPPED],
        studies=STUDIES,
        study_figures=[f"results/figures/studies/{study}.png" for study in VARIATIONS],
        experts=[f"results/figures/experts_by_genre/{d}_{p}.png" for d, p in WEIGHTED],
        clips=CLIP_FIGURES,
        wrong_clips=WRONG_CLIP_FIGURES,
    output:
        report="results/report.html",
    log:
        of_job("logs", "write_report"),
    benchmark:
        of_job("benchmarks", "write_report")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("write_report", planned=reported),
    shell:
        command(
            "write_report",
            "input.tables input.comparisons input.leak_audit input.experts_by_genre "
            "input.audio_reports input.partitions input.manifests input.predictions "
            "input.accuracy input.matrices input.curves input.tsne input.experts input.studies "
            "input.study_figures input.clips input.wrong_clips output.report",
        )

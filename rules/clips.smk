"""Single clips: their features as Yi 2019, figure 1, and what those that were got wrong sounded like.

In:  manifest.csv, audio_report.csv and the clips' own files, since caches may be removed; segments
     and predictions of the first seed and fold.
Out: results/figures/clips/{dataset}_{feature}.png, a clip a label;
     results/figures/wrong_clips/{dataset}_{partition}_{system}.png, of the systems of Jeong 2016;
     the same as PDF.
"""


rule plot_clips:
    """Plot a feature of one clip a label, as Yi 2019, figure 1."""
    input:
        rendered_clips,
        manifest=made("results/{dataset}/manifest.csv"),
        report=made("results/{dataset}/audio_report.csv"),
    output:
        figure=in_report("results/figures/clips/{dataset}_{feature}.png", "Clips"),
        vector="results/figures/clips/{dataset}_{feature}.pdf",
    log:
        of_job("logs", "plot_clips", "{dataset}/{feature}"),
    benchmark:
        of_job("benchmarks", "plot_clips", "{dataset}/{feature}")
    wildcard_constraints:
        feature="|".join(DRAWN_FEATURES),
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "plot_clips",
            settings=drawn_settings,
            wildcards=("dataset", "feature"),
            planned=lambda w: {
                "features": [(name, FEATURES[name].axes) for name in features_drawn(w.feature)]
            },
        ),
    shell:
        command("plot_clips", "input.manifest input.report output.figure output.vector")


rule plot_wrong_clips:
    """Plot what the segments of clips that were got wrong were taken for over time."""
    input:
        partition=made(partition_file()),
        segments=lambda w: segments_of(
            JEONG_SYSTEMS[w.system], w, seed=SETTINGS[w.dataset].seeds[0], fold=0
        ),
        predictions=lambda w: with_wildcards(
            fold_file("folds", "{system}.csv"), w, seed=SETTINGS[w.dataset].seeds[0], fold=0
        ),
    output:
        figure=in_report("results/figures/wrong_clips/{dataset}_{partition}_{system}.png", "Clips"),
        vector="results/figures/wrong_clips/{dataset}_{partition}_{system}.pdf",
    log:
        of_job("logs", "plot_wrong_clips", "{dataset}/{partition}/{system}"),
    benchmark:
        of_job("benchmarks", "plot_wrong_clips", "{dataset}/{partition}/{system}")
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
        system="|".join(map(re.escape, JEONG_SYSTEMS)),
    conda:
        "../envs/evaluation.yaml"
    threads: training_threads
    resources:
        **growing(mem_mb=forest_mb, runtime=60),
    params:
        config=depends(
            "plot_wrong_clips",
            settings=lambda s, w: {"rf": s.rf, "seed": s.seeds[0], **segment_times(s)},
            wildcards=("dataset", "partition", "system"),
            planned=lambda w: {"fold": 0},
        ),
    shell:
        command(
            "plot_wrong_clips",
            "input.partition input.segments input.predictions output.figure output.vector threads",
        )

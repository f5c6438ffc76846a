"""Predictions of every system, and the tables.

In:  folds/{partition}/seed{seed}/fold{fold}/{system}.csv.
Out: predictions/{partition}/{system}.csv, experts_by_genre/{partition}.csv, results/tables.csv and
     results/tables/*.csv.
"""


rule collect_predictions:
    """Join a system's predictions of all seeds and folds."""
    input:
        parts=folds_of_system,
    output:
        predictions=PREDICTIONS,
    log:
        of_job("logs", "collect_predictions", "{dataset}/{partition}/{system}"),
    benchmark:
        of_job("benchmarks", "collect_predictions", "{dataset}/{partition}/{system}")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("collect_predictions"),
    shell:
        command("collect_predictions", "input.parts output.predictions")


# One a system and not outputs of make_tables: Snakemake (9.27) doesn't compare the params of a job
# that has an output more than before, and so would not see a new experiment.
rule make_figure_of_merit:
    """Make a figure-of-merit matrix as in Jeong 2016, figure 3, all folds and seeds pooled."""
    input:
        predictions=made(PREDICTIONS),
        partition=made(partition_file()),
    output:
        matrix=in_report(FIGURE_OF_MERIT, "Figures of merit"),
    log:
        of_job("logs", "make_figure_of_merit", "{dataset}/{partition}/{system}"),
    benchmark:
        of_job("benchmarks", "make_figure_of_merit", "{dataset}/{partition}/{system}")
    wildcard_constraints:
        partition=FIGURE_PARTITIONS,
        system="|".join(map(re.escape, [*SYSTEMS, *PROBE_SYSTEMS])),
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("make_figure_of_merit"),
    shell:
        command("make_figure_of_merit", "input.predictions input.partition output.matrix")


rule compare_experts:
    """Compare what each expert knows of each genre with the weights that mixtures give it."""
    input:
        experts=lambda w: predictions_of([system for system, _ in compared_experts(w)], w),
        mixtures=lambda w: predictions_of(weighting_mixtures(w), w),
    output:
        comparison="results/{dataset}/experts_by_genre/{partition}.csv",
    log:
        of_job("logs", "compare_experts", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "compare_experts", "{dataset}/{partition}")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "compare_experts",
            settings=lambda s, w: {"seed": s.seeds[0]},
            wildcards=("dataset", "partition"),
            planned=lambda w: {"experts": compared_experts(w), "mixtures": weighting_mixtures(w)},
        ),
    shell:
        command("compare_experts", "input.experts input.mixtures output.comparison")


rule make_tables:
    """Make results/tables.csv and the papers' own tables from all predictions."""
    input:
        predictions=each_system(PREDICTIONS),
        clip_audits=each_partition(CLIP_AUDIT),
        model_audits=each_partition(MODEL_AUDIT),
        partitions=each_partition(partition_file()),
        quarantine=each_dataset("results/{dataset}/quarantine.csv"),
        within_limit=each_dataset("results/{dataset}/within_limit.csv"),
        experts=[f"results/{d}/experts_by_genre/{p}.csv" for d, p in WEIGHTED],
        # These two for nothing but to be there with the tables.
        matrices=each_system(FIGURE_OF_MERIT),
        shared=lists_of(REPORTED_DATASETS),
    output:
        tables=in_report("results/tables.csv", "Accuracy"),
        table_one=in_report("results/tables/accuracy.csv", "Accuracy"),
        table_two=in_report("results/tables/earlier_works.csv", "Accuracy"),
        comparisons=in_report("results/tables/mcnemar.csv", "Accuracy"),
        leak_audit=in_report("results/tables/leak_audit.csv", "Clips"),
        experts_by_genre=in_report("results/tables/experts_by_genre.csv", "Experts by genre"),
    log:
        of_job("logs", "make_tables"),
    benchmark:
        of_job("benchmarks", "make_tables")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "make_tables",
            planned=lambda w: {
                "experiments": [
                    {"dataset": dataset, "partition": partition, "system": system}
                    for dataset, partition, system in REPORTED
                ],
                "audits": list(SYSTEMS_OF),
                "datasets": REPORTED_DATASETS,
                # Called like a published collection, without its clips: no published figure is theirs.
                "namesakes": [
                    dataset
                    for dataset in REPORTED_DATASETS
                    if dataset in COLLECTIONS and not holds_published_clips(dataset)
                ],
                "published": published_digest(PUBLISHED.glob("*.csv")),
            },
        ),
    shell:
        command(
            "make_tables",
            "input.predictions input.clip_audits input.model_audits input.partitions "
            "input.quarantine input.experts output.tables output.table_one output.table_two "
            "output.comparisons output.leak_audit output.experts_by_genre",
        )
        + ' --published "$GENREFLOW_BASE/config/published"'


rule write_run_config:
    """Write the configuration in force, with every default."""
    output:
        run_config="results/run_config.yaml",
    log:
        of_job("logs", "write_run_config"),
    benchmark:
        of_job("benchmarks", "write_run_config")
    localrule: True
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=500, runtime=10),
    params:
        config=depends("write_run_config", planned=lambda w: {"configuration": CONFIG}),
    shell:
        command("write_run_config", "output.run_config")

"""Studies: settings side by side, and what they share.

In:  predictions and audits of a dataset and of its variants; the benchmarks of their jobs.
Out: results/{dataset}/shared.csv: rule,jobs,dataset,file,benchmark,studies of all that is behind a
     variant; results/tables/studies.csv, study_costs.csv; results/figures/studies/{study}.png and
     .pdf.
"""


rule list_shared:
    """List what is behind a variant of a dataset, and which of its files are another dataset's."""
    output:
        shared="results/{dataset}/shared.csv",
    log:
        of_job("logs", "list_shared", "{dataset}"),
    benchmark:
        of_job("benchmarks", "list_shared", "{dataset}")
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=500, runtime=10),
    params:
        config=depends(
            "list_shared", wildcards=("dataset",), planned=lambda w: {"behind": behind(w.dataset)}
        ),
    shell:
        command("list_shared", "output.shared")


rule make_studies:
    """Compare every variation of the studies with its baseline, and count what it cost."""
    input:
        predictions=each_variation(PREDICTIONS),
        audits=each_variation(MODEL_AUDIT),
        shared=lists_of_shared,
        within_limit=each_variation("results/{dataset}/within_limit.csv"),
    output:
        studies=in_report("results/tables/studies.csv", "Studies"),
        costs=in_report("results/tables/study_costs.csv", "Studies"),
    log:
        of_job("logs", "make_studies"),
    benchmark:
        of_job("benchmarks", "make_studies")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("make_studies", planned=planned_studies),
    shell:
        command(
            "make_studies",
            "input.predictions input.audits input.shared output.studies output.costs",
        )


rule plot_study:
    """Plot the differences that a study's variations make, with their intervals."""
    input:
        studies="results/tables/studies.csv",
    output:
        figure=in_report("results/figures/studies/{study}.png", "Studies"),
        vector="results/figures/studies/{study}.pdf",
    log:
        of_job("logs", "plot_study", "{study}"),
    benchmark:
        of_job("benchmarks", "plot_study", "{study}")
    wildcard_constraints:
        study="|".join(VARIATIONS) or "none",
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("plot_study", wildcards=("study",)),
    shell:
        command("plot_study", "input.studies output.figure output.vector")

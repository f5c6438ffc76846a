"""What a finished run was, for who gets its results: a Workflow Run RO-Crate.

In:  results/tables.csv, results/report.html and all that they are made from; results/run_config.yaml;
     manifest.csv and fingerprints of every dataset, and the vectors of probes; when the jobs ran,
     from their logs.
Out: results/ro-crate-metadata.json, whose root is results/; results/workflow/, the workflow as it ran.
"""


rule write_crate:
    """Describe the finished run: what ran, on what, and what came of it."""
    input:
        results=results_of_run,
        run_config="results/run_config.yaml",
        manifests=[f"results/{dataset}/manifest.csv" for dataset in WITH_CLIPS],
        fingerprints=fingerprints_of_run,
        embeddings=embeddings_of_run,
    output:
        crate="results/ro-crate-metadata.json",
        workflow=directory("results/workflow"),
    log:
        of_job("logs", "write_crate"),
    benchmark:
        of_job("benchmarks", "write_crate")
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends("write_crate", planned=described_run),
    shell:
        command(
            "write_crate",
            "input.results input.run_config input.manifests input.fingerprints input.embeddings "
            "output.crate output.workflow",
        )
        + ' --base "$GENREFLOW_BASE"'

"""Systems of neither paper, which learn from one vector a clip: `stats`, and probes of embeddings.

In:  features/mel_original/{shard}.h5; somebody's embeddings, of `probes` in the configuration;
     partitions/{partition}.csv, and manifest.csv for the groups.
Out: vectors/{system}.h5 (clips, values), vectors/probe:{probe}_missing.csv: track_id,path,reason,
     and the predictions, one file a system, seed and fold.
"""


rule compute_statistics:
    """Compute the statistics of every clip's mel spectrogram."""
    input:
        mel=lambda w: shards_of(STATISTICS_SYSTEMS[w.system])(w),
    output:
        vectors="results/{dataset}/vectors/{system}.h5",
    log:
        of_job("logs", "compute_statistics", "{dataset}/{system}"),
    benchmark:
        of_job("benchmarks", "compute_statistics", "{dataset}/{system}")
    wildcard_constraints:
        system="|".join(STATISTICS_SYSTEMS),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends("compute_statistics"),
    shell:
        command("compute_statistics", "input.mel output.vectors")


rule collect_embeddings:
    """Collect a dataset's vectors from somebody's embeddings."""
    input:
        manifest=made("results/{dataset}/manifest.csv"),
        quarantine=made("results/{dataset}/quarantine.csv"),
        embeddings=embeddings_of,
    output:
        vectors=f"results/{{dataset}}/vectors/{PROBE}{{probe}}.h5",
        missing=f"results/{{dataset}}/vectors/{PROBE}{{probe}}_missing.csv",
    log:
        of_job("logs", "collect_embeddings", "{dataset}/{probe}"),
    benchmark:
        of_job("benchmarks", "collect_embeddings", "{dataset}/{probe}")
    wildcard_constraints:
        probe="|".join(map(re.escape, PROBES)) or "none",
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        config=depends(
            "collect_embeddings",
            wildcards=("dataset",),
            planned=lambda w: {"state": PROBES[w.probe]},
        ),
    shell:
        command(
            "collect_embeddings",
            "input.manifest input.quarantine input.embeddings output.vectors output.missing",
        )
        + ' --untracked "$GENREFLOW_LIMITS"'


rule evaluate_vectors:
    """Classify clips by one vector each: their statistics, or somebody's embeddings."""
    input:
        partition=made(partition_file()),
        usable=made("results/{dataset}/usable.csv"),
        manifest=made("results/{dataset}/manifest.csv"),
        vectors=made("results/{dataset}/vectors/{system}.h5"),
    output:
        predictions=fold_file("folds", "{system}.csv"),
    log:
        of_job("logs", "evaluate_vectors", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "evaluate_vectors", FOLD_OF_SYSTEM)
    wildcard_constraints:
        system="|".join(map(re.escape, [*STATISTICS_SYSTEMS, *PROBE_SYSTEMS])),
    conda:
        "../envs/evaluation.yaml"
    threads: training_threads
    resources:
        **growing(mem_mb=4000, runtime=240),
    params:
        config=depends(
            "evaluate_vectors",
            wildcards=("fold", "seed"),
            planned=lambda w: {"learner": "logistic" if is_probe(w.system) else "svm"},
        ),
    shell:
        command(
            "evaluate_vectors",
            "input.partition input.usable input.manifest input.vectors output.predictions threads",
        )

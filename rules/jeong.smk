"""Jeong 2016: normalisation, networks (sf, tf), segment features, random forest.

In:  features/stft, cepstrogram and cepstral_modulation; partitions/{partition}.csv.
Out: models/{partition}/seed{seed}/fold{fold}/{sf,tf}.safetensors with their learning curves,
     segments/{partition}/seed{seed}/fold{fold}/{sf,tf}.h5 (clips, 11, 100), and the forest's
     predictions, one file a system, seed and fold.

A swapped partition exchanges valid and test for the forest only: the networks are those of the
partition itself, so they are neither trained nor stored twice
(`partitions.swapped_networks: shared`).
"""


rule compute_normalisation:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        moments=network_moments,
        vectors=network_vectors,
    output:
        normalisation="results/{dataset}/normalisation/{partition}/fold{fold}/{network}.h5",
    log:
        "results/logs/compute_normalisation/{dataset}/{partition}/fold{fold}/{network}.log",
    benchmark:
        "results/benchmarks/compute_normalisation/{dataset}/{partition}/fold{fold}/{network}.tsv"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends(
            "compute_normalisation",
            lambda s, w: {"fold": int(w.fold), "network": w.network},
        ),
    shell:
        command("compute_normalisation")
        + "--partition {input.partition:q} --moments {input.moments:q} --vectors {input.vectors:q} "
        "--normalisation {output.normalisation:q}"


rule train_dnn:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        normalisation="results/{dataset}/normalisation/{partition}/fold{fold}/{network}.h5",
        vectors=network_vectors,
    output:
        model="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{network}.safetensors",
        curve="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{network}_curve.csv",
    log:
        "results/logs/train_dnn/{dataset}/{partition}/seed{seed}/fold{fold}/{network}.log",
    benchmark:
        "results/benchmarks/train_dnn/{dataset}/{partition}/seed{seed}/fold{fold}/{network}.tsv"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=growing(training_mb),
        runtime=growing(480),
    params:
        config=depends(
            "train_dnn",
            lambda s, w: {
                "dnn": s.dnn.model_dump(),
                "network": w.network,
                "fold": int(w.fold),
                "seed": int(w.seed),
                "memory_gb": s.training.memory_gb,
            },
        ),
    shell:
        command("train_dnn")
        + "--partition {input.partition:q} --normalisation {input.normalisation:q} "
        "--vectors {input.vectors:q} --model {output.model:q} --curve {output.curve:q}"


rule aggregate_segments:
    input:
        model="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{network}.safetensors",
        vectors=network_vectors,
    output:
        segments="results/{dataset}/segments/{partition}/seed{seed}/fold{fold}/{network}.h5",
    log:
        "results/logs/aggregate_segments/{dataset}/{partition}/seed{seed}/fold{fold}/{network}.log",
    benchmark:
        "results/benchmarks/aggregate_segments/{dataset}/{partition}/seed{seed}/fold{fold}/{network}.tsv"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        config=depends(
            "aggregate_segments",
            lambda s, w: {**s.cepstral_modulation.model_dump(), "network": w.network},
        ),
    shell:
        command("aggregate_segments")
        + "--model {input.model:q} --vectors {input.vectors:q} "
        "--segments {output.segments:q}"


rule evaluate_forest:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        segments=forest_segments,
    output:
        predictions="results/{dataset}/folds/{partition}/seed{seed}/fold{fold}/{system}.csv",
    log:
        "results/logs/evaluate_forest/{dataset}/{partition}/seed{seed}/fold{fold}/{system}.log",
    benchmark:
        "results/benchmarks/evaluate_forest/{dataset}/{partition}/seed{seed}/fold{fold}/{system}.tsv"
    wildcard_constraints:
        system="|".join(map(re.escape, JEONG_SYSTEMS)),
    conda:
        "../envs/evaluation.yaml"
    threads: training_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        config=depends(
            "evaluate_forest",
            lambda s, w: {
                "rf": s.rf.model_dump(),
                "fold": int(w.fold),
                "seed": int(w.seed),
            },
        ),
    shell:
        command("evaluate_forest")
        + "--partition {input.partition:q} --segments {input.segments:q} "
        "--predictions {output.predictions:q} --threads {threads}"

"""Jeong 2016: normalisation, networks (sf, tf), segment features, random forest; and what the paper
leaves for later: sf and tf learned together (joint), or one after the other (series).

In:  features/stft, cepstrogram and cepstral_modulation; partitions/{partition}.csv.
Out: models/{partition}/seed{seed}/fold{fold}/{network}.safetensors with their learning curves,
     segments/{partition}/seed{seed}/fold{fold}/{network}.h5 (clips, 11, 100; joint: 200), and the
     forest's predictions, one file a system, seed and fold.
     While a network is trained, its checkpoint lies beside its model, under a hidden name.

A swapped partition exchanges valid and test for the forest only: the networks are those of the
partition itself, so they are neither trained nor stored twice
(`partitions.swapped_networks: shared`).
"""


rule compute_normalisation:
    """Compute what normalises the inputs of a small network: moments of the training clips."""
    input:
        partition=made(partition_file()),
        usable=made("results/{dataset}/usable.csv"),
        moments=network_moments,
        vectors=network_vectors,
    output:
        normalisation="results/{dataset}/normalisation/{partition}/fold{fold}/{network}.h5",
    log:
        of_job("logs", "compute_normalisation", "{dataset}/{partition}/fold{fold}/{network}"),
    benchmark:
        of_job("benchmarks", "compute_normalisation", "{dataset}/{partition}/fold{fold}/{network}")
    wildcard_constraints:
        network="|".join(NORMALISED),
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends("compute_normalisation", wildcards=("fold", "network")),
    shell:
        command(
            "compute_normalisation",
            "input.partition input.usable input.moments input.vectors output.normalisation",
        )


rule train_dnn:
    """Train a small network of Jeong 2016: on frames (SF), on modulation vectors (TF), or in series."""
    input:
        partition=made(partition_file()),
        usable=made("results/{dataset}/usable.csv"),
        normalisation=normalisations,
        below=lambda w: models_of(networks_below(w), w),
        vectors=network_vectors,
    output:
        model=fold_file("models", "{network}.safetensors"),
        curve=fold_file("models", "{network}_curve.csv"),
    log:
        of_job("logs", "train_dnn", FOLD_OF_NETWORK),
    benchmark:
        of_job("benchmarks", "train_dnn", FOLD_OF_NETWORK)
    wildcard_constraints:
        network="|".join(n for n in SMALL_NETWORKS if n != "joint"),
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        **growing(mem_mb=small_network_mb, runtime=480),
    params:
        config=depends(
            "train_dnn",
            settings=small_network_settings,
            wildcards=("fold", "seed", "network"),
        ),
    shell:
        command(
            "train_dnn",
            "input.partition input.usable input.normalisation input.below input.vectors "
            "output.model output.curve",
        )


rule train_joint:
    """Train SF and TF together: one softmax on what both are aggregated to in a segment."""
    input:
        partition=made(partition_file()),
        usable=made("results/{dataset}/usable.csv"),
        normalisations=normalisations,
        vectors=network_vectors,
    output:
        model=fold_file("models", "{network}.safetensors"),
        curve=fold_file("models", "{network}_curve.csv"),
    log:
        of_job("logs", "train_joint", FOLD_OF_NETWORK),
    benchmark:
        of_job("benchmarks", "train_joint", FOLD_OF_NETWORK)
    wildcard_constraints:
        network="joint",
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        **growing(mem_mb=small_network_mb, runtime=480),
    params:
        config=depends(
            "train_joint",
            settings=small_network_settings,
            wildcards=("fold", "seed"),
        ),
    shell:
        command(
            "train_joint",
            "input.partition input.usable input.normalisations input.vectors "
            "output.model output.curve",
        )


rule aggregate_segments:
    """Extract the last hidden layer's activations and aggregate them to 5 s segments."""
    input:
        models=lambda w: models_of([*networks_below(w), w.network], w),
        vectors=network_vectors,
    output:
        segments=fold_file("segments", "{network}.h5"),
    log:
        of_job("logs", "aggregate_segments", FOLD_OF_NETWORK),
    benchmark:
        of_job("benchmarks", "aggregate_segments", FOLD_OF_NETWORK)
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        **growing(mem_mb=2000, runtime=60),
    params:
        config=depends(
            "aggregate_segments",
            settings=lambda s, w: s.cepstral_modulation,
            wildcards=("network",),
        ),
    shell:
        command("aggregate_segments", "input.models input.vectors output.segments")


rule evaluate_forest:
    """Classify segments by a random forest and clips by their segments."""
    input:
        partition=made(partition_file()),
        segments=lambda w: segments_of(JEONG_SYSTEMS[w.system], w),
    output:
        predictions=fold_file("folds", "{system}.csv"),
    log:
        of_job("logs", "evaluate_forest", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "evaluate_forest", FOLD_OF_SYSTEM)
    wildcard_constraints:
        system="|".join(map(re.escape, JEONG_SYSTEMS)),
    conda:
        "../envs/evaluation.yaml"
    threads: training_threads
    resources:
        **growing(mem_mb=forest_mb, runtime=60),
    params:
        config=depends("evaluate_forest", settings=lambda s, w: s.rf, wildcards=("fold", "seed")),
    shell:
        command("evaluate_forest", "input.partition input.segments output.predictions threads")

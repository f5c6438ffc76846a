"""Yi 2019: experts, their cached probabilities, mixers and mixtures.

In:  features/mel_*, modulation and mfcc; partitions/{partition}.csv.
Out: models/{partition}/seed{seed}/fold{fold}/{expert,moec,moer}.safetensors with their learning
     curves, probabilities/{partition}/seed{seed}/fold{fold}/{expert}.h5 (clips, classes), and the
     predictions, one file a system, seed and fold.
     While a network is trained, its checkpoint lies beside its model, under a hidden name.
"""


rule train_expert:
    """Train one of the convolutional experts."""
    input:
        partition=made(partition_file()),
        usable=made("results/{dataset}/usable.csv"),
        inputs=expert_inputs,
    output:
        model=fold_file("models", "{expert}.safetensors"),
        curve=fold_file("models", "{expert}_curve.csv"),
    log:
        of_job("logs", "train_expert", FOLD_OF_EXPERT),
    benchmark:
        of_job("benchmarks", "train_expert", FOLD_OF_EXPERT)
    conda:
        "../envs/training.yaml"
    threads: training_threads
    resources:
        **growing(mem_mb=training_mb, runtime=1440),
        inputs_mb=inputs_mb,
        gpu=training_gpus,
    params:
        config=depends(
            "train_expert",
            settings=lambda s, w: {
                "training": training_settings(s),
                "expert": s.expert,
                "pools": s.expert_pools(w.expert),
            },
            wildcards=("fold", "seed", "expert"),
        ),
    shell:
        command(
            "train_expert",
            "input.partition input.usable input.inputs output.model output.curve resources.inputs_mb",
        )


rule predict_expert:
    """Compute an expert's class probabilities for every clip of the dataset, once."""
    input:
        model=made(fold_file("models", "{expert}.safetensors")),
        inputs=expert_inputs,
    output:
        probabilities=fold_file("probabilities", "{expert}.h5"),
    log:
        of_job("logs", "predict_expert", FOLD_OF_EXPERT),
    benchmark:
        of_job("benchmarks", "predict_expert", FOLD_OF_EXPERT)
    conda:
        "../envs/training.yaml"
    threads: training_threads
    resources:
        **growing(mem_mb=training_mb, runtime=120),
        inputs_mb=inputs_mb,
        gpu=training_gpus,
    params:
        config=depends(
            "predict_expert",
            settings=lambda s, w: {"training": training_settings(s), "batch": s.expert.batch},
        ),
    shell:
        command(
            "predict_expert", "input.model input.inputs output.probabilities resources.inputs_mb"
        )


rule evaluate_expert:
    """Predict the test clips by one expert alone."""
    input:
        partition=made(partition_file()),
        probabilities=lambda w: with_wildcards(
            fold_file("probabilities", f"{EXPERT_SYSTEMS[w.system]}.h5"), w
        ),
    output:
        predictions=fold_file("folds", "{system}.csv"),
    log:
        of_job("logs", "evaluate_expert", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "evaluate_expert", FOLD_OF_SYSTEM)
    wildcard_constraints:
        system="|".join(map(re.escape, EXPERT_SYSTEMS)),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("evaluate_expert", wildcards=("fold", "seed")),
    shell:
        command("evaluate_expert", "input.partition input.probabilities output.predictions")


rule train_mixer:
    """Train the convolutional (MoEC) or the recurrent (MoER) mixer over frozen experts."""
    input:
        partition=made(partition_file()),
        usable=made("results/{dataset}/usable.csv"),
        probabilities=mixed_probabilities,
        inputs=shards_of(MIXER_FEATURE),
        models=rerun(lambda w, e: [with_wildcards(fold_file("models", f"{e}.safetensors"), w)]),
        expert_inputs=rerun(lambda w, e: shards_of(EXPERTS[e].feature)(w)),
    output:
        model=fold_file("models", "{mixer}.safetensors"),
        curve=fold_file("models", "{mixer}_curve.csv"),
    log:
        of_job("logs", "train_mixer", FOLD_OF_MIXER),
    benchmark:
        of_job("benchmarks", "train_mixer", FOLD_OF_MIXER)
    conda:
        "../envs/training.yaml"
    threads: lambda w: 1 if w.mixer == "moer" else training_threads(w)
    resources:
        **growing(mem_mb=training_mb, runtime=1440),
        inputs_mb=inputs_mb,
        gpu=training_gpus,
    params:
        config=depends("train_mixer", settings=mixer_settings, wildcards=("fold", "seed", "mixer")),
    shell:
        command(
            "train_mixer",
            "input.partition input.usable input.probabilities input.inputs input.models "
            "input.expert_inputs output.model output.curve resources.inputs_mb",
        )


rule evaluate_mixture:
    """Predict the test clips by a mixture of the experts: MoEB, MoEC or MoER."""
    input:
        partition=made(partition_file()),
        probabilities=mixed_probabilities,
        model=mixer_model,
        inputs=mixer_inputs,
    output:
        predictions=fold_file("folds", "{system}.csv"),
    log:
        of_job("logs", "evaluate_mixture", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "evaluate_mixture", FOLD_OF_SYSTEM)
    wildcard_constraints:
        system="|".join(MIXTURE_SYSTEMS),
    conda:
        "../envs/training.yaml"
    threads: lambda w: training_threads(w) if w.system == "MoEC" else 1
    resources:
        **growing(mem_mb=training_mb, runtime=60),
        inputs_mb=inputs_mb,
        gpu=training_gpus,
    params:
        config=depends(
            "evaluate_mixture", settings=mixture_settings, wildcards=("fold", "seed", "system")
        ),
    shell:
        command(
            "evaluate_mixture",
            "input.partition input.probabilities input.model input.inputs output.predictions "
            "resources.inputs_mb",
        )

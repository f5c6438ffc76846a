"""Yi 2019: experts, their cached probabilities, mixers and mixtures.

In:  features/mel_*, modulation and mfcc; partitions/{partition}.csv.
Out: models/{partition}/seed{seed}/fold{fold}/{expert,moec,moer}.safetensors with their learning
     curves, probabilities/{partition}/seed{seed}/fold{fold}/{expert}.h5 (clips, classes), and the
     predictions, one file a system, seed and fold.
"""


rule train_expert:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        inputs=expert_inputs,
    output:
        model="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{expert}.safetensors",
        curve="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{expert}_curve.csv",
    log:
        "results/logs/train_expert/{dataset}/{partition}/seed{seed}/fold{fold}/{expert}.log",
    benchmark:
        "results/benchmarks/train_expert/{dataset}/{partition}/seed{seed}/fold{fold}/{expert}.tsv"
    conda:
        "../envs/training.yaml"
    threads: training_threads
    resources:
        mem_mb=growing(training_mb),
        inputs_mb=inputs_mb,
        runtime=growing(1440),
        gpu=training_gpus,
    params:
        config=depends(
            "train_expert",
            lambda s, w: {
                **training_parameters(s),
                "expert_settings": s.expert.model_dump(),
                "expert": w.expert,
                "pools": s.expert_pools(w.expert),
                "fold": int(w.fold),
                "seed": int(w.seed),
            },
        ),
    shell:
        command("train_expert")
        + "--inputs-mb {resources.inputs_mb} "
        + "--partition {input.partition:q} --inputs {input.inputs:q} "
        "--model {output.model:q} --curve {output.curve:q}"


rule predict_expert:
    input:
        model="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{expert}.safetensors",
        inputs=expert_inputs,
    output:
        probabilities="results/{dataset}/probabilities/{partition}/seed{seed}/fold{fold}/{expert}.h5",
    log:
        "results/logs/predict_expert/{dataset}/{partition}/seed{seed}/fold{fold}/{expert}.log",
    benchmark:
        "results/benchmarks/predict_expert/{dataset}/{partition}/seed{seed}/fold{fold}/{expert}.tsv"
    conda:
        "../envs/training.yaml"
    threads: training_threads
    resources:
        mem_mb=growing(training_mb),
        inputs_mb=inputs_mb,
        runtime=growing(120),
        gpu=training_gpus,
    params:
        config=depends(
            "predict_expert",
            lambda s, w: {**training_parameters(s), "batch": s.expert.batch},
        ),
    shell:
        command("predict_expert")
        + "--inputs-mb {resources.inputs_mb} "
        + "--model {input.model:q} --inputs {input.inputs:q} "
        "--probabilities {output.probabilities:q}"


rule evaluate_expert:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        probabilities=expert_of_system,
    output:
        predictions="results/{dataset}/folds/{partition}/seed{seed}/fold{fold}/{system}.csv",
    log:
        "results/logs/evaluate_expert/{dataset}/{partition}/seed{seed}/fold{fold}/{system}.log",
    benchmark:
        "results/benchmarks/evaluate_expert/{dataset}/{partition}/seed{seed}/fold{fold}/{system}.tsv"
    wildcard_constraints:
        system="|".join(map(re.escape, EXPERT_SYSTEMS)),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends(
            "evaluate_expert", lambda s, w: {"fold": int(w.fold), "seed": int(w.seed)}
        ),
    shell:
        command("evaluate_expert")
        + "--partition {input.partition:q} --probabilities {input.probabilities:q} "
        "--predictions {output.predictions:q}"


rule train_mixer:
    input:
        unpack(rerun_experts),
        partition="results/{dataset}/partitions/{partition}.csv",
        probabilities=mixed_probabilities,
        inputs=shards("mel_original"),
    output:
        model="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{mixer}.safetensors",
        curve="results/{dataset}/models/{partition}/seed{seed}/fold{fold}/{mixer}_curve.csv",
    log:
        "results/logs/train_mixer/{dataset}/{partition}/seed{seed}/fold{fold}/{mixer}.log",
    benchmark:
        "results/benchmarks/train_mixer/{dataset}/{partition}/seed{seed}/fold{fold}/{mixer}.tsv"
    conda:
        "../envs/training.yaml"
    threads: lambda w: 1 if w.mixer == "moer" else training_threads(w)
    resources:
        mem_mb=growing(training_mb),
        inputs_mb=inputs_mb,
        runtime=growing(1440),
        gpu=training_gpus,
    params:
        config=depends(
            "train_mixer",
            lambda s, w: {
                **training_parameters(s),
                # The convolutional mixer drops nothing out.
                "mixer_settings": s.mixer.model_dump(
                    exclude={"dropout"} if w.mixer == "moec" else set()
                ),
                "mixer": w.mixer,
                "experts": SPECTROGRAM_EXPERTS,
                "normalisation": s.expert.normalisation,
                "channels": s.expert.channels,
                "pools": s.expert_pools("original"),
                "fold": int(w.fold),
                "seed": int(w.seed),
            },
        ),
        rerun=rerun_arguments,
    shell:
        command("train_mixer")
        + "--inputs-mb {resources.inputs_mb} "
        + "--partition {input.partition:q} --probabilities {input.probabilities:q} "
        "--inputs {input.inputs:q} --model {output.model:q} --curve {output.curve:q} "
        "{params.rerun}"


rule evaluate_mixture:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        probabilities=mixed_probabilities,
        model=mixer_model,
        inputs=mixer_inputs,
    output:
        predictions="results/{dataset}/folds/{partition}/seed{seed}/fold{fold}/{system}.csv",
    log:
        "results/logs/evaluate_mixture/{dataset}/{partition}/seed{seed}/fold{fold}/{system}.log",
    benchmark:
        "results/benchmarks/evaluate_mixture/{dataset}/{partition}/seed{seed}/fold{fold}/{system}.tsv"
    wildcard_constraints:
        system="|".join(MIXTURE_SYSTEMS),
    conda:
        "../envs/training.yaml"
    threads: lambda w: training_threads(w) if w.system == "MoEC" else 1
    resources:
        mem_mb=growing(training_mb),
        inputs_mb=inputs_mb,
        runtime=growing(60),
        gpu=training_gpus,
    params:
        config=depends(
            "evaluate_mixture",
            lambda s, w: {
                # MoEB weights the experts equally: there is no network to run.
                **(
                    {**training_parameters(s), "batch": s.mixer.batch}
                    if w.system != "MoEB"
                    else {}
                ),
                "system": w.system,
                "experts": SPECTROGRAM_EXPERTS,
                "fold": int(w.fold),
                "seed": int(w.seed),
            },
        ),
    shell:
        command("evaluate_mixture")
        + "--inputs-mb {resources.inputs_mb} "
        + "--partition {input.partition:q} --probabilities {input.probabilities:q} "
        "--model {input.model:q} --inputs {input.inputs:q} "
        "--predictions {output.predictions:q}"

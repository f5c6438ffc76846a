"""Classifiers: trained systems as folders, to be moved and run (docs/predict.md).

In:  models/{partition}/seed{seed}/fold{fold}/*.safetensors; segments of Jeong's systems; predictions
     and audits of the experiments, for the model card.
Out: classifiers/{system}, trained on every clip (partition `all`), and
     classifiers/{partition}/seed{seed}/fold{fold}/{system}, from the fold of an experiment;
     classified/{name}.csv, a whole dataset classified by one of them or another.
"""


rule grow_forest:
    """Grow the forest of a fold again, and keep it."""
    input:
        partition=made(partition_file()),
        segments=lambda w: segments_of(JEONG_SYSTEMS[w.system], w),
    output:
        forest=fold_file("forests", "{system}.safetensors"),
    log:
        of_job("logs", "grow_forest", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "grow_forest", FOLD_OF_SYSTEM)
    wildcard_constraints:
        system="|".join(map(re.escape, JEONG_SYSTEMS)),
    conda:
        "../envs/evaluation.yaml"
    threads: training_threads
    resources:
        **growing(mem_mb=forest_mb, runtime=60),
    params:
        config=depends(
            "grow_forest",
            settings=lambda s, w: s.rf.model_dump(exclude={"decision"}),
            wildcards=("fold", "seed"),
        ),
    shell:
        command("grow_forest", "input.partition input.segments output.forest threads")


rule fit_statistics:
    """Learn from the statistics of a fold again, and keep it."""
    input:
        partition=made(partition_file()),
        usable=made("results/{dataset}/usable.csv"),
        manifest=made("results/{dataset}/manifest.csv"),
        vectors=made("results/{dataset}/vectors/{system}.h5"),
    output:
        model=fold_file("svms", "{system}.safetensors"),
    log:
        of_job("logs", "fit_statistics", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "fit_statistics", FOLD_OF_SYSTEM)
    wildcard_constraints:
        system="|".join(STATISTICS_SYSTEMS),
    conda:
        "../envs/evaluation.yaml"
    threads: training_threads
    resources:
        **growing(mem_mb=4000, runtime=240),
    params:
        config=depends(
            "fit_statistics", wildcards=("fold", "seed"), planned=lambda w: {"learner": "svm"}
        ),
    shell:
        command(
            "fit_statistics",
            "input.partition input.usable input.manifest input.vectors output.model threads",
        )


rule write_model_card:
    """Write the model card of a classifier."""
    input:
        partition=made(partition_file()),
        models=classifier_models,
        predictions=each_experiment(PREDICTIONS),
        clip_audits=each_experiment(CLIP_AUDIT),
        model_audits=each_experiment(MODEL_AUDIT),
    output:
        card=fold_file("cards", "{system}.md"),
    log:
        of_job("logs", "write_model_card", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "write_model_card", FOLD_OF_SYSTEM)
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "write_model_card",
            planned=lambda w: {
                **classifier_facts(w),
                "experiments": experiments_of(w),
                "source": WITH_STUDIES.source(w.dataset).source,
            },
        ),
    shell:
        command(
            "write_model_card",
            "input.partition input.models input.predictions input.clip_audits input.model_audits "
            "output.card",
        )


rule make_classifier:
    """Put a system that was trained on every clip into a folder of its own."""
    input:
        models=classifier_models,
        forest=classifier_forest,
        card=of_training(fold_file("cards", "{system}.md")),
    output:
        # Updated, so that a new card leaves the weights untouched.
        folder=update(directory("results/{dataset}/classifiers/{system}")),
    log:
        of_job("logs", "make_classifier", "{dataset}/{system}"),
    benchmark:
        of_job("benchmarks", "make_classifier", "{dataset}/{system}")
    wildcard_constraints:
        system="|".join(map(re.escape, SYSTEMS)),
    localrule: True
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        **growing(mem_mb=2000, runtime=10),
    params:
        config=depends("make_classifier", settings=classifier_settings, planned=classifier_facts),
    shell:
        command("make_classifier", "input.models input.forest input.card output.folder")


# The same of a system that an experiment's fold trained.
use rule make_classifier as make_fold_classifier with:
    output:
        folder=update(directory(fold_file("classifiers", "{system}"))),
    log:
        of_job("logs", "make_fold_classifier", FOLD_OF_SYSTEM),
    benchmark:
        of_job("benchmarks", "make_fold_classifier", FOLD_OF_SYSTEM)


rule classify_shard:
    """Classify the clips of a shard with a classifier."""
    input:
        classifier=lambda w: classifier_folder(classification(w)),
        features=lambda w: [
            with_wildcards(feature_file(feature), w) for feature in classification(w).features
        ],
    output:
        rows="results/{dataset}/classified/{name}/{shard}.csv",
    log:
        of_job("logs", "classify_shard", "{dataset}/{name}/{shard}"),
    benchmark:
        of_job("benchmarks", "classify_shard", "{dataset}/{name}/{shard}")
    wildcard_constraints:
        name=CLASSIFIED_NAMES,
    conda:
        "../envs/classification.yaml"
    threads: 1
    resources:
        **growing(mem_mb=3000, runtime=120),
    params:
        config=depends("classify_shard", planned=lambda w: {"classifier": classification(w).digest}),
    shell:
        command("classify_shard", "input.classifier input.features output.rows")


rule collect_classified:
    """Join the classified clips of all shards."""
    input:
        rows=lambda w: all_shards("results/{dataset}/classified/{name}/{shard}.csv", w),
        quarantine=made("results/{dataset}/quarantine.csv"),
        within_limit=made("results/{dataset}/within_limit.csv"),
    output:
        table="results/{dataset}/classified/{name}.csv",
    log:
        of_job("logs", "collect_classified", "{dataset}/{name}"),
    benchmark:
        of_job("benchmarks", "collect_classified", "{dataset}/{name}")
    wildcard_constraints:
        name=CLASSIFIED_NAMES,
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("collect_classified"),
    shell:
        command("collect_classified", "input.rows input.quarantine output.table")

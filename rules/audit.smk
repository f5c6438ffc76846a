"""Leak audit: clips with the same audio, and what the sides of a partition share.

In:  features/stft/{shard}.h5, manifest.csv, partitions/{partition}.csv, models/.
Out: fingerprints/{shard}.h5 (clips, 16, 427), duplicates.csv: track_id,other,similarity,offset_s,
     audit/{partition}/clips.csv and models.csv: fold,check,track_id,role,other,other_role,detail,
     and a summary of each: system,check,verdict,test_clips,n,unknown,detail.  That of the models
     also names trainings in which hardly anything was learned: check "training", "doubtful".
"""


rule compute_fingerprint:
    """Compute the audio fingerprints of a shard."""
    input:
        stft=made(feature_file("stft")),
    output:
        fingerprints="results/{dataset}/fingerprints/{shard}.h5",
    log:
        of_job("logs", "compute_fingerprint", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "compute_fingerprint", "{dataset}/{shard}")
    priority: urgency("stft")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends("compute_fingerprint"),
    shell:
        command("compute_fingerprint", "input.stft output.fingerprints")


rule find_duplicates:
    """Find the pairs of clips of a dataset that hold the same or nearly the same audio."""
    input:
        fingerprints=lambda w: all_shards("results/{dataset}/fingerprints/{shard}.h5", w),
    output:
        duplicates="results/{dataset}/duplicates.csv",
    log:
        of_job("logs", "find_duplicates", "{dataset}"),
    benchmark:
        of_job("benchmarks", "find_duplicates", "{dataset}")
    conda:
        "../envs/evaluation.yaml"
    threads: 2
    resources:
        **growing(mem_mb=4000, runtime=480),
    params:
        config=depends("find_duplicates"),
    shell:
        command("find_duplicates", "input.fingerprints output.duplicates threads")


rule audit_partition:
    """List what the test clips of a partition share with training and validation clips."""
    input:
        partition=made(partition_file()),
        manifest=made("results/{dataset}/manifest.csv"),
        duplicates=made("results/{dataset}/duplicates.csv"),
    output:
        findings="results/{dataset}/audit/{partition}/clips.csv",
        summary=CLIP_AUDIT,
    log:
        of_job("logs", "audit_partition", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "audit_partition", "{dataset}/{partition}")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "audit_partition",
            planned=lambda w: {"replicas": collection_facts(w, "replicas", {})},
        ),
    shell:
        command(
            "audit_partition",
            "input.partition input.manifest input.duplicates output.findings output.summary",
        )


rule audit_models:
    """List the test clips on which a network behind a partition was trained or chosen."""
    input:
        partition=made(partition_file()),
        models=lambda w: training_files(w, ".safetensors"),
    output:
        findings="results/{dataset}/audit/{partition}/models.csv",
        summary=MODEL_AUDIT,
    log:
        of_job("logs", "audit_models", "{dataset}/{partition}"),
    benchmark:
        of_job("benchmarks", "audit_models", "{dataset}/{partition}")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "audit_models",
            planned=lambda w: {
                "models": [(name, seed, fold) for name, _, seed, fold in trainings(w)],
                # A list, since a map would lose the systems' order.
                "systems": [
                    (system, networks_of(system, mixed(w)))
                    for system in STUDIED.get((w.dataset, w.partition), [])
                ],
                "probes": [s for s in STUDIED.get((w.dataset, w.partition), []) if is_probe(s)],
            },
        ),
    shell:
        command("audit_models", "input.partition input.models output.findings output.summary")

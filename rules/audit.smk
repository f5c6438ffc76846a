"""Leak audit: clips with the same audio, and what the sides of a partition share.

In:  features/stft/{shard}.h5, manifest.csv, partitions/{partition}.csv, models/.
Out: fingerprints/{shard}.h5 (clips, 16, 427), duplicates.csv: track_id,other,similarity,offset_s,
     audit/{partition}/clips.csv and models.csv: fold,check,track_id,role,other,other_role,detail,
     and a summary of each: system,check,verdict,test_clips,n,unknown,detail.
"""


rule compute_fingerprint:
    input:
        stft="results/{dataset}/features/stft/{shard}.h5",
    output:
        fingerprints="results/{dataset}/fingerprints/{shard}.h5",
    log:
        "results/logs/compute_fingerprint/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/compute_fingerprint/{dataset}/{shard}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends("compute_fingerprint", lambda s, w: {}),
    shell:
        command("compute_fingerprint")
        + "--stft {input.stft:q} --fingerprints {output.fingerprints:q}"


rule find_duplicates:
    input:
        fingerprints=lambda w: expand(
            "results/{dataset}/fingerprints/{shard}.h5",
            dataset=w.dataset,
            shard=SHARDS[w.dataset],
        ),
    output:
        duplicates="results/{dataset}/duplicates.csv",
    log:
        "results/logs/find_duplicates/{dataset}.log",
    benchmark:
        "results/benchmarks/find_duplicates/{dataset}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(480),
    params:
        config=depends("find_duplicates", lambda s, w: {}),
    shell:
        command("find_duplicates")
        + "--fingerprints {input.fingerprints:q} --duplicates {output.duplicates:q} "
        "--threads {threads}"


rule audit_partition:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        manifest="results/{dataset}/manifest.csv",
        duplicates="results/{dataset}/duplicates.csv",
    output:
        findings="results/{dataset}/audit/{partition}/clips.csv",
        summary="results/{dataset}/audit/{partition}/clips_summary.csv",
    log:
        "results/logs/audit_partition/{dataset}/{partition}.log",
    benchmark:
        "results/benchmarks/audit_partition/{dataset}/{partition}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends("audit_partition", lambda s, w: {}),
    shell:
        command("audit_partition")
        + "--partition {input.partition:q} --manifest {input.manifest:q} "
        "--duplicates {input.duplicates:q} --findings {output.findings:q} "
        "--summary {output.summary:q}"


rule audit_models:
    input:
        partition="results/{dataset}/partitions/{partition}.csv",
        models=training_files(".safetensors"),
    output:
        findings="results/{dataset}/audit/{partition}/models.csv",
        summary="results/{dataset}/audit/{partition}/models_summary.csv",
    log:
        "results/logs/audit_models/{dataset}/{partition}.log",
    benchmark:
        "results/benchmarks/audit_models/{dataset}/{partition}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=depends(
            "audit_models",
            lambda s, w: {
                "models": [
                    (network, seed, fold)
                    for network, _, seed, fold in trained_networks(w)
                ],
                # A list, since a map would lose the systems' order.
                "systems": [
                    (system, NETWORKS[system])
                    for system in SYSTEMS_OF[w.dataset, w.partition]
                ],
            },
        ),
    shell:
        command("audit_models")
        + "--partition {input.partition:q} --models {input.models:q} "
        "--findings {output.findings:q} --summary {output.summary:q}"

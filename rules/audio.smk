"""Clips: the manifest of a dataset, and its audio as 22 050 Hz mono.

A shard's clips are a file of their own, whose params hold which clips it has and the state of
their files: one more clip, or a repaired file, changes one shard and no other.

Out: results/{dataset}/manifest.csv, shards/{shard}.csv, features/audio/{shard}.h5 (clips, samples),
     quarantine.csv.
"""


rule write_manifest:
    input:
        retrieved=lambda w: PLANNED[w.dataset].files,
    output:
        manifest="results/{dataset}/manifest.csv",
    log:
        "results/logs/write_manifest/{dataset}.log",
    benchmark:
        "results/benchmarks/write_manifest/{dataset}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=manifest_parameters,
    shell:
        command("write_manifest") + "--manifest {output.manifest:q}"


rule write_shard:
    input:
        retrieved=lambda w: PLANNED[w.dataset].shard_files,
    output:
        clips="results/{dataset}/shards/{shard}.csv",
    log:
        "results/logs/write_shard/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/write_shard/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=shard_parameters,
    shell:
        command("write_shard") + "--clips {output.clips:q}"


rule synthesise_audio:
    input:
        clips="results/{dataset}/shards/{shard}.csv",
    output:
        audio=directory("results/{dataset}/audio/{shard}"),
    log:
        "results/logs/synthesise_audio/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/synthesise_audio/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        config=depends("synthesise_audio", synthesis_parameters),
    shell:
        command("synthesise_audio") + "--clips {input.clips:q} --audio {output.audio:q}"


rule resample_audio:
    input:
        rendered_audio,
        clips="results/{dataset}/shards/{shard}.csv",
    output:
        audio=intermediate("audio", "results/{dataset}/features/audio/{shard}.h5"),
        report="results/{dataset}/audio_reports/{shard}.csv",
    log:
        "results/logs/resample_audio/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/resample_audio/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends("resample_audio", resample_parameters),
    shell:
        command("resample_audio")
        + "--clips {input.clips:q} --audio {output.audio:q} --report {output.report:q}"


rule collect_quarantine:
    input:
        reports=lambda w: expand(
            "results/{dataset}/audio_reports/{shard}.csv",
            dataset=w.dataset,
            shard=SHARDS[w.dataset],
        ),
    output:
        quarantine="results/{dataset}/quarantine.csv",
        report="results/{dataset}/audio_report.csv",
    log:
        "results/logs/collect_quarantine/{dataset}.log",
    benchmark:
        "results/benchmarks/collect_quarantine/{dataset}.tsv"
    # As soon as it can: when too many clips are set aside, the run should stop early.
    priority: 100
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        config=depends(
            "collect_quarantine",
            lambda s, w: {
                "dataset": w.dataset,
                "max_quarantined": s.audio.max_quarantined,
                "known_bad": known_bad(w),
            },
        ),
    shell:
        command("collect_quarantine")
        + "--reports {input.reports:q} --quarantine {output.quarantine:q} --report {output.report:q}"

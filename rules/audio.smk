"""Clips: the manifest of a dataset, and its audio as 22 050 Hz mono.

A shard's clips are a file of their own, whose params hold which clips it has and the state of
their files: one more clip, or a repaired file, changes one shard and no other.

Out: results/{dataset}/manifest.csv, shards/{shard}.csv, features/audio/{shard}.h5 (clips, samples),
     quarantine.csv, audio_report.csv; usable.csv and within_limit.csv, which are there only if no more
     clips are in quarantine than the limit.
"""


rule write_manifest:
    """Write a dataset's clips as one manifest: checked, with every column, by track id."""
    input:
        retrieved=lambda w: retrieved(PLANNED[w.dataset].files),
    output:
        manifest="results/{dataset}/manifest.csv",
    log:
        of_job("logs", "write_manifest", "{dataset}"),
    benchmark:
        of_job("benchmarks", "write_manifest", "{dataset}")
    # On a cluster, it would take less time than its submission.
    localrule: True
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends("write_manifest", planned=planned_manifest),
    shell:
        command("write_manifest", "output.manifest")


rule write_shard:
    """Write the clips of one shard."""
    input:
        retrieved=lambda w: retrieved(PLANNED[w.dataset].shard_files),
    output:
        clips="results/{dataset}/shards/{shard}.csv",
    log:
        of_job("logs", "write_shard", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "write_shard", "{dataset}/{shard}")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        config=depends(
            "write_shard",
            wildcards=("shard",),
            planned=lambda w: {
                "source": PLANNED[w.dataset].shard_source,
                "clips": PLANNED[w.dataset].shards[w.shard],
            },
        ),
    shell:
        command("write_shard", "output.clips")


rule synthesise_audio:
    """Render a shard of the demo's clips as FLAC files."""
    input:
        clips=made("results/{dataset}/shards/{shard}.csv"),
    output:
        audio=directory("results/{dataset}/audio/{shard}"),
    log:
        of_job("logs", "synthesise_audio", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "synthesise_audio", "{dataset}/{shard}")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=30),
    params:
        config=depends(
            "synthesise_audio",
            settings=lambda s, w: {"sample_rate": s.audio.sample_rate},
            planned=lambda w: WITH_STUDIES.source(w.dataset).model_dump(
                include={"seeds", "artists", "seconds"}
            ),
        ),
    shell:
        command("synthesise_audio", "input.clips output.audio")


rule resample_audio:
    """Decode, check and resample a shard's clips; list what became of each file."""
    input:
        rendered_audio,
        clips=made("results/{dataset}/shards/{shard}.csv"),
    output:
        audio=cache("audio"),
        report="results/{dataset}/audio_reports/{shard}.csv",
    log:
        of_job("logs", "resample_audio", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "resample_audio", "{dataset}/{shard}")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends(
            "resample_audio",
            # The other key only stops the run.
            settings=lambda s, w: (
                feature_parameters(s)["audio"] | {"max_missing": s.audio.max_missing}
            ),
            planned=layouts("audio"),
        ),
    shell:
        command("resample_audio", "input.clips output.audio output.report")


rule collect_quarantine:
    """List the clips that were set aside."""
    input:
        reports=lambda w: all_shards("results/{dataset}/audio_reports/{shard}.csv", w),
    output:
        quarantine=in_report("results/{dataset}/quarantine.csv", "Clips"),
        report=in_report("results/{dataset}/audio_report.csv", "Clips"),
    log:
        of_job("logs", "collect_quarantine", "{dataset}"),
    benchmark:
        of_job("benchmarks", "collect_quarantine", "{dataset}")
    # Before what stops the run, so that the list is there.
    priority: 101
    localrule: True
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=500, runtime=10),
    params:
        config=depends(
            "collect_quarantine",
            planned=lambda w: {"known_bad": collection_facts(w, "known_bad", {})},
        ),
    shell:
        command("collect_quarantine", "input.reports output.quarantine output.report")


rule check_quarantine:
    """Stop the run when more clips were set aside than the limit."""
    input:
        usable=made("results/{dataset}/usable.csv"),
        reports=lambda w: all_shards("results/{dataset}/audio_reports/{shard}.csv", w),
    output:
        usable="results/{dataset}/within_limit.csv",
    log:
        of_job("logs", "check_quarantine", "{dataset}"),
    benchmark:
        of_job("benchmarks", "check_quarantine", "{dataset}")
    priority: 100
    localrule: True
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=500, runtime=10),
    params:
        config=depends(
            "check_quarantine",
            settings=lambda s, w: {"max_quarantined": s.audio.max_quarantined},
            wildcards=("dataset",),
        ),
    shell:
        command("check_quarantine", "input.reports output.usable")
        + ' --untracked "$GENREFLOW_LIMITS"'


# The same before anything trains.  Another limit is no reason to train again, so here it is not
# among the params.
use rule check_quarantine as allow_training with:
    input:
        reports=lambda w: all_shards("results/{dataset}/audio_reports/{shard}.csv", w),
    output:
        usable="results/{dataset}/usable.csv",
    log:
        of_job("logs", "allow_training", "{dataset}"),
    benchmark:
        of_job("benchmarks", "allow_training", "{dataset}")
    params:
        config=depends("check_quarantine", wildcards=("dataset",)),

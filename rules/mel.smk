"""Harmonic/percussive separation, mel spectrograms, modulation spectrograms, MFCC (Yi 2019).

In:  features/stft/{shard}.h5 (clips, 513, 1292).
Out: features/hpss_{harmonic,percussive} (clips, 513, 1292), features/mel_{original,harmonic,
     percussive} (clips, 96, 1292) in dB, features/modulation (clips, 96, 646),
     features/mfcc (clips, 60, 1292).
"""


rule separate_hpss:
    input:
        stft="results/{dataset}/features/stft/{shard}.h5",
    output:
        harmonic=intermediate(
            "hpss", "results/{dataset}/features/hpss_harmonic/{shard}.h5"
        ),
        percussive=intermediate(
            "hpss", "results/{dataset}/features/hpss_percussive/{shard}.h5"
        ),
    log:
        "results/logs/separate_hpss/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/separate_hpss/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends("separate_hpss", lambda s, w: s.hpss.model_dump()),
    shell:
        command("separate_hpss")
        + "--stft {input.stft:q} --harmonic {output.harmonic:q} "
        "--percussive {output.percussive:q}"


rule compute_mel:
    input:
        magnitude=mel_magnitude,
    output:
        mel="results/{dataset}/features/mel_{component}/{shard}.h5",
    log:
        "results/logs/compute_mel/{dataset}/{component}/{shard}.log",
    benchmark:
        "results/benchmarks/compute_mel/{dataset}/{component}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends(
            "compute_mel",
            lambda s, w: {**s.mel.model_dump(), "component": w.component},
        ),
    shell:
        command("compute_mel") + "--magnitude {input.magnitude:q} --mel {output.mel:q}"


rule compute_modulation:
    input:
        mel="results/{dataset}/features/mel_original/{shard}.h5",
    output:
        modulation="results/{dataset}/features/modulation/{shard}.h5",
    log:
        "results/logs/compute_modulation/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/compute_modulation/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends("compute_modulation", lambda s, w: s.modulation.model_dump()),
    shell:
        command("compute_modulation")
        + "--mel {input.mel:q} --modulation {output.modulation:q}"


rule compute_mfcc:
    input:
        mel="results/{dataset}/features/mel_original/{shard}.h5",
    output:
        mfcc="results/{dataset}/features/mfcc/{shard}.h5",
    log:
        "results/logs/compute_mfcc/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/compute_mfcc/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends("compute_mfcc", lambda s, w: s.mfcc.model_dump()),
    shell:
        command("compute_mfcc") + "--mel {input.mel:q} --mfcc {output.mfcc:q}"

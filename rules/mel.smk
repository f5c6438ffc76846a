"""Harmonic/percussive separation, mel spectrograms, modulation spectrograms, MFCC (Yi 2019).

In:  features/stft/{shard}.h5 (clips, 513, 1292).
Out: features/hpss_{harmonic,percussive} (clips, 513, 1292), features/mel_{original,harmonic,
     percussive} (clips, 96, 1292) in dB, features/modulation (clips, 96, 646),
     features/mfcc (clips, 60, 1292).
"""


rule separate_hpss:
    """Separate the spectrograms of a shard into harmonic and percussive ones."""
    input:
        stft=made(feature_file("stft")),
    output:
        harmonic=cache("hpss_harmonic"),
        percussive=cache("hpss_percussive"),
    log:
        of_job("logs", "separate_hpss", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "separate_hpss", "{dataset}/{shard}")
    priority: urgency("stft")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends(
            "separate_hpss",
            settings=lambda s, w: s.hpss,
            planned=layouts("hpss_harmonic", "hpss_percussive"),
        ),
    shell:
        command("separate_hpss", "input.stft output.harmonic output.percussive")


rule compute_mel:
    """Compute the mel spectrograms of a shard: of the whole, the harmonic or percussive part."""
    input:
        magnitude=lambda w: with_wildcards(feature_file(FEATURES[f"mel_{w.component}"].parent), w),
    output:
        mel=cache("mel_{component}", name="mel"),
    log:
        of_job("logs", "compute_mel", "{dataset}/{component}/{shard}"),
    benchmark:
        of_job("benchmarks", "compute_mel", "{dataset}/{component}/{shard}")
    priority: urgency("hpss_harmonic")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends(
            "compute_mel", settings=lambda s, w: s.mel, planned=layouts("mel_{component}")
        ),
    shell:
        command("compute_mel", "input.magnitude output.mel")


rule compute_modulation:
    """Compute the modulation spectrograms of a shard."""
    input:
        mel=made(feature_file("mel_original")),
    output:
        modulation=cache("modulation"),
    log:
        of_job("logs", "compute_modulation", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "compute_modulation", "{dataset}/{shard}")
    priority: urgency("mel_original")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends(
            "compute_modulation", settings=lambda s, w: s.modulation, planned=layouts("modulation")
        ),
    shell:
        command("compute_modulation", "input.mel output.modulation")


rule compute_mfcc:
    """Compute the MFCC and their derivatives of a shard."""
    input:
        mel=made(feature_file("mel_original")),
    output:
        mfcc=cache("mfcc"),
    log:
        of_job("logs", "compute_mfcc", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "compute_mfcc", "{dataset}/{shard}")
    priority: urgency("mel_original")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends("compute_mfcc", settings=lambda s, w: s.mfcc, planned=layouts("mfcc")),
    shell:
        command("compute_mfcc", "input.mel output.mfcc")

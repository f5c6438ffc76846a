"""Cepstrograms and cepstral modulation spectra (Jeong 2016), for every partition at once.

In:  features/stft/{shard}.h5 (clips, 513, 1292).
Out: features/cepstrogram/{shard}.h5 (clips, 513, 1290),
     features/cepstral_modulation/{shard}.h5 (clips, 513, 11, 108), before normalisation.
"""


rule compute_cepstrogram:
    """Compute the cepstrograms of a shard (Jeong 2016, Eq. 3)."""
    input:
        stft=made(feature_file("stft")),
    output:
        cepstrogram=cache("cepstrogram"),
    log:
        of_job("logs", "compute_cepstrogram", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "compute_cepstrogram", "{dataset}/{shard}")
    priority: urgency("stft")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends(
            "compute_cepstrogram", settings=lambda s, w: s.cepstrum, planned=layouts("cepstrogram")
        ),
    shell:
        command("compute_cepstrogram", "input.stft output.cepstrogram")


rule compute_cepstral_modulation:
    """Compute the cepstral modulation spectra of a shard (Jeong 2016, Eq. 5)."""
    input:
        cepstrogram=made(feature_file("cepstrogram")),
    output:
        cepstral_modulation=cache("cepstral_modulation"),
    log:
        of_job("logs", "compute_cepstral_modulation", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "compute_cepstral_modulation", "{dataset}/{shard}")
    priority: urgency("cepstrogram")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends(
            "compute_cepstral_modulation",
            settings=lambda s, w: s.cepstral_modulation,
            planned=layouts("cepstral_modulation"),
        ),
    shell:
        command("compute_cepstral_modulation", "input.cepstrogram output.cepstral_modulation")

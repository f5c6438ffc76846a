"""Cepstrograms and cepstral modulation spectra (Jeong 2016), for every partition at once.

In:  features/stft/{shard}.h5 (clips, 513, 1292).
Out: features/cepstrogram/{shard}.h5 (clips, 513, 1290),
     features/cepstral_modulation/{shard}.h5 (clips, 513, 11, 108), before normalisation.
"""


rule compute_cepstrogram:
    input:
        stft="results/{dataset}/features/stft/{shard}.h5",
    output:
        cepstrogram="results/{dataset}/features/cepstrogram/{shard}.h5",
    log:
        "results/logs/compute_cepstrogram/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/compute_cepstrogram/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends("compute_cepstrogram", lambda s, w: s.cepstrum.model_dump()),
    shell:
        command("compute_cepstrogram")
        + "--stft {input.stft:q} --cepstrogram {output.cepstrogram:q}"


rule compute_cepstral_modulation:
    input:
        cepstrogram="results/{dataset}/features/cepstrogram/{shard}.h5",
    output:
        cepstral_modulation="results/{dataset}/features/cepstral_modulation/{shard}.h5",
    log:
        "results/logs/compute_cepstral_modulation/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/compute_cepstral_modulation/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends(
            "compute_cepstral_modulation",
            lambda s, w: s.cepstral_modulation.model_dump(),
        ),
    shell:
        command("compute_cepstral_modulation") + "--cepstrogram {input.cepstrogram:q} "
        "--cepstral_modulation {output.cepstral_modulation:q}"

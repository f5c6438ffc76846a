"""Magnitude spectrograms: one cache for both papers.

In:  features/audio/{shard}.h5 (clips, samples).
Out: features/stft/{shard}.h5 (clips, 513, 1292), moments over the 1290 frames of Jeong 2016.
"""


rule compute_stft:
    input:
        audio="results/{dataset}/features/audio/{shard}.h5",
    output:
        stft="results/{dataset}/features/stft/{shard}.h5",
    log:
        "results/logs/compute_stft/{dataset}/{shard}.log",
    benchmark:
        "results/benchmarks/compute_stft/{dataset}/{shard}.tsv"
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        config=depends("compute_stft", lambda s, w: s.stft.model_dump()),
    shell:
        command("compute_stft") + "--audio {input.audio:q} --stft {output.stft:q}"

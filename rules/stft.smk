"""Magnitude spectrograms: one cache for both papers.

In:  features/audio/{shard}.h5 (clips, samples).
Out: features/stft/{shard}.h5 (clips, 513, 1292), moments over the 1290 frames of Jeong 2016.
"""


rule compute_stft:
    """Compute the magnitude spectrograms of a shard."""
    input:
        audio=made(feature_file("audio")),
    output:
        stft=cache("stft"),
    log:
        of_job("logs", "compute_stft", "{dataset}/{shard}"),
    benchmark:
        of_job("benchmarks", "compute_stft", "{dataset}/{shard}")
    priority: urgency("audio")
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=60),
    params:
        config=depends("compute_stft", settings=lambda s, w: s.stft, planned=layouts("stft")),
    shell:
        command("compute_stft", "input.audio output.stft")

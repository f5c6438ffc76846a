"""genreflow: from music files to results/tables.csv (docs/guide.md)."""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/common.smk"
include: "rules/retrieve.smk"
include: "rules/audio.smk"
include: "rules/stft.smk"
include: "rules/cepstrum.smk"
include: "rules/mel.smk"
include: "rules/partitions.smk"
include: "rules/jeong.smk"
include: "rules/yi.smk"
include: "rules/audit.smk"
include: "rules/tables.smk"
include: "rules/report.smk"
include: "rules/cluster.smk"


localrules:
    all,
    features,
    tables,
    report,
    # On a cluster, each would take less time than its submission.
    write_manifest,
    make_partition,
    collect_quarantine,
    write_run_config,


rule all:
    default_target: True
    input:
        "results/tables.csv",
        "results/run_config.yaml",


rule features:
    input:
        [
            f"results/{dataset}/features/{feature}/{shard}.h5"
            for dataset in CONFIG.datasets
            for feature in FEATURES
            for shard in SHARDS[dataset]
        ],
        [f"results/{dataset}/quarantine.csv" for dataset in CONFIG.datasets],


rule tables:
    input:
        "results/tables.csv",


rule report:
    input:
        "results/report.html",

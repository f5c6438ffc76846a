"""genreflow: from music files to results/tables.csv (docs/guide.md)."""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "rules/base.smk"
include: "rules/common.smk"
include: "rules/container.smk"
include: "rules/paths.smk"
include: "rules/sharing.smk"
include: "rules/retrieve.smk"
include: "rules/audio_helpers.smk"
include: "rules/audio.smk"
include: "rules/stft.smk"
include: "rules/cepstrum.smk"
include: "rules/mel.smk"
include: "rules/partitions.smk"
include: "rules/training_helpers.smk"
include: "rules/jeong_helpers.smk"
include: "rules/jeong.smk"
include: "rules/yi_helpers.smk"
include: "rules/yi.smk"
include: "rules/baselines_helpers.smk"
include: "rules/baselines.smk"
include: "rules/results_helpers.smk"
include: "rules/audit.smk"
include: "rules/tables.smk"
include: "rules/study_helpers.smk"
include: "rules/studies.smk"
include: "rules/clips_helpers.smk"
include: "rules/clips.smk"
include: "rules/report.smk"
include: "rules/provenance_helpers.smk"
include: "rules/provenance.smk"
include: "rules/classifier_helpers.smk"
include: "rules/classifiers.smk"
include: "rules/targets.smk"
include: "rules/storage.smk"
include: "rules/target_helpers.smk"
include: "rules/lock.smk"
include: "rules/start_of_run.smk"
include: "rules/dropped.smk"
include: "rules/end_of_run.smk"


# Here, since Snakemake takes no default target from a file that is included.
rule all:
    """Make results/tables.csv and the configuration in force (the default)."""
    default_target: True
    input:
        "results/tables.csv",
        "results/run_config.yaml",
        STUDIES,
    localrule: True

"""What runs again after a change: the text of docs/reruns.md, and what its test compares with.

A step is a rule, or a rule and its variant, as in `compute_mel harmonic`.  Of each change only the
first steps are listed; `READS` gives what follows from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from genreflow.systems import (
    EXPERT_SYSTEMS,
    EXPERTS,
    JEONG_SYSTEMS,
    MIXTURE_SYSTEMS,
    NETWORKS,
    SPECTROGRAM_EXPERTS,
    SYSTEMS,
    required_networks,
)


def _steps(rule: str, variants: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{rule} {variant}" for variant in variants)


#: The features that a network is trained on.
INPUTS: Final[dict[str, tuple[str, ...]]] = {
    "sf": ("compute_stft",),
    "tf": ("compute_cepstrogram", "compute_cepstral_modulation"),
    **{name: (f"compute_mel {name}",) for name in ("original", "harmonic", "percussive")},
    "modulation": ("compute_modulation",),
    "mfcc": ("compute_mfcc",),
}
SMALL_NETWORKS: Final = _steps("train_dnn", ("sf", "tf"))
TRAINED_EXPERTS: Final = _steps("train_expert", EXPERTS)
MIXERS: Final = _steps("train_mixer", ("moec", "moer"))
FORESTS: Final = _steps("evaluate_forest", JEONG_SYSTEMS)
MEL: Final = _steps("compute_mel", ("original", "harmonic", "percussive"))
MIXED: Final = _steps("predict_expert", SPECTROGRAM_EXPERTS)

#: Every step in data-flow order, with the steps whose results it reads.
READS: Final[dict[str, tuple[str, ...]]] = {
    "retrieve_collection": (),
    "retrieve_annotations": (),
    "write_manifest": ("retrieve_collection", "retrieve_annotations"),
    "write_shard": ("retrieve_collection", "retrieve_annotations"),
    "synthesise_audio": ("write_shard",),
    "resample_audio": ("write_shard", "synthesise_audio"),
    "collect_quarantine": ("resample_audio",),
    "compute_stft": ("resample_audio",),
    "compute_cepstrogram": ("compute_stft",),
    "compute_cepstral_modulation": ("compute_cepstrogram",),
    "separate_hpss": ("compute_stft",),
    "compute_mel original": ("compute_stft",),
    "compute_mel harmonic": ("separate_hpss",),
    "compute_mel percussive": ("separate_hpss",),
    "compute_modulation": ("compute_mel original",),
    "compute_mfcc": ("compute_mel original",),
    "make_partition": ("write_manifest",),
    **{f"compute_normalisation {n}": ("make_partition", *INPUTS[n]) for n in ("sf", "tf")},
    **{
        f"train_dnn {n}": ("make_partition", f"compute_normalisation {n}", *INPUTS[n])
        for n in ("sf", "tf")
    },
    **{f"aggregate_segments {n}": (f"train_dnn {n}", *INPUTS[n]) for n in ("sf", "tf")},
    **{
        f"evaluate_forest {s}": ("make_partition", *_steps("aggregate_segments", NETWORKS[s]))
        for s in JEONG_SYSTEMS
    },
    **{f"train_expert {e}": ("make_partition", *INPUTS[e]) for e in EXPERTS},
    **{f"predict_expert {e}": (f"train_expert {e}", *INPUTS[e]) for e in EXPERTS},
    **{
        f"evaluate_expert {s}": ("make_partition", f"predict_expert {e}")
        for s, e in EXPERT_SYSTEMS.items()
    },
    **dict.fromkeys(MIXERS, ("make_partition", *MIXED, "compute_mel original")),
    "evaluate_mixture MoEB": ("make_partition", *MIXED),
    "evaluate_mixture MoEC": ("make_partition", *MIXED, "train_mixer moec"),
    "evaluate_mixture MoER": ("make_partition", *MIXED, "train_mixer moer"),
    **{f"collect_predictions {s}": (f"evaluate_forest {s}",) for s in JEONG_SYSTEMS},
    **{f"collect_predictions {s}": (f"evaluate_expert {s}",) for s in EXPERT_SYSTEMS},
    **{f"collect_predictions {s}": (f"evaluate_mixture {s}",) for s in MIXTURE_SYSTEMS},
    "compute_fingerprint": ("compute_stft",),
    "find_duplicates": ("compute_fingerprint",),
    "audit_partition": ("make_partition", "find_duplicates"),
    "audit_models": ("make_partition", *SMALL_NETWORKS, *TRAINED_EXPERTS, *MIXERS),
    "make_tables": (
        "collect_quarantine",
        *_steps("collect_predictions", SYSTEMS),
        "audit_partition",
        "audit_models",
    ),
    "plot_accuracy": ("make_tables",),
    **dict.fromkeys(_steps("plot_figure_of_merit", SYSTEMS), ("make_tables",)),
    "plot_learning_curves": (*SMALL_NETWORKS, *TRAINED_EXPERTS, *MIXERS),
    "plot_tsne": ("make_partition", *_steps("aggregate_segments", ("sf", "tf"))),
    "write_report": ("make_tables", "plot_learning_curves", "plot_tsne"),
    "write_run_config": (),
}
#: Both show the configuration itself.
SHOWN: Final = ("write_report", "write_run_config")


#: Rules that are there for each network; what reads those of several is made for a partition.
TRAINED: Final = ("train_dnn", "aggregate_segments", "train_expert", "train_mixer")


def follows(first: Iterable[str], systems: Sequence[str] = SYSTEMS) -> tuple[str, ...]:
    """Return some steps and all that follow from them, in data-flow order.

    With ``systems`` the networks of other systems are left out of account: what follows is what
    follows in a partition that has no others.
    """
    networks = required_networks(systems)
    found: list[str] = []
    for step, read in READS.items():
        rule, _, variant = step.partition(" ")
        other = rule in TRAINED and variant not in networks
        if not other and (step in first or set(found).intersection(read)):
            found.append(step)
    return tuple(found)


#: One table holds the results of all datasets and partitions, so what is made of it is made whole.
WHOLE: Final = frozenset({*follows(["make_tables"]), *SHOWN})


@dataclass(frozen=True)
class Rerun:
    """Which jobs run again after a change.

    Attributes
    ----------
    first
        The steps that the change itself concerns.
    partitions
        Patterns of the partitions concerned; empty where all are.
    within
        What the jobs are limited to: the dataset or the partition that was changed, or, of the
        steps with a job for each shard, the shard of the dataset.
    new
        Jobs whose results aren't there yet run as well.

    The steps of `WHOLE` know no limits.
    """

    first: tuple[str, ...]
    partitions: tuple[str, ...] = ()
    within: Literal["", "dataset", "partition", "shard"] = ""
    new: bool = False

    def steps(self, systems: Sequence[str] = SYSTEMS) -> tuple[str, ...]:
        """Return the first steps and all that follow, see `follows`."""
        return follows(self.first, systems)


def _shown(
    *first: str,
    partitions: tuple[str, ...] = (),
    within: Literal["", "dataset", "partition"] = "",
    new: bool = False,
) -> Rerun:
    return Rerun((*first, *SHOWN), partitions, within, new)


_AUDIO = _shown("resample_audio")
_MEL = _shown(*MEL)
_HPSS = _shown("separate_hpss")
_DNN = _shown(*SMALL_NETWORKS)
_FOREST = _shown(*FORESTS)
_EXPERT = _shown(*TRAINED_EXPERTS)
_MIXER = _shown(*MIXERS)
_WINDOWS = _shown("compute_cepstral_modulation", *_steps("aggregate_segments", ("sf", "tf")))

#: By dotted key of the settings.
SETTINGS: Final[dict[str, Rerun]] = {
    "seeds": _shown(*SMALL_NETWORKS, *TRAINED_EXPERTS),
    "audio.sample_rate": _shown("synthesise_audio", "resample_audio"),
    "audio.clip_seconds": _AUDIO,
    "audio.resampler": _AUDIO,
    "audio.max_quarantined": _shown("collect_quarantine"),
    "stft.n_fft": _shown("compute_stft"),
    "stft.hop": _shown("compute_stft"),
    "cepstrum.epsilon": _shown("compute_cepstrogram"),
    "cepstral_modulation.window_frames": _WINDOWS,
    "cepstral_modulation.shift_frames": _WINDOWS,
    "hpss.kernel": _HPSS,
    "hpss.power": _HPSS,
    "hpss.margin": _HPSS,
    "hpss.conserve": _HPSS,
    "mel.n_mels": _MEL,
    "mel.fmin": _MEL,
    "mel.fmax": _MEL,
    "mel.top_db": _MEL,
    "modulation.spectrogram": _shown("compute_modulation"),
    "mfcc.n_mfcc": _shown("compute_mfcc"),
    "mfcc.delta_width": _shown("compute_mfcc"),
    "partitions.seed": _shown("make_partition", partitions=("random*", "cv10*")),
    "partitions.random_draws": _shown("make_partition", partitions=("random*",)),
    "partitions.cv_validation_folds": _shown("make_partition", partitions=("cv10*",)),
    "partitions.without_group": _shown(
        "make_partition", partitions=("*_group_disjoint*", "official*")
    ),
    "partitions.swapped_networks": _shown(
        *_steps("compute_normalisation", ("sf", "tf")), partitions=("*_swapped*",)
    ),
    "dnn.hidden": _DNN,
    "dnn.initialisation": _DNN,
    "dnn.learning_rate": _DNN,
    "dnn.batch": _DNN,
    "dnn.epochs": _DNN,
    "dnn.patience": _DNN,
    "rf.trees": _FOREST,
    "rf.max_features": _FOREST,
    "rf.decision": _FOREST,
    "expert.channels": _EXPERT,
    "expert.normalisation": _EXPERT,
    "expert.epochs": _EXPERT,
    "expert.batch": _EXPERT,
    "expert.learning_rate": _EXPERT,
    "expert.decay": _EXPERT,
    "expert.model": _EXPERT,
    "expert.batchnorm_momentum": _EXPERT,
    "expert.batchnorm_average": _EXPERT,
    "expert.batchnorm_variance": _EXPERT,
    "mixer.epochs": _MIXER,
    "mixer.batch": _MIXER,
    "mixer.learning_rate": _MIXER,
    "mixer.decay": _MIXER,
    "mixer.model": _MIXER,
    "mixer.batchnorm_momentum": _MIXER,
    "mixer.batchnorm_average": _MIXER,
    "mixer.batchnorm_variance": _MIXER,
    "mixer.dropout": _shown("train_mixer moer"),
    "mixer.frozen_batchnorm": _MIXER,
    "training.device": _EXPERT,
    "training.threads": _EXPERT,
    # The report leaves it out: the small networks alone depend on it.
    "training.memory_gb": Rerun((*SMALL_NETWORKS, "write_run_config")),
}

_CLIPS = _shown("write_manifest", "write_shard", within="dataset")

#: By key of a dataset; those of one source alone are named after it.
DATASETS: Final[dict[str, Rerun]] = {
    "source": _CLIPS,
    "shards": _CLIPS,
    "synthetic.seeds": _CLIPS,
    "synthetic.artists": _CLIPS,
    "synthetic.seconds": _CLIPS,
    "manifest.manifest": _CLIPS,
    "folder.folder": _CLIPS,
    "gtzan.path": _CLIPS,
    "fma.path": _CLIPS,
    # Lists or none; where a copy of them lies is no matter, as each is known by its checksum.
    "gtzan.lists": _shown("write_manifest", within="dataset"),
    "fma.metadata": Rerun(("write_run_config",), within="dataset"),
}

#: By key that is neither a setting nor of one dataset.
TOP: Final[dict[str, Rerun]] = {
    "downloads": _shown("retrieve_collection", "retrieve_annotations"),
    "keep": Rerun(("write_run_config",)),
}

_ADDED = _shown("make_tables", new=True)

#: By key of an experiment: another value takes one away and adds another.
EXPERIMENTS: Final[dict[str, Rerun]] = {
    "dataset": _ADDED,
    "partition": _ADDED,
    "group_disjoint": _ADDED,
    "systems": _shown(
        "audit_models", "plot_learning_curves", "plot_tsne", within="partition", new=True
    ),
}

#: What is no other value of a key.
OTHERS: Final[dict[str, Rerun]] = {
    "a dataset is added": _ADDED,
    "a partition is added": _ADDED,
    "a system of Jeong 2016 is added": _shown(
        "audit_models", "plot_learning_curves", "plot_tsne", within="partition", new=True
    ),
    "a system of Yi 2019 is added": _shown(
        "audit_models", "plot_learning_curves", within="partition", new=True
    ),
    "a seed is added": _shown(
        *_steps("collect_predictions", SYSTEMS), "audit_models", "plot_learning_curves", new=True
    ),
    "a clip is added or removed": Rerun(("write_manifest", "write_shard"), within="shard"),
    "an audio file is replaced, repaired or newly present": Rerun(("write_shard",), within="shard"),
    "a label, group or split changes": Rerun(("write_manifest",), within="dataset"),
    "a published accuracy changes": Rerun(("make_tables",)),
    "the template of the report changes": Rerun(("write_report",)),
}

"""The configuration's closed schema: every key with its description, range and default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticKnownError

from genreflow import choices
from genreflow.collections.shards import MOST_SHARDS
from genreflow.features.registry import CACHES, DROPPABLE, clip_shape
from genreflow.partitions.names import FOLDS, GROUP_DISJOINT, SWAPPED
from genreflow.systems import EXPERTS, MIXED, PROBE, SYSTEMS, is_probe
from genreflow.yi2019.pools import derive_pools

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
Name = Annotated[str, Field(pattern=f"^{NAME}$", max_length=64)]
#: A path; ``~`` is the user's home.
PathText = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
PartitionName: TypeAlias = str
ExpertName: TypeAlias = str
Droppable: TypeAlias = str
CacheName: TypeAlias = str
if not TYPE_CHECKING:
    PartitionName = Literal[(*FOLDS, *(name + SWAPPED for name in FOLDS))]
    ExpertName = Literal[tuple(EXPERTS)]
    Droppable = Literal[DROPPABLE]
    CacheName = Literal[CACHES]


def _known_system(name: str) -> str:
    """Return a system's name; which probes there are is seen to when all of them are known."""
    if name not in SYSTEMS and not is_probe(name):
        raise PydanticKnownError(
            "literal_error", {"expected": ", ".join((*SYSTEMS, f"{PROBE}NAME"))}
        )
    return name


SystemName = Annotated[
    str,
    AfterValidator(_known_system),
    WithJsonSchema(
        {"anyOf": [{"enum": list(SYSTEMS)}, {"pattern": f"^{PROBE}{NAME}$"}], "type": "string"}
    ),
]


class Section(BaseModel):
    """A part of the configuration that refuses unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


class Audio(Section):
    """Decoding and resampling (both papers)."""

    sample_rate: Positive = Field(22050, description="Hz; both papers use 22 050.")
    clip_seconds: Rate = Field(
        30.0, description="Seconds; longer clips lose their end, shorter ones get zeros there."
    )
    resampler: choices.Resampler = Field(
        "soxr_hq", description="The authors' librosa of 2019 used kaiser_fast (resampy)."
    )
    max_missing: float = Field(
        choices.MAX_MISSING,
        ge=0,
        le=1,
        description="Largest share of what a header promises of a clip that may be gone from it.",
    )
    max_quarantined: float = Field(
        0.05, ge=0, le=1, description="Largest share of unusable clips before the run stops."
    )


class Stft(Section):
    """Short-time Fourier transform (both papers): periodic Hann window, centred frames."""

    n_fft: Positive = Field(1024, description="Samples in a window.")
    hop: Positive = Field(512, description="Samples between windows; must divide n_fft / 2.")


class Cepstrum(Section):
    """Cepstrogram (Jeong 2016, Eq. 3)."""

    epsilon: Rate = Field(1e-4, description="Added to the magnitude before the logarithm.")


class CepstralModulation(Section):
    """Windows of the cepstral modulation spectrum and of the aggregation (Jeong 2016, Eq. 5)."""

    window_frames: Positive = Field(214, description="Frames T in a window, about 5 s.")
    shift_frames: Positive = Field(107, description="Frames between windows, about 2.5 s.")


class Hpss(Section):
    """Harmonic/percussive separation by median filtering (Yi 2019, section II.A)."""

    kernel: Positive = Field(31, description="Odd length of both medians, in frames and in bins.")
    power: Rate = Field(2.0, description="Exponent of the soft mask.")
    margin: float = Field(1.0, ge=1, description="Margin of the soft mask.")
    conserve: choices.Conserved = Field(
        "magnitude",
        description="What the parts sum to: |S| (the authors' code) or |S|^2 (the paper's Eq. 1).",
    )


class Mel(Section):
    """Mel spectrograms (Yi 2019, section IV.B): Slaney scale and area norm, in dB."""

    n_mels: Positive = Field(96, description="Mel bands.")
    fmin: float = Field(0.0, ge=0, description="Hz, lower edge of the first band.")
    fmax: Rate = Field(11025.0, description="Hz, upper edge of the last band.")
    top_db: Rate = Field(80.0, description="dB below the clip's maximum at which values are cut.")


class Modulation(Section):
    """Modulation spectrogram (Yi 2019, Eq. 2 and 3)."""

    spectrogram: choices.Spectrogram = Field(
        "log", description="Transform mel dB (the authors' code) or mel power (the paper's text)."
    )


class Mfcc(Section):
    """MFCC baseline (Yi 2019, section II.C)."""

    n_mfcc: Positive = Field(20, description="Cepstral coefficients, c0 included.")
    delta_width: int = Field(9, ge=3, description="Odd frames of the derivative filters.")


class Partitions(Section):
    """How the generated partitions are drawn."""

    seed: int = Field(0, ge=0, description="Seed of the shuffles.")
    random_draws: choices.RandomDraws = Field(
        "rotations",
        description="Four quarters in rotation (each clip tested once) or four separate draws.",
    )
    cv_validation_folds: int = Field(
        1, ge=1, le=8, description="Of the nine training folds of cv10, how many validate."
    )
    final_validation: float = Field(
        0.1,
        gt=0,
        le=0.5,
        description="Of a classifier that trains on all clips, the share that chooses the epoch.",
    )
    swapped_networks: choices.SwappedNetworks = Field(
        "shared",
        description="Swapped partitions, Jeong 2016: the networks of the partition itself, or "
        "others that are stopped on its test part.",
    )
    without_group: choices.WithoutGroup = Field(
        "refuse",
        description="Group-disjoint partitions: what becomes of clips whose group is not known.",
    )


class Dnn(Section):
    """Training of the two small networks (Jeong 2016, section 4.2)."""

    hidden: list[Positive] = Field([50, 50, 50], min_length=1, description="Units a hidden layer.")
    initialisation: choices.Initialisation = Field(
        "glorot_uniform", description="Initial weights; the paper gives none."
    )
    learning_rate: Rate = Field(0.01, description="Step of plain stochastic gradient descent.")
    batch: Positive = Field(100, description="Vectors a step.")
    epochs: Positive = Field(200, description="Largest number of epochs.")
    patience: Positive = Field(10, description="Epochs without a better validation loss.")


class JointTraining(Section):
    """Training of SF and TF together (Jeong 2016, conclusion); the rest is that of `dnn`."""

    optimiser: choices.Optimiser = Field(
        "adam", description="Adam, or the plain descent of the small networks."
    )
    learning_rate: Rate = Field(3e-4, description="Its step.")
    batch: Positive = Field(20, description="Segments a step.")


class RandomForest(Section):
    """Random forest on segments and the clip's label (Jeong 2016, section 4.3)."""

    trees: Positive = Field(500, description="Trees.")
    max_features: choices.TriedFeatures = Field("sqrt", description="Features tried a split.")
    decision: choices.Decision = Field(
        "majority", description="Clip label from its segments; ties go to the lowest class index."
    )


class NetworkTraining(Section):
    """How the networks of Yi 2019 are trained (section IV.C)."""

    epochs: Positive = Field(50, description="Epochs.")
    batch: int = Field(16, ge=2, description="Clips a step.")
    learning_rate: Rate = Field(5e-3, description="Adam's rate at the first step.")
    decay: float = Field(0.01, ge=0, description="rate / (1 + decay * step).")
    patience: Positive | None = Field(
        None, description="Epochs without a lower validation loss that end a training; null: never."
    )
    model: choices.KeptEpoch = Field(
        "lowest_val_loss", description="Which epoch's weights are kept."
    )
    batchnorm_momentum: float = Field(
        0.99, gt=0, lt=1, description="Share of the running statistics kept a step (Keras's sense)."
    )
    batchnorm_average: choices.RunningAverage = Field(
        "zero_debiased",
        description="Running statistics start with the first batch's, as in Keras 2.2.4, or with "
        "0 and 1.",
    )
    batchnorm_variance: choices.RunningVariance = Field(
        "keras224",
        description="Batch variance that enters the running one: corrected as by Keras 2.2.4, or "
        "by n / (n - 1) alone.",
    )


class Expert(NetworkTraining):
    """Training of the k2c2 experts (Yi 2019, section IV.C)."""

    channels: list[Positive] = Field(
        [64, 128, 128, 192, 256], min_length=5, max_length=5, description="Channels a block."
    )
    normalisation: choices.Normalisation = Field(
        "clip",
        description="By each clip's mean and deviation, a clip and band's, or a training band's.",
    )


class Mixer(NetworkTraining):
    """Mixtures and the training of their mixers (Yi 2019, section III.B)."""

    experts: list[ExpertName] = Field(
        list(MIXED), min_length=2, description="What a mixture mixes, each expert once."
    )
    learning_rate: Rate = Field(5e-4, description="Adam's rate at the first step.")
    decay: float = Field(1e-4, ge=0, description="rate / (1 + decay * step).")
    dropout: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        [0.25, 0.25, 0.5],
        min_length=3,
        max_length=3,
        description="MoER: before each GRU and before the dense layer; not in the paper.",
    )
    frozen_batchnorm: choices.FrozenBatchnorm = Field(
        "running",
        description="Frozen experts use running statistics, or the batch's as Keras 2.2.4 did.",
    )


class Training(Section):
    """Resources of training; the number of threads changes the last bits of the results."""

    device: choices.Device = Field("auto", description="auto: CUDA where there is one.")
    threads: Positive = Field(1, description="Threads of a training job, on any machine.")
    precision: choices.Precision = Field(
        "float32",
        description="Numbers of the networks' maps in training; weights and sums are float32.",
    )
    memory_gb: Rate = Field(4.0, description="Inputs above this size are streamed from the caches.")


class Report(Section):
    """The report, which is one file that may be passed on."""

    audio: bool = Field(
        False,
        description="Whether it holds the first seconds of clips that were got wrong, to be played "
        "in the page. Who has the page then has that music: pass it on only where you may.",
    )


class Settings(Section):
    """Everything that may also differ by dataset."""

    seeds: Seeds = Field([0], description="A run of every training a seed; tables give their mean.")
    audio: Audio = Audio()
    stft: Stft = Stft()
    cepstrum: Cepstrum = Cepstrum()
    cepstral_modulation: CepstralModulation = CepstralModulation()
    hpss: Hpss = Hpss()
    mel: Mel = Mel()
    modulation: Modulation = Modulation()
    mfcc: Mfcc = Mfcc()
    partitions: Partitions = Partitions()
    dnn: Dnn = Dnn()
    joint: JointTraining = JointTraining()
    rf: RandomForest = RandomForest()
    expert: Expert = Expert()
    mixer: Mixer = Mixer()
    training: Training = Training()

    def expert_shape(self, expert: str) -> tuple[int, int]:
        """Return rows and columns of an expert's input."""
        rows, columns = clip_shape(EXPERTS[expert].feature, self)
        return rows, columns

    def expert_pools(self, expert: str) -> tuple[tuple[int, int], ...] | None:
        """Return the five (frequency, time) pools of an expert, or None where none fit."""
        return derive_pools(self.expert_shape(expert), EXPERTS[expert].pools)


class AnyDataset(Section):
    """What every source has."""

    source: str
    shards: Annotated[int, Field(gt=0, le=MOST_SHARDS)] | None = Field(
        None, description="Number of shards; by default from the clips."
    )
    settings: dict[str, Any] = Field({}, description="Settings that differ for this dataset.")


class SyntheticDataset(AnyDataset):
    """The built-in demo: synthesised music with a planted truth."""

    source: Literal["synthetic"]
    seeds: Seeds = Field(
        [0, 1, 2], description="Generator seeds, pooled; each has its own artists."
    )
    artists: int = Field(
        8, ge=4, multiple_of=4, description="Artists a seed, a clip of each class each."
    )
    seconds: Rate = Field(10.0, description="Length of the rendered clips.")


class ManifestDataset(AnyDataset):
    """Own music, listed in a CSV file."""

    source: Literal["manifest"]
    manifest: PathText = Field(
        description="CSV with track_id,path,label and optionally group,split."
    )


class FolderDataset(AnyDataset):
    """Own music in a folder of folders, whose names are the labels."""

    source: Literal["folder"]
    folder: PathText = Field(
        description="Holds a folder for each label; its manifest, once written, may be edited.",
    )
    labels: choices.FolderLabels = Field(
        "folders",
        description="What the folders are: labels, or nothing (none: features and predictions "
        "need no labels).",
    )


class GtzanDataset(AnyDataset):
    """GTZAN (Tzanetakis & Cook 2002)."""

    source: Literal["gtzan"]
    path: PathText = Field(
        "download",
        description="genres.tar.gz, or the folder `genres` (.au or .wav) or the one above it; "
        "`download` gets the archive.",
    )
    lists: PathText | None = Field(
        "download",
        description="Folder of the three fault-filtered lists and the artist index; `download` "
        "gets them. null: there is no partition fault_filtered, and no artist is known.",
    )


class FmaDataset(AnyDataset):
    """A subset of FMA (Defferrard et al. 2017); clips are the tracks with a root genre."""

    source: Literal["fma_small", "fma_medium", "fma_large", "fma_full"]
    path: PathText = Field(
        "download",
        description="The subset's zip archive, its folder or the one above it; `download` gets the "
        "archive.",
    )
    metadata: PathText = Field(
        "download",
        description="fma_metadata.zip, its folder, or tracks.csv; `download` gets the archive.",
    )


class Variant(Section):
    """The clips of another dataset with other settings; what these don't concern is shared."""

    like: Name = Field(description="The dataset whose clips they are; it may be a variant itself.")
    settings: dict[str, Any] = Field(
        {}, description="Settings that differ from those of the other dataset."
    )


SOURCES: dict[str, type[AnyDataset]] = {
    source: kind
    for kind in (FolderDataset, FmaDataset, GtzanDataset, ManifestDataset, SyntheticDataset)
    for source in get_args(kind.model_fields["source"].annotation)
}
#: What a dataset is validated as, by its source or the key that stands in the place of one.
KINDS: dict[str, type[Section]] = {**SOURCES, "like": Variant}


def _kind(dataset: Any) -> str | None:
    if isinstance(dataset, Mapping):
        return "like" if "like" in dataset else dataset.get("source")
    return "like" if isinstance(dataset, Variant) else getattr(dataset, "source", None)


Dataset: TypeAlias = AnyDataset | Variant
if not TYPE_CHECKING:
    Dataset = Annotated[
        reduce(or_, (Annotated[kind, Tag(name)] for name, kind in KINDS.items())),
        Discriminator(_kind),
    ]


class Probe(Section):
    """Anybody's embeddings of clips, which an experiment has as the system `probe:NAME`."""

    vectors: PathText = Field(
        description="HDF5, .npz, Parquet or a folder of .npy, by track id (docs/probes.md)."
    )


class Experiment(Section):
    """Systems to evaluate on a partition of a dataset."""

    dataset: Name
    partition: PartitionName
    group_disjoint: bool = Field(False, description="No group (artist) on two sides.")
    systems: list[SystemName] = Field(
        min_length=1, description="Systems of the papers, `stats`, and `probe:NAME` for a probe."
    )

    @property
    def partition_id(self) -> str:
        """Name of the partition in paths: its name and its form."""
        return self.partition + (GROUP_DISJOINT if self.group_disjoint else "")


class Study(Experiment):
    """Systems with other settings than a dataset's own, each beside the dataset itself."""

    name: Name = Field(description="Of the study in tables and figures.")
    vary: dict[str, list[Any]] = Field(
        min_length=1, description="Keys of the settings, as `rf.decision`, with their other values."
    )
    design: choices.Design = Field(
        "one_at_a_time", description="One key differs at a time, or all combinations are run."
    )
    seeds: Seeds | None = Field(None, description="By default those of the dataset.")


class Classification(Section):
    """A dataset to classify as a whole, with a classifier that was trained before."""

    dataset: Name
    classifier: PathText = Field(description="Folder of the classifier.")
    name: Name | None = Field(
        None, description="Of the result's file; by default that of the classifier's folder."
    )

    @property
    def file(self) -> str:
        """Name of the result's file, without its suffix."""
        return self.name or os.path.basename(os.path.normpath(self.classifier))


class Config(Settings):
    """The whole configuration."""

    downloads: PathText = Field(
        "downloads",
        description="Folder of published collections: what is downloaded, and what archives hold.",
    )
    keep: list[Droppable] = Field(
        list(DROPPABLE),
        description="Which of audio and hpss, caches that only other features are made from, stay "
        "on disk. Both do, so that a changed parameter costs only what depends on it. Without one, "
        "a 30 s clip takes 2.65 MB less; it is removed after its last use, and made again when a "
        "change needs it.",
    )
    drop: list[CacheName] = Field(
        [],
        description="Further caches that are removed after their last use: "
        + ", ".join(name for name in CACHES if name not in DROPPABLE)
        + ". Networks are trained on them, so what needs one again also repeats trainings; the run "
        "says beforehand which jobs.",
    )
    report: Report = Report()
    datasets: dict[Name, Dataset] = Field({}, description="Collections by name.")
    probes: dict[Name, Probe] = Field(
        {},
        description="Embeddings by name, such as `mert: {vectors: mert.npz}`: a logistic "
        "regression of them is the system `probe:mert`.",
    )
    experiments: list[Experiment] = Field([], description="What tables.csv reports.")
    studies: list[Study] = Field(
        [], description="What results/tables/studies.csv compares: settings side by side."
    )
    classify: list[Classification] = Field(
        [], description="What results/{dataset}/classified/{name}.csv is asked to hold."
    )

    @property
    def dropped(self) -> tuple[str, ...]:
        """Names of the caches that are removed after their last use."""
        unkept = set(DROPPABLE).difference(self.keep)
        return tuple(name for name in CACHES if name in unkept.union(self.drop))

    def settings(self, dataset: str) -> Settings:
        """Return the settings in force for a dataset."""
        return Settings.model_validate(self.merged_settings(dataset))

    def merged_settings(self, dataset: str) -> dict[str, Any]:
        """Return the common settings with a dataset's own over them, not yet checked."""
        own = self.datasets[dataset]
        below = (
            self.merged_settings(own.like)
            if isinstance(own, Variant)
            else self.model_dump(include=set(Settings.model_fields))
        )
        return merge(below, own.settings)

    def source(self, dataset: str) -> AnyDataset:
        """Return where a dataset's clips come from: its own source, or that of what it is like."""
        found = self.datasets[dataset]
        return self.source(found.like) if isinstance(found, Variant) else found

    def related(self, dataset: str) -> list[str]:
        """Return all datasets of the same clips, the first before its variants."""
        while isinstance(found := self.datasets[dataset], Variant):
            dataset = found.like
        related = [dataset]
        for name in related:
            related += [n for n, d in self.datasets.items() if getattr(d, "like", "") == name]
        return related


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over``, nested maps merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            value = merge(merged[key], value)
        merged[key] = value
    return merged


def setting_keys() -> Iterator[str]:
    """Yield every dotted key of the settings."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            yield from (f"{name}.{key}" for key in type(field.default).model_fields)
        else:
            yield name

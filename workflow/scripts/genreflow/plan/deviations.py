"""What the papers leave open or contradict: their words, the authors' code, and our reason.

The text of docs/deviations.md.  Defaults and alternatives are not here: the page takes them from
the schema.  Every key of the schema is in exactly one of `STAGES`, `STATED` and `OWN`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

#: O: no source settles it; R: read from the authors' code or weights; A: follows by arithmetic.
Status = Literal["O", "R", "A"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the sources say of a config key, and why its default is what it is.

    Attributes
    ----------
    paper, where
        The paper's words, verbatim, and their place; empty where it is silent.
    authors
        What the authors' code or weights show; empty where nothing is known.
    why
        Reason for the default, or a remark; empty where it just follows the authors.
    paper_value, authors_value
        The values that stand for the paper's words and for the authors' code, where there is one.
    """

    status: Status
    paper: str = ""
    where: str = ""
    authors: str = ""
    why: str = ""
    paper_value: Any = None
    authors_value: Any = None


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What has no key: what is done, the paper's words (verbatim) and the reason.

    ``differs`` says that it is not what the authors' code does.
    """

    item: str
    status: Status
    done: str
    paper: str = ""
    where: str = ""
    why: str
    differs: bool = False


@dataclass(frozen=True)
class Stage:
    """A section of the page: readings by dotted config key, and what is fixed."""

    title: str
    readings: dict[str, Reading]
    fixed: tuple[Fixed, ...]


#: Keys whose defaults a paper states, and where.
STATED = {
    "audio.sample_rate": "Jeong 2016, 4.1; Yi 2019, IV.B",
    "audio.clip_seconds": "Jeong 2016, 4.1; Yi 2019, IV.A",
    "stft.n_fft": "Jeong 2016, 4.2; Yi 2019, IV.B",
    "stft.hop": "Jeong 2016, 4.2; Yi 2019, IV.B",
    "cepstrum.epsilon": "Jeong 2016, 3.1",
    "cepstral_modulation.window_frames": "Jeong 2016, 4.2",
    "cepstral_modulation.shift_frames": "Jeong 2016, 4.2",
    "mel.n_mels": "Yi 2019, IV.B",
    "mfcc.n_mfcc": "Yi 2019, II.C",
    "dnn.learning_rate": "Jeong 2016, 4.2",
    "dnn.batch": "Jeong 2016, 4.2",
    "dnn.epochs": "Jeong 2016, 4.2",
    "dnn.patience": "Jeong 2016, 4.2",
    "rf.trees": "Jeong 2016, 4.3",
    "expert.channels": "Yi 2019, IV.C",
    "expert.normalisation": "Yi 2019, IV.B",
    "expert.epochs": "Yi 2019, IV.C",
    "expert.batch": "Yi 2019, IV.C",
    "mixer.epochs": "Yi 2019, IV.C",
    "mixer.batch": "Yi 2019, IV.C",
}

#: Keys of the workflow itself, of which no paper could speak, and what they are for.
OWN = {
    "audio.max_quarantined": "stops a run of which too many clips can't be used",
    "partitions.without_group": "group-disjoint partitions where some groups are not known",
    "training.device": "where networks are trained",
    "training.threads": "fixed, since another number gives other last bits",
    "training.memory_gb": "what is kept in memory and what is streamed",
}

_ADAM = "Both CNN and RNN are using Adam as the optimizer"
_BATCHNORM = (
    "batch normalization and ELU activation function are used in all the convolutional layers "
    "and dense layers"
)
_EPOCHS = "Each of the networks is trained over 50 epochs"

AUDIO = Stage(
    "Audio and STFT (both papers)",
    {
        "audio.resampler": Reading(
            status="R",
            paper="we resample all the music clips into 22,050Hz, mono signals",
            where="Yi 2019, IV.B",
            authors="Yi 2019: `librosa.load` with `res_type='kaiser_fast'`.",
            why="librosa itself has replaced that filter by soxr. "
            "Music at 22 050 Hz, such as GTZAN, is not resampled at all.",
            authors_value="kaiser_fast",
        ),
    },
    (
        Fixed(
            item="decoder",
            status="O",
            done="libsndfile; ffmpeg for what libsndfile can't read. The channels are averaged.",
            why="The two differ on some MP3 files. The cache says which one it was.",
            differs=True,
        ),
        Fixed(
            item="clip length",
            status="R",
            done="A longer clip loses its end, a shorter one gets zeros there.",
            paper="30-second music clips",
            where="Yi 2019, IV.A",
            why="So does the code of Yi 2019.",
        ),
        Fixed(
            item="window",
            status="R",
            done="Periodic Hann.",
            paper="Hanning window",
            where="Jeong 2016, 4.2; Yi 2019, IV.B",
            why="librosa's, which Yi 2019 used.",
        ),
        Fixed(
            item="edges of the signal",
            status="R",
            done="Frames are centred, and the signal is reflected at its ends.",
            why="librosa's default at the time. It touches the first and the last of 1292 frames.",
        ),
        Fixed(
            item="frames of Jeong 2016",
            status="A",
            done="Frames 1 to 1290 of the 1292 centred ones: those wholly inside the signal.",
            why="Eq. 1 starts frame t at sample Λt, without centring. "
            "See [one STFT for both papers](architecture.md#one-stft-for-both-papers).",
        ),
    ),
)

YI_FEATURES = Stage(
    "Yi 2019: features",
    {
        "hpss.kernel": Reading(
            status="R",
            paper="one of the approaches by using median filtering",
            where="II.A",
            authors="`librosa.decompose.hpss` with its defaults.",
            why="The length must be odd.",
            authors_value=31,
        ),
        "hpss.power": Reading(
            status="R",
            authors="librosa's default, on magnitudes.",
            authors_value=2.0,
        ),
        "hpss.margin": Reading(
            status="R",
            authors="librosa's default.",
            why="Only with 1 do the masks sum to 1.",
            authors_value=1.0,
        ),
        "hpss.conserve": Reading(
            status="R",
            paper="S(f,t) = H(f,t) + P(f,t)",
            where="II.A, Eq. 1, of power spectrograms",
            authors="The masks multiply |S| and the parts are squared afterwards, "
            "so Eq. 1 holds for magnitudes and not for powers.",
            paper_value="power",
            authors_value="magnitude",
        ),
        "mel.fmin": Reading(status="R", authors="librosa's default.", authors_value=0.0),
        "mel.fmax": Reading(
            status="R",
            authors="librosa's default, half the sample rate.",
            authors_value=11025.0,
        ),
        "mel.top_db": Reading(
            status="R",
            paper="the values are in log-amplitude",
            where="IV.B",
            authors="`librosa.power_to_db` with its default.",
            why="A number above any range of the music, such as 1000, cuts nothing.",
            authors_value=80.0,
        ),
        "modulation.spectrogram": Reading(
            status="R",
            paper="Given a normalized power spectrogram",
            where="II.B",
            authors="They standardise and transform the mel spectrogram in dB.",
            paper_value="power",
            authors_value="log",
        ),
        "mfcc.delta_width": Reading(
            status="R",
            paper="20 MFCC and their first and second-order derivatives",
            where="II.C",
            authors="`librosa.feature.delta` with its default.",
            why="The width must be odd.",
            authors_value=9,
        ),
    },
    (
        Fixed(
            item="HPSS",
            status="R",
            done="Medians of |S|, reflected at the edges; soft masks; before the mel filters.",
            why="librosa's. On |S|² the medians would be the squares of these, since the length "
            "is odd, and `hpss.power: 1` would give the masks that 2 gives here.",
        ),
        Fixed(
            item="mel filters",
            status="R",
            done="Slaney's scale and area norm, on the power |S|².",
            paper="96 mel frequency bin",
            where="IV.B",
            why="librosa's default.",
        ),
        Fixed(
            item="decibels",
            status="R",
            done="10 log10(max(power, 1e-10)), after the mel filters.",
            paper="the values are in log-amplitude. "
            "We converted spectrogram features with 96 mel frequency bin",
            where="IV.B",
            why="The code's order and librosa's floor; the paper names the two in the other order.",
        ),
        Fixed(
            item="modulation transform",
            status="R",
            done="T terms; magnitude, not in dB; frequency 0 kept and the highest one dropped.",
            paper="the size of the modulation spectrogram is set to be 96×646",
            where="IV.B",
            why="The code's. Eq. 3 sums from 0 to T, which is one term too many for its period T.",
        ),
        Fixed(
            item="MFCC",
            status="R",
            done="Orthonormal DCT-II of the mel spectrogram in dB, the 0th coefficient included. "
            "The second derivative is that of a fitted parabola, not the derivative of the first. "
            "At the ends the fit of the outermost window goes on.",
            paper="20 MFCC and their first and second-order derivatives",
            where="II.C",
            why="librosa's.",
        ),
        Fixed(
            item="constant input",
            status="O",
            done="A constant matrix, such as a silent clip's, becomes zeros.",
            why="The code divides by 0 there.",
            differs=True,
        ),
    ),
)

YI_NETWORKS = Stage(
    "Yi 2019: networks and training",
    {
        "expert.learning_rate": Reading(
            status="R",
            paper=_ADAM,
            where="IV.C",
            authors="`Adam(lr=5e-3, decay=1e-2)`.",
            authors_value=5e-3,
        ),
        "expert.decay": Reading(status="R", authors="The same.", authors_value=0.01),
        "expert.model": Reading(
            status="O",
            paper=_EPOCHS,
            where="IV.C",
            authors="The training scripts are not published. "
            "A notebook imports Keras's `ModelCheckpoint` and does not use it.",
            why="The validation clips have no other use in this paper.",
        ),
        "expert.batchnorm_momentum": Reading(
            status="R",
            paper=_BATCHNORM,
            where="IV.C",
            authors="Keras's default.",
            authors_value=0.99,
        ),
        "expert.batchnorm_average": Reading(
            status="R",
            authors="Keras 2.2.4's running averages are zero-debiased: after the first step they "
            "are the batch's, and the initial 0 and 1 never count. In PyTorch's terms the momentum "
            "of step t is (1 - m) / (1 - m^t).",
            authors_value="zero_debiased",
        ),
        "expert.batchnorm_variance": Reading(
            status="R",
            authors="Of maps, the batch's variance is corrected twice before it enters the running "
            "one: by n / (n - 1) in TensorFlow and by n / (n - 1 - epsilon) in Keras.",
            authors_value="keras224",
        ),
        "mixer.learning_rate": Reading(
            status="R",
            paper=_ADAM,
            where="IV.C",
            authors="`Adam(lr=5e-4, decay=1e-4)`.",
            authors_value=5e-4,
        ),
        "mixer.decay": Reading(status="R", authors="The same.", authors_value=1e-4),
        "mixer.model": Reading(
            status="O",
            paper=_EPOCHS,
            where="IV.C",
            authors="Not published.",
            why="As for the experts.",
        ),
        "mixer.batchnorm_momentum": Reading(
            status="R",
            paper=_BATCHNORM,
            where="IV.C",
            authors="Keras's default.",
            authors_value=0.99,
        ),
        "mixer.batchnorm_average": Reading(
            status="R",
            authors="As in the experts.",
            authors_value="zero_debiased",
        ),
        "mixer.batchnorm_variance": Reading(
            status="R",
            authors="In MoEC as in the experts; the vectors of MoER are corrected once, by "
            "n / (n - 1 - epsilon).",
            authors_value="keras224",
        ),
        "mixer.dropout": Reading(
            status="R",
            authors="Dropout before each GRU layer and before the dense layer of MoER.",
            paper_value=[0.0, 0.0, 0.0],
            authors_value=[0.25, 0.25, 0.5],
        ),
        "mixer.frozen_batchnorm": Reading(
            status="R",
            paper="the expert networks are pre-trained and fixed without finetuned "
            "with the mixture model",
            where="III.B",
            authors="While a mixer trains, Keras 2.2.4 normalises by each batch's statistics in "
            "frozen layers too, so an expert's output depends on the batch.",
            why="A fixed expert gives a clip the same output in training as in the test. It is "
            "computed once and cached; with `keras224_bn` the experts run again in every batch.",
            paper_value="running",
            authors_value="keras224_bn",
        ),
    },
    (
        Fixed(
            item="block of k2c2",
            status="R",
            done="3x3 convolution, not padded, with bias; batch normalisation; ELU; pooling. "
            "No dropout.",
            paper="5 convolutional layers of 3×3 kernels and max-pooling pooling layer",
            where="III.A",
            why="The code's. ELU is applied after the pooling here, with "
            "[the same numbers](architecture.md#elu-after-pooling).",
        ),
        Fixed(
            item="pools",
            status="R",
            done="The code's for 30 s; for other lengths those nearest to them that end at 1 x 1.",
            paper="in order to result the shape of feature maps to 1×1",
            where="IV.C",
            why="The paper does not list them.",
        ),
        Fixed(
            item="alignment of the pools",
            status="R",
            done='TensorFlow\'s "same": padded, the smaller half first.',
            why="The code's. See [alignment of the pools](architecture.md#alignment-of-the-pools).",
        ),
        Fixed(
            item="GRU",
            status="R",
            done="cuDNN's: two biases a gate, the reset gate applied after the product.",
            paper="two layers of bidirectional of GRU (Bi-GRU) units",
            where="III.B",
            why="The code's `CuDNNGRU`; PyTorch's is the same.",
        ),
        Fixed(
            item="loss",
            status="R",
            done="Cross-entropy of the mixture's probability, clipped at 1e-7; of the experts' "
            "softmax, not clipped.",
            paper="crossentropy as the loss function",
            where="IV.C",
            why="The code's. Keras clips the experts' as well, which matters only to a clip that "
            "is nearly certain to be something else.",
            differs=True,
        ),
        Fixed(
            item="Adam",
            status="R",
            done="Epsilon 1e-7, added as in PyTorch, after the correction of the second moment.",
            paper=_ADAM,
            where="IV.C",
            why="Keras's default. Keras adds it before the correction, where it weighs up to 32 "
            "times as much in the first steps.",
            differs=True,
        ),
        Fixed(
            item="batch normalisation",
            status="R",
            done="Epsilon 1e-3.",
            paper=_BATCHNORM,
            where="IV.C",
            why="Keras's default.",
        ),
        Fixed(
            item="initial weights",
            status="R",
            done="Glorot uniform, recurrent ones orthogonal, biases 0.",
            why="Keras's defaults.",
        ),
        Fixed(
            item="last batch",
            status="O",
            done="A single clip left over joins the batch before.",
            paper="the batch size of 16 in every epoch",
            where="IV.C",
            why="Alone it has no variance to normalise by in MoER's dense layer.",
            differs=True,
        ),
    ),
)

JEONG = Stage(
    "Jeong 2016: features, networks and classifier",
    {
        "dnn.hidden": Reading(
            status="A",
            paper="3 hidden layers and each layer has 50 units for both spectral and temporal "
            "model. In other words, the network has a size of 513-50-50-10 for SF and "
            "108-50-50-50-10 for TF",
            where="4.2",
            why="513-50-50-10 has two hidden layers and contradicts the rest of the passage.",
            paper_value=[50, 50, 50],
        ),
        "dnn.initialisation": Reading(
            status="O",
            why="A common choice, and the one of Yi 2019.",
        ),
        "rf.max_features": Reading(
            status="O",
            paper="random forest (RF) with 500 trees",
            where="4.3",
            why="The default of common implementations.",
        ),
        "rf.decision": Reading(
            status="O",
            paper="used majority voting to classify the whole music clip",
            where="4.3",
            why="The paper does not say what breaks a tie. The first class in alphabetical order "
            "wins, and `tied_votes` in `tables.csv` counts the ties; "
            "with `mean_proba` there are hardly any.",
            paper_value="majority",
        ),
    },
    (
        Fixed(
            item="cepstrum",
            status="A",
            done="Real cepstrum, quefrencies 0 to 512, sign kept.",
            why="The spectrum of Eq. 3 is real and symmetric, so its transform is real; "
            "section 3.2 stops at N/2.",
        ),
        Fixed(
            item="smallest deviation",
            status="O",
            done="A deviation over the training clips below 1e-8 counts as 1e-8.",
            why="A constant bin gives zeros instead of a division by 0.",
        ),
        Fixed(
            item="variance of a segment",
            status="O",
            done="Divided by n, of the activations after ReLU.",
            paper="the outputs in the last hidden layer were aggregated using average and variance",
            where="4.2",
            why="Every segment has the same n, and a forest ignores a common factor.",
        ),
        Fixed(
            item="initial biases",
            status="O",
            done="0.",
            why="Usual, and as in Yi 2019.",
        ),
        Fixed(
            item="t-SNE",
            status="O",
            done="Perplexity 30, initialised by PCA, seeded. "
            "With fewer than 100 segments (n - 1) / 3, at most 30.",
            paper="2-dimensional projection with t-sne",
            where="4.4",
            why="Common values. The maps are pictures: no number depends on them.",
        ),
    ),
)

PARTITIONS = Stage(
    "Partitions and seeds",
    {
        "seeds": Reading(
            status="O",
            why="One run by default, for its time. "
            "With several, the tables give the mean and the deviation.",
        ),
        "partitions.seed": Reading(
            status="O",
            why="A partition that is drawn again must be the same.",
        ),
        "partitions.random_draws": Reading(
            status="O",
            paper="We performed the experiment four times to present the averaged results",
            where="Jeong 2016, 4.1",
            why="With rotations every clip is tested once, so the four runs are one count of all "
            "clips, with an interval.",
        ),
        "partitions.cv_validation_folds": Reading(
            status="O",
            paper="we use 10-fold cross-validation with stratified partitioning",
            where="Yi 2019, IV.A",
            authors="The published code shows no validation part for it.",
            why="The epoch must not be chosen on the clips under test.",
        ),
        "partitions.swapped_networks": Reading(
            status="O",
            paper="the classifier was trained using the training and testing sets "
            "and tested on the validation set",
            where="Jeong 2016, 4.3",
            why='Only "the classifier" is named, so only the forest changes. The early stopping '
            "of the networks then saw the clips under test, and `note` in `tables.csv` says so. "
            "With `retrained` they are trained again and stopped on the partition's test part.",
            paper_value="shared",
        ),
    },
    (
        Fixed(
            item="swapped partitions of Yi 2019",
            status="O",
            done="The epoch is chosen on test and scored on valid.",
            why="The paper has no such partition.",
        ),
        Fixed(
            item="clips that can't be used",
            status="O",
            done="Left out of training; a test clip stays in n and counts as wrong.",
            why="Otherwise a bad file would raise the accuracy. "
            "See [the guide](guide.md#clips-that-cant-be-used).",
        ),
    ),
)

STAGES = (AUDIO, YI_FEATURES, YI_NETWORKS, JEONG, PARTITIONS)
READINGS = {key: reading for stage in STAGES for key, reading in stage.readings.items()}

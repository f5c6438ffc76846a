"""The features of both papers beside the way one would write them with librosa."""

from __future__ import annotations

from statistics import median

import librosa
import numpy as np
import numpy.typing as npt
from genreflow.features.cepstrum import compute_cepstral_modulation, compute_cepstrogram
from genreflow.features.hpss import separate_hpss
from genreflow.features.mel import compute_mel, mel_filters
from genreflow.features.mfcc import compute_mfcc
from genreflow.features.modulation import compute_modulation
from genreflow.features.stft import compute_stft, uncentred_frames
from measuring import spread, times
from page import Bounded, Section
from sound import RATE, SETTINGS, music
from threadpoolctl import threadpool_limits

ROUNDS = 5


def librosa_yi(samples: npt.NDArray[np.float32]) -> None:
    """Compute Yi 2019's features with librosa and numpy."""
    magnitude = np.abs(librosa.stft(samples, n_fft=1024, hop_length=512, pad_mode="reflect"))
    parts = librosa.decompose.hpss(magnitude, kernel_size=31)
    mels = [
        librosa.power_to_db(
            librosa.feature.melspectrogram(S=part**2, sr=RATE, n_fft=1024, n_mels=96, fmax=11025)
        )
        for part in (magnitude, *parts)
    ]
    standardised = (mels[0] - mels[0].mean()) / mels[0].std()
    np.abs(np.fft.rfft(standardised, axis=1))
    mfcc = librosa.feature.mfcc(S=mels[0], n_mfcc=20)
    librosa.feature.delta(mfcc, order=1)
    librosa.feature.delta(mfcc, order=2)


def librosa_jeong(samples: npt.NDArray[np.float32]) -> None:
    """Compute Jeong 2016's features with librosa and numpy."""
    magnitude = np.abs(librosa.stft(samples, n_fft=1024, hop_length=512, pad_mode="reflect"))
    cepstrum = np.fft.irfft(np.log(magnitude[:, 1:1291] + 1e-4), 1024, axis=0)[:513]
    windows = np.lib.stride_tricks.sliding_window_view(cepstrum, 214, axis=1)[:, ::107]
    np.abs(np.fft.rfft(windows, axis=2))


def compare_with_librosa() -> list[Section]:
    """Time every stage on one thread; HPSS and all of them together have bounds."""
    samples = music()
    stft, window = SETTINGS.stft.model_dump(), SETTINGS.cepstral_modulation.model_dump()
    hpss, mel = SETTINGS.hpss.model_dump(), SETTINGS.mel.model_dump()
    top_db = mel.pop("top_db")
    magnitude = compute_stft(samples, **stft)
    counted = magnitude[:, uncentred_frames(samples.size, **stft)]
    cepstrogram = compute_cepstrogram(counted, epsilon=SETTINGS.cepstrum.epsilon)
    filters = mel_filters(sample_rate=RATE, n_fft=stft["n_fft"], **mel)
    decibels = compute_mel(magnitude, filters=filters, top_db=top_db)
    stages = {
        "compute_stft": lambda: compute_stft(samples, **stft),
        "compute_cepstrogram": lambda: compute_cepstrogram(
            counted, epsilon=SETTINGS.cepstrum.epsilon
        ),
        "compute_cepstral_modulation": lambda: compute_cepstral_modulation(cepstrogram, **window),
        "separate_hpss": lambda: separate_hpss(magnitude, **hpss),
        "compute_mel, three times": lambda: [
            compute_mel(magnitude, filters=filters, top_db=top_db) for _ in range(3)
        ],
        "compute_modulation": lambda: compute_modulation(
            decibels, **SETTINGS.modulation.model_dump()
        ),
        "compute_mfcc": lambda: compute_mfcc(decibels, **SETTINGS.mfcc.model_dump()),
    }
    references = {
        "librosa, hpss": lambda: librosa.decompose.hpss(magnitude, kernel_size=31),
        "librosa, Yi 2019": lambda: librosa_yi(samples),
        "librosa, Jeong 2016": lambda: librosa_jeong(samples),
    }
    with threadpool_limits(1):
        seconds = times(stages | references, rounds=ROUNDS)
    ours = [sum(seconds[name][i] for name in stages) for i in range(ROUNDS)]
    theirs = [
        seconds["librosa, Yi 2019"][i] + seconds["librosa, Jeong 2016"][i] for i in range(ROUNDS)
    ]
    hpss_ratio = ratios(seconds["librosa, hpss"], seconds["separate_hpss"])
    ratio = ratios(theirs, ours)
    return [
        Section(
            "Features",
            "A clip of 30 s on one thread, without decoding, reading or writing: the median of "
            f"{ROUNDS} rounds, with the smallest and the largest.\nThe reference is the same "
            "written with librosa and numpy, in the same rounds.",
            [
                *(
                    {"stage": name, "time [ms]": spread(seconds[name], 1000)}
                    for name in (*stages, *references)
                ),
                {"stage": "all stages", "time [ms]": spread(ours, 1000)},
            ],
        ),
        Section(
            "Features beside librosa",
            "How many times as fast, by round: median, smallest and largest.",
            [
                {
                    "what": what,
                    "times": Bounded(median(found), at_least=bound),
                    "spread": spread(found),
                }
                for what, found, bound in (
                    ("HPSS", hpss_ratio, 40),
                    ("the arithmetic of both papers", ratio, 16),
                )
            ],
        ),
    ]


def ratios(one: list[float], other: list[float]) -> list[float]:
    """Return the quotients, round by round."""
    return [a / b for a, b in zip(one, other, strict=True)]

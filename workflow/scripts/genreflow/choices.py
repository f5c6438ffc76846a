"""Choices of the configuration: the schema and the code that they switch take them from here.

The code imports them for its types alone, so that one more choice runs again what has it.
"""

from __future__ import annotations

from typing import Literal

# Features.
Resampler = Literal["soxr_hq", "soxr_vhq", "kaiser_fast"]
Conserved = Literal["magnitude", "power"]
Spectrogram = Literal["log", "power"]
Normalisation = Literal["clip", "clip_freq", "train_freq"]

# Collections.
FolderLabels = Literal["folders", "none"]

# Partitions.
RandomDraws = Literal["rotations", "independent"]
SwappedNetworks = Literal["shared", "retrained"]
WithoutGroup = Literal["refuse", "leave_out"]

# Jeong 2016.
Optimiser = Literal["adam", "sgd"]
Initialisation = Literal["glorot_uniform", "glorot_normal", "he_normal"]
TriedFeatures = Literal["sqrt", "log2"]
Decision = Literal["majority", "mean_proba"]

# Yi 2019.
KeptEpoch = Literal["lowest_val_loss", "val_accuracy", "last"]
RunningAverage = Literal["zero_debiased", "plain"]
RunningVariance = Literal["keras224", "plain"]
FrozenBatchnorm = Literal["running", "keras224_bn"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]

# Studies.
Design = Literal["one_at_a_time", "grid"]

#: Largest share of what a header promises of a clip that may be gone from it, by default and in
#: music that is classified.
MAX_MISSING = 0.05

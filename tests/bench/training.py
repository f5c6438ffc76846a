"""What a training step takes, and what the papers' experiments take at that rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from statistics import median
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch
from genreflow.features.registry import clip_shape
from genreflow.systems import MIXER_FEATURE
from genreflow.yi2019 import blocks, recurrence
from genreflow.yi2019.networks import build_network
from genreflow.yi2019.training import batchnorm_settings, choose_device, image, run_network
from measuring import spread, times
from page import Row, Section
from sound import SETTINGS
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from genreflow.choices import Precision

ROUNDS = 3
#: Networks by the expert whose input they have; the others have the sizes of one of them.
MEASURED = ("original", "modulation", "mfcc", "MoER")
SAME_SIZE = {"harmonic": "original", "percussive": "original", "MoEC": "original"}
#: Trainings by training and validation clips: GTZAN's ten folds and its fault-filtered lists.
GTZAN = (*[(800, 100)] * 10, (443, 197))
FMA_SMALL = ((6400, 800),)


def measure_steps() -> list[Section]:
    """Time the steps of every network, and extrapolate to the papers' experiments."""
    device = choose_device("auto")
    # As the rules set it for their trainings: without it a third of a step is page faults.
    kept = os.environ.get("MALLOC_TRIM_THRESHOLD_")
    steps: list[Row] = []
    seconds: dict[str, tuple[float, float]] = {}
    batch = SETTINGS.expert.batch
    for name in MEASURED:
        threads = 1 if name == "MoER" else SETTINGS.training.threads
        torch.set_num_threads(threads)
        training, evaluation, operations = step_times(name, device)
        seconds[name] = median(training), median(evaluation)
        rate = operations / median(training)
        steps.append(
            {
                "network": name,
                "threads": threads,
                "training step [ms]": spread(training, 1000),
                "evaluation [ms]": spread(evaluation, 1000),
                "clips a second": batch / median(training),
                "GFLOP a step": operations / 1e9,
                "of the rate of a product": f"{rate / product_rate(device):.2f}",
            }
        )
    seconds |= {name: seconds[measured] for name, measured in SAME_SIZE.items()}
    hours: list[Row] = []
    for collection, trainings in (("GTZAN", GTZAN), ("FMA-small", FMA_SMALL)):
        found = {
            name: sum(training_hours(*seconds[name], *clips) for clips in trainings)
            for name in seconds
        }
        hours.append(
            {"experiments of": collection, "trainings": len(seconds) * len(trainings)}
            | {f"{name} [h]": value for name, value in found.items()}
            | {"together [h]": sum(found.values())}
        )
    where = f"On {'a ' + torch.cuda.get_device_name() if device.type == 'cuda' else 'the CPU'}"
    return [
        Section(
            "Training steps",
            f"{where}, {batch} clips of 30 s, the papers' sizes: the median of {ROUNDS} steps, "
            "with the smallest and the largest. The last columns are of a training step: the "
            "operations of its convolutions and products, and their rate beside that of a "
            "product of two large matrices on as many threads."
            + ("" if kept else "\nMemory was returned to the system between the steps."),
            steps,
        ),
        Section(
            "Training of the papers' experiments",
            "An extrapolation from these steps: 50 epochs, each with its evaluation of the "
            "validation clips, one training after the other. Networks of one size take the same.\n"
            "GTZAN: Yi 2019 on ten folds and on the fault-filtered lists. FMA-small: the official "
            "split.",
            hours,
        ),
    ]


def product_rate(device: torch.device) -> float:
    """Return the operations a second of a product of two large float32 matrices."""
    size = 4096 if device.type == "cuda" else 2048
    one = torch.randn(size, size, device=device)

    def multiply() -> None:
        one @ one
        _finish(one)

    return 2 * size**3 / min(times({"product": multiply}, rounds=5)["product"])


def training_hours(step: float, evaluation: float, train: int, valid: int) -> float:
    """Return the hours of one training."""
    batch = SETTINGS.expert.batch
    epoch = step * ceil(train / batch) + evaluation * ceil(valid / batch)
    return SETTINGS.expert.epochs * epoch / 3600


def step_times(name: str, device: torch.device) -> tuple[list[float], list[float], int]:
    """Return the seconds of training steps and of evaluations, and a step's operations."""
    network, inputs = network_and_inputs(name)
    network.to(device)
    inputs = inputs.to(device)
    classes = torch.arange(len(inputs), device=device) % 4
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    found = times(
        {
            "train": lambda: train(network, inputs, classes, optimiser),
            "evaluate": lambda: evaluate(network, inputs),
        },
        rounds=ROUNDS,
    )
    # What compiled loops do is not counted.
    with torch_operations(), FlopCounterMode(display=False) as counter:
        train(network, inputs, classes, optimiser)
    return found["train"], found["evaluate"], counter.get_total_flops()


@contextmanager
def torch_operations() -> Iterator[None]:
    """Let networks take torch's own operations."""
    with (
        patch.object(blocks, "computes", lambda _inputs: False),
        patch.object(recurrence, "computes", lambda _inputs: False),
    ):
        yield


def network_and_inputs(name: str) -> tuple[nn.Module, torch.Tensor]:
    """Return an expert's network for ten classes, or MoER's mixer, and a batch of random inputs."""
    batch = SETTINGS.expert.batch
    if name == "MoER":
        bands, length = clip_shape(MIXER_FEATURE, SETTINGS)
        network = build_network(
            {"network": "gru_mixer", "outputs": len(SETTINGS.mixer.experts), "bands": bands,
             "dropout": SETTINGS.mixer.dropout,
             **batchnorm_settings(SETTINGS.mixer.model_dump())}
        )  # fmt: skip
        return network, torch.randn(batch, length, bands)
    network = build_network(
        {"network": "k2c2", "outputs": 10, "pools": SETTINGS.expert_pools(name),
         "channels": SETTINGS.expert.channels,
         **batchnorm_settings(SETTINGS.expert.model_dump())}
    )  # fmt: skip
    return network, image(torch.randn(batch, *SETTINGS.expert_shape(name)))


def train(
    network: nn.Module,
    inputs: torch.Tensor,
    classes: torch.Tensor,
    optimiser: torch.optim.Adam,
    precision: Precision = "float32",
) -> None:
    """Take a step."""
    network.train()
    optimiser.zero_grad()
    functional.cross_entropy(run_network(network, inputs, precision), classes).backward()
    optimiser.step()
    _finish(inputs)


def evaluate(network: nn.Module, inputs: torch.Tensor) -> None:
    """Predict a batch."""
    network.eval()
    with torch.inference_mode():
        network(inputs)
    _finish(inputs)


def _finish(inputs: torch.Tensor) -> None:
    if inputs.is_cuda:
        torch.cuda.synchronize()

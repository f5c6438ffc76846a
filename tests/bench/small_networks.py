"""The small networks of Jeong 2016 beside torch's eager loop, and their vectors in memory."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import torch
from genreflow.features.registry import FEATURES
from genreflow.files.store import FeatureWriter
from genreflow.jeong2016.network import Array, Mlp
from genreflow.jeong2016.training import Classes, train_mlp
from measuring import REPOSITORY, run, spread, times
from page import Bounded, Row, Section
from sound import SETTINGS
from threadpoolctl import threadpool_limits
from torch import nn

ROUNDS = 5
STEPS = 1000
BATCH, RATE = SETTINGS.dnn.batch, SETTINGS.dnn.learning_rate
#: 2.8 million vectors, more than the training clips of any of GTZAN's partitions have.
CLIPS = 497
#: Trains TF on such a cache from memory and in blocks, and says how fast.
TRAIN = """
import sys, time
from pathlib import Path
import numpy as np
from genreflow.jeong2016.vectors import ClipVectors, temporal_vectors
from genreflow.jeong2016.network import Mlp
from genreflow.jeong2016.training import train_mlp
from genreflow.files.store import FeatureSet
from threadpoolctl import threadpool_limits
cache, memory_gb = Path(sys.argv[1]), float(sys.argv[2])
statistics = {name: np.ones(513) for name in ("mean", "deviation")}
statistics |= {f"modulation_{name}": np.ones(108) for name in ("mean", "deviation")}
with FeatureSet([cache]) as features, threadpool_limits(1):
    def source(clips):
        return ClipVectors(features, clips, [int(clip) % 10 for clip in clips],
                           normalise=temporal_vectors(statistics, 214), memory_gb=memory_gb)
    clips = features.track_ids
    train, valid = source(clips), source(clips[:1])
    network = Mlp.initialise([108, 50, 50, 50, 10], initialisation="glorot_uniform",
                             rng=np.random.default_rng(0))
    ends = []
    train_mlp(network, train, valid, learning_rate=0.01, batch=100, epochs=3, patience=9,
              rng=np.random.default_rng(0), report=lambda record: ends.append(time.monotonic()))
print(f"vectors {train.rows} steps/s {2 * train.rows / 100 / (ends[2] - ends[0]):.0f}")
"""


class Vectors:
    """A source of vectors that are in memory."""

    def __init__(self, vectors: Array, classes: Classes) -> None:
        self._block = (vectors, classes)
        self.rows = len(classes)

    def blocks(self, rng: np.random.Generator | None) -> Iterator[tuple[Array, Classes]]:
        """Yield the only block."""
        yield self._block


def eager_epoch(sizes: list[int], vectors: Array, classes: Classes) -> None:
    """Train for an epoch in torch's own terms, and count loss and accuracy as we do."""
    layers: list[nn.Module] = []
    for inputs, units in pairwise(sizes):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    optimiser = torch.optim.SGD(network.parameters(), lr=RATE)
    criterion = nn.CrossEntropyLoss()
    data, target = torch.from_numpy(vectors), torch.from_numpy(classes)
    loss_sum, correct = 0.0, 0
    for chosen in torch.randperm(len(target)).split(BATCH):
        optimiser.zero_grad()
        logits = network(data[chosen])
        loss = criterion(logits, target[chosen])
        loss.backward()
        optimiser.step()
        loss_sum += loss.item() * len(chosen)
        correct += int((logits.argmax(1) == target[chosen]).sum())


def own_epoch(sizes: list[int], source: Vectors, valid: Vectors) -> None:
    """Train for an epoch as the workflow does."""
    rng = np.random.default_rng(0)
    network = Mlp.initialise(sizes, initialisation="glorot_uniform", rng=rng)
    train_mlp(
        network, source, valid, learning_rate=RATE, batch=BATCH, epochs=1, patience=1, rng=rng
    )


def compare_with_torch() -> list[Section]:
    """Time steps of both networks on one thread; the ratios have bounds."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    rng = np.random.default_rng(0)
    for name, inputs in (("SF", 513), ("TF", 108)):
        sizes = [inputs, *SETTINGS.dnn.hidden, 10]
        vectors = rng.standard_normal((BATCH * STEPS, inputs)).astype(np.float32)
        classes = rng.integers(0, 10, len(vectors))
        source, valid = Vectors(vectors, classes), Vectors(vectors[:BATCH], classes[:BATCH])
        with threadpool_limits(1):
            found = times(
                {
                    "eager": lambda s=sizes, v=vectors, c=classes: eager_epoch(s, v, c),
                    "own": lambda s=sizes, t=source, v=valid: own_epoch(s, t, v),
                },
                rounds=ROUNDS,
            )
        ratios = [one / other for one, other in zip(found["eager"], found["own"], strict=True)]
        rows.append(
            {
                "network": f"{name}, {'-'.join(map(str, sizes))}",
                "torch, eager [µs a step]": spread(found["eager"], 1e6 / STEPS),
                "here [µs a step]": spread(found["own"], 1e6 / STEPS),
                "times as fast": Bounded(median(ratios), at_least=3),
                "spread": spread(ratios),
            }
        )
    text = (
        f"Epochs of {STEPS} steps on {BATCH} vectors each, one thread, vectors in memory: the "
        f"median of {ROUNDS} rounds, with the smallest and the largest."
    )
    return [Section("Small networks beside torch", text, rows)]


def measure_memory() -> list[Section]:
    """Train on as many vectors as GTZAN has, from memory (which is bounded) and in blocks."""
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name, "cepstral_modulation.h5")
        write_modulation(cache)
        command = [sys.executable, "-c", TRAIN, cache]
        rows: list[Row] = []
        speeds: list[float] = []
        for where, memory_gb in (
            ("in memory", SETTINGS.training.memory_gb),
            ("in blocks of 0.3 GB", 0.3),
        ):
            finished = run([*command, str(memory_gb)], folder=REPOSITORY / "workflow" / "scripts")
            vectors, speed = map(int, re.findall(r"\d+", finished.output.split("vectors")[1])[:2])
            speeds.append(speed)
            peak = finished.peak_mib / 1024
            rows.append(
                {
                    "vectors": where,
                    "number": vectors,
                    "memory [GiB]": Bounded(peak, 3) if where == "in memory" else peak,
                    "steps a second": speed,
                    "of the speed in memory": f"{speed / speeds[0]:.2f}",
                }
            )
    text = (
        "TF's network, whole processes: vectors that fit in `memory_gb` are read once, others "
        "from the cache in every epoch. The second and the third epoch are timed."
    )
    return [Section("Vectors in memory", text, rows)]


def write_modulation(path: Path) -> None:
    """Write a cache of cepstral modulation of GTZAN's size."""
    values = np.random.default_rng(0).standard_normal((513, 11, 108)).astype(np.float16)
    with FeatureWriter(
        path, FEATURES["cepstral_modulation"].layout(values.shape), parameters={},
        sample_rate=22050, hop=512,
    ) as out:  # fmt: skip
        for clip in range(CLIPS):
            out.append(f"{clip:04d}", values)

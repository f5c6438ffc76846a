"""The convolutional experts of Yi 2019 beside torch's eager loop, in the paper's own terms."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import torch
from genreflow.errors import UserError
from genreflow.yi2019.training import check_precision
from measuring import KEPT, REPOSITORY, run, spread, times
from page import Bounded, Row, Section
from sound import SETTINGS
from torch import Tensor, nn
from torch.nn import functional
from training import network_and_inputs, torch_operations, train

if TYPE_CHECKING:
    from genreflow.choices import Precision

EXPERTS = ("original", "modulation", "mfcc")
STEPS = 4
KINDS = {
    "paper": "torch, eager",
    "torch": "torch's operations",
    "here": "here",
    "bfloat16": "here, bfloat16",
}
LEAST = {"paper": 2.5, "torch": 1.15}


class Plain(nn.Module):
    """The k2c2 network as the paper has it: ELU before pooling, channels first."""

    def __init__(self, classes: int, pools: Sequence[Sequence[int]]) -> None:
        super().__init__()
        channels = SETTINGS.expert.channels
        self.pools = pools
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3) for a, b in pairwise([1, *channels]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, eps=1e-3, momentum=0.01) for b in channels)
        self.dense = nn.Linear(channels[-1], classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the logits."""
        for convolution, norm, pool in zip(self.convolutions, self.norms, self.pools, strict=True):
            maps = functional.elu(norm(convolution(maps)))
            rows, columns = ((-size) % p for size, p in zip(maps.shape[2:], pool, strict=True))
            sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
            maps = functional.max_pool2d(functional.pad(maps, sides, value=-torch.inf), pool)
        logits: Tensor = self.dense(maps.flatten(1))
        return logits


def step_seconds(kind: str, network: str) -> list[float]:
    """Return the seconds of some training steps on 16 clips, after one that is not counted."""
    torch.set_num_threads(1 if network == "MoER" else SETTINGS.training.threads)
    own, inputs = network_and_inputs(network)
    trained = own
    if kind == "paper":
        trained = Plain(10, SETTINGS.expert_pools(network))
        trained.load_state_dict(own.state_dict())
        with torch.inference_mode():
            torch.testing.assert_close(
                trained.eval()(inputs), own.eval()(inputs), rtol=1e-4, atol=1e-4
            )
        inputs = inputs.contiguous()
    precision: Precision = "bfloat16" if kind == "bfloat16" else "float32"
    classes = torch.arange(len(inputs)) % 4
    optimiser = torch.optim.Adam(trained.parameters(), lr=SETTINGS.expert.learning_rate)
    step = {"step": lambda: train(trained, inputs, classes, optimiser, precision)}
    with torch_operations() if kind == "torch" else nullcontext():
        return times(step, rounds=STEPS)["step"]


def measure(kind: str, network: str, environment: dict[str, str]) -> tuple[list[float], float]:
    """Return the seconds of training steps in a process of their own, and its peak in MiB."""
    paths = f"{REPOSITORY}/tests/bench:{REPOSITORY}/workflow/scripts"
    finished = run(
        [sys.executable, "-m", "experts", kind, network],
        folder=REPOSITORY,
        environment={"PYTHONPATH": paths, **environment},
    )
    return json.loads(finished.output.splitlines()[-1]), finished.peak_mib


def compare_with_torch() -> list[Section]:
    """Time a training step of the networks; the ratios have bounds."""
    rows: list[Row] = []
    for network in (*EXPERTS, "MoER"):
        measured = {
            kind: measure(kind, network, KEPT) for kind in ("torch", "here", *halves(network))
        }
        seconds = {kind: found for kind, (found, _) in measured.items()}
        if network in EXPERTS:
            seconds["paper"], _ = measure("paper", network, {})
        row: Row = {"network": network}
        for kind, title in KINDS.items():
            row[f"{title} [s]"] = spread(seconds[kind]) if kind in seconds else "-"
        for kind in ("paper", "torch"):
            ratio: Bounded | str = "-"
            if kind in seconds:
                least = LEAST[kind] if network != "MoER" else 1.5
                ratio = Bounded(median(seconds[kind]) / median(seconds["here"]), at_least=least)
            row[f"beside {KINDS[kind]}"] = ratio
        row["by bfloat16 again"] = (
            f"{median(seconds['here']) / median(seconds['bfloat16']):.2f}"
            if "bfloat16" in seconds
            else "-"
        )
        for kind in ("torch", "here"):
            row[f"peak, {KINDS[kind]} [MiB]"] = measured[kind][1]
        rows.append(row)
    text = (
        f"Training steps of 16 clips of 30 s, `training.threads` {SETTINGS.training.threads}: "
        f"the median of {STEPS}, with the smallest and the largest. The reference is the network "
        "in the paper's terms, channels first and ELU before pooling, in a process as it comes. "
        "Torch's operations are the same network as here, with channels last, ELU behind the "
        "pooling and memory kept by the C library, in operations that torch has. bfloat16 is "
        "timed where the processor has units for it."
    )
    return [Section("Experts beside torch", text, rows)]


def halves(network: str) -> tuple[str, ...]:
    """Return the kind of step in bfloat16 where it pays: on maps, on processors with units."""
    try:
        check_precision("bfloat16", torch.device("cpu"))
    except UserError:
        return ()
    return ("bfloat16",) if network in EXPERTS else ()


if __name__ == "__main__":
    print(json.dumps(step_seconds(*sys.argv[1:])))

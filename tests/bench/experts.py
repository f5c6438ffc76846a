"""The convolutional experts of Yi 2019 beside torch's eager loop, in the paper's own terms."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import torch
from genreflow.yi2019.training import image
from measuring import KEPT, REPOSITORY, run, spread, times
from page import Bounded, Row, Section
from sound import SETTINGS
from torch import Tensor, nn
from torch.nn import functional
from training import expert_network, train

EXPERTS = ("original", "modulation", "mfcc")
STEPS = 4


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


def step_seconds(kind: str, expert: str) -> list[float]:
    """Return the seconds of some training steps on 16 clips, after one that is not counted."""
    torch.set_num_threads(SETTINGS.training.threads)
    own = expert_network(expert)
    inputs = image(torch.randn(SETTINGS.expert.batch, *SETTINGS.expert_shape(expert)))
    network = own
    if kind == "plain":
        network = Plain(10, SETTINGS.expert_pools(expert))
        network.load_state_dict(own.state_dict())
        with torch.inference_mode():
            torch.testing.assert_close(network.eval()(inputs), own.eval()(inputs))
        inputs = inputs.contiguous()
    classes = torch.arange(len(inputs)) % 10
    optimiser = torch.optim.Adam(network.parameters(), lr=SETTINGS.expert.learning_rate)
    step = {"step": lambda: train(network, inputs, classes, optimiser)}
    return times(step, rounds=STEPS)["step"]


def compare_with_torch() -> list[Section]:
    """Time a training step of the three kinds of experts; the ratios have bounds."""
    rows: list[Row] = []
    for expert in EXPERTS:
        seconds = {}
        for name, kind, environment in (
            ("plain", "plain", {}), ("plain, memory kept", "plain", KEPT), ("own", "own", KEPT),
        ):  # fmt: skip
            command = [sys.executable, "-m", "experts", kind, expert]
            paths = f"{REPOSITORY}/tests/bench:{REPOSITORY}/workflow/scripts"
            finished = run(
                command, folder=REPOSITORY, environment={"PYTHONPATH": paths, **environment}
            )
            seconds[name] = json.loads(finished.output.splitlines()[-1])
        ratios = [a / b for a, b in zip(seconds["plain"], seconds["own"], strict=True)]
        rows.append(
            {
                "expert": expert,
                "torch, eager [s]": spread(seconds["plain"]),
                "the same, memory kept [s]": spread(seconds["plain, memory kept"]),
                "here [s]": spread(seconds["own"]),
                "times as fast": Bounded(median(ratios), at_least=2),
                "spread": spread(ratios),
            }
        )
    text = (
        f"Training steps of 16 clips of 30 s on {SETTINGS.training.threads} threads: the median "
        f"of {STEPS}, with the smallest and the largest. The reference is the network in the "
        "paper's terms, channels first and ELU before pooling, in a process as it comes; with "
        "its memory kept by the C library, as the rules let trainings do, it is faster too."
    )
    return [Section("Experts beside torch", text, rows)]


if __name__ == "__main__":
    print(json.dumps(step_seconds(*sys.argv[1:])))

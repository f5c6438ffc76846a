"""Training of the experts and the mixers of Yi 2019 (section IV.C)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional

from genreflow.errors import UserError
from genreflow.features.normalisation import input_normaliser, input_statistics
from genreflow.files.assignments import Assignment, usable
from genreflow.files.checkpoints import Checkpoint, TrainingState, named
from genreflow.files.curves import EpochRecord, check_converging
from genreflow.files.layouts import Clips, finite_clip
from genreflow.yi2019.networks import GruMixer

if TYPE_CHECKING:
    from genreflow.choices import Device, KeptEpoch, Normalisation, Precision
    from genreflow.files.store import FeatureSet

ADAM_EPSILON = 1e-7
#: Below this a mixture's probability is clipped before the logarithm (Keras's epsilon).
SMALLEST_PROBABILITY = 1e-7

CPU = torch.device("cpu")

#: From logits, the rows they belong to and whether this is training: loss a clip, class scores.
Objective = Callable[[Tensor, npt.NDArray[np.int64], bool], tuple[Tensor, Tensor]]


class ClipInputs:
    """Network inputs by row, kept in memory when they fit and else read from the caches.

    A GPU keeps them in its own memory, where a step finds them without waiting for the host, if
    they leave half of what is free to the training.

    Parameters
    ----------
    features
        The cached feature; a row is a clip.
    track_ids
        The clip of each row.
    normalise
        From cached values (rows, columns) to the network's input, float32.
    memory_gb
        Inputs larger than this are read again for every batch.
    device
        Where the batches are wanted.
    """

    def __init__(
        self,
        features: Clips,
        track_ids: Sequence[str],
        *,
        normalise: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
        memory_gb: float,
        device: torch.device = CPU,
    ) -> None:
        self._features = features
        self._device = device
        self._track_ids = list(track_ids)
        self._normalise = normalise
        size = 4 * len(self._track_ids) * int(np.prod(features.shape))
        self._kept = None
        if size <= memory_gb * 1e9:
            kept = np.empty((len(self._track_ids), *features.shape), np.float32)
            for row in range(len(self._track_ids)):
                kept[row] = self._read(row)
            fits = device.type != "cuda" or size <= torch.cuda.mem_get_info(device)[0] / 2
            self._kept = torch.from_numpy(kept).to(device if fits else CPU)

    def __len__(self) -> int:
        return len(self._track_ids)

    def _read(self, row: int) -> npt.NDArray[np.float32]:
        return self._normalise(finite_clip(self._features, self._track_ids[row]))

    def batch(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Return the inputs of some rows on the device, shape (clips, rows, columns)."""
        if self._kept is not None:
            return self._kept[torch.from_numpy(rows)].to(self._device)
        return torch.from_numpy(np.stack([self._read(int(row)) for row in rows])).to(self._device)


@dataclass(frozen=True)
class TrainingSet:
    """The clips that train a network and those that choose its epoch.

    Attributes
    ----------
    track_ids
        The clip of each row.
    inputs
        Of every row.
    classes
        Class index of every row, on the device.
    train, valid
        Which rows train and which validate.
    statistics
        What the inputs' normalisation took from the training clips; often nothing.
    """

    track_ids: list[str]
    inputs: ClipInputs
    classes: Tensor
    train: npt.NDArray[np.int64]
    valid: npt.NDArray[np.int64]
    statistics: dict[str, npt.NDArray[np.float64]]

    @property
    def clips(self) -> dict[str, list[str]]:
        """The track ids of the clips that train and of those that choose the epoch."""
        return {
            role: [self.track_ids[row] for row in rows]
            for role, rows in (("train", self.train), ("valid", self.valid))
        }


def training_set(
    features: FeatureSet,
    assignments: Sequence[Assignment],
    *,
    labels: Sequence[str],
    normalisation: Normalisation,
    memory_gb: float,
    device: torch.device,
) -> TrainingSet:
    """Return the training and validation clips of a fold that are in the caches.

    Raises
    ------
    UserError
        All clips of either are in quarantine.
    """
    clips = usable(assignments, features, roles=["train", "valid"])
    track_ids = [clip.track_id for clip in clips]
    train, valid = (
        np.array([row for row, clip in enumerate(clips) if clip.role == role])
        for role in ("train", "valid")
    )
    statistics = input_statistics(features, [track_ids[row] for row in train], normalisation)
    inputs = ClipInputs(
        features,
        track_ids,
        normalise=input_normaliser(normalisation, statistics),
        memory_gb=memory_gb,
        device=device,
    )
    classes = torch.tensor([labels.index(clip.label) for clip in clips], device=device)
    return TrainingSet(track_ids, inputs, classes, train, valid, statistics)


def choose_device(device: Device) -> torch.device:
    """Return the device to train on: ``auto`` is CUDA where there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse bfloat16 where nothing computes with it, since it would only be slower.

    Raises
    ------
    UserError
        Neither the GPU nor the processor has units for it.
    """
    if precision == "float32":
        return
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        where = torch.cuda.get_device_name(device)
    else:
        found = torch.cpu.get_capabilities()
        able = any(value for name, value in found.items() if name.endswith("bf16"))
        where = f"the processor {found['cpu_name']}"
    if not able:
        raise UserError(
            f"{where} has no units for bfloat16, which would be slower there than float32",
            where="training.precision",
            expected="float32, or a processor with AMX or AVX-512 BF16, or a GPU since Ampere",
            hint="send the trainings to other nodes, or set training.precision: float32",
        )


def make_deterministic(threads: int) -> None:
    """Pin the threads and choose algorithms that give the same bits every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # The products of compiled code run on the threads that call it, and a BLAS that shares one
    # among threads of its own may have other last bits on another number of cores.
    threadpool_limits(1, user_api="blas")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    # A convolution of float32 is one: with the ten bits of TF32, bfloat16 would be the honest name.
    torch.backends.cudnn.allow_tf32 = False


def image(values: Tensor) -> Tensor:
    """Return inputs as the convolutional network takes them: (clips, 1, rows, columns)."""
    return values.unsqueeze(1)


def frames(values: Tensor) -> Tensor:
    """Return inputs as the recurrent mixer takes them: (clips, frames, bands)."""
    return values.transpose(1, 2)


def input_form(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the step from inputs to the form in which a network takes them."""
    return frames if isinstance(network, GruMixer) else image


def classification_objective(classes: Tensor) -> Objective:
    """Return the objective of an expert: cross-entropy of its softmax."""

    def objective(
        logits: Tensor, rows: npt.NDArray[np.int64], training: bool
    ) -> tuple[Tensor, Tensor]:
        return functional.cross_entropy(logits, classes[rows], reduction="none"), logits

    return objective


def mixture_objective(
    expert_probabilities: Callable[[npt.NDArray[np.int64], bool], Tensor], classes: Tensor
) -> Objective:
    """Return the objective of a mixer: cross-entropy of the mixture (Yi 2019, Eq. 4 and 5).

    Parameters
    ----------
    expert_probabilities
        From rows and whether this is training to (clips, experts, classes).
    """

    def objective(
        logits: Tensor, rows: npt.NDArray[np.int64], training: bool
    ) -> tuple[Tensor, Tensor]:
        mixture = mix(torch.softmax(logits, 1), expert_probabilities(rows, training))
        chosen = mixture.gather(1, classes[rows].unsqueeze(1)).squeeze(1)
        return -torch.log(chosen.clamp(SMALLEST_PROBABILITY, 1.0)), mixture

    return objective


def mix(weights: Tensor, probabilities: Tensor) -> Tensor:
    """Return the mixture's class probabilities: sum over m of g_m h_m (Yi 2019, Eq. 5).

    Shapes: weights (clips, experts), probabilities (clips, experts, classes).
    """
    return torch.einsum("nm,nmk->nk", weights, probabilities)


def run_network(network: nn.Module, inputs: Tensor, precision: Precision) -> Tensor:
    """Return the logits of prepared inputs, float32."""
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits: Tensor = network(inputs)
    return logits.float()


def batches(rows: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield rows in batches; one left over joins the last batch, since alone it has no variance."""
    starts = list(range(0, len(rows), size))
    if len(starts) > 1 and len(rows) - starts[-1] == 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield rows[start:end]


def fit_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an expert's or a mixer's configuration that `train_network` takes."""
    keys = ("epochs", "batch", "learning_rate", "decay", "patience", "model")
    return {key: settings[key] for key in keys}


def batchnorm_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an expert's or a mixer's configuration that its network takes."""
    return {key: value for key, value in settings.items() if key.startswith("batchnorm_")}


def train_network(
    network: nn.Module,
    data: TrainingSet,
    objective: Objective,
    *,
    prepare: Callable[[Tensor], Tensor],
    epochs: int,
    batch: int,
    learning_rate: float,
    decay: float,
    model: KeptEpoch,
    seed: int,
    patience: int | None = None,
    precision: Precision = "float32",
    section: Literal["expert", "mixer"] = "expert",
    checkpoint: Checkpoint | None = None,
    report_step: Callable[[int, int, SupportsFloat], Any] = lambda done, total, loss: None,
    report_epoch: Callable[[EpochRecord], Any] = lambda record: None,
) -> tuple[int, list[EpochRecord]]:
    """Train with Adam, rate lr / (1 + decay step), and leave the chosen epoch's weights.

    Parameters
    ----------
    network
        On the device to train on; changed in place.
    prepare
        `image` or `frames`.
    model
        Which epoch's weights are kept.
    patience
        Epochs without a lower validation loss after which the training ends.
    precision
        Of the maps, also while validating.
    section
        Of the settings, for the message of a training that diverges.
    checkpoint
        From which the training goes on, and where its state is kept; the result is the same.
    report_step
        Called with the clips done, the clips of the whole training, and the epoch's mean loss so
        far, which is on the device until somebody asks for its value.

    Returns
    -------
    tuple
        The chosen epoch (from 1) and the learning curve.

    Raises
    ------
    UserError
        The loss of an epoch is no finite number.
    """
    device = next(network.parameters()).device
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate, eps=ADAM_EPSILON)
    best: dict[str, Tensor] = {}
    best_epoch, step = 0, 0
    curve: list[EpochRecord] = []
    if checkpoint and (state := checkpoint.state):
        curve, best_epoch = list(state.curve), state.best_epoch
        step = curve[-1].steps
        best = _restore(state, network, optimiser, rng)
    total = epochs * len(data.train)
    for epoch in range(len(curve) + 1, epochs + 1):
        network.train()
        # Sums on the device: asking for a number in every step would let a GPU wait.
        loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        rate, done = learning_rate, 0
        for rows in batches(rng.permutation(data.train), batch):
            rate = learning_rate / (1 + decay * step)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            logits = run_network(network, prepare(data.inputs.batch(rows)), precision)
            losses, scores = objective(logits, rows, True)
            losses.mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            step += 1
            done += len(rows)
            loss_sum += losses.detach().sum()
            correct += (scores.argmax(1) == data.classes[rows]).sum()
            report_step((epoch - 1) * len(data.train) + done, total, loss_sum / done)
        valid_loss, valid_accuracy = evaluate_network(
            network,
            data,
            objective,
            prepare=prepare,
            precision=precision,
            rows=data.valid,
            batch=batch,
        )
        record = EpochRecord(
            epoch,
            step,
            rate,
            float(loss_sum) / done,
            int(correct) / done,
            valid_loss,
            valid_accuracy,
        )
        curve.append(record)
        report_epoch(record)
        check_converging(record, epochs=epochs, section=section)
        if not best_epoch or _score(record, model) > _score(curve[best_epoch - 1], model):
            best_epoch = epoch
            best = {name: value.clone() for name, value in network.state_dict().items()}
        if _settled(curve, patience):
            break
        if checkpoint and checkpoint.due():
            arrays = _state_arrays(network, optimiser, best)
            checkpoint.write(TrainingState(curve, best_epoch, rng.bit_generator.state, arrays))
    network.load_state_dict(best)
    network.eval()
    return best_epoch, curve


def _settled(curve: Sequence[EpochRecord], patience: int | None) -> bool:
    """Return whether the last epochs, as many as ``patience``, have lowered no loss."""
    losses = [record.valid_loss for record in curve]
    return patience is not None and len(losses) - 1 - losses.index(min(losses)) >= patience


def _score(record: EpochRecord, model: KeptEpoch) -> float:
    """Return what is highest in the epoch whose weights are kept."""
    return {
        "lowest_val_loss": -record.valid_loss,
        "val_accuracy": record.valid_accuracy,
        "last": record.epoch,
    }[model]


def _state_arrays(
    network: nn.Module, optimiser: torch.optim.Optimizer, best: Mapping[str, Tensor]
) -> dict[str, npt.NDArray[Any]]:
    """Return what training changes, but for the curve and numpy's random numbers."""
    device = next(network.parameters()).device
    tensors: dict[str, Tensor] = {"random/cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(device)
    parts = {"network": network.state_dict(), "best": best}
    parts |= {
        f"optimiser/{number}": values for number, values in optimiser.state_dict()["state"].items()
    }
    for name, values in parts.items():
        tensors |= named(name, values)
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}


def _restore(
    state: TrainingState,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """Bring everything that training changes to a state, and return the best epoch's weights."""
    device = next(network.parameters()).device

    def tensors(name: str) -> dict[str, Tensor]:
        return {key: torch.tensor(values) for key, values in state.part(name).items()}

    network.load_state_dict(tensors("network"))
    moments: dict[int, dict[str, Tensor]] = {}
    for number, parameter in enumerate(network.parameters()):
        moments[number] = tensors(f"optimiser/{number}")
        for key in ("exp_avg", "exp_avg_sq"):
            # In the parameter's order of memory: in another one, the last bits may differ.
            moments[number][key] = torch.empty_like(parameter).copy_(moments[number][key])
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    rng.bit_generator.state = state.generator
    generators = tensors("random")
    torch.set_rng_state(generators["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(generators["cuda"], device)
    return {name: value.to(device) for name, value in tensors("best").items()}


def seconds_a_step(
    network: nn.Module,
    data: TrainingSet,
    objective: Objective,
    *,
    prepare: Callable[[Tensor], Tensor],
    precision: Precision = "float32",
    batch: int,
) -> float:
    """Return how long a training step takes on this machine: the second of two, on a copy.

    Neither the network nor the random numbers of the training know of it.
    """
    device = next(network.parameters()).device
    trial = deepcopy(network).train()
    rows = data.train[:batch]
    seconds = 0.0
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        for _ in range(2):
            started = time.monotonic()
            logits = run_network(trial, prepare(data.inputs.batch(rows)), precision)
            losses, _ = objective(logits, rows, True)
            losses.mean().backward()  # type: ignore[no-untyped-call]
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds = time.monotonic() - started
    return seconds


def evaluate_network(
    network: nn.Module,
    data: TrainingSet,
    objective: Objective,
    *,
    prepare: Callable[[Tensor], Tensor],
    precision: Precision = "float32",
    rows: npt.NDArray[np.int64],
    batch: int,
) -> tuple[float, float]:
    """Return mean loss and accuracy over some rows, in evaluation mode."""
    network.eval()
    loss, correct = 0.0, 0
    with torch.inference_mode():
        for chunk in batches(rows, batch):
            logits = run_network(network, prepare(data.inputs.batch(chunk)), precision)
            losses, scores = objective(logits, chunk, False)
            loss += float(losses.sum())
            correct += int((scores.argmax(1) == data.classes[chunk]).sum())
    return loss / len(rows), correct / len(rows)


def predict_probabilities(
    network: nn.Module, inputs: ClipInputs, *, prepare: Callable[[Tensor], Tensor], batch: int
) -> npt.NDArray[np.float32]:
    """Return the softmax output of every row in evaluation mode, shape (clips, outputs)."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for rows in batches(np.arange(len(inputs)), batch):
            logits = network(prepare(inputs.batch(rows)))
            parts.append(torch.softmax(logits, 1).cpu().numpy())
    return np.concatenate(parts)

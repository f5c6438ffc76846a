"""Train networks undisturbed and with kills, for test_checkpoints: ``FOLDER DEVICE``.

For every kind of network there are the folders ``{kind}/whole`` and ``{kind}/killed``, each with
the model, its curve and the logs of all runs: ``0.log``, ``1.log``, ...

Each run is a process of its own, forked before any library has started a thread, and kills itself
where it is told to: so a kill always comes at the same place.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import train_dnn  # noqa: F401  # loaded once for all runs
import train_expert  # noqa: F401
import train_joint  # noqa: F401
import train_mixer  # noqa: F401
from genreflow.features.registry import FEATURES
from genreflow.files.assignments import Assignment, write_assignments
from genreflow.files.checkpoints import Checkpoint
from genreflow.files.models import name_normalisation, write_model
from genreflow.files.store import FeatureWriter, write_arrays
from genreflow.jeong2016.network import Mlp, mlp_tensors
from genreflow.jobs.job import run
from genreflow.jobs.progress import TrainingProgress
from genreflow.yi2019.training import make_deterministic

EPOCHS = 7
WINDOWS = {"window_frames": 6, "shift_frames": 3}
ROLES = ["train"] * 8 + ["valid"] * 4
NORMALISED = {"channels": [3] * 5, "normalisation": "clip", "pools": [[1, 1]] * 4 + [[3, 3]]}
FIT = {
    "batch": 3, "decay": 0.01, "epochs": EPOCHS, "learning_rate": 0.03, "patience": None,
}  # fmt: skip


def write_feature(
    path: Path, feature: str, shape: tuple[int, ...] = (12, 12), **attributes: int
) -> Path:
    """Write a cache of noise in which a clip's class is a little brighter."""
    rng = np.random.default_rng(0)
    layout = FEATURES[feature].layout(shape)
    parameters = {"cepstral_modulation": WINDOWS} if feature == "cepstral_modulation" else {}
    path.parent.mkdir(exist_ok=True)
    with FeatureWriter(
        path, layout, parameters=parameters, sample_rate=1, hop=1, attributes=attributes
    ) as out:
        for clip in range(len(ROLES)):
            out.append(f"t{clip:02d}", rng.uniform(0, 1, shape) + 0.1 * (clip % 2))
    return path


def jobs(folder: Path, device: str) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """Write what the trainings read; return for each kind its script, files and parameters."""
    partition, normalisation = folder / "p.csv", folder / "n.h5"
    write_assignments(
        [Assignment(0, f"t{i:02d}", "xy"[i % 2], role) for i, role in enumerate(ROLES)], partition
    )
    write_arrays(normalisation, {"mean": np.full(12, 0.5), "deviation": np.full(12, 0.3)})
    stft = write_feature(folder / "stft.h5", "stft", uncentred_start=0, uncentred_stop=12)
    modulation = write_feature(folder / "modulation/m.h5", "cepstral_modulation", (5, 3, 4))
    of_modulation = folder / "n_tf.h5"
    moments = {"mean": np.zeros(5), "deviation": np.ones(5)}
    by_frequency = {"modulation_mean": np.full(4, 0.5), "modulation_deviation": np.full(4, 0.3)}
    write_arrays(of_modulation, moments | by_frequency)
    below = folder / "sf.safetensors"
    first = Mlp.initialise([12, 5, 5, 2], initialisation="he_normal", rng=np.random.default_rng(2))
    statistics = {"mean": np.full(12, 0.5), "deviation": np.full(12, 0.3)}
    write_model(below, {**mlp_tensors(first), **name_normalisation(statistics)}, {})
    mel = write_feature(folder / "mel.h5", "mel_original")
    rng = np.random.default_rng(1)
    probabilities = [folder / f"{expert}.h5" for expert in ("one", "two")]
    for path in probabilities:
        says_x = rng.uniform(0, 1, len(ROLES))
        write_arrays(
            path,
            {
                "track_id": np.array([f"t{i:02d}" for i in range(len(ROLES))]),
                "data": np.stack([says_x, 1 - says_x], axis=1).astype(np.float32),
                "label": np.array(["x", "y"]),
            },
        )
    of_fold = {"fold": 0, "seed": 0}
    training = {"threads": 1, "device": device, "precision": "float32"}
    # So little memory that the vectors are streamed, in a new order of clips every epoch.
    dnn = {"hidden": [5, 5], "initialisation": "glorot_uniform", "learning_rate": 0.05, "batch": 10}
    dnn |= {"epochs": EPOCHS, "patience": EPOCHS}
    found: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "sf": (
            "train_dnn",
            {
                "partition": partition, "normalisation": normalisation, "below": [],
                "vectors": stft,
            },
            {"settings": {"dnn": dnn, "memory_gb": 2e-6}, "wildcards": of_fold | {"network": "sf"}},
        ),
        "series": (
            "train_dnn",
            {"partition": partition, "normalisation": [], "below": below, "vectors": stft},
            {
                "settings": {"dnn": dnn, "memory_gb": 2e-6, "windows": WINDOWS},
                "wildcards": of_fold | {"network": "series"},
            },
        ),
        "joint": (
            "train_joint",
            {
                "partition": partition, "normalisations": [normalisation, of_modulation],
                "vectors": [stft, modulation],
            },
            {
                "settings": {
                    "dnn": dnn, "memory_gb": 4e-6,
                    "joint": {"optimiser": "adam", "learning_rate": 0.01, "batch": 5},
                },
                "wildcards": of_fold,
            },
        ),
        "expert": (
            "train_expert",
            {"partition": partition, "inputs": mel, "inputs-mb": 100},
            {
                "settings": {
                    "training": training, "pools": NORMALISED["pools"],
                    "expert": FIT | NORMALISED | {"model": "lowest_val_loss"},
                },
                "wildcards": of_fold | {"expert": "original"},
            },
        ),
    }  # fmt: skip
    for mixer, kept in (("moec", "val_accuracy"), ("moer", "last")):
        own = FIT | {"model": kept, "dropout": [0.2, 0.2, 0.4], "frozen_batchnorm": "running"}
        settings = NORMALISED | {"training": training, "mixer": own, "experts": ["one", "two"]}
        files = {"partition": partition, "probabilities": probabilities, "inputs": mel}
        files |= {"inputs-mb": 100, "models": [], "expert-inputs": []}
        params = {"settings": settings, "wildcards": of_fold | {"mixer": mixer}}
        found[mixer] = "train_mixer", files, params
    return found


def arguments(files: dict[str, Any], params: dict[str, Any], folder: Path) -> list[str]:
    """Return a script's arguments as its rule gives them, with the outputs in a folder."""
    words = ["--params", json.dumps(params), "--written", "model,curve"]
    files = files | {"model": folder / "model.safetensors", "curve": folder / "curve.csv"}
    for name, value in files.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return words


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after_epoch(number: int) -> None:
    """Let this process die as soon as an epoch is trained, before anything of it is written."""
    report = TrainingProgress.epoch

    def reported(self: TrainingProgress, record: Any) -> None:
        report(self, record)
        if record.epoch == number:
            kill()

    TrainingProgress.epoch = reported  # type: ignore[method-assign]


def kill_at_write(number: int) -> None:
    """Let this process die when a checkpoint is whole, and has not got its name."""
    replace: Callable[..., Path] = Path.replace
    writes = iter(range(1, number + 1))

    def replaced(self: Path, target: Path) -> Path:
        if target.name.endswith(".checkpoint") and next(writes) == number:
            kill()
        return replace(self, target)

    Path.replace = replaced  # type: ignore[method-assign, assignment]


def kill_before_the_model() -> None:
    """Let this process die when all epochs are trained, and the model has not got its name."""
    replace: Callable[..., Path] = Path.replace

    def replaced(self: Path, target: Path) -> Path:
        if target.name == "model.safetensors":
            kill()
        return replace(self, target)

    Path.replace = replaced  # type: ignore[method-assign, assignment]


#: The kills of a training, one after the other; the second run has nothing to go on from.
KILLS = (
    lambda: kill_after_epoch(1),
    lambda: kill_after_epoch(3),
    lambda: kill_at_write(2),  # of epoch 4, the second that it trains
    lambda: kill_after_epoch(6),
    kill_before_the_model,
)


def train(script: str, words: list[str], log: Path, prepare: Callable[[], None]) -> int:
    """Run a training in a process of its own; return the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        prepare()
        Checkpoint.due = lambda self: True  # type: ignore[method-assign]
        run(script, [*words, "--log", str(log)])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) > 0:
        sys.exit(f"{script} failed: {log.read_text()}")
    return os.WTERMSIG(status)


def main(folder: Path, device: str) -> None:
    """Train everything."""
    make_deterministic(1)  # this loads much of torch: once, and not in every run
    for kind, (script, files, params) in jobs(folder, device).items():
        whole, killed = folder / kind / "whole", folder / kind / "killed"
        for place in (whole, killed):
            place.mkdir(parents=True)
        train(script, arguments(files, params, whole), whole / "0.log", lambda: None)
        words = arguments(files, params, killed)
        for number, prepare in enumerate(KILLS):
            if train(script, words, killed / f"{number}.log", prepare) != signal.SIGKILL:
                sys.exit(f"{kind}: run {number} was not killed")
        train(script, words, killed / f"{len(KILLS)}.log", lambda: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""The systems of Yi 2019 on new music: an expert, or a mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genreflow.classifiers.running import ClipResult, Features
from genreflow.features.normalisation import input_normaliser
from genreflow.systems import MIXTURE_SYSTEMS, features_read, networks_of
from genreflow.yi2019.networks import network_from_model
from genreflow.yi2019.training import (
    ClipInputs,
    choose_device,
    input_form,
    mix,
    predict_probabilities,
)


class Yi:
    """One expert, or several and their mixer."""

    def __init__(
        self, folder: Path, description: Mapping[str, Any], *, device: str, threads: int
    ) -> None:
        system = description["system"]
        torch.set_num_threads(threads)
        self._device = choose_device(device)  # type: ignore[arg-type]
        self._mixers = MIXTURE_SYSTEMS.get(system)
        self.experts: tuple[str, ...] = tuple(description.get("experts", ()))
        self._networks = {}
        for name in networks_of(system, self.experts):
            network, statistics, own = network_from_model(folder / f"{name}.safetensors")
            normalise = input_normaliser(own["normalisation"], statistics)
            (feature,) = features_read(name)
            self._networks[name] = network.to(self._device), feature, normalise

    def run(self, clip: Features) -> ClipResult:
        """Return what the system says of a clip."""
        if self._mixers is None:
            ((name, _),) = self._networks.items()
            return ClipResult(self._run(name, clip)[0])
        found = np.stack([self._run(name, clip) for name in self.experts], axis=1)
        weights = (
            self._run(self._mixers[0], clip)
            if self._mixers
            else np.full((1, len(self.experts)), 1 / len(self.experts), np.float32)
        )
        mixture = mix(torch.from_numpy(weights), torch.from_numpy(found)).numpy()
        return ClipResult(mixture[0], weights[0])

    def _run(self, name: str, clip: Features) -> npt.NDArray[np.float32]:
        """Return a network's softmax output, shape (1, outputs)."""
        network, feature, normalise = self._networks[name]
        inputs = ClipInputs(
            clip[feature], [""], normalise=normalise, memory_gb=np.inf, device=self._device
        )
        return predict_probabilities(network, inputs, prepare=input_form(network), batch=1)

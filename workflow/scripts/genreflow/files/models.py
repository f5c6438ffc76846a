"""Model files: weights as safetensors, with what is needed to use them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import save_file

from genreflow.errors import UserError
from genreflow.files.atomic import temporary_name

FORMAT = "genreflow-model"
FORMAT_VERSION = 1
NORMALISATION = "normalisation_"


def write_model(
    path: Path, tensors: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]
) -> None:
    """Write weights and their description, under the final name only when whole.

    Parameters
    ----------
    description
        Architecture, normalisation, labels in their order, the clips that trained and those that
        validated, parameters, seed, best epoch.
    """
    # safetensors keeps text only, so the description is one JSON value.
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **description}
    write_tensors(path, tensors, genreflow=json.dumps(content, sort_keys=True))


def write_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]], **metadata: str) -> None:
    """Write named arrays as safetensors, under the final name only when whole."""
    temporary = temporary_name(path)
    contiguous = {name: np.array(values, order="C") for name, values in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(contiguous, temporary, metadata=metadata)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file from `write_tensors`."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in list(file.keys())}


def read_model(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return a model's weights and description.

    Raises
    ------
    UserError
        The file is no genreflow model of a known version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            description = dict(json.loads((file.metadata() or {}).get("genreflow", "{}")))
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
    except Exception as error:  # safetensors has an exception type of its own a version
        raise UserError(f"the model can't be read: {error}.", where=str(path)) from None
    found = (description.get("format"), description.get("format_version"))
    if found != (FORMAT, FORMAT_VERSION):
        raise UserError(
            f"the model is {found[0]!r}, version {found[1]!r}.",
            where=str(path),
            expected=f"{FORMAT!r}, version {FORMAT_VERSION}",
        )
    return tensors, description


def split_normalisation(
    tensors: Mapping[str, npt.NDArray[Any]],
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """Return a model's weights and, apart, the statistics that normalise its input."""
    weights = {name: t for name, t in tensors.items() if not name.startswith(NORMALISATION)}
    statistics = {
        name.removeprefix(NORMALISATION): t
        for name, t in tensors.items()
        if name.startswith(NORMALISATION)
    }
    return weights, statistics


def name_normalisation(statistics: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Return statistics under the names that `split_normalisation` knows."""
    return {NORMALISATION + name: values for name, values in statistics.items()}

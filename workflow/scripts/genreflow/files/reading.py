"""Cached features for people: a mapping from clips to arrays, and a table of a row a clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genreflow.errors import UserError
from genreflow.files.store import FeatureSet

if TYPE_CHECKING:
    import pandas as pd


class Features(FeatureSet, Mapping[str, npt.NDArray[Any]]):
    """A cached feature of a collection, by track id; a clip is read when it is asked for.

    Parameters
    ----------
    folder
        That of the feature, such as ``results/mymusic/features/mfcc``.

    Attributes
    ----------
    parameters
        What shaped the values, a map a section.
    attributes
        Root attributes of the caches, such as the axes and the sample rate.

    Raises
    ------
    UserError
        There is no feature in the folder, or not every shard of it.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*-of-*.h5"))
        if not paths:
            raise UserError(
                "there is no feature.",
                where=str(folder),
                expected="a folder of shards such as 000-of-001.h5",
                hint="`snakemake ... -- features` makes them.",
            )
        expected = {f"{i:03d}-of-{paths[0].stem[-3:]}" for i in range(int(paths[0].stem[-3:]))}
        missing = sorted(expected ^ {path.stem for path in paths})
        if missing:
            raise UserError(
                f"shards are missing, or left from another number of them: {', '.join(missing)}.",
                where=str(folder),
                hint="run the target `features` again; a shard of another number can be deleted.",
            )
        super().__init__(paths)
        self.name = folder.name

    def __getitem__(self, track_id: str) -> npt.NDArray[Any]:
        return self.clip(track_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self.track_ids)

    def __len__(self) -> int:
        return len(self.track_ids)

    def __repr__(self) -> str:
        return f"<Features {self.name}: {len(self)} clips of shape {self.shape}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return mean and deviation (ddof 0) of every row of every clip, in float64.

        A row is an index of the first axis: a bin, band, coefficient or quefrency.  Columns are
        ``{feature}_{row}_mean`` and ``{feature}_{row}_std``, the index is the track id.
        """
        import pandas as pd

        rows = {}
        for track_id, values in self.items():
            flat = values.reshape(len(values) if values.ndim > 1 else 1, -1).astype(np.float64)
            rows[track_id] = np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1).ravel()
        number = len(next(iter(rows.values()))) // 2 if rows else 0
        columns = [f"{self.name}_{row}_{kind}" for row in range(number) for kind in ("mean", "std")]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table.rename_axis("track_id")

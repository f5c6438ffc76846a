"""How many clips of a dataset may be in quarantine before nothing trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from genreflow.errors import UserError
from genreflow.files.integrity import place_of
from genreflow.files.records import read_rows


def check_limit(
    quarantined: int, clips: int, *, dataset: str, largest: float, listed: str = ""
) -> None:
    """Refuse a dataset of which too many clips were set aside.

    Parameters
    ----------
    largest
        Share of the clips, from 0 to 1.
    listed
        Those that were set aside, in lines of the message.

    Raises
    ------
    UserError
        There are more.
    """
    share = quarantined / max(clips, 1)
    if share > largest:
        raise UserError(
            f"{quarantined} of {clips} clips ({share:.1%}) can't be used{listed or '.'}",
            where=f"results/{dataset}/quarantine.csv",
            expected=f"at most {largest:.1%} (audio.max_quarantined)",
            hint="repair or remove these files, or raise audio.max_quarantined.",
        )


def check_limits(paths: Iterable[Path], limits: Mapping[str, float]) -> None:
    """Refuse a dataset that was within its limit once, and is not within that of now.

    Parameters
    ----------
    paths
        Of any files; ``results/{dataset}/usable.csv`` has the counts.
    limits
        By dataset.
    """
    for path in paths:
        dataset, _, name = place_of(path).partition("/")
        if name == "usable.csv" and dataset in limits:
            (counts,) = read_rows(path)
            check_limit(
                int(counts["quarantined"]),
                int(counts["clips"]),
                dataset=dataset,
                largest=limits[dataset],
            )

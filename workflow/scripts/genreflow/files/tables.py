"""CSV files of tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genreflow.files.atomic import write_whole

if TYPE_CHECKING:
    import pandas as pd


def write_table(
    table: pd.DataFrame, path: Path, *, index: bool = False, float_format: str = "%.2f"
) -> None:
    """Write a table with two decimals, or in another format; the counts stay whole."""
    text = table.to_csv(index=index, float_format=float_format, lineterminator="\n")
    write_whole(path, text.encode())

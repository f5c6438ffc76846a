"""CSV files of dataclasses: a row an object, a column a field."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any


def write_records(records: Iterable[Any], kind: type[Any], path: Path) -> None:
    """Write objects of one dataclass, with a header also where there are none.

    Parameters
    ----------
    kind
        The dataclass; its fields are the columns, in their order.
    """
    with path.open("w", newline="", encoding="utf-8") as handle:
        names = [field.name for field in fields(kind)]
        writer = csv.DictWriter(handle, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in records)

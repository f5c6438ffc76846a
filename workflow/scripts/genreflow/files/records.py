"""CSV files of dataclasses: a row an object, a column a field."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from genreflow.files.atomic import write_whole

Record = TypeVar("Record")


def write_records(records: Iterable[Any], kind: type[Any], path: Path) -> None:
    """Write objects of one dataclass, with a header also where there are none.

    Parameters
    ----------
    kind
        The dataclass; its fields are the columns, in their order.
    """
    text = io.StringIO(newline="")
    names = [field.name for field in fields(kind)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    write_whole(path, text.getvalue().encode())


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return a file's rows as texts by column."""
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Return the objects of a file from `write_records`."""
    return parse_records(read_rows(path), kind)


def parse_records(rows: Iterable[Mapping[str, str]], kind: type[Record]) -> list[Record]:
    """Return an object for each row of text; columns that are no field are left out.

    Parameters
    ----------
    kind
        The dataclass, of texts and numbers.
    """
    types = get_type_hints(kind)
    return [kind(**{name: read(row[name]) for name, read in types.items()}) for row in rows]

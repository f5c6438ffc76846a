"""A manifest that a user has written: read, and checked line by line."""

from __future__ import annotations

import csv
import difflib
import io
from pathlib import Path

from genreflow.errors import UserError
from genreflow.files.assignments import SPLITS
from genreflow.files.clips import Clip
from genreflow.partitions.checks import check_labels

COLUMNS = ("track_id", "path", "label", "group", "split")


def read_manifest(path: Path, *, labels_needed: bool = True) -> list[Clip]:
    """Return the clips of a manifest in the order of their track ids, with absolute paths.

    Parameters
    ----------
    labels_needed
        Refuse clips without a label, and labels that no experiment could use.

    Raises
    ------
    UserError
        The file is missing or is no CSV with the columns ``track_id,path,label``, each once; a
        track id occurs twice; a value is empty; a split is none of train, valid, test; or there are
        fewer than two labels or a label with one clip.  Where labels are not needed, none of this
        is asked of them.
    """
    if not path.is_file():
        raise UserError(
            "the manifest does not exist.",
            where=str(path),
            expected="a CSV file with the columns track_id,path,label and optionally group,split",
        )
    try:
        # utf-8-sig: spreadsheet programs put a byte order mark in front.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"byte {error.start} is not UTF-8.", where=str(path), hint="save the file as UTF-8."
        ) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    folder = path.parent.absolute()
    clips = []
    seen: dict[str, int] = {}
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        required = COLUMNS[:3] if labels_needed else COLUMNS[:2]
        for column in COLUMNS[:3]:
            if column not in header:
                close = difflib.get_close_matches(column, header, n=1, cutoff=0.5)
                # A label that is not needed may be missing, but not misspelt.
                if column not in required and not close:
                    continue
                raise UserError(
                    f"the manifest has no column `{column}`.",
                    where=f"{path}, line 1: {','.join(header) or '(empty)'}",
                    expected="track_id,path,label and optionally group,split",
                    hint=f"rename `{close[0]}`?"
                    if close and len(header) > 1
                    else "separate the columns by commas.",
                )
        doubled = [column for column in COLUMNS if header.count(column) > 1]
        if doubled:
            raise UserError(
                f"the manifest has {header.count(doubled[0])} columns `{doubled[0]}`.",
                where=f"{path}, line 1: {','.join(header)}",
                hint="rename those that are not meant.",
            )
        reader.fieldnames = header
        for row in reader:
            values = {name: (row.get(name) or "").strip() for name in COLUMNS}
            where = f"{path}, line {reader.line_num}"
            for column in required:
                if not values[column]:
                    raise UserError(f"`{column}` is empty.", where=where)
            if None in row:
                raise UserError(
                    f"the line has more than {len(header)} values.",
                    where=where,
                    hint="put quotes around values that hold a comma.",
                )
            if values["split"] and values["split"] not in SPLITS:
                raise UserError(
                    f"`split` is {values['split']!r}.", where=where, expected=", ".join(SPLITS)
                )
            if values["track_id"] in seen:
                raise UserError(
                    f"track_id {values['track_id']!r} occurs twice.",
                    where=f"{where} and line {seen[values['track_id']]}",
                )
            seen[values["track_id"]] = reader.line_num
            values["path"] = str(folder / values["path"])
            clips.append(Clip(**values))
    except csv.Error as error:
        raise UserError(
            f"the CSV breaks off: {error}.", where=f"{path}, line {reader.line_num}"
        ) from None
    if labels_needed:
        check_labels(clips, where=str(path))
    return sorted(clips, key=lambda clip: clip.track_id)

"""The last words of a run, for the terminal: accuracies, what was set aside, where things are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genreflow.errors import printable
from genreflow.files.audio_report import read_quarantine
from genreflow.files.records import read_rows

#: Rows of accuracies that a terminal shows at once.
MOST = 40


def closing_words(results: Path, datasets: Sequence[str]) -> str:
    """Return what a finished run comes to, as far as its files are there; else an empty text.

    Accuracies stand with their count, 95 % interval and stamps (`tables.csv`).
    """
    tables = results / "tables.csv"
    blocks = []
    if tables.is_file():
        rows = [row for row in read_rows(tables) if row["metric"] == "accuracy"]
        cells = [
            (
                row["dataset"],
                row["partition"],
                row["system"],
                f"seed {row['seed']}",
                f"{float(row['value']):.1f} %",
                f"{row['correct']}/{row['n']}" if row["correct"] else f"n = {row['n']}",
                f"{float(row['ci_low']):.1f} - {float(row['ci_high']):.1f}"
                if row["ci_low"]
                else "",
                row["note"],
            )
            for row in rows
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in cells[:MOST]
        ]
        more = [f"and {len(cells) - MOST} more"] if len(cells) > MOST else []
        title = "Accuracies on the test clips, right, 95 % interval, notes:"
        blocks.append("\n".join([title, *lines, *more]))
    for dataset in datasets:
        path = results / dataset / "quarantine.csv"
        lost = read_quarantine(path) if path.is_file() else []
        if lost:
            reasons = [f"  {clip.track_id}: {clip.reason}" for clip in lost[:5]]
            more = [f"  and {len(lost) - 5} more"] if len(lost) > 5 else []
            title = f"Clips of {dataset} that can't be used: {len(lost)} ({path})"
            blocks.append("\n".join([title, *reasons, *more]))
    if tables.is_file():
        report = results / "report.html"
        shown = f"{report} has them with figures" if report.is_file() else f"`-- {report}` draws them"
        studies = results / "tables" / "studies.csv"
        compared = f", studies in {studies}" if studies.is_file() else ""
        blocks.append(
            f"All results are in {tables}{compared}; {shown}. To use a system on new music: "
            f"`-- {results}/{{dataset}}/classifiers/{{system}}`, then `genreflow predict`."
        )
    return printable("\n\n".join(blocks))

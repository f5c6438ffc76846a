"""What all figures share: their style, their width, their colours, and how they are written.

Figures are made without pyplot and under matplotlib's own defaults, so that neither a display
nor a user's matplotlibrc has a say in them.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from genreflow.errors import printable
from genreflow.files.atomic import write_whole

DPI = 150
#: Inches.  A phone of 390 px shows it whole, with the letters of 9 points 9 px high.
WIDTH = 4.6
#: Characters in a line of a title, which a phone shows where the figure is as wide or wider.
TITLE_LENGTH = 46
STYLE: list[str | Path | dict[str, Any]] = [
    "default",
    {
        # A label may hold dollar signs.
        "text.parse_math": False,
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.titlesize": 10,
        "legend.frameon": False,
        # Letters that stay letters: journals refuse the outlines of type 3.
        "pdf.fonttype": 42,
    },
]
#: Petroff's ten: told apart with every kind of colour vision.
COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
#: As many as colours, so that each goes with one of them in grey too.
MARKERS = "os^DvPX*<>"
GREY = "#6b6b6b"
LONGEST_LABEL = 32
#: By the ending of a file: what is left out, since it differs from run to run or by version.
LEFT_OUT = {
    ".png": ("Software",),
    ".pdf": ("Creator", "Producer", "CreationDate"),
}


def put_title(figure: Figure, title: str) -> Text:
    """Put a title at the upper left of a figure, in lines that a phone shows whole."""
    return figure.suptitle(wrap_title(title), x=0.01, horizontalalignment="left")


def wrap_title(title: str) -> str:
    """Return a title with no line longer than `TITLE_LENGTH`."""
    return "\n".join(
        part for line in title.split("\n") for part in textwrap.wrap(line, TITLE_LENGTH)
    )


def shorten(label: str, longest: int = LONGEST_LABEL) -> str:
    """Return a label in one line that is no longer than that."""
    # Of line ends and control characters no font has a glyph.
    shown = " ".join(printable(label).split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


@style.context(STYLE)
def save_figure(figure: Figure, paths: Iterable[Path]) -> None:
    """Write a figure as each path's ending says; the same figure gives the same bytes.

    In a PDF, text and lines are vectors and images are pixels.
    """
    for path in paths:
        content = io.BytesIO()
        metadata = dict.fromkeys(LEFT_OUT[path.suffix])
        figure.savefig(content, dpi=DPI, format=path.suffix[1:], metadata=metadata)
        if path.suffix == ".png":
            content = _with_palette(content)
        write_whole(path, content.getvalue())


def _with_palette(png: io.BytesIO) -> io.BytesIO:
    """Return a picture in 256 colours: a third of the bytes, and the report holds every figure."""
    found = io.BytesIO()
    # Of the ways to choose them, this one keeps rare colours: those at the ends of a colour bar.
    chosen = (
        Image.open(png)
        .convert("RGB")
        .quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    chosen.save(found, "png", optimize=True)
    return found

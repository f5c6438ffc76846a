"""The model card of a classifier: text for people, from what is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genreflow import __version__
from genreflow.files.assignments import Assignment
from genreflow.partitions.names import ALL
from genreflow.results.evaluation import accuracy
from genreflow.systems import FUTURE_JEONG, JEONG_SYSTEMS, STATISTICS_SYSTEMS

if TYPE_CHECKING:
    import pandas as pd

JEONG = (
    "I.-Y. Jeong and K. Lee, *Learning temporal features using a deep neural network and its "
    "application to music genre classification*, ISMIR 2016"
)
YI = (
    "Y. Yi, K.-Y. Chen and H.-Y. Gu, *Mixture of CNN experts from multiple acoustic feature "
    "domain for music genre classification*, APSIPA ASC 2019"
)
#: What is known of the licence of the music, by the family of the source.
LICENCES = {
    "synthetic": "The clips were synthesised by genreflow itself.",
    "gtzan": "GTZAN was published for research, without the rights to its recordings. Whether "
    "weights that were trained on it may be used otherwise is not known.",
    "fma": "FMA's tracks have Creative Commons licences, each its own, many of which forbid "
    "commercial use or adaptations: see `tracks.csv` of FMA.",
}
UNKNOWN = "Not known to genreflow: ask whoever trained this classifier on the music."
NOT_FOR = """\
* Music of other kinds than the classes above. It knows no "none of these", and gives one of its
  classes to anything, speech and silence included.
* Probabilities as odds: they are not calibrated, and 0.9 does not mean nine of ten.
* Artists and recordings among the training clips are recognised better than new ones. An accuracy
  from a partition that has them on both sides is too high for new music.
* Decisions about people, their rights or their income.
"""


@dataclass(frozen=True)
class Evaluation:
    """An experiment of the same dataset and system: its partition, predictions and leaks."""

    partition: str
    predictions: pd.DataFrame
    leak: str


def model_card(
    system: str,
    description: Mapping[str, Any],
    assignments: Sequence[Assignment],
    evaluations: Sequence[Evaluation],
    *,
    dataset: str,
    partition: str,
    source: str,
) -> str:
    """Return the model card, in Markdown.

    Parameters
    ----------
    description
        Of one of the classifier's networks.
    assignments
        Of the fold that trained it.
    """
    label_of = {assignment.track_id: assignment.label for assignment in assignments}
    train, valid = (
        Counter(label_of[track_id] for track_id in description["clips"][role])
        for role in ("train", "valid")
    )
    labels = description["labels"]
    clips = "every usable clip"
    if partition != ALL:
        clips = f"partition `{partition}`, fold {description['fold']}, without its test clips"
    rows = "\n".join(f"| {_cell(label)} | {train[label]} | {valid[label]} |" for label in labels)
    return f"""\
# {system} on {dataset}

A classifier of music into {len(labels)} classes: {", ".join(labels)}.
It is {_origin(system)}, as genreflow {__version__}
implements it.

## What it was trained on

The dataset `{dataset}` (source `{source}`): {clips}; seed {description["seed"]}.

| class | clips that trained it | clips that chose the epoch |
| --- | --- | --- |
{rows}
| all | {train.total()} | {valid.total()} |

Their ids are in `classifier.json`.

## How right it was

{_accuracies(evaluations, final=partition == ALL)}
## What it is not for

{NOT_FOR}
## Licence of the music

{LICENCES.get(source.partition("_")[0], UNKNOWN)}
"""


def _origin(system: str) -> str:
    """Return what a system is, and which paper has it."""
    if system in FUTURE_JEONG:
        return (
            f"the system {system}, which no paper has published, after the future work of {JEONG}"
        )
    if system in STATISTICS_SYSTEMS:
        return (
            f"the system {system}, which is in no paper: mean and deviation of each band of "
            f"`{STATISTICS_SYSTEMS[system]}` and\nof its differences along time, and an SVM"
        )
    return f"the system {system} of {JEONG if system in JEONG_SYSTEMS else YI}"


def _accuracies(evaluations: Sequence[Evaluation], *, final: bool) -> str:
    if not evaluations:
        return "**Not measured**: no experiment of the configuration has this dataset and system.\n"
    lines = [
        "The same system, trained on a part of the same dataset and tested on another.",
        "This classifier was trained on all clips, so that none is left to test it.\n"
        if final
        else "",
        "| partition | seed | accuracy | right | 95 % interval | leaks |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for evaluation in evaluations:
        for seed, rows in evaluation.predictions.groupby("seed"):
            found = accuracy(list(rows["true"]), list(rows["predicted"]))
            cells = (
                f"`{evaluation.partition}`",
                str(seed),
                f"{found.value:.1f} %",
                f"{found.correct}/{found.n}",
                f"{found.ci_low:.1f} – {found.ci_high:.1f}",
                _cell(evaluation.leak) or "none found",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return a text that is one cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")

"""Odd but legal input: names that shells, CSV files and terminals could take for something else."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import pytest
from harness import ALL_SYSTEMS, SMALL, Snakemake, merge, run_here, write_collection, write_tone

#: Linux gives one word of a command, as the whole of a shell's is, no more bytes.
LONGEST_COMMAND = 131_072
#: Sets a terminal's title, clears it, and turns the writing round.
ESCAPES = "\x1b]0;mine\x07\x1b[2J\u202e"
LABELS = ("{dataset} $HOME `id` $x$", f"=1+1 \"two\"\n'lines' \u05d0\u05d1 {ESCAPES}")


def write_odd_clips(folder: Path) -> dict[str, str]:
    """Write sixteen clips with names as odd as a disk allows, one of them unreadable.

    Returns the label of each.
    """
    rows = []
    for number in range(16):
        name = f"{number} {{x}} {{{{y}}}} %s \"q\" 'q' $(id) \\n\n#?*[a] {ESCAPES}.wav"
        frequency = (110, 440)[number % 2] * 1.01**number
        write_tone(folder / name, frequency, seconds=5.6, sample_rate=22050)
        rows.append(
            {
                "track_id": f"={number} {{shard}};,\n\t{ESCAPES}",
                "path": name,
                "label": LABELS[number % 2],
                "group": f"-{number // 2}{{}}",
                "split": ("train", "train", "train", "train", "valid", "test")[number // 2 % 6],
            }
        )
    (folder / rows[0]["path"]).write_bytes(b"no audio")
    write_collection(folder, rows)
    return {row["track_id"]: row["label"] for row in rows}


def configuration(name: str = "music", **dataset: object) -> dict[str, object]:
    return merge(
        SMALL,
        {
            "datasets": {name: {"source": "manifest", "manifest": "manifest.csv", **dataset}},
            "experiments": [{"dataset": name, "partition": "split", "systems": ["SF"]}],
            "audio": {"max_quarantined": 0.1},
        },
    )


def test_odd_names_go_through_every_step_and_reach_no_terminal(
    snakemake: Snakemake, tmp_path: Path
) -> None:
    given = write_odd_clips(tmp_path)
    outcome = snakemake(configuration(), "--", "results/tables.csv", "results/report.html")
    assert outcome.status == 0, outcome.output[-6000:]
    # Carriage returns are Snakemake's own.
    assert not re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202e]", outcome.output)
    # No font has a glyph of these.
    assert "Glyph" not in outcome.output
    results = tmp_path / "results" / "music"
    with (results / "manifest.csv").open(newline="", encoding="utf-8") as file:
        assert {row["track_id"]: row["label"] for row in csv.DictReader(file)} == given
    with (results / "quarantine.csv").open(newline="", encoding="utf-8") as file:
        (lost,) = csv.DictReader(file)
    assert lost["track_id"] == f"'{next(iter(given))}"


def planned_commands(folder: Path, config: dict[str, object]) -> dict[str, int]:
    """Return the length in bytes of the longest command of each rule."""
    outcome = run_here(folder, config, "-n", "-p", "--", "results/report.html")
    assert outcome.status == 0, outcome.output[-3000:]
    longest: dict[str, int] = {}
    for command, rule in re.findall(r'(MALLOC_.*?run_script\.py" (\w+) .*)$', outcome.output, re.M):
        longest[rule] = max(longest.get(rule, 0), len(command.encode()))
    return longest


def write_many_labels(folder: Path, number: int) -> None:
    """Write a manifest of labels of a hundred letters, four clips each, which are not there."""
    splits = ("train", "train", "valid", "test")
    write_collection(
        folder,
        [
            {
                "track_id": f"t{index}",
                "path": f"{index}.wav",
                "label": f"{index // 4:05d} {'x' * 94}",
                "split": splits[index % 4],
            }
            for index in range(4 * number)
        ],
    )


def test_150_kilobytes_of_labels_fit_into_every_command(tmp_path: Path) -> None:
    write_many_labels(tmp_path, 1500)
    config = configuration(shards=2)
    config["experiments"] = [{"dataset": "music", "partition": "split", "systems": ALL_SYSTEMS}]
    commands = planned_commands(tmp_path, config)
    assert {"make_tables", "write_report", "train_expert", "evaluate_forest"} <= commands.keys()
    # Of the longest, the report's, a few kilobytes are labels to be read.
    assert max(commands.values()) < 20_000


@pytest.mark.long
def test_the_most_shards_and_the_longest_name_fit_into_every_command(tmp_path: Path) -> None:
    write_many_labels(tmp_path, 10)
    # Snakemake refuses values that repeat themselves.
    name = hashlib.sha256(b"").hexdigest()
    config = configuration(name, shards=512)
    config["experiments"] = [{"dataset": name, "partition": "split", "systems": ALL_SYSTEMS}]
    assert 100_000 < max(planned_commands(tmp_path, config).values()) < LONGEST_COMMAND

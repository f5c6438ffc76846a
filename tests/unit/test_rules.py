"""The files of rules, which Snakemake reads into one namespace."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

RULES = Path(__file__).resolve().parents[2] / "rules"
#: Functions, and names that get a value, without indentation.
DEFINED = re.compile(r"^(?:def (\w+)\(|(\w+) = )", re.MULTILINE)


def test_no_name_is_defined_in_two_files() -> None:
    files: dict[str, set[str]] = defaultdict(set)
    for path in RULES.glob("*.smk"):
        for found in DEFINED.findall(path.read_text(encoding="utf-8")):
            files["".join(found)].add(path.name)
    assert len(files) > 100
    assert {name: places for name, places in files.items() if len(places) > 1} == {}

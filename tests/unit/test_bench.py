"""The benchmarks' page: bounds are seen, and the machine is described without its name."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "bench"))

from measuring import Run, run  # noqa: E402
from page import Bounded, Row, Section, exceeded, page, show, table  # noqa: E402
from planning import COLLECTIONS, planned_jobs  # noqa: E402
from stage import Stage, exponent, marginal_costs  # noqa: E402


@pytest.fixture
def sections() -> list[Section]:
    rows: list[Row] = [
        {"collection": "small", "jobs": 1234, "time [s]": Bounded(9.96, 10.0)},
        {"collection": "large", "jobs": 2, "time [s]": Bounded(10.5, 10.0)},
    ]
    return [Section("Planning", "What planning takes.", rows)]


def test_a_value_above_its_bound_is_named(sections: list[Section]) -> None:
    assert exceeded(sections) == ["Planning, large: time [s] is 10.5 (**exceeds** 10.0)"]
    assert exceeded([Section("Planning", "", sections[0].rows[:1])]) == []


def test_tables_have_a_column_a_key(sections: list[Section]) -> None:
    assert table(sections[0].rows).splitlines() == [
        "| collection | jobs | time [s] |",
        "| --- | --- | --- |",
        "| small | 1 234 | 10.0 (at most 10.0) |",
        "| large | 2 | 10.5 (**exceeds** 10.0) |",
    ]
    assert show(123.4) == "123"


def test_page_describes_the_machine_without_its_name(sections: list[Section]) -> None:
    text = page(sections)
    assert "## Planning\n\nWhat planning takes." in text
    assert re.search(r"\| cores \| \d+ \|", text)
    assert f"| Python | {platform.python_version()} |" in text
    assert "snakemake 9." in text
    assert platform.node() not in text
    assert str(REPOSITORY) not in text


def test_sections_that_are_measured_anew_take_the_place_of_their_own(
    sections: list[Section],
) -> None:
    other = Section("Jobs", "The jobs.", [{"rule": "all", "jobs": 1}])
    earlier = page([*sections, other])
    again = Section("Planning", "Anew.", [{"collection": "small", "jobs": 5}])
    new = Section("Files", "New.", [{"files": 3}])
    text = page([again, new], earlier)
    assert text == page([again, other, new])
    assert page(sections, text) == page([*sections, other, new])


def test_a_command_is_measured_with_what_it_starts(tmp_path: Path) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'bytearray(200 << 20)'])"
    finished = run([sys.executable, "-c", code], folder=tmp_path)
    assert finished.peak_mib > 200
    with pytest.raises(SystemExit, match="no such thing"):
        run([sys.executable, "-c", "raise SystemExit('no such thing')"], folder=tmp_path)


def test_jobs_are_read_from_a_dry_run() -> None:
    output = "Job stats:\njob  count\n---  ---\nmake_tables   1\ntotal   1\n"
    output += (
        "rule make_tables:\nJob stats:\njob   count\n---  ---\ncompute_stft   256\ntotal  256\n\n"
    )
    assert planned_jobs(output) == {"compute_stft": 256, "total": 256}


def test_guide_has_the_benchmarks_numbers_of_jobs() -> None:
    benchmarks = (REPOSITORY / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    guide = (REPOSITORY / "docs" / "guide.md").read_text(encoding="utf-8")
    for collection in COLLECTIONS:
        (jobs,) = re.findall(
            rf"^\| {collection.name} \|.*\| everything \| ([\d ]+) \|", benchmarks, re.MULTILINE
        )
        # To two digits, as the guide has them.
        number = int(jobs.replace(" ", ""))
        rounded = show(round(number, 2 - len(str(number))))
        assert re.search(rf"{collection.name} with [^,]*?{rounded}\b", guide), rounded


def test_growth_is_fitted_by_its_exponent_and_by_its_cost_a_clip_and_a_job() -> None:
    sizes = (50, 100, 200, 400)
    assert exponent(sizes, [3 * size**0.8 for size in sizes]) == pytest.approx(0.8)
    stages = [
        Stage(
            clips,
            cores,
            1,
            jobs,
            Run("", (0.1 * clips + 0.5 * jobs) / cores, 0.0, 0.0),
            0.1 * clips,
            0,
        )
        for cores in (1, 2)
        for clips, jobs in zip(sizes, (13, 13, 24, 46), strict=True)
    ]
    assert marginal_costs(stages) == pytest.approx((0.1, 0.5))

"""The pages as a site: every page has its place, every link a target, and nothing is fetched."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import genreflow
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    result = subprocess.run(
        [sys.executable, *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"`make docs` fails:\n{result.stderr}"
    return folder


def test_every_page_has_its_line_in_the_navigation() -> None:
    lines = re.findall(r"^      - .+: (\S+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.M)
    missing = sorted(path.name for path in DOCS.glob("*.md") if path.name not in lines)
    assert not missing, f"add a line for each to `nav` in mkdocs.yml: {missing}"
    assert len(lines) == len(set(lines))


def test_every_page_is_in_the_search(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    pages = {f"{path.stem}.html" for path in DOCS.glob("*.md")}
    assert (
        pages | {"index.html", "contributing.html", "changes.html", "configuration.html"} <= found
    )


def test_nothing_comes_from_another_host(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="?([^"\s>]+)', text)
        fetched += re.findall(r'<link[^>]*\shref="?([^"\s>]+)', text)
        assert fetched
        outside = [url for url in fetched if re.match(r"(https?:)?//", url)]
        assert not outside, f"{path.name}: {outside}"


def test_links_to_the_repository_s_files_are_links_within_the_site(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    for target in (
        "configuration.html", "contributing.html", "changes.html", "CITATION.cff", "LICENSE.txt",
        "guide.html#published-collections", "images/accuracy.png",
    ):  # fmt: skip
        assert re.search(rf'(href|src)="?{re.escape(target)}"?[\s>]', index), target
        assert (site / target.partition("#")[0]).is_file()
    assert 'href="index.html#your-own-music"' in (site / "predict.html").read_text(encoding="utf-8")


def test_what_the_package_exports_is_on_the_page_of_it(site: Path) -> None:
    exported = {
        f"genreflow.{name}"
        for name, value in inspect.getmembers(genreflow, inspect.isfunction)
        if value.__module__ == "genreflow"
    }
    page = (site / "api.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'<h3 id="(genreflow\.\w+)"', page))
    assert shown == exported
    # Read, with the types of the signatures, and not imported.
    assert "ready to" in page
    assert "PathLike" in page


def test_readme_is_an_entry() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 120

"""The report of a finished run in a real browser, on a phone's width and on a desktop's."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import music_configuration, planned_jobs, run_here

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (390, 1280)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: Elements that reach beyond the page, but for what is in a table's own scroll area.
CUT = """
    [...document.querySelectorAll("body *")]
    .filter((e) => !e.closest(".scroll :is(table, img)") && e.getBoundingClientRect().width
        && (e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().left < 0))
    .map((e) => e.outerHTML.slice(0, 100))
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser's path."""
    pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no browser: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def report(chromium: str, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with sound, in a folder with nothing beside it."""
    folder = tmp_path_factory.mktemp("sound") / "run"
    shutil.copytree(finished, folder)
    config = music_configuration() | {"report": {"audio": True}}
    # By their dates alone, since clips in another folder are others.
    options = ("--rerun-triggers", "mtime", "--force", "--", "results/report.html")
    outcome = run_here(folder, config, *options)
    assert planned_jobs(outcome) == {"write_report": 1}
    return Path(shutil.move(folder / "results" / "report.html", folder.parent / "sent.html"))


@pytest.fixture(scope="module")
def browser(chromium: str, report: Path) -> Iterator[Browser]:
    """A browser without a window, after the report: Snakemake runs in no loop of another's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def open_report(browser: Browser, report: Path) -> Iterator[Callable[..., Page]]:
    """Open the report; nothing may be said on the console or asked of the network."""
    said: list[str] = []
    contexts = []

    def open_page(width: int, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda r: said.append(r.url[:80]) if not r.url.startswith(("file:", "data:")) else None,
        )
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def column(page: Page, table: str, number: int) -> list[list[str]]:
    """Return the texts of a column's shown cells, a list for each group of rows."""
    return page.evaluate(
        """([table, number]) => [...document.querySelector(table).tBodies].map((body) =>
            [...body.rows].filter((row) => !row.hidden && !row.classList.contains("group"))
            .map((row) => row.cells[number].innerText.trim()))""",
        [table, number],
    )


def numbers(texts: list[str]) -> list[float]:
    return [float(re.match(r"[\d.]+", text)[0]) for text in texts if re.match(r"\d", text)]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_and_every_picture_is_there(
    open_report: Callable[..., Page], width: int
) -> None:
    page = open_report(width)
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CUT) == []
    sizes = page.evaluate("[...document.images].map((i) => [i.complete, i.naturalWidth, i.width])")
    assert len(sizes) > 20
    assert all(complete and shown > 0 and own > 0 for complete, own, shown in sizes)
    # What one has to know needs no scrolling: what a table is about, and of each result who, how
    # well, how sure, which stamp.
    right = page.evaluate(
        """Math.max(...[...document.querySelectorAll("caption, .summary :is(.stamp, .below, b)")]
            .map((e) => e.getBoundingClientRect().right))"""
    )
    assert right <= width


def test_the_summary_has_every_system_of_every_partition(
    open_report: Callable[..., Page],
) -> None:
    page = open_report(1280)
    found = page.locator(".summary tbody").all_inner_texts()
    configured = music_configuration()["experiments"]
    assert len(found) == len(configured)
    for text, experiment in zip(found, configured, strict=True):
        assert f"music, {experiment['partition']}" in text
        for system in experiment["systems"]:
            assert re.search(rf"^{re.escape(system)}\b", text, flags=re.MULTILINE), system
    # SF of a swapped partition has seen its test clips.
    swapped = page.locator(".summary tbody").nth(1).locator("tr").nth(1)
    assert "leaky: group, selection" in swapped.inner_text()
    wrong = page.locator("section[aria-labelledby=wrong]").inner_text()
    assert "t10" in wrong
    assert "selection" in wrong
    assert "expert.epochs" in wrong


@pytest.mark.parametrize("width", WIDTHS)
def test_tables_are_sorted_by_click_and_by_keyboard(
    open_report: Callable[..., Page], width: int
) -> None:
    page = open_report(width)
    before = column(page, ".summary", 1)
    header = page.locator(".summary thead th").nth(1)
    assert header.get_attribute("aria-sort") is None
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    after = [numbers(group) for group in column(page, ".summary", 1)]
    assert after == [sorted(numbers(group), reverse=True) for group in before]
    header.locator("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    after = [numbers(group) for group in column(page, ".summary", 1)]
    assert after == [sorted(numbers(group)) for group in before]
    # Another column: names go up first, and only one column is the sorted one.
    page.locator(".summary thead th button").first.focus()
    page.keyboard.press("Space")
    assert header.get_attribute("aria-sort") is None
    names = [[n.split()[0].lower() for n in group] for group in column(page, ".summary", 0)]
    assert names == [sorted(group, key=lambda name: name.replace("+", " ")) for group in names]


def test_times_are_sorted_by_what_they_are_not_by_their_digits(
    open_report: Callable[..., Page],
) -> None:
    page = open_report(1280)
    table = "section[aria-labelledby=costs] table"
    page.evaluate(
        """(table) => [["a", "2 min", 120], ["b", "9.0 s", 9], ["c", "–", "–"]].forEach((row) => {
            const copy = document.querySelector(table).tBodies[0].rows[0].cloneNode(true);
            [copy.cells[0].textContent, copy.cells[1].textContent] = row;
            copy.cells[1].dataset.value = row[2];
            document.querySelector(table).tBodies[0].append(copy);
        })""",
        table,
    )
    button = page.locator(f"{table} thead th button").nth(1)
    for last in ("descending", "ascending"):
        button.click()
        (rules,) = column(page, table, 0)
        places = [rules.index(name) for name in "abc"]
        # What was not measured comes last, whatever the order.
        assert places[2] == len(rules) - 1
        assert (places[0] < places[1]) == (last == "descending")


def test_tables_are_filtered_by_words_of_a_row_and_of_its_heading(
    open_report: Callable[..., Page],
) -> None:
    page = open_report(1280)
    box = page.get_by_label("Show rows with").first
    box.fill("split_swapped mfcc")
    assert [len(group) for group in column(page, ".summary", 0)] == [0, 1, 0]
    assert page.locator(".summary tr.group:visible").count() == 1
    assert page.locator("output").first.inner_text() == "1 of 17"
    box.fill("")
    assert [len(group) for group in column(page, ".summary", 0)] == [14, 2, 1]
    assert page.locator("output").first.inner_text() == ""


def test_clips_got_wrong_can_be_heard(open_report: Callable[..., Page]) -> None:
    page = open_report(390)
    clips = page.locator("table.clips").first
    rows = clips.locator("tbody tr").all_inner_texts()
    # In quarantine, wrong for everybody, and without a sound.
    lost = next(row for row in rows if row.startswith("t10"))
    assert lost.count("no answer") == 14
    assert page.evaluate("document.querySelector('audio').readyState") == 0
    lengths = page.evaluate(
        """Promise.all([...document.querySelectorAll("audio")].map(
            (audio) => new Promise((done) => {
                audio.onloadedmetadata = () => done(audio.duration);
                audio.onerror = () => done(audio.error.message);
                audio.load();
            })))"""
    )
    heard = page.evaluate("[...document.querySelectorAll('audio')].map((a) => a.ariaLabel)")
    assert heard
    assert "t10" not in heard
    expected = {"t04": 3.0}
    for name, length in zip(heard, lengths, strict=True):
        assert length == pytest.approx(expected.get(name, 6.5), abs=0.15), name


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(open_report: Callable[..., Page], width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_report(width)
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    result = axe.run(page)
    found = [
        (violation["id"], violation["nodes"][0]["html"])
        for violation in result.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert found == []
    assert len(result.response["passes"]) > 20


def test_it_prints_to_pdf_with_what_is_closed(open_report: Callable[..., Page]) -> None:
    page = open_report(1280)
    closed = page.locator("details:not([open])").count()
    assert closed
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type */Page\b", pdf)) > 3


def test_it_is_whole_without_its_script(open_report: Callable[..., Page]) -> None:
    page = open_report(390, java_script_enabled=False)
    assert page.locator("th button, input").count() == 0
    assert page.locator(".summary tbody tr:visible").count() == 3 + 17

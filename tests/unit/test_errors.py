"""Messages: what stands in files' names and labels reaches no terminal as it is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from genreflow.errors import UserError, printable
from genreflow.jobs.job import run
from genreflow.results.summary import closing_words
from hypothesis import given
from hypothesis import strategies as st

#: Clears the screen, names a window, turns the writing round, rings, and is no UTF-8.
HOSTILE = "\x1b[2J\x1b]0;x\x07\u202e\u2066\x9b\r\udc80"
SHOWN = r"\x1b[2J\x1b]0;x\x07\u202e\u2066\x9b\r\udc80"


@given(st.text())
def test_every_text_is_printable_in_lines_and_is_left_if_it_was(text: str) -> None:
    found = printable(text)
    assert found.replace("\n", "").isprintable()
    assert printable(found) == found
    assert (found == text) == text.replace("\n", "").isprintable()


def test_letters_of_any_writing_stay() -> None:
    text = "Dvořák 東京 \u05d0\u05d1 {x} 'q' \"q\" 100 %\nnext line"
    assert printable(text) == text


def test_a_message_shows_what_would_act() -> None:
    error = UserError(HOSTILE, where=HOSTILE, expected=HOSTILE, hint=HOSTILE)
    assert str(error).count(SHOWN) == 4
    assert len(str(error).splitlines()) == 4


@pytest.fixture
def no_handlers() -> Iterator[None]:
    """Take away the handlers that a job gives the log."""
    logger = logging.getLogger("genreflow")
    before = logger.handlers[:]
    yield
    for handler in set(logger.handlers) - set(before):
        logger.removeHandler(handler)
        handler.close()


@pytest.mark.usefixtures("no_handlers")
def test_a_job_logs_what_would_act_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "say_odd_things.py").write_text(
        "from genreflow.jobs.job import log\n"
        f"def main(job): log.warning('%s is short', {HOSTILE!r})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    run("say_odd_things", ["--log", str(tmp_path / "a.log")])
    assert f"{SHOWN} is short" in capsys.readouterr().err
    assert f"{SHOWN} is short" in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_the_last_words_of_a_run_show_what_would_act(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    row = f"'={HOSTILE[:5]},a.wav,{HOSTILE[4:5]}\u202e\n"
    (tmp_path / "mine" / "quarantine.csv").write_text(
        f"track_id,path,reason\n{row}", encoding="utf-8"
    )
    words = closing_words(tmp_path, ["mine"])
    assert "  =\\x1b[2J\\x1b: \\x1b\\u202e" in words

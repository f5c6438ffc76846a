"""The commands of the pages that need the executors, as dry runs in a small project."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import PAGES, Command, blocks, carry_out, commands, write_project
from test_commands import EXECUTORS, HELD, dry, write_music

pytestmark = pytest.mark.cluster


def test_every_command_with_an_executor_is_planned(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "genreflow")
    write_music(folder, ("jazz", "rock"))
    (config,) = blocks("README.md", "yaml")
    (folder / "my.yaml").write_text(config.text, encoding="utf-8")
    (folder / "site").mkdir()
    (site,) = [block for block in blocks("docs/guide.md", "yaml") if "slurm_account" in block.text]
    (folder / "site" / "config.yaml").write_text(site.text, encoding="utf-8")
    asked = {
        command.words: command
        for page in PAGES
        for block in blocks(page, "bash", "inline")
        for command in commands(block)
        if HELD.get(command.words) is EXECUTORS and "snakemake" in command.text
    }
    assert len(asked) == 3
    for command in asked.values():
        carry_out(folder, Command(command.page, command.line, dry(command.text)))

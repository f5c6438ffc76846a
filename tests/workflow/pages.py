"""The pages: their blocks, their commands, and a small project in which these are carried out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from harness import REPOSITORY, SMALL, SMALL_DEMO, copy_workflow, merge

#: Every page that tells people what to type; CHANGELOG.md tells what was.
PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in (".", "config", "docs", "workflow")
    for path in (REPOSITORY / folder).glob("*.md")
    if path.name != "CHANGELOG.md"
)
FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
#: Between the lines, what begins with one of these and goes on is a command.
INLINE = re.compile(r"(?<!`)`((?:make|snakemake|genreflow|python|pip|pre-commit|docker) \S.*?)`")


@dataclass(frozen=True)
class Block:
    """What a page shows as code: its language, ``inline`` for a command between the lines."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}:\n{self.text}"


@dataclass(frozen=True)
class Command:
    """What somebody types: one command, over as many lines as it takes."""

    page: str
    line: int
    text: str

    @property
    def kind(self) -> str:
        return "bash"

    @property
    def words(self) -> str:
        """The command on one line, with single spaces."""
        return " ".join(self.text.replace("\\\n", " ").split())

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}:\n{self.text}"


@cache
def blocks(page: str, *kinds: str) -> list[Block]:
    """Return the blocks of a page in their order, of the given kinds or of all.

    A command that stands between the lines more than once counts once.
    """
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    found = []

    def fenced(match: re.Match[str]) -> str:
        indent, kind, body = match.groups()
        body = re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        found.append(Block(page, text.count("\n", 0, match.start()) + 2, kind, body))
        return re.sub("[^\n]", " ", match[0])

    rest = FENCE.sub(fenced, text)
    inline: dict[str, int] = {}
    for match in INLINE.finditer(rest):
        inline.setdefault(match[1], rest.count("\n", 0, match.start()) + 1)
    found += [Block(page, line, "inline", f"{words}\n") for words, line in inline.items()]
    found.sort(key=lambda block: block.line)
    return [block for block in found if not kinds or block.kind in kinds]


def is_snakefile(block: Block) -> bool:
    """Return whether a block of Python has rules, which only Snakemake reads."""
    return bool(re.search(r"^(rule|use rule|module|configfile)\b", block.text, re.MULTILINE))


@cache
def commands(block: Block) -> list[Command]:
    """Return the commands of a block, without comments."""
    found = []
    start, text = block.line, ""
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        text += re.sub(r"(^|\s+)#\s.*$", "", line) + "\n"
        check = subprocess.run(["bash", "-nc", text], check=False, capture_output=True)
        if text.rstrip().endswith("\\") or check.returncode != 0:
            continue
        if text.strip():
            found.append(Command(block.page, start, text.strip()))
        start, text = number + 1, ""
    assert not text, f"no command of the shell: {block}"
    return found


def write_environment(folder: Path) -> None:
    """Write a ``.venv`` as `make env` leaves it, with the packages of the tests."""
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    lock = subprocess.run(
        ["cksum"], input=(folder / "requirements.lock").read_bytes(), check=True,
        capture_output=True,
    )  # fmt: skip
    (folder / ".venv" / f".installed-{lock.stdout.split()[0].decode()}").touch()
    # From their own place, so that the folder can be copied.
    start = (
        "#!/bin/bash\n"
        'here="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"\n'
        'export PYTHONPATH="$here/workflow/scripts"\n'
    )
    for name, module in (
        ("python", ""), ("snakemake", "-m snakemake"), ("genreflow", "-m genreflow.cli")
    ):  # fmt: skip
        file = binaries / name
        file.write_text(f'{start}exec {shlex.quote(sys.executable)} {module} "$@"\n')
        file.chmod(0o755)
    (binaries / "activate").write_text('export PATH="$PWD/.venv/bin:$PATH"\n')


def write_project(folder: Path) -> Path:
    """Copy what runs and its defaults, with short clips and few steps, and return the folder."""
    copy_workflow(folder)
    for name in ("Makefile", *(path.name for path in REPOSITORY.glob("requirements*.lock"))):
        shutil.copyfile(REPOSITORY / name, folder / name)
    path = folder / "config" / "config.yaml"
    defaults = yaml.safe_load(path.read_text(encoding="utf-8"))
    small = {
        "datasets": {"demo": SMALL_DEMO["demo"] | {"shards": 2}},
        "experiments": [{"dataset": "demo", "partition": "split", "systems": ["SF", "original"]}],
    }
    # A page's own keys are merged over these.
    path.write_text(yaml.safe_dump(merge(defaults, SMALL) | small), encoding="utf-8")
    write_environment(folder)
    return folder


def carry_out(folder: Path, block: Block | Command) -> str:
    """Run what a page shows as somebody in the folder would, and return what it says."""
    binaries = folder / ".venv" / "bin"
    start = [str(binaries / "python"), "-c"] if block.kind == "python" else ["bash", "-euc"]
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR")}
    result = subprocess.run(
        [*start, block.text],
        cwd=folder,
        env={
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            **kept,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, (
        f"{block}\nfails: mend the page, or say in HELD of test_commands.py why it can't be run.\n"
        f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    )
    return result.stdout

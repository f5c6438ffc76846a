"""What the site has beside docs/: pages that lie elsewhere, and links that hold in both places."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).resolve().parents[1]
#: Files of the repository that the site has as well, and what they are called there.
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "config/config.yaml": "configuration.md",
    "CITATION.cff": "CITATION.cff",
    "LICENSE": "LICENSE.txt",
}
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)")
#: In a row of a table, the space within a number or before its percent sign.
WITHIN_NUMBER = re.compile(r"(?<=\d) (?=\d{3}\b|%)")


def on_files(files: Files, config: Any, **_: object) -> Files:
    """Add the files that lie outside docs/."""
    for source, name in OUTSIDE.items():
        text = (REPOSITORY / source).read_text(encoding="utf-8")
        if source.endswith(".yaml"):
            text = f"---\nhide: [toc]\n---\n# All keys\n\n```yaml\n{text}```\n"
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Make links between files links between pages, and keep a table's numbers on one line."""
    name = page.file.src_uri
    source = next((k for k, v in OUTSIDE.items() if v == name), f"docs/{name}")

    def of_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        target = OUTSIDE.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(target, posixpath.dirname(name))

    lines = (
        WITHIN_NUMBER.sub("\N{NO-BREAK SPACE}", line) if line.startswith("|") else line
        for line in LINK.sub(of_site, markdown).split("\n")
    )
    return "\n".join(lines)

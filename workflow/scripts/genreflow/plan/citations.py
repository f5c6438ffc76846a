"""How to cite the papers and this software: CITATION.cff in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def read_citations(path: Path) -> list[str]:
    """Return a reference for each paper of a CITATION.cff, then one for the software.

    None where the file is not there: a workflow may be copied in part.
    """
    if not path.is_file():
        return []
    cited = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_reference(work) for work in (*cited.get("references", []), cited)]


def _reference(work: Mapping[str, Any]) -> str:
    names = [
        " ".join(str(a[k]) for k in ("given-names", "family-names") if k in a) or str(a["name"])
        for a in work["authors"]
    ]
    authors = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    version = f"version {work['version']}" if "version" in work else ""
    doi = f"doi:{work['doi']}" if "doi" in work else ""
    parts = (authors, work["title"], work.get("collection-title"), work.get("journal"))
    rest = (version, work.get("year"), doi, work.get("repository-code"))
    return ", ".join(str(part) for part in (*parts, *rest) if part) + "."

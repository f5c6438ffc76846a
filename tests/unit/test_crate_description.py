"""What the RO-Crate of a run says: times of logs, published music, the copy of the workflow."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from crate_validation import unknown_terms
from genreflow.collections.remotes import FMA_METADATA, GTZAN_ARCHIVE
from genreflow.files.clips import Clip, write_clips
from genreflow.results.crate import (
    WORKFLOW,
    Music,
    PublishedFile,
    Span,
    copy_workflow,
    describe_run,
    read_span,
)

REPOSITORY = Path(__file__).resolve().parents[2]
SPAN = Span(datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 3, 4, 5, 6, tzinfo=UTC))


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of Berlin, an hour ahead of UTC in winter and two in summer."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_span_is_from_the_first_line_to_the_last_whatever_lies_between(
    tmp_path: Path, berlin: None
) -> None:
    first, last, empty = (tmp_path / f"{name}.log" for name in ("first", "last", "empty"))
    first.write_text("2026-07-01 10:00:00,123 genreflow\n2026-07-01 10:00:09,000 done\n")
    last.write_text(
        "2026-07-02 08:00:00,000 genreflow\n"
        "2026-12-24 18:30:00,999 unexpected error\n"
        "Traceback (most recent call last):\n"
        "  a line that names 2030-01-01 00:00:00,000 is none\n"
    )
    empty.touch()
    assert read_span([last, empty, first]) == Span(
        datetime(2026, 7, 1, 8, tzinfo=UTC), datetime(2026, 12, 24, 17, 30, tzinfo=UTC)
    )
    assert read_span([empty]) is None


def describe(root: Path, music: Music, span: Span | None = SPAN) -> dict[str, dict[str, Any]]:
    """Return the entities of a crate of one table, by identifier."""
    (root / "run_config.yaml").write_text("seeds: [0]\n")
    (root / "tables").mkdir(parents=True)
    (root / "tables" / "SF+TF, é.csv").write_text("a,b\n")
    (root / "m" / "vectors").mkdir()
    (root / "m" / "vectors" / "probe:mert.h5").write_bytes(b"vectors")
    crate = describe_run(
        root,
        software=json.loads((REPOSITORY / "codemeta.json").read_bytes()),
        snakemake="9.27.1",
        versions={"torch": "2.13.0+cpu"},
        experiments=[],
        music=[music],
        configuration=root / "run_config.yaml",
        embeddings=[root / "m" / "vectors" / "probe:mert.h5"],
        results=[root / "tables" / "SF+TF, é.csv"],
        span=span,
    )
    assert unknown_terms(crate) == set()
    return {entity["@id"]: entity for entity in crate["@graph"]}


@pytest.fixture
def music(tmp_path: Path) -> Music:
    """Two clips, one of which is there, of archives with checksums of two kinds."""
    (tmp_path / "m").mkdir()
    (tmp_path / "a.wav").write_bytes(b"12345")
    paths = (tmp_path / "a.wav", tmp_path / "b.wav")
    write_clips((Clip(p.stem, str(p), "rock") for p in paths), tmp_path / "m" / "manifest.csv")
    published = [
        PublishedFile(remote.name, remote.addresses[0], remote.checksum, remote.size_bytes)
        for remote in (GTZAN_ARCHIVE, FMA_METADATA)
    ]
    return Music(
        name="m",
        source="2 clips",
        licence="CC BY 4.0",
        manifest=tmp_path / "m" / "manifest.csv",
        citations=["Tzanetakis", "Sturm"],
        published=published,
    )


def test_published_archives_are_known_by_their_checksums(tmp_path: Path, music: Music) -> None:
    found = describe(tmp_path, music)
    archive, metadata = (found[remote.addresses[0]] for remote in (GTZAN_ARCHIVE, FMA_METADATA))
    assert f"sha256:{archive['sha256']}" == GTZAN_ARCHIVE.checksum
    assert archive["contentSize"] == "1225571541"
    assert f"sha1:{metadata['sha1']}" == FMA_METADATA.checksum
    described = found["#music-m"]
    assert {part["@id"] for part in described["hasPart"]} == {
        "m/manifest.csv", archive["@id"], metadata["@id"],
    }  # fmt: skip
    assert (described["collectionSize"], described["contentSize"]) == (2, "5")
    assert described["description"].endswith("1 of 2 files are there.")
    assert described["citation"] == "Tzanetakis; Sturm"
    assert found[described["license"]["@id"]]["description"] == "CC BY 4.0"


def test_files_have_names_as_addresses_and_checksums(tmp_path: Path, music: Music) -> None:
    found = describe(tmp_path, music)
    table = found["tables/SF%2BTF%2C%20%C3%A9.csv"]
    assert table["sha256"] == hashlib.sha256(b"a,b\n").hexdigest()
    assert found["https://pypi.org/project/torch/2.13.0/"]["version"] == "2.13.0+cpu"
    assert found["#run"]["startTime"] == "2026-01-02T03:00:00+00:00"
    assert found["#run"]["endTime"] == "2026-01-03T04:05:06+00:00"


def test_embeddings_of_probes_are_what_a_run_was_told(tmp_path: Path, music: Music) -> None:
    found = describe(tmp_path, music)
    told = [each["@id"] for each in found["#run"]["object"]]
    assert told == ["run_config.yaml", "#music-m", "m/vectors/probe%3Amert.h5"]
    vectors = found[told[-1]]
    assert vectors["sha256"] == hashlib.sha256(b"vectors").hexdigest()
    assert "embeddings" in vectors["description"]


def test_times_that_nobody_knows_are_left_out(tmp_path: Path, music: Music) -> None:
    found = describe(tmp_path, music, span=None)
    assert not {"startTime", "endTime"} & set(found["#run"])
    assert found["./"]["datePublished"]


def test_copy_is_of_the_workflow_and_of_nothing_else(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("Snakefile", "rules/a.smk", "workflow/scripts/__pycache__/a.pyc", "results/a.csv"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    copy_workflow(source, target)
    copied = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert copied == {"Snakefile", "rules/a.smk"}
    assert (target / "rules" / "a.smk").read_text() == "rules/a.smk"


def test_copy_has_all_that_the_container_has() -> None:
    recipe = (REPOSITORY / "envs" / "Dockerfile").read_text(encoding="utf-8")
    copied = [line.split()[1] for line in recipe.splitlines() if line.startswith("COPY ")]
    assert sorted(WORKFLOW) == sorted(copied)
    assert all((REPOSITORY / name).exists() for name in WORKFLOW)

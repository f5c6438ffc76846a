"""A finished run as a Workflow Run RO-Crate: what ran, on what, and what came of it.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profiles Workflow RO-Crate 1.0 and Workflow Run
Crate 0.5, which are those that roc-validator 0.13 can check.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from genreflow.files.atomic import write_whole
from genreflow.files.clips import read_clips

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

#: What runs the workflow and says what it is, copied beside the results.
WORKFLOW: Final = (
    "Snakefile", "CITATION.cff", "LICENSE", "codemeta.json", "requirements.lock", "config",
    "docs/deviations.md", "envs", "profiles", "rules", "workflow",
)  # fmt: skip
RO_CRATE: Final = "1.1"
PROFILES: Final = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
#: RO-Crate 1.1 has no terms for checksums; these are those of Workflow Run Crate.
CHECKSUMS: Final = {
    name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("sha1", "sha256")
}
MEDIA_TYPES: Final = {
    ".csv": "text/csv",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}
#: What files are, by their place below the results.
ABOUT: Final = {
    "run_config.yaml": "the configuration in force, with every default",
    "tables.csv": "every result with its count, interval and published counterpart",
    "tables/accuracy.csv": "accuracies, a row a system and a column an experiment",
    "tables/earlier_works.csv": "Yi 2019, table II, beside our results",
    "tables/mcnemar.csv": "McNemar's test of every pair of systems",
    "tables/leak_audit.csv": "what test clips share with training and validation",
    "tables/experts_by_genre.csv": "recalls of experts and weights of mixtures by genre",
    "tables/studies.csv": "what each setting of a study changes",
    "tables/study_costs.csv": "what each setting of a study cost",
    "tables/figure_of_merit_*": "figure-of-merit matrix of a system, in percent",
    "report.html": "the report: all tables and figures",
    "figures/*": "a figure of the report",
    "*/fingerprints/*": "acoustic fingerprints of the clips of a shard",
    "*/vectors/*": "the embeddings that a probe learned from, a vector a clip",
    "*/manifest.csv": "track id, file, label, group and split of every clip",
    "*/audio_report.csv": "what became of every audio file",
    "*/quarantine.csv": "the clips that were set aside, and why",
    "*/partitions/*": "role of every clip in every fold",
    "*/predictions/*": "a system's predictions of all seeds and folds",
}
#: How a line of a log begins: `genreflow.jobs.job` writes it.
TIME: Final = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} ", re.MULTILINE)


@dataclass(frozen=True)
class PublishedFile:
    """A file of a published collection, known by the checksum that it was verified with.

    ``checksum`` is algorithm and digits, as in ``sha256:24347e...``.
    """

    name: str
    address: str
    checksum: str
    size_bytes: int | None = None


@dataclass(frozen=True)
class Music:
    """The clips of a dataset.

    ``source`` and ``licence`` are in words; ``fingerprints`` hold an acoustic one of each clip;
    ``published`` are the files of a published collection that its clips were taken from.
    """

    name: str
    source: str
    licence: str
    manifest: Path
    fingerprints: Sequence[Path] = ()
    citations: Sequence[str] = ()
    published: Sequence[PublishedFile] = ()


@dataclass(frozen=True)
class Span:
    """When a run began and ended."""

    start: datetime
    end: datetime


def copy_workflow(source: Path, target: Path) -> None:
    """Copy what runs the workflow into a folder; files that somebody lacks are left out."""
    for name in WORKFLOW:
        for path in sorted([source / name, *(source / name).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                copy = target / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                write_whole(copy, path.read_bytes())


def read_span(logs: Iterable[Path]) -> Span | None:
    """Return the times of the first and of the last line of some logs; None where none has any.

    A run that was interrupted and continued, or of which a part was run again, spans all of it.
    """
    found = [
        datetime.strptime(time, "%Y-%m-%d %H:%M:%S").astimezone(UTC)
        for log in logs
        for times in [TIME.findall(log.read_text(encoding="utf-8", errors="replace"))]
        for time in (times[:1] + times[-1:])
    ]
    return Span(min(found), max(found)) if found else None


def describe_run(
    root: Path,
    *,
    software: Mapping[str, Any],
    snakemake: str,
    versions: Mapping[str, str],
    experiments: Sequence[str],
    music: Sequence[Music],
    configuration: Path,
    embeddings: Sequence[Path],
    results: Sequence[Path],
    span: Span | None,
) -> dict[str, Any]:
    """Return the metadata of the crate, as JSON-LD.

    Parameters
    ----------
    root
        The folder of the results, which is the crate's; files are named from there.
    software
        The workflow as its codemeta.json has it; its files lie in ``root / "workflow"``.
    snakemake
        Version.
    versions
        Of packages, by name.
    experiments
        Each in words.
    configuration, embeddings, results
        What the run was told, what of somebody else's its probes learned from, and what it made.
    span
        When the run began and ended, if that is known.
    """
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=RO_CRATE)
    crate.metadata.extra_terms.update(CHECKSUMS)
    papers = [_add_paper(crate, paper) for paper in software["referencePublication"]]
    workflow = _add_workflow(crate, software, snakemake, versions, papers)
    told = _add_file(crate, root, configuration)
    collections = [_add_music(crate, root, each) for each in music]
    vectors = [_add_file(crate, root, path) for path in embeddings]
    made = [_add_file(crate, root, path) for path in results]
    run: dict[str, Any] = {
        "name": f"Run of genreflow {software['version']}",
        "description": "; ".join(experiments) or "features alone",
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    if span:
        run |= {"startTime": span.start.isoformat(), "endTime": span.end.isoformat()}
    action = crate.add_action(
        workflow, "#run", object=[told, *collections, *vectors], result=made, properties=run
    )
    newest = max(path.stat().st_mtime for path in (configuration, *results))
    names = ", ".join(each.name for each in music)
    root_properties = {
        "name": f"Music genre classification: {names}",
        "description": f"Results of the workflow genreflow on {names}. {run['description']}.",
        "datePublished": datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds"),
        "license": _add(
            crate,
            "#licence-of-the-results",
            "CreativeWork",
            name="Not stated",
            description="Nobody has stated a licence for these results; the workflow has its own.",
        ),
        "conformsTo": [
            _add(crate, address, "CreativeWork", name=name, version=address.rpartition("/")[2])
            for address, name in PROFILES.items()
        ],
        "citation": papers,
        "mentions": [action, *collections],
    }
    for key, value in root_properties.items():
        crate.root_dataset[key] = value
    return dict(crate.metadata.generate())


def _add(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> Entity:
    """Add an entity that is no file of the crate, without the properties that are empty."""
    from rocrate.model.contextentity import ContextEntity

    known = {key: _single(value) for key, value in properties.items() if value}
    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **known}))


def _single(value: Any) -> Any:
    """Return the only value of a list, as RO-Crate asks for; any other value as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _add_file(crate: ROCrate, root: Path, path: Path) -> Entity:
    """Add a file of the results, with its checksum."""
    place = path.relative_to(root).as_posix()
    about = (text for pattern, text in ABOUT.items() if fnmatch(place, pattern))
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return crate.add_file(
        dest_path=place,
        properties={
            "name": place,
            "description": next(about, ""),
            "encodingFormat": MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
            "contentSize": str(path.stat().st_size),
            "sha256": checksum,
        },
    )


def _add_workflow(
    crate: ROCrate,
    software: Mapping[str, Any],
    snakemake: str,
    versions: Mapping[str, str],
    papers: Sequence[Entity],
) -> Entity:
    """Add the copy of the workflow, and the packages that it ran with."""
    crate.add_dataset(
        dest_path="workflow/",
        properties={"name": "workflow/", "description": "the workflow as it ran, with its code"},
    )
    python = "https://www.python.org/"
    packages = [
        _add(
            crate, python, "SoftwareApplication",
            name="Python", version=platform.python_version(), url=python,
        ),
        *(
            _add(
                # A local label such as `+cpu` is of the build, and in no address.
                crate, f"{page}{version.partition('+')[0]}/", "SoftwareApplication",
                name=name, version=version, url=page,
            )
            for name, version in versions.items()
            for page in [f"https://pypi.org/project/{name}/"]
        ),
    ]  # fmt: skip
    licence = _add(crate, software["license"], "CreativeWork", name="Licence of the workflow")
    authors = [
        _add(crate, f"#{_slug(author['name'])}", author["@type"], name=author["name"])
        for author in software["author"]
    ]
    return crate.add_workflow(
        dest_path="workflow/Snakefile",
        main=True,
        lang="snakemake",
        lang_version=snakemake,
        properties={
            "name": software["name"],
            "description": software["description"],
            "version": software["version"],
            "keywords": ", ".join(software["keywords"]),
            "license": licence,
            "encodingFormat": "text/plain",
            "author": _single(authors),
            "citation": list(papers),
            "softwareRequirements": packages,
        },
    )


def _add_paper(crate: ROCrate, paper: Mapping[str, Any]) -> Entity:
    """Add a paper of codemeta.json, whose entities are nested."""
    authors = [
        _add(
            crate,
            f"#{_slug(name)}",
            "Person",
            name=name,
            givenName=author["givenName"],
            familyName=author["familyName"],
        )
        for author in paper["author"]
        for name in [f"{author['givenName']} {author['familyName']}"]
    ]
    issue = paper["isPartOf"]
    return _add(
        crate,
        f"#{_slug(paper['name'])}",
        paper["@type"],
        name=paper["name"],
        author=authors,
        datePublished=paper["datePublished"],
        isPartOf=_add(crate, f"#{_slug(issue['name'])}", issue["@type"], name=issue["name"]),
    )


def _add_music(crate: ROCrate, root: Path, music: Music) -> Entity:
    """Add the clips of a dataset: their list, and what is known of their files without reading."""
    manifest, *fingerprints = [
        _add_file(crate, root, path) for path in (music.manifest, *music.fingerprints)
    ]
    clips = read_clips(music.manifest)
    sizes = [path.stat().st_size for path in (Path(clip.path) for clip in clips) if path.is_file()]
    published = []
    for file in music.published:
        algorithm, _, digits = file.checksum.partition(":")
        size = {"contentSize": str(file.size_bytes)} if file.size_bytes else {}
        described = {"name": file.name, algorithm: digits, **size}
        published.append(crate.add_file(file.address, properties=described))
    licence = _add(
        crate,
        f"#licence-of-{music.name}",
        "CreativeWork",
        name=f"Licence of the music of {music.name}",
        description=music.licence,
    )
    return _add(
        crate,
        f"#music-{music.name}",
        "Collection",
        name=f"Music of {music.name}",
        description=f"{music.source}; {len(sizes)} of {len(clips)} files are there.",
        collectionSize=len(clips),
        contentSize=str(sum(sizes)),
        license=licence,
        citation="; ".join(music.citations),
        mainEntity=manifest,
        hasPart=[manifest, *fingerprints, *published],
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

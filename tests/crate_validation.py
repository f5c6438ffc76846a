"""Validating RO-Crates by roc-validator, without the network.

Its profiles are part of it; what it would fetch is the JSON-LD context of RO-Crate 1.1, which is
given to its cache here, cut down to the terms that our crates use.  A term that is not among them
has no meaning in the crate, and `unknown_terms` finds it.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator import services
from rocrate_validator.models import Severity
from urllib3 import HTTPResponse

CONTEXT: Final = "https://w3id.org/ro/crate/1.1/context"
#: Of schema.org, version 10.
SCHEMA: Final = (
    "Collection", "ComputerLanguage", "CreateAction", "CreativeWork", "Dataset", "Organization",
    "Person", "PublicationIssue", "ScholarlyArticle", "SoftwareApplication", "SoftwareSourceCode",
    "about", "actionStatus", "author", "citation", "collectionSize", "contentSize",
    "datePublished", "description", "encodingFormat", "endTime", "familyName", "givenName",
    "hasPart", "identifier", "instrument", "isPartOf", "keywords", "license", "mainEntity",
    "mentions", "name", "object", "programmingLanguage", "result", "softwareRequirements",
    "startTime", "url", "version",
)  # fmt: skip
TERMS: Final = {
    **{term: f"http://schema.org/{term}" for term in SCHEMA},
    "File": "http://schema.org/MediaObject",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
}


class _Context(BaseAdapter):
    """Answers every request with the context."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        content = json.dumps({"@id": CONTEXT, "@context": TERMS}).encode()
        raw = HTTPResponse(
            BytesIO(content),
            headers={"Content-Type": "application/ld+json"},
            status=200,
            preload_content=False,
            request_url=request.url,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


def unknown_terms(crate: dict[str, Any]) -> set[str]:
    """Return the types and properties of a crate that its contexts don't know."""
    context, own = crate["@context"]
    assert context == CONTEXT
    used = {key for entity in crate["@graph"] for key in entity if key[0] != "@"}
    for entity in crate["@graph"]:
        kinds = entity["@type"]
        used |= {kinds} if isinstance(kinds, str) else set(kinds)
    return used - TERMS.keys() - own.keys()


def broken_rules(folder: Path, cache: Path) -> dict[str, set[str]]:
    """Return what a crate's folder breaks of Workflow Run Crate and all that it extends.

    By severity, ``REQUIRED`` or ``RECOMMENDED``, the identifiers of the rules.

    Parameters
    ----------
    cache
        A file for the validator's cache, without its ending.
    """
    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", _Context())
        session.get(CONTEXT)
    result = services.validate(
        {
            "rocrate_uri": str(folder),
            "profile_identifier": "workflow-run-crate",
            "requirement_severity": Severity.RECOMMENDED,
            "cache_path": cache,
            "offline": True,
        }
    )
    found: dict[str, set[str]] = {"REQUIRED": set(), "RECOMMENDED": set()}
    for issue in result.get_issues():
        found[issue.severity.name].add(issue.check.identifier)
    return found

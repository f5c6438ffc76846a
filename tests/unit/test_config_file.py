"""The generated files, and docs/deviations.md against the schema and the papers' text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from genreflow.features import mel, normalisation
from genreflow.plan.config_file import FILES, render_config
from genreflow.plan.loading import load
from genreflow.plan.schema import Section, Settings
from genreflow.results import embedding
from genreflow.yi2019 import networks, training
from pydantic import ValidationError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
#: The papers as text, by the page's name of them.
PAPERS = {
    "Jeong 2016": "jeong_lee_2016_temporal_features.txt",
    "Yi 2019": "yi_chen_gu_2019_mixture_of_cnn_experts.txt",
}

#: What must be on the page, with its status: the open and read points that have a key ...
KEYS = {
    "audio.resampler": "R",
    "hpss.kernel": "R",
    "hpss.power": "R",
    "hpss.margin": "R",
    "hpss.conserve": "R",
    "mel.fmin": "R",
    "mel.fmax": "R",
    "mel.top_db": "R",
    "modulation.spectrogram": "R",
    "mfcc.delta_width": "R",
    "expert.learning_rate": "R",
    "expert.decay": "R",
    "expert.model": "O",
    "expert.batchnorm_momentum": "R",
    "expert.batchnorm_average": "R",
    "expert.batchnorm_variance": "R",
    "mixer.learning_rate": "R",
    "mixer.decay": "R",
    "mixer.model": "O",
    "mixer.batchnorm_momentum": "R",
    "mixer.batchnorm_average": "R",
    "mixer.batchnorm_variance": "R",
    "mixer.dropout": "R",
    "mixer.frozen_batchnorm": "R",
    "dnn.hidden": "A",
    "dnn.initialisation": "O",
    "joint.optimiser": "O",
    "joint.learning_rate": "O",
    "joint.batch": "O",
    "rf.max_features": "O",
    "rf.decision": "O",
    "seeds": "O",
    "partitions.seed": "O",
    "partitions.random_draws": "O",
    "partitions.cv_validation_folds": "O",
    "partitions.swapped_networks": "O",
}
#: ... and those that have none.
FIXED = {
    "decoder": "O",
    "clip length": "R",
    "window": "R",
    "edges of the signal": "R",
    "frames of Jeong 2016": "A",
    "HPSS": "R",
    "mel filters": "R",
    "decibels": "R",
    "modulation transform": "R",
    "MFCC": "R",
    "constant input": "O",
    "block of k2c2": "R",
    "pools": "R",
    "alignment of the pools": "R",
    "GRU": "R",
    "loss": "R",
    "Adam": "R",
    "batch normalisation": "R",
    "initial weights": "R",
    "last batch": "O",
    "cepstrum": "A",
    "smallest deviation": "O",
    "variance of a segment": "O",
    "initial biases": "O",
    "SF and TF in series": "O",
    "SF and TF together": "O",
    "t-SNE": "O",
    "swapped partitions of Yi 2019": "O",
    "clips that can't be used": "O",
}
#: Of these, the ones in which we differ from the authors' code.
DIFFERING = {"decoder", "constant input", "loss", "Adam", "last batch"}
#: The values of the authors' code (Yi 2019), and those that follow the words of either paper.
AUTHORS = {
    "audio.resampler": "kaiser_fast",
    "hpss.kernel": 31,
    "hpss.power": 2.0,
    "hpss.margin": 1.0,
    "hpss.conserve": "magnitude",
    "mel.fmin": 0.0,
    "mel.fmax": 11025.0,
    "mel.top_db": 80.0,
    "modulation.spectrogram": "log",
    "mfcc.delta_width": 9,
    "expert.learning_rate": 0.005,
    "expert.decay": 0.01,
    "expert.batchnorm_momentum": 0.99,
    "expert.batchnorm_average": "zero_debiased",
    "expert.batchnorm_variance": "keras224",
    "mixer.learning_rate": 0.0005,
    "mixer.decay": 0.0001,
    "mixer.batchnorm_momentum": 0.99,
    "mixer.batchnorm_average": "zero_debiased",
    "mixer.batchnorm_variance": "keras224",
    "mixer.dropout": [0.25, 0.25, 0.5],
    "mixer.frozen_batchnorm": "keras224_bn",
}
PAPER = {
    "hpss.conserve": "power",
    "modulation.spectrogram": "power",
    "mixer.dropout": [0.0, 0.0, 0.0],
    "mixer.frozen_batchnorm": "running",
    "dnn.hidden": [50, 50, 50],
    "rf.decision": "majority",
    "partitions.swapped_networks": "shared",
}


def tables() -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the title of its section and the rows of every table on the page, the header first."""
    for section in PAGE.split("\n## "):
        for table in re.findall(r"(?:^\|.*\n)+", section, flags=re.MULTILINE):
            lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
            yield (
                section.partition("\n")[0],
                [[cell.strip().replace("\\|", "|") for cell in line] for line in lines],
            )


def rows() -> Iterator[list[str]]:
    """Yield the cells of every row of the page's tables."""
    for _, table in tables():
        yield from table


def keys_under(column: str) -> set[str]:
    """Return the keys of the tables whose last column has a title."""
    return {
        row[0].split("`")[1] for _, table in tables() if table[0][-1] == column for row in table[2:]
    }


def quotes() -> Iterator[tuple[str, str]]:
    """Yield every quote on the page with its place, the paper's name before it."""
    for section, table in tables():
        if "the paper" not in table[0]:
            continue
        for row in table[2:]:
            cell = row[table[0].index("the paper")]
            if cell != "nothing":
                match = re.fullmatch(r'"([^"]+)" \(([^"()]+)\)', cell)
                assert match, cell
                paper = section.partition(":")[0]
                yield match[1], f"{paper}, {match[2]}" if paper in PAPERS else match[2]


def places(text: str) -> list[tuple[str, str]]:
    """Return the papers and the sections that a place names."""
    found = []
    for place in text.split("; "):
        match = re.match(r"(.+?), (\d(?:\.\d)?|[IVX]+\.[A-Z])(?:, |$)", place)
        assert match, text
        assert match[1] in PAPERS, text
        found.append((match[1], match[2]))
    return found


@pytest.fixture(scope="module")
def papers() -> dict[tuple[str, str], str]:
    """The text of every section of the papers, without spaces; they are not ours to keep here."""
    folder = Path(os.environ.get("GENREFLOW_PAPERS", ROOT.parent / "shared" / "papers"))
    if not all((folder / name).is_file() for name in PAPERS.values()):
        pytest.skip(f"no text of the papers in {folder}: set GENREFLOW_PAPERS to its folder")
    found: dict[tuple[str, str], str] = {}
    for paper, name in PAPERS.items():
        section = chapter = ""
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([IVX]+)\.? [A-Z ]+$", line):
                section = chapter = match[1]
            elif match := re.match(r"([A-C])\. [A-Z]", line):
                section = f"{chapter}.{match[1]}"
            elif match := re.match(r"(\d\.\d) [A-Z]|(\d)\. [A-Z ]{8,}$", line):
                section = match[1] or match[2]
            found[paper, section] = found.get((paper, section), "") + re.sub(r"\s", "", line)
    return found


def key_rows() -> dict[str, list[str]]:
    """Return the rows about a config key, by key; a key on two rows is an error."""
    found: dict[str, list[str]] = {}
    for cells in rows():
        if match := re.match(r"`([a-z_.]+)`", cells[0]):
            assert match[1] not in found
            found[match[1]] = cells
    return found


def marked(key: str, who: str) -> Any:
    """Return the value on a key's row that is marked as the authors' or the paper's."""
    cells = " ".join(key_rows()[key][1:3])
    values = [
        value for value, marks in re.findall(r"`([^`]*)` \(([a-z, ]+)\)", cells) if who in marks
    ]
    assert len(values) <= 1
    return yaml.safe_load(values[0]) if values else None


def leaves(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return every value by its dotted key."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def nested(key: str, value: Any) -> dict[str, Any]:
    """Return the settings in which one dotted key has a value."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def accepts(key: str, value: Any) -> bool:
    """Return whether the schema accepts a value."""
    try:
        Settings.model_validate(nested(key, value))
    except ValidationError:
        return False
    return True


def annotation(key: str) -> Any:
    """Return the type of a key in the schema."""
    model: type[Section] = Settings
    *sections, name = key.split(".")
    for section in sections:
        model = type(model.model_fields[section].default)
    return model.model_fields[name].annotation


@pytest.mark.parametrize("path", FILES)
def test_committed_file_is_the_rendered_one(path: str) -> None:
    render: Callable[[], str] = FILES[path]
    assert (ROOT / path).read_text(encoding="utf-8") == render(), "run `make config`"


def test_default_file_holds_every_key_with_its_default() -> None:
    values = yaml.safe_load(render_config())
    config = load(values, {})
    for name in Settings.model_fields:
        assert name in values
        assert getattr(config, name) == getattr(Settings(), name)


def test_every_key_is_read_stated_or_our_own() -> None:
    kinds = ("the authors' code; our reason", "stated in", "for the workflow")
    found = [keys_under(kind) for kind in kinds]
    assert set().union(*found) == set(leaves(Settings().model_dump())) == set(key_rows())
    assert sum(map(len, found)) == len(key_rows()), "a key is in two tables"
    assert found[0] == set(KEYS)


def test_what_a_paper_states_has_its_place() -> None:
    stated = keys_under("stated in")
    assert stated
    for key in stated:
        assert places(key_rows()[key][-1]), key


def test_quotes_are_in_the_papers_where_the_page_says(papers: dict[tuple[str, str], str]) -> None:
    found = list(quotes())
    assert found
    for words, where in found:
        for place in places(where):
            assert re.sub(r"\s", "", words) in papers[place], (words, place)


def test_page_shows_every_key_with_its_default() -> None:
    shown = {}
    for key, cells in key_rows().items():
        match = re.match(r"`([^`]*)`", cells[1])
        assert match, key
        shown[key] = yaml.safe_load(match[1])
    assert shown == leaves(Settings().model_dump())


def test_page_has_every_open_and_read_point() -> None:
    on_page = {
        name: status
        for cells in rows()
        if len(cells) >= 4 and cells[0] not in ("key", "item", "---")
        for name, _, status in [cells[0].rpartition(" ")]
    }
    assert on_page == {f"`{key}`": status for key, status in KEYS.items()} | FIXED


def test_page_names_the_points_without_a_key_that_differ_from_the_authors_code() -> None:
    match = re.search(r"^No key switches these points, .*: (.*)\.$", PAGE, flags=re.MULTILINE)
    assert match
    assert set(match[1].split(", ")) == DIFFERING


def test_every_row_has_the_cells_of_its_header() -> None:
    found = list(tables())
    assert found
    for title, table in found:
        assert {len(row) for row in table} == {len(table[0])}, title


def test_page_tells_the_authors_values_from_the_papers() -> None:
    for key in KEYS:
        for who, values in (("authors", AUTHORS), ("paper", PAPER)):
            # The other value of a number is shown only where it differs from the default.
            assert marked(key, who) == values.get(key), (key, who)


def test_a_default_that_follows_no_code_has_a_reason() -> None:
    for key in KEYS:
        _, default, _, _, reason = key_rows()[key]
        assert reason or "authors" in default, key


def test_no_cell_is_empty() -> None:
    assert [row for row in rows() if not all(row)] == []


@pytest.mark.parametrize("key", [key for key in KEYS if get_origin(annotation(key)) is Literal])
def test_other_values_on_the_page_are_all_that_the_schema_accepts(key: str) -> None:
    cells = key_rows()[key]
    others = re.findall(r"`([^`]*)`", cells[2])
    assert {cells[1].split("`")[1], *others} == set(get_args(annotation(key)))
    for value in others:
        load(yaml.safe_load(render_config()), nested(key, value))


@pytest.mark.parametrize("key", [key for key in KEYS if get_origin(annotation(key)) is not Literal])
def test_ranges_on_the_page_are_the_schema_s(key: str) -> None:
    text = key_rows()[key][2]
    match = re.match(
        r"(?:(\d+)( or more)? values, each a )?(whole )?number (.*?)(?:, such as .*)?$", text
    )
    assert match, text
    length, more, whole, bounds = match.groups()
    checks: list[Callable[[float], bool]] = []
    limits = []
    for sign, number in re.findall(r"([<>≤≥]) ([\d.]+)", bounds):
        limit = float(number)
        limits.append(limit)
        checks.append(
            {
                ">": lambda x, limit=limit: x > limit,
                "≥": lambda x, limit=limit: x >= limit,
                "<": lambda x, limit=limit: x < limit,
                "≤": lambda x, limit=limit: x <= limit,
            }[sign]
        )
    assert limits
    for value in [x for limit in limits for x in (limit - 1, limit, limit + 1)] + [0.5, 1e6]:
        inside = all(check(value) for check in checks) and (not whole or value == int(value))
        shaped = [value] * int(length) if length else value
        assert accepts(key, shaped) == inside, (key, shaped)
    if length:
        default = leaves(Settings().model_dump())[key]
        assert not accepts(key, [default[0]] * (int(length) - 1))
        assert accepts(key, [default[0]] * (int(length) + 1)) == bool(more)


@pytest.mark.parametrize(("block", "expected"), [(0, AUTHORS), (1, PAPER)])
def test_blocks_on_the_page_switch_to_the_authors_and_to_the_paper(
    block: int, expected: dict[str, Any]
) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    switches = yaml.safe_load(blocks[block])
    config = load(yaml.safe_load(render_config()), switches)
    values = leaves(config.model_dump(include=set(Settings.model_fields)))
    assert {key: values[key] for key in expected} == expected
    # Nothing else is switched, nor what is so by default.
    defaults = leaves(Settings().model_dump())
    assert set(leaves(switches)) == {
        key for key, value in expected.items() if value != defaults[key]
    }


@pytest.mark.parametrize(
    ("item", "constants"),
    [
        ("decibels", [mel.SMALLEST_POWER]),
        ("loss", [training.SMALLEST_PROBABILITY]),
        ("Adam", [training.ADAM_EPSILON]),
        ("batch normalisation", [networks.BATCHNORM_EPSILON]),
        ("smallest deviation", [normalisation.SMALLEST_DEVIATION]),
        ("t-SNE", [embedding.PERPLEXITY, embedding.FEW_SEGMENTS]),
    ],
)
def test_constants_on_the_page_are_those_of_the_code(item: str, constants: list[float]) -> None:
    [done] = [cells[1] for cells in rows() if cells[0].rpartition(" ")[0] == item]
    numbers = {float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", done)}
    assert set(constants) <= numbers


def test_links_on_the_page_lead_to_headings() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", PAGE)
    assert links
    for name, anchor in links:
        text = (ROOT / "docs" / (name or "deviations.md")).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
        assert anchor in slugs, (name, anchor)

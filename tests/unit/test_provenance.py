"""The code that a rule's result depends on."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest
from genreflow.plan import provenance
from genreflow.plan.provenance import code_digest, sources

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / ("" if name == "script" else "genreflow") / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    code_digest.cache_clear()
    provenance._read.cache_clear()


@pytest.mark.parametrize(
    "line",
    ["from genreflow.a import f", "from genreflow import a", "import genreflow.a",
     "def g():\n    from genreflow.a import f"],
)  # fmt: skip
def test_a_changed_module_changes_the_digest_of_what_imports_it(tmp_path: Path, line: str) -> None:
    write(tmp_path, script=line, a="from genreflow.b import g", b="x = 1", c="x = 1")
    before = code_digest("script", tmp_path)
    write(tmp_path, c="x = 2")
    assert code_digest("script", tmp_path) == before
    write(tmp_path, b="x = 2")
    assert code_digest("script", tmp_path) != before


def test_touched_files_change_nothing(tmp_path: Path) -> None:
    write(tmp_path, script="from genreflow.a import f", a="x = 1")
    before = code_digest("script", tmp_path)
    write(tmp_path, a="x = 1")
    assert code_digest("script", tmp_path) == before


@pytest.mark.parametrize("module", ["errors", "jobs/job", "plan/schema", "partitions/checks"])
def test_what_can_t_change_a_result_is_left_out(tmp_path: Path, module: str) -> None:
    (tmp_path / "genreflow" / module).parent.mkdir(parents=True, exist_ok=True)
    name = module.replace("/", ".")
    write(tmp_path, script=f"from genreflow.{name} import run", **{module: "x = 1"})
    before = code_digest("script", tmp_path)
    write(tmp_path, **{module: "x = 2"})
    assert code_digest("script", tmp_path) == before
    # Asked for itself, as the module of a collection is, it counts.
    assert code_digest(f"genreflow.{name}", tmp_path) != code_digest("script", tmp_path)


def test_types_alone_are_no_dependency(tmp_path: Path) -> None:
    script = "if TYPE_CHECKING:\n    from genreflow.a import A\nelse:\n    import genreflow.b\n"
    write(tmp_path, script=script, a="x = 1", b="x = 1")
    assert set(sources("script", tmp_path)) == {"script", "genreflow.b"}


def code_text(text: str) -> str:
    return provenance.code_text(text, ast.parse(text))


CODE = '''"""A module."""

import os  # for paths


class Error(UserError):
    """An error."""


def f(values: list[str]) -> str:
    """Return a text.

    Whatever the values.
    """
    # The first counts.
    if not values:
        raise UserError("no values.", where=str(values), hint="give some.")
    text = """one

    # two
"""
    log.info("%s has %d", text, len(values))
    return f"{values[0]} # {text}"
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A module", "Another module"),
        ("  # for paths", ""),
        ("for paths", "for Zoë's paths"),
        ("Whatever", "Regardless of"),
        ("# The first counts.", '# The first one counts, "quoted".'),
        ("\n    # The first counts.", ""),
        ("\n\n\nclass", "\n\nclass"),
        ("no values.", "there are no values."),
        ('hint="give some."', 'expected="some", hint="give \\n some."'),
        ('"%s has %d"', '"%s holds %d"'),
        ("    return", "\n    return"),
    ],
)
def test_words_for_people_are_no_part_of_the_code(old: str, new: str) -> None:
    assert old in CODE
    assert code_text(CODE.replace(old, new)) == code_text(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("values[0]", "values[1]"),
        ("one\n\n", "one\n"),
        ("# two", "# three"),
        ("} # {", "} {"),
        ("if not values", "if values"),
        ("raise UserError", "return UserError"),
        ("class Error(UserError)", "class Error(ValueError)"),
        ("    return f", "return f"),
    ],
)
def test_every_other_change_is_one_of_the_code(old: str, new: str) -> None:
    assert old in CODE
    assert code_text(CODE.replace(old, new)) != code_text(CODE)


def test_comments_are_found_as_python_finds_them() -> None:
    for path in SCRIPTS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
        found = [m["comment"] for m in provenance.STRINGS_AND_COMMENTS.finditer(text)]
        assert [comment for comment in found if comment is not None] == comments, path


def test_features_do_not_depend_on_each_other_nor_on_the_configuration() -> None:
    found = {
        script.stem: {name.removeprefix("genreflow.") for name in sources(script.stem, SCRIPTS)}
        for script in SCRIPTS.glob("*.py")
    }
    numerics = {
        *(f"features.{name}" for name in ("audio", "stft", "cepstrum", "hpss", "mel", "modulation",
                                          "mfcc", "synthesis")),
        "jeong2016.network", "yi2019.networks",
    }  # fmt: skip
    expected = {
        "resample_audio": {"features.audio"},
        "compute_stft": {"features.stft"},
        "compute_cepstrogram": {"features.cepstrum"},
        "compute_cepstral_modulation": {"features.cepstrum"},
        "separate_hpss": {"features.hpss"},
        "compute_mel": {"features.mel"},
        "compute_modulation": {"features.modulation"},
        "compute_mfcc": {"features.mfcc"},
        "train_dnn": {"features.cepstrum", "jeong2016.network"},
        "train_expert": {"yi2019.networks"},
        "evaluate_expert": set(),
        "evaluate_forest": set(),
        "make_tables": set(),
    }
    for script, modules in expected.items():
        assert found[script] & numerics == modules, script
    assert not {name for modules in found.values() for name in modules if "plan" in name}


def test_a_source_touches_no_other_sources_shards() -> None:
    # What was found is in the parameters; how it was found would rerun everybody's features.
    for script in ("write_manifest", "write_shard"):
        assert not {
            f"genreflow.{name}"
            for name in ("collections.folder", "collections.gtzan", "features.synthesis")
        } & set(sources(script, SCRIPTS))
    assert "genreflow.collections.shards" in sources("write_shard", SCRIPTS)
    assert "genreflow.features.synthesis" in sources("synthesise_audio", SCRIPTS)


def test_scripts_import_at_the_top_what_the_digest_can_see() -> None:
    for script in SCRIPTS.glob("*.py"):
        tree = ast.parse(script.read_text())
        assert ast.get_docstring(tree), script
        assert any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in tree.body), script

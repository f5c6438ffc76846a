"""The code that a rule's result depends on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from genreflow.provenance import code_digest, sources

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def write(folder: Path, **files: str) -> None:
    (folder / "genreflow").mkdir(exist_ok=True)
    for name, text in files.items():
        where = folder if name == "script" else folder / "genreflow"
        (where / f"{name}.py").write_text(text)
    code_digest.cache_clear()


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


def test_the_log_and_the_messages_are_no_part_of_a_result(tmp_path: Path) -> None:
    write(tmp_path, script="from genreflow.runtime import run", runtime="x = 1")
    before = code_digest("script", tmp_path)
    write(tmp_path, runtime="x = 2")
    assert code_digest("script", tmp_path) == before


def test_features_do_not_depend_on_each_other_nor_on_the_configuration() -> None:
    found = {
        script.stem: {name.removeprefix("genreflow.") for name in sources(script.stem, SCRIPTS)}
        for script in SCRIPTS.glob("*.py")
    }
    assert "stft" in found["compute_stft"]
    numerics = {"audio", "stft", "cepstrum", "hpss", "mel", "modulation", "mfcc", "mlp", "networks"}
    expected = {
        "resample_audio": {"audio"},
        "compute_stft": {"stft"},
        "compute_cepstrogram": {"cepstrum"},
        "compute_cepstral_modulation": {"cepstrum"},
        "separate_hpss": {"hpss"},
        "compute_mel": {"mel"},
        "compute_modulation": {"modulation"},
        "compute_mfcc": {"mfcc"},
        "train_dnn": {"cepstrum", "mlp"},
        "train_expert": {"networks"},
        "evaluate_expert": set(),
        "make_tables": set(),
    }
    for script, modules in expected.items():
        assert found[script] & numerics == modules, script
    reading_the_config = {script for script, modules in found.items() if "config" in modules}
    assert reading_the_config <= {"write_report"}


def test_a_source_touches_no_other_sources_shards() -> None:
    # What was found is in the parameters; how it was found would rerun everybody's features.
    found = {script: set(sources(script, SCRIPTS)) for script in ("write_manifest", "write_shard")}
    for modules in found.values():
        assert not modules & {f"genreflow.{name}" for name in ("folder", "gtzan", "synthesis")}
        assert "genreflow.manifest" in modules
    assert "genreflow.synthesis" in sources("synthesise_audio", SCRIPTS)


def test_scripts_import_at_the_top_what_the_digest_can_see() -> None:
    for script in SCRIPTS.glob("*.py"):
        tree = ast.parse(script.read_text())
        assert ast.get_docstring(tree), script
        assert any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in tree.body), script

"""The package that `pip install .` gives, its version, and that every check is the same check."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import genreflow
import pytest
import yaml
from genreflow.collections.gtzan import ORIGINALS
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: What a distribution is imported as, where that is another name.
MODULES = {"pyyaml": "yaml", "scikit-learn": "sklearn"}


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def run(*command: str | Path, folder: Path, path: str = "") -> str:
    """Run this Python from a folder, with nothing but ``path`` added to what it finds."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env=environment | ({"PYTHONPATH": path} if path else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, since a build writes beside its sources.

    It needs no network: setuptools is there with torch, which asks for it.
    """
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheel"))
    generated = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("workflow", "tests", "rules", "config"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=generated)
    for name in ("pyproject.toml", "README.md", "LICENSE", "Snakefile"):
        shutil.copyfile(REPOSITORY / name, source / name)
    run(
        "-m", "pip", "--disable-pip-version-check", "wheel", source, "--wheel-dir", target,
        "--no-deps", "--no-index", "--no-build-isolation", folder=source,
    )  # fmt: skip
    (found,) = target.iterdir()
    return found


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    about = f"genreflow-{genreflow.__version__}.dist-info/"
    package = SCRIPTS / "genreflow"
    files = [*package.rglob("*.py"), *(package / "results" / "templates").iterdir()]
    files += [ORIGINALS, SCRIPTS / "snakemake_logger_plugin_genreflow" / "__init__.py"]
    assert {name for name in names if not name.startswith(about)} == {
        file.relative_to(SCRIPTS).as_posix() for file in files
    }
    assert "genreflow/results/templates/report.html" in names
    assert f"{about}licenses/LICENSE" in names


def test_installed_package_is_imported_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(
        "-m", "pip", "--disable-pip-version-check", "install", wheel, "--target", target,
        "--no-deps", "--no-index", folder=elsewhere,
    )  # fmt: skip
    code = (
        "import genreflow, genreflow.features.stft, importlib.metadata\n"
        "print(genreflow.__version__, importlib.metadata.version('genreflow'), genreflow.__file__)"
    )
    version, recorded, file = run("-c", code, folder=elsewhere, path=str(target)).split(maxsplit=2)
    assert version == recorded == genreflow.__version__
    assert Path(file.strip()) == target / "genreflow" / "__init__.py"


def test_citation_and_changelog_have_the_package_s_version() -> None:
    assert yaml.safe_load(read("CITATION.cff"))["version"] == genreflow.__version__
    newest = re.search(r"^## \[(.*?)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] == genreflow.__version__


def test_licence_and_authors_are_those_of_the_citation() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert PROJECT["license"] == citation["license"]
    assert PROJECT["authors"] == citation["authors"]


def imported() -> set[str]:
    """Return the third-party modules that the package imports, within functions too."""
    found = set()
    for path in (SCRIPTS / "genreflow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"genreflow"}


def test_dependencies_are_what_the_package_imports() -> None:
    optional = PROJECT["optional-dependencies"]["parquet"]
    names = {Requirement(line).name.lower() for line in (*PROJECT["dependencies"], *optional)}
    assert {MODULES.get(name, name) for name in names} == imported()


def test_dependencies_start_at_the_minor_version_that_is_tested() -> None:
    locked = {
        name.lower(): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+)$", read("requirements.lock"), re.M)
    }
    for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["parquet"]):
        requirement = Requirement(line)
        minor = ".".join(locked[requirement.name.lower()].split(".")[:2])
        assert requirement.specifier == SpecifierSet(f">={minor}"), line


def test_snakemake_is_the_one_that_the_workflow_asks_for() -> None:
    asked = re.search(r'^min_version\("(\d+)\.0"\)$', read("Snakefile"), re.MULTILINE)
    assert asked
    assert PROJECT["optional-dependencies"]["workflow"] == [f"snakemake>={asked[1]}"]


def test_hooks_run_what_make_lint_runs() -> None:
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["language"], hook["entry"]) == ("local", "system", "make lint")
    # Always, and on everything, as by hand.
    assert hook["always_run"]
    assert not hook["pass_filenames"]


def ci_jobs() -> dict[str, Any]:
    return dict(yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"])


def test_ci_runs_the_commands_of_the_documentation() -> None:
    commands = {
        name: [step["run"] for step in job["steps"] if "run" in step]
        for name, job in ci_jobs().items()
    }
    assert commands["everything"] == ["bash .ci/run"]
    assert re.findall(r"^make .*$", read(".ci/run"), re.MULTILINE) == [
        "make test",
        "make test-docs",
        "make test-cluster",
    ]
    assert re.search(r"^test: env lint$", read("Makefile"), re.MULTILINE)
    lint, tests = commands["other-pythons"]
    assert lint == "make lint"
    assert tests == '.venv/bin/python -m pytest -m "not long and not cluster" tests/unit'
    command = '$(RUN) python -m pytest $(SIDE_BY_SIDE) -m "not long and not cluster and not docs"'
    assert f"\t{command}\n" in read("Makefile")


def test_ci_begins_with_the_oldest_python() -> None:
    jobs = ci_jobs()
    (setup,) = [step["with"] for step in jobs["everything"]["steps"] if "with" in step]
    assert PROJECT["requires-python"] == f">={setup['python-version']}"
    assert setup["python-version"] not in jobs["other-pythons"]["strategy"]["matrix"]["python"]


@pytest.mark.parametrize("target", ["tables", "report", "features"])
@pytest.mark.parametrize("config", ["", "my music.yaml"])
def test_make_takes_a_configuration_and_no_target_for_one(target: str, config: str) -> None:
    command = ["make", "--dry-run", "--always-make", target, f"CONFIG={config}"]
    # `make test` gives what it runs its own flags, which would print the folders as well.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    result = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=True, env=environment
    )
    last = result.stdout.splitlines()[-1]
    options, _, targets = last.partition(" -- ")
    assert targets.split()[0] == {"tables": "results/tables.csv"}.get(target, target)
    assert (f'--configfile "{config}"' in options) == bool(config)

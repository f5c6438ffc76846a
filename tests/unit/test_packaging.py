"""The package that `pip install .` gives, its version, and that every check is the same check."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import genreflow
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import yaml
from genreflow import extract
from genreflow.baselines.statistics import clip_statistics
from genreflow.classifiers.folder import DESCRIPTION, describe, write_folder
from genreflow.collections.gtzan import ORIGINALS
from genreflow.files.models import write_model
from genreflow.plan.loading import checked_settings
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: What a distribution is imported as, where that is another name.
MODULES = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}
#: What a run, a test and a build leave in a checkout.
LEFT_BEHIND = (
    "results/tables.csv", "downloads/genres.tar.gz", ".venv/bin/python", ".snakemake/log",
    "workflow/scripts/genreflow/__pycache__/cli.cpython-311.pyc",
)  # fmt: skip


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def run(*command: str | Path, folder: Path) -> str:
    """Run a command from a folder, with nothing of this one on Python's path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def pip(*command: str | Path, folder: Path) -> str:
    """Run this Python's pip without the network: what builds is there with torch."""
    quiet = ("--disable-pip-version-check", "--no-input")
    return run(sys.executable, "-m", "pip", *quiet, *command, folder=folder)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows and of new files, among things that a run leaves there."""
    folder = tmp_path_factory.mktemp("checkout") / "genreflow"
    list_files = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git checkout")
    for name in filter(None, run(*list_files, folder=REPOSITORY).split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)
    for name in LEFT_BEHIND:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("no source", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built from a copy, since a build writes beside its sources."""
    target = tmp_path_factory.mktemp("sdist")
    code = f"from setuptools.build_meta import build_sdist; build_sdist({str(target)!r})"
    run(sys.executable, "-c", code, folder=checkout)
    (found,) = target.iterdir()
    return found


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as for somebody who has no other."""
    target = tmp_path_factory.mktemp("wheel")
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    pip("wheel", sdist, "--wheel-dir", target, *offline, folder=target)
    (found,) = target.iterdir()
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone, beside what this one has of other packages.

    It has a Python, site-packages and commands of its own, and nothing of this checkout.  That pip
    finds and installs the dependencies is not tried: that is what `make env` does.
    """
    folder = tmp_path_factory.mktemp("clean") / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # As a path and no more: the .pth files there, such as that of this checkout, are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    python = ("--python", folder / "bin" / "python")
    pip(*python, "install", wheel, "--no-deps", "--no-index", folder=folder)
    return folder


def test_sdist_holds_the_repository_and_nothing_that_a_run_leaves(
    sdist: Path, checkout: Path
) -> None:
    assert sdist.name == f"genreflow-{genreflow.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    files = {
        path.relative_to(checkout).as_posix() for path in checkout.rglob("*") if path.is_file()
    }
    # A build writes these, and what is hidden is of git and of CI.
    built = {
        name for name in files | names if ".egg-info/" in name or name in ("PKG-INFO", "setup.cfg")
    }
    hidden = {name for name in files if name[0] == "."}
    assert names - built == files - built - hidden - set(LEFT_BEHIND)
    assert names > {"Snakefile", "requirements.lock", "LICENSE", "CITATION.cff", "codemeta.json"}


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


def test_installed_package_is_imported_from_anywhere(installed: Path, tmp_path: Path) -> None:
    code = (
        "import genreflow, genreflow.features.stft, importlib.metadata\n"
        "print(genreflow.__version__, importlib.metadata.version('genreflow'), genreflow.__file__)"
    )
    found = run(installed / "bin" / "python", "-c", code, folder=tmp_path)
    version, recorded, file = found.split(maxsplit=2)
    assert version == recorded == genreflow.__version__
    assert Path(file.strip()).is_relative_to(installed)


def test_installed_dependencies_are_those_that_it_asks_for(installed: Path) -> None:
    pip("--python", installed / "bin" / "python", "check", folder=installed)


def test_installed_command_classifies_music(
    installed: Path, tmp_path: Path, make_signal: Callable[..., npt.NDArray[np.float32]]
) -> None:
    command = installed / "bin" / "genreflow"
    assert run(command, "--version", folder=tmp_path).strip() == genreflow.__version__
    assert "predict" in run(command, "--help", folder=tmp_path)
    write_nearest_of_two(tmp_path / "stats", make_signal("noise"), make_signal("clicks"))
    for kind in ("noise", "clicks"):
        soundfile.write(tmp_path / f"{kind}.wav", make_signal(kind), 22050, subtype="FLOAT")
    files = ("clicks.wav", "noise.wav")
    rows = run(command, "predict", "stats", *files, "--jobs", "1", folder=tmp_path).splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [[f, Path(f).stem] for f in files]


def write_nearest_of_two(folder: Path, first: Any, second: Any) -> None:
    """Write a classifier by `stats` that knows one clip of noise and one of clicks."""
    settings = checked_settings({"audio": {"clip_seconds": 6.0}}).model_dump()
    features = {name: settings[name] for name in ("audio", "stft", "mel")}
    mels = [
        extract(clip, ["mel_original"], sample_rate=22050, settings=features)["mel_original"]
        for clip in (first, second)
    ]
    noise, clicks = map(clip_statistics, mels)
    mean, deviation = (clicks + noise) / 2, np.full(noise.size, np.abs(clicks - noise).max())
    labels = ["clicks", "noise"]
    tensors = {
        "mean": mean,
        "deviation": deviation,
        "vectors": (np.stack([clicks, noise]) - mean) / deviation,
        "coefficients": np.array([[1.0, -1.0]]),
        "intercepts": np.zeros(1),
        "sizes": np.array([1, 1]),
        "classes": np.array([0, 1]),
        "gamma": np.ones(1),
        "scale": np.ones(1),
    }
    model = folder.with_name("stats.safetensors")
    write_model(model, tensors, {"labels": labels})
    about = {"system": "stats", "labels": labels, "feature_parameters": features}
    write_folder(folder, {DESCRIPTION: describe(about), model.name: model.read_bytes()})


def test_citation_and_changelog_have_the_package_s_version() -> None:
    assert yaml.safe_load(read("CITATION.cff"))["version"] == genreflow.__version__
    newest = re.search(r"^## \[(.*?)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] == genreflow.__version__


def test_licence_and_authors_are_those_of_the_citation() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert PROJECT["license"] == citation["license"]
    assert PROJECT["authors"] == citation["authors"]


def as_codemeta(citation: dict[str, Any]) -> dict[str, Any]:
    """Return what CITATION.cff says in the terms of CodeMeta, by their published crosswalk."""
    return {
        "@type": {"software": "SoftwareSourceCode"}[citation["type"]],
        "name": citation["title"],
        "version": citation["version"],
        "license": f"https://spdx.org/licenses/{citation['license']}",
        "author": [{"@type": "Organization", "name": a["name"]} for a in citation["authors"]],
        "keywords": citation["keywords"],
        "referencePublication": [
            {
                "@type": {"conference-paper": "ScholarlyArticle"}[paper["type"]],
                "name": paper["title"],
                "author": [
                    {
                        "@type": "Person",
                        "givenName": author["given-names"],
                        "familyName": author["family-names"],
                    }
                    for author in paper["authors"]
                ],
                "datePublished": str(paper["year"]),
                "isPartOf": {"@type": "PublicationIssue", "name": paper["collection-title"]},
            }
            for paper in citation["references"]
        ],
    }


def test_codemeta_says_what_the_citation_and_the_project_say() -> None:
    codemeta, citation = json.loads(read("codemeta.json")), yaml.safe_load(read("CITATION.cff"))
    # The others are how to cite, and for whom.
    assert set(citation) - {"cff-version", "message"} == {
        "title", "type", "version", "license", "authors", "keywords", "references",
    }  # fmt: skip
    both = as_codemeta(citation)
    assert {key: codemeta[key] for key in both} == both
    assert codemeta["description"] == PROJECT["description"]
    assert codemeta["runtimePlatform"] == f"Python {PROJECT['requires-python']}"


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


def pins() -> dict[tuple[str, str], Requirement]:
    """Return the lines of the lock by name and version."""
    lines = [line for line in read("requirements.lock").splitlines() if not line.startswith("#")]
    return {
        (each.name, next(iter(each.specifier)).version): each for each in map(Requirement, lines)
    }


def test_dependencies_start_at_the_minor_version_that_is_tested() -> None:
    # What is another version with another Python has a marker.
    locked = {name.lower(): version for (name, version), each in pins().items() if not each.marker}
    for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["parquet"]):
        requirement = Requirement(line)
        minor = ".".join(locked[requirement.name.lower()].split(".")[:2])
        assert requirement.specifier == SpecifierSet(f">={minor}"), line


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_lock_can_be_installed_with_newer_pythons(python: str) -> None:
    needed = {
        (each.name, each.version): SpecifierSet(each.metadata.get("Requires-Python") or "")
        for each in distributions()
    }
    # Not here are those of other Pythons, and torch, whose build has a version of its own.
    chosen = [
        pinned
        for pinned, each in pins().items()
        if pinned in needed
        and (not each.marker or each.marker.evaluate({"python_version": python}))
    ]
    assert [pinned for pinned in chosen if not needed[pinned].contains(f"{python}.9")] == []
    assert len(chosen) > 150


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
    assert re.findall(r"^make test.*$", read(".ci/run"), re.MULTILINE) == [
        "make test",
        "make test-docs",
        "make test-cluster",
        "make test-cloud",
    ]
    assert re.search(r"^test: env lint$", read("Makefile"), re.MULTILINE)
    # Of each Python what `make test-python` does, and the types as that Python has them.
    assert commands["other-pythons"] == ["make lint", "make test-unit"]
    assert " test-unit || exit 1" in read("Makefile")
    command = '$(RUN) python -m pytest $(SIDE_BY_SIDE) -m "$(QUICK)"'
    assert f"\t{command}\n" in read("Makefile")


def test_ci_begins_with_the_oldest_python() -> None:
    jobs = ci_jobs()
    (setup,) = [step["with"] for step in jobs["everything"]["steps"] if "with" in step]
    assert PROJECT["requires-python"] == f">={setup['python-version']}"
    versions = jobs["other-pythons"]["strategy"]["matrix"]["python"]
    assert setup["python-version"] not in versions
    assert f"PYTHON_VERSIONS ?= {' '.join(versions)}\n" in read("Makefile")


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Run make without the flags of a `make test` that runs this."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_make_tests_each_python_and_names_one_that_is_not_here() -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    # `make -n` runs the recipe itself, since it names $(MAKE), and that one's recipes not.
    # All of it, also where this is that run.
    done = make("--dry-run", "--always-make", "test-python", f"PYTHON_VERSIONS={here} 3.99")
    assert done.returncode == 0, done.stderr
    assert f"python{here} -m venv .venv-{here}" in done.stdout
    assert f".venv-{here}/bin/python -m pip install" in done.stdout
    assert f'PATH="{REPOSITORY}/.venv-{here}/bin:' in done.stdout
    planned = "snakemake --cores 1 --dry-run --quiet -- results/tables.csv results/report.html"
    assert planned in done.stdout
    assert "skipped: no python3.99" in done.stderr
    assert "venv-3.99" not in done.stdout


@pytest.mark.parametrize("target", ["tables", "report", "features"])
@pytest.mark.parametrize("config", ["", "my music.yaml"])
def test_make_takes_a_configuration_and_no_target_for_one(target: str, config: str) -> None:
    result = make("--dry-run", "--always-make", target, f"CONFIG={config}")
    assert result.returncode == 0, result.stderr
    last = result.stdout.splitlines()[-1]
    options, _, targets = last.partition(" -- ")
    assert targets.split()[0] == target
    assert (f'--configfile "{config}"' in options) == bool(config)

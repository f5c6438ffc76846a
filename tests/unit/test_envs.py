"""Conda environments and container: the lock's versions, and everything that scripts import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
ENVIRONMENTS = ("features", "training", "evaluation", "classification")
#: conda-forge's names where they differ from the lock's.
LOCK_NAMES = {
    "matplotlib-base": "matplotlib",
    "pysoundfile": "soundfile",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "soxr-python": "soxr",
}
#: The lock's names where they differ from the modules'.
MODULES = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}
#: Neither is a Python package of the lock.
NOT_LOCKED = {"python", "ffmpeg"}


def locked_versions() -> dict[str, str]:
    """Return the lock's versions by lower-case name, as Python 3.11 takes them."""
    versions = {}
    for line in (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines():
        requirement, _, marker = line.partition(";")
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", requirement.strip())
        if match and '>= "3.12"' not in marker:
            versions[match[1].lower()] = match[2]
    return versions


def dependencies(environment: str) -> dict[str, str]:
    """Return an environment's constraints by conda name, empty where there is none."""
    path = REPOSITORY / "envs" / f"{environment}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content["channels"] == ["conda-forge", "nodefaults"]
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in content["dependencies"]}


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a module, without what is imported for its annotations alone."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from executed(child)


def imported(script: str) -> set[str]:
    """Return the third-party modules that a script and the package's modules behind it import."""
    pending, seen, found = [script], set(), set()
    while pending:
        name = pending.pop()
        path = SCRIPTS / (name.replace(".", "/") + ".py")
        if name in seen or not path.is_file():
            continue
        seen.add(name)
        for node in executed(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            pending += [each for each in names if each.startswith("genreflow.")]
            found |= {each.partition(".")[0] for each in names}
    return found - set(sys.stdlib_module_names) - {"genreflow"}


def environments_of_rules() -> dict[str, str]:
    """Return the environment of each rule that runs a script; the script has the rule's name."""
    found = {}
    for path in (REPOSITORY / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if "    shell:" not in rule:  # it only asks for files
                continue
            environment = re.search(
                r'^    conda:\n        "\.\./envs/(\w+)\.yaml"', rule, re.MULTILINE
            )
            found[rule.partition(":")[0]] = environment[1] if environment else ""
    return found


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pin_is_the_lock_s_version(environment: str) -> None:
    locked = locked_versions()
    for name, constraint in dependencies(environment).items():
        if name in NOT_LOCKED:
            continue
        version = locked[LOCK_NAMES.get(name, name)]
        # conda's `=` takes every release that starts so, `==` the one release.
        exact, prefix = f"=={version}", f"={version.rpartition('.')[0]}"
        assert constraint in ((exact, prefix) if name == "pytorch" else (exact,)), name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environment_is_for_a_python_that_the_lock_knows(environment: str) -> None:
    assert dependencies(environment)["python"] == "=3.11"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environment_holds_what_its_scripts_import_and_no_more(environment: str) -> None:
    needed = {
        module
        for script, used in environments_of_rules().items()
        if used == environment
        for module in imported(script)
    }
    names = {LOCK_NAMES.get(name, name) for name in dependencies(environment)} - NOT_LOCKED
    assert {MODULES.get(name, name) for name in names} == needed


def test_every_rule_has_an_environment() -> None:
    rules = environments_of_rules()
    assert set(rules.values()) == set(ENVIRONMENTS)
    assert set(rules) == {path.stem for path in SCRIPTS.glob("*.py")}


def instructions() -> list[str]:
    """Return the instructions of the container's recipe, a line each."""
    text = (REPOSITORY / "envs" / "Dockerfile").read_text(encoding="utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line]


def test_container_installs_the_lock_as_the_makefile_does() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (ours,) = re.findall(
        r"^\t  \$\(1\)/bin/(python -m pip install .*); done$", makefile, re.MULTILINE
    )
    assert "$(call install,$(VENV),$(LOCK))" in makefile
    ours = ours.replace("$$lock", "requirements.lock")
    assert f"RUN {ours}" in instructions()
    assert "COPY requirements.lock ./" in instructions()


def test_container_has_all_that_scripts_import_and_the_environments_programs() -> None:
    needed = {module for path in SCRIPTS.glob("*.py") for module in imported(path.stem)}
    assert needed <= {MODULES.get(name, name) for name in locked_versions()}
    [installed] = [line for line in instructions() if "apt-get install" in line]
    for environment in ENVIRONMENTS:
        assert set(dependencies(environment)) & NOT_LOCKED - {"python"} <= set(installed.split())


def test_container_is_that_of_every_rule() -> None:
    # The directive holds for what is included after it.
    snakefile = (REPOSITORY / "Snakefile").read_text(encoding="utf-8")
    before, directive, _ = snakefile.partition('include: "rules/container.smk"')
    assert directive
    assert "\nrule " not in before
    for name in re.findall(r'include: "(.*)"', before):
        assert "\nrule " not in (REPOSITORY / name).read_text(encoding="utf-8"), name
    rules = {path: path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*")}
    text = rules[REPOSITORY / "rules" / "container.smk"]
    assert re.findall(r"^container: (\w+)$", text, re.MULTILINE) == ["IMAGE"]
    assert [p.name for p, text in rules.items() if re.search(r"^\s*container:", text, re.M)] == [
        "container.smk"
    ]


def test_container_has_the_environments_python() -> None:
    (base,) = [line for line in instructions() if line.startswith("FROM ")]
    python = {dependencies(environment)["python"] for environment in ENVIRONMENTS}
    assert python == {f"={base.removeprefix('FROM python:').removesuffix('-slim')}"}


def test_container_holds_all_that_a_run_reads() -> None:
    copied = {line.split()[1] for line in instructions() if line.startswith("COPY ")}
    assert copied == {
        "requirements.lock", "CITATION.cff", "LICENSE", "Snakefile", "codemeta.json", "config",
        "docs/deviations.md", "envs", "profiles", "rules", "workflow",
    }  # fmt: skip
    assert all((REPOSITORY / name).exists() for name in copied)


def test_container_runs_snakemake_and_not_as_root() -> None:
    assert [line for line in instructions() if line.startswith("USER ")] == ["USER genreflow"]
    command = '["snakemake", "--snakefile", "/opt/genreflow/Snakefile"]'
    assert instructions()[-1] == f"ENTRYPOINT {command}"
    assert "WORKDIR /opt/genreflow" in instructions()

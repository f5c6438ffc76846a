"""Snakedeploy, as the Snakemake workflow catalogue says: a tag of the repository, without a clone.

The repository is one on this machine, which Git takes for that on the web.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import yaml
from harness import REPOSITORY, SMALL_DEMO, SNAKEFILE, copy_workflow, planned_jobs, run_here

pytestmark = pytest.mark.docs

ADDRESS = "https://github.com/owner/genreflow"
CONFIG = {"datasets": SMALL_DEMO, "experiments": []}
TOOLS = Path(sys.executable).parent


def run(*command: str | Path, folder: Path) -> str:
    """Run a command in a folder, and return what it said."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which Git finds a copy of the workflow at an address on the web."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    if not (TOOLS / "snakedeploy").exists():
        pytest.skip("Snakedeploy does not take this Python")
    repository = copy_workflow(tmp_path / "repository")
    shutil.copyfile(REPOSITORY / "LICENSE", repository / "LICENSE")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    run("git", "init", "--quiet", folder=repository)
    run("git", "add", "--all", folder=repository)
    run("git", *identity, "commit", "--quiet", "--message", "all", folder=repository)
    run("git", "tag", "v1.0.0", folder=repository)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{repository}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", ADDRESS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GITHUB_TOKEN", "")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return tmp_path


def test_a_deployed_workflow_makes_the_features_of_the_demo(home: Path) -> None:
    deploy = (TOOLS / "snakedeploy", "deploy-workflow", ADDRESS, "myproject", "--tag", "v1.0.0")
    run(*deploy, folder=home)
    folder = home / "myproject"
    path = folder / "config" / "config.yaml"
    shipped = (REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8") == shipped
    path.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    snakemake = (TOOLS / "snakemake", "--cores", "2")
    dry = run(*snakemake, "-n", "--", "features", folder=folder)
    assert "resample_audio" in dry
    assert not (folder / "results").exists()
    # Jobs run the scripts of the tag, not those beside this test.
    shutil.rmtree(home / "repository")
    run(*snakemake, "--", "features", folder=folder)
    with h5py.File(folder / "results/demo/features/mfcc/000-of-001.h5", locking=False) as file:
        assert len(file["data"]) == 32
    # Where the workflow lies is no reason to run again.
    again = run_here(folder, None, "-n", "--configfile", str(path), "--", "features")
    assert "Nothing to be done" in again.output, again.output[-3000:]
    unpacked = list((home / "cache").glob("**/source-cache/genreflow/*/rules"))
    assert len(unpacked) == 1


def test_from_a_folder_only_the_path_in_front_is_missing(home: Path) -> None:
    source = home / "repository"
    deploy = (TOOLS / "snakedeploy", "deploy-workflow", source, "local", "--tag", "v1.0.0")
    run(*deploy, folder=home)
    folder = home / "local"
    snakefile = folder / "workflow" / "Snakefile"
    text = snakefile.read_text(encoding="utf-8")
    assert text.count('"workflow/Snakefile"') == 1
    snakefile.write_text(text.replace('"workflow', f'"{source}/workflow'), encoding="utf-8")
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    # run_here names the configuration and the Snakefile by their paths.
    planned = [
        planned_jobs(run_here(folder, CONFIG, "-n", "--", "features", snakefile=each))
        for each in (snakefile, SNAKEFILE)
    ]
    assert planned[0] == planned[1]
    assert planned[0]["compute_stft"] == 1

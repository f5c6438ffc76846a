"""docs/extending.md, carried out word for word on a copy of the workflow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import librosa
import numpy as np
import pandas as pd
import pytest
from harness import REPOSITORY, SMALL_DEMO, copy_workflow, planned_jobs, run_snakemake

pytestmark = pytest.mark.docs

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
CONFIG = {
    "datasets": SMALL_DEMO,
    "experiments": [{"dataset": "demo", "partition": "split", "systems": ["original"]}],
    "expert": {"epochs": 1, "channels": [2, 2, 2, 2, 2]},
    "mixer": {"epochs": 1},
    "training": {"threads": 1, "device": "cpu"},
}


def blocks(kind: str, section: str) -> list[str]:
    """Return the code blocks of a kind in a section of the page."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


def apply(folder: Path, diff: str) -> None:
    """Replace the lines that a block shows with a space or a minus by those with a plus."""
    name = re.search(r"^\+\+\+ b/(.*)$", diff, flags=re.MULTILINE)
    assert name
    lines = diff.split("@@\n")[1].splitlines()
    old = "".join(line[1:] + "\n" for line in lines if not line.startswith("+"))
    new = "".join(line[1:] + "\n" for line in lines if not line.startswith("-"))
    path = folder / name[1]
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"the page shows other lines than {name[1]}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def carry_out(folder: Path) -> list[Path]:
    """Do what the page says, and return the files that it touches."""
    touched = []
    for section in ("The numerics", "The script"):
        text = PAGE.split(f"\n## {section}\n")[1]
        name = re.search(r"`(workflow/[\w/]+\.py)` is a new file", text)
        assert name
        path = folder / name[1]
        assert not path.exists()
        [code] = blocks("python", section)
        path.write_text(code, encoding="utf-8")
        touched.append(path)
    for diff in blocks("diff", "The registries"):
        apply(folder, diff)
    [rule] = blocks("python", "The rule")
    with (folder / "rules" / "mel.smk").open("a", encoding="utf-8") as file:
        file.write("\n\n" + rule)
    touched.append(folder / "rules" / "mel.smk")
    environment = {**os.environ, "PYTHONPATH": str(folder / "workflow" / "scripts")}
    command = [sys.executable, "-m", "genreflow.plan.config_file", str(folder)]
    subprocess.run(command, check=True, env=environment)
    return touched


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    return copy_workflow(folder)


def test_the_page_gives_a_feature_with_an_expert(clone: Path, tmp_path: Path) -> None:
    snakefile = clone / "Snakefile"
    first = run_snakemake(tmp_path, CONFIG, "--", "results/tables.csv", snakefile=snakefile)
    assert first.status == 0, first.output[-3000:]
    touched = carry_out(clone)
    # The same experiments: no feature and no network knows of it.
    again = run_snakemake(tmp_path, CONFIG, "-n", "--", "results/tables.csv", snakefile=snakefile)
    assert set(planned_jobs(again)) <= {"make_tables"}
    config = CONFIG | {
        "experiments": [
            {"dataset": "demo", "partition": "split", "systems": ["original", "chroma", "MoEC"]}
        ],
        "mixer": {"epochs": 1, "experts": ["original", "chroma"]},
    }
    outcome = run_snakemake(tmp_path, config, "--", "results/tables.csv", snakefile=snakefile)
    jobs = planned_jobs(outcome)
    assert jobs["compute_chroma"] == 1
    assert jobs["train_expert"] == 1, "the other expert is there"
    table = pd.read_csv(tmp_path / "results" / "tables.csv")
    accuracy = table[table["metric"] == "accuracy"].set_index("system")
    assert list(accuracy.index) == ["original", "chroma", "MoEC"]
    mixture = pd.read_csv(tmp_path / "results/demo/predictions/split/MoEC.csv")
    assert [name for name in mixture if name.startswith("weight_")] == [
        "weight_original", "weight_chroma",
    ]  # fmt: skip
    features = tmp_path / "results/demo/features"
    with (
        h5py.File(features / "chroma/000-of-001.h5", locking=False) as chroma,
        h5py.File(features / "stft/000-of-001.h5", locking=False) as stft,
    ):
        assert chroma["data"].shape == (32, 12, stft["data"].shape[2])
        expected = librosa.feature.chroma_stft(S=stft["data"][3] ** 2, sr=22050, tuning=0.0)
        np.testing.assert_allclose(chroma["data"][3], expected, rtol=1e-6)
    # A classifier with the expert runs on new music.
    folder = "results/demo/classifiers/split/seed0/fold0/chroma"
    made = run_snakemake(tmp_path, config, "--", folder, snakefile=snakefile)
    assert made.status == 0, made.output[-3000:]
    environment = {**os.environ, "PYTHONPATH": str(clone / "workflow" / "scripts")}
    predictions = pd.read_csv(tmp_path / "results/demo/predictions/split/chroma.csv")
    manifest = pd.read_csv(tmp_path / "results/demo/manifest.csv").set_index("track_id")
    code = "import genreflow, sys; print(genreflow.load(sys.argv[1]).predict(sys.argv[2]).label)"
    song = tmp_path / manifest.loc[predictions["track_id"][0], "path"]
    command = [sys.executable, "-c", code, tmp_path / folder, song]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.stdout.strip() == predictions["predicted"][0], result.stderr
    # The code of the page is held to the same rules as ours.
    tools = Path(sys.executable).parent
    settings = ["--config", str(REPOSITORY / "pyproject.toml")]
    for command in (
        [tools / "ruff", "check", *settings, *touched[:2]],
        [tools / "ruff", "format", "--check", *settings, *touched[:2]],
        [tools / "snakefmt", "--check", *settings, touched[2]],
    ):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
    lint = run_snakemake(tmp_path, config, "--lint", snakefile=snakefile)
    assert lint.status == 0, lint.output[-3000:]

"""The workflow as a module of another one (docs/module.md), and where tools look for it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import h5py
import librosa
import numpy as np
import pandas as pd
import pytest
import yaml
from harness import REPOSITORY, SNAKEFILE, plan, planned_jobs, run_here, run_snakemake

pytestmark = pytest.mark.docs

PAGE = (REPOSITORY / "docs" / "module.md").read_text(encoding="utf-8")
#: The files of the page, by name.
FILES = dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE))
CONFIG = yaml.safe_load(FILES["config.yaml"])["genreflow"]
HANDLERS = FILES["Snakefile"][FILES["Snakefile"].index("onstart:") :].partition("\n\n\nrule ")[0]


def test_another_workflow_uses_this_one_as_a_module_with_a_prefix(tmp_path: Path) -> None:
    # A name that needs quoting.
    folder = tmp_path / "another, it's mine"
    (folder / "scripts").mkdir(parents=True)
    for name, text in FILES.items():
        path = folder / name
        path.write_text(text.replace("/path/to/genreflow", str(REPOSITORY)), encoding="utf-8")
    snakefile = folder / "Snakefile"
    outcome = run_snakemake(folder, None, snakefile=snakefile)
    assert outcome.status == 0, outcome.output[-4000:]
    # The handlers on the page say what came out, and where that is.
    assert "Accuracies on the test clips" in outcome.output
    assert "All results are in genres/results/tables.csv" in outcome.output
    assert "`-- genres/results/report.html` draws them" in outcome.output
    # Everything that is ours lies below the prefix, and nothing beside it.
    assert {path.name for path in folder.iterdir() if path.name[0] != "."} == {
        "Snakefile", "config.yaml", "scripts", "genres", "brightness", "comparison.csv",
    }  # fmt: skip
    table = (folder / "genres" / "results" / "tables.csv").read_text(encoding="utf-8")
    assert [line.split(",")[4] for line in table.splitlines()[1:]] == ["SF"] * 3
    # What the page's own rules find is what librosa finds.
    results = folder / "genres" / "results" / "demo"
    with h5py.File(results / "features" / "stft" / "000-of-001.h5", locking=False) as file:
        spectra = np.stack([clip.mean(axis=1) for clip in file["data"]], axis=1)
        track_ids = file["track_id"].asstr()[:]
    centroid = librosa.feature.spectral_centroid(S=spectra, sr=22050)[0]
    brightness = pd.read_csv(folder / "brightness" / "000-of-001.csv", index_col="track_id")
    np.testing.assert_allclose(brightness["brightness"][track_ids], centroid, rtol=1e-6)
    predictions = pd.read_csv(results / "predictions" / "split" / "SF.csv")
    comparison = pd.read_csv(folder / "comparison.csv", index_col="outcome")
    right = predictions["true"] == predictions["predicted"]
    for name, rows in (("right", predictions[right]), ("wrong", predictions[~right])):
        assert comparison["count"][name] == len(rows) > 0
        expected = brightness["brightness"][rows["track_id"]].mean()
        np.testing.assert_allclose(comparison["mean"][name], expected)
    # Snakemake's report of the other workflow has our tables too.
    archive = tmp_path / "report.zip"
    outcome = run_here(folder, None, "--report", str(archive), snakefile=snakefile)
    assert outcome.status == 0, outcome.output[-3000:]
    names = [Path(name).name for name in zipfile.ZipFile(archive).namelist()]
    assert {"tables.csv", "mcnemar.csv", "figure_of_merit_demo_split_SF.csv"} <= set(names)
    # The same files as without a prefix.
    alone = tmp_path / "alone"
    alone.mkdir()
    outcome = run_snakemake(alone, CONFIG, "--", "results/tables.csv")
    assert outcome.status == 0, outcome.output[-4000:]
    assert (alone / "results" / "tables.csv").read_text(encoding="utf-8") == table
    outcome = run_snakemake(folder, None, "-n", snakefile=snakefile)
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]
    # Another training leaves the caches and what is made of them alone.
    changed = (folder / "config.yaml").read_text().replace("epochs: 5", "epochs: 4")
    (folder / "config.yaml").write_text(changed)
    rules = {job.rule for job in plan(folder, None, snakefile=snakefile)}
    assert {"compare_brightness", "genreflow_train_dnn"} <= rules
    assert not rules & {"measure_brightness", "genreflow_compute_stft"}


def test_a_variant_below_the_prefix_shares_the_files_of_its_dataset(tmp_path: Path) -> None:
    config = yaml.safe_load(FILES["config.yaml"])
    own = config["genreflow"]
    own["datasets"]["large"] = {"like": "demo", "settings": {"rf": {"trees": 60}}}
    own["experiments"].append({**own["experiments"][0], "dataset": "large"})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    snakefile = tmp_path / "Snakefile"
    text = FILES["Snakefile"].replace("/path/to/genreflow", str(REPOSITORY))
    snakefile.write_text(text, encoding="utf-8")
    targets = ("genres/results/tables.csv", "genres/results/ro-crate-metadata.json")
    jobs = plan(tmp_path, None, "--", *targets, snakefile=snakefile)
    datasets = {
        rule: sorted(dict(job.wildcards)["dataset"] for job in jobs if job.rule == rule)
        for rule in ("genreflow_train_dnn", "genreflow_evaluate_forest")
    }
    assert datasets["genreflow_evaluate_forest"] == ["demo", "large"]
    # No training reads how many trees a forest has.
    assert datasets["genreflow_train_dnn"] == ["demo"]
    assert "genreflow_write_crate" in {job.rule for job in jobs}


def test_handlers_pass_through_the_folder_workflow(tmp_path: Path) -> None:
    path = REPOSITORY / "workflow" / "Snakefile"
    (tmp_path / "Snakefile").write_text(
        f"module genreflow:\n    snakefile: '{path}'\n    config: config\n    prefix: 'genres'\n"
        f"use rule * from genreflow\n{HANDLERS}\n",
        encoding="utf-8",
    )
    # A file where the folder is to be: said at planning already.
    (tmp_path / "genres").write_text("", encoding="utf-8")
    config = {**CONFIG, "experiments": []}
    target = ("--", "genres/results/run_config.yaml")
    for options in (("-n",), ()):
        outcome = run_here(tmp_path, config, *options, *target, snakefile=tmp_path / "Snakefile")
        assert outcome.status != 0
        assert "Traceback" not in outcome.output
        assert f"{tmp_path}/genres" in outcome.output, outcome.output[-3000:]
    (tmp_path / "genres").unlink()
    (tmp_path / "genres" / "results" / "demo").mkdir(parents=True)
    lost = "track_id,path,reason\na,a.wav,silence\n"
    (tmp_path / "genres" / "results" / "demo" / "quarantine.csv").write_text(lost, "utf-8")
    outcome = run_here(tmp_path, config, *target, snakefile=tmp_path / "Snakefile")
    assert outcome.status == 0, outcome.output[-3000:]
    assert "Clips of demo that can't be used: 1" in outcome.output
    # It was recorded that this run began, and that it has ended.
    assert not any((tmp_path / ".snakemake" / "genreflow_runs").iterdir())


def test_tools_that_look_in_the_folder_workflow_find_the_same_workflow(tmp_path: Path) -> None:
    planned = [
        planned_jobs(run_here(tmp_path, CONFIG, "-n", snakefile=snakefile))
        for snakefile in (SNAKEFILE, REPOSITORY / "workflow" / "Snakefile")
    ]
    assert planned[0] == planned[1]
    assert planned[0]["make_tables"] == 1

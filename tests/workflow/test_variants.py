"""Variants of a dataset and studies: what is shared, what is made, and what runs again.

What a variant has of its own must be what runs again where the key is changed (docs/reruns.md).
"""

from __future__ import annotations

import base64
import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from genreflow.files.predictions import read_predictions
from genreflow.files.records import read_rows
from genreflow.plan.loading import FIXED
from harness import (
    ALL_SYSTEMS,
    REPOSITORY,
    PlannedJob,
    music_configuration,
    plan,
    pretend_run,
    run_snakemake,
    write_collection,
    write_music,
)
from rerun_graph import SETTINGS
from test_rerun_contract import VALUES, step

Config = dict[str, Any]
TABLES = ("--", "tables")
#: What a study does not read: figures, and audits that only the dataset itself has.
UNREAD = {
    "audit_partition", "collect_embeddings", "collect_quarantine", "compare_experts",
    "compute_fingerprint", "find_duplicates",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of clips that are not there: planning opens none."""
    found = tmp_path_factory.mktemp("variants")
    rows = [
        {
            "track_id": f"t{number:02d}",
            "path": f"{number:02d}.wav",
            "label": ("high", "low")[number % 2],
            "group": f"artist {number // 4}",
            "split": ("train", "train", "valid", "test")[number // 2 % 4],
        }
        for number in range(24)
    ]
    write_collection(found, rows)
    return found


def configuration(*systems: str, **blocks: Any) -> Config:
    music = {"source": "manifest", "manifest": "manifest.csv", "shards": 2}
    return music_configuration() | {
        "cepstral_modulation": {"window_frames": 120, "shift_frames": 60},
        "datasets": {"music": music, **blocks.pop("datasets", {})},
        "experiments": [
            {"dataset": name, "partition": "split", "systems": list(systems)}
            for name in blocks.pop("run", ["music"])
        ],
        **blocks,
    }


def study(vary: dict[str, list[Any]], *systems: str, **others: Any) -> Config:
    return {
        "name": "points",
        "dataset": "music",
        "partition": "split",
        "systems": list(systems),
        "vary": vary,
        **others,
    }


def by_dataset(jobs: set[PlannedJob]) -> dict[str | None, set[str]]:
    """Return the steps of each dataset's jobs; those of a run as a whole have none."""
    found: dict[str | None, set[str]] = {}
    for job in jobs:
        found.setdefault(job["dataset"], set()).add(step(job))
    return found


def test_a_variation_has_what_would_run_again_after_its_change(folder: Path) -> None:
    """Every key that can be varied at once, beside the table of docs/reruns.md."""
    values = {key: value for key, value in VALUES.items() if key not in FIXED}
    config = configuration(
        *ALL_SYSTEMS, studies=[study({k: [v] for k, v in values.items()}, *ALL_SYSTEMS)]
    )
    made = by_dataset(plan(folder, config, *TABLES))
    for key, value in values.items():
        (name,) = [name for name in made if (name or "").startswith(f"music@{key}=")]
        rerun = SETTINGS[key]
        # A study of `split` has none of the other partitions.
        expected = set() if rerun.partitions else set(rerun.steps(ALL_SYSTEMS))
        expected = {one for one in expected if not one.startswith(("plot_", "make_", "write_"))}
        # Clips are rendered once, for the dataset that they are of.
        expected -= {*UNREAD, "synthesise_audio"}
        expected = {one for one in expected if "probe:" not in one}
        assert made[name] - {"list_shared"} == expected, (key, value)


def test_rules_read_what_a_dataset_has_by_functions() -> None:
    """A pattern alone would be the variant's own file, also where it is another dataset's."""
    found = []
    for path in sorted((REPOSITORY / "rules").glob("*.smk")):
        for rule in re.split(r"^(?:use )?rule ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            inputs = re.search(r"^    input:\n((?: {8}.*\n)*)", rule, flags=re.M)
            plain = r"=(?:partition_file|feature_file|fold_file|\"results/\{dataset\})"
            if inputs and re.search(plain, inputs[1]):
                found.append(rule.partition(":")[0])
    # Its input has its dataset's name in it.
    assert found == ["plot_experts_by_genre"]


def test_no_recipe_is_made_twice(folder: Path, tmp_path: Path) -> None:
    """Jobs of the same rule, params and inputs are the same job."""
    write_collection(tmp_path, read_rows(folder / "manifest.csv"))
    vary = {"hpss.power": [1.0], "mel.n_mels": [80], "dnn.hidden": [[9]], "rf.trees": [5]}
    config = configuration(
        *ALL_SYSTEMS,
        datasets={"power": {"like": "music", "settings": {"hpss": {"power": 1.0}}}},
        run=["music", "power"],
        studies=[
            study(vary, *ALL_SYSTEMS, seeds=[0, 1]),
            study(vary, "SF", "harmonic", name="again", design="grid"),
        ],
    )
    pretend_run(tmp_path, config, *TABLES)
    metadata = tmp_path / ".snakemake/metadata"
    recipes: dict[tuple[str, ...], list[str]] = {}
    for path in metadata.rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            name = "".join(path.relative_to(metadata).parts)
            output = base64.b64decode(name, altchars=b"-_").decode()
            _, dataset, file = output.split("/", 2) if output.count("/") > 1 else ("", "", output)
            params = str(record["params"]).replace(f'"dataset":"{dataset}"', "")
            recipe = (record["rule"], params, file, *record["input"])
            recipes.setdefault(recipe, []).append(output)
    assert len(recipes) > 200
    assert [outputs for outputs in recipes.values() if len(outputs) > 1] == []


def test_what_changes_run_again(folder: Path, tmp_path: Path) -> None:
    """A variant is added, changed and removed; its dataset is changed under it."""
    before, after = tmp_path / "before", tmp_path / "after"
    for home in (before, after):
        home.mkdir()
        write_collection(home, read_rows(folder / "manifest.csv"))
    systems = ("SF", "harmonic")

    def with_variant(settings: Config, **own: Any) -> Config:
        variants = {"power": {"like": "music", "settings": settings}}
        return configuration(*systems, datasets=variants, run=["music", "power"], **own)

    tables = {"make_tables", "write_run_config"}

    def steps(config: Config, home: Path = after) -> dict[str | None, set[str]]:
        found = by_dataset(plan(home, config, "--", "all"))
        return {name: own - {"all"} for name, own in found.items() if own - {"all"}}

    harmonic = {
        "separate_hpss", "compute_mel harmonic", "train_expert harmonic",
        "predict_expert harmonic", "evaluate_expert harmonic", "collect_predictions harmonic",
        "make_figure_of_merit harmonic",
    }  # fmt: skip
    added = with_variant({"hpss": {"power": 1.0}})
    pretend_run(before, configuration(*systems), "--", "all")
    # A figure of merit has the dataset's name.
    own = harmonic | {"audit_models", "list_shared", "make_figure_of_merit SF"}
    assert steps(added, before) == {None: tables, "power": own}
    pretend_run(after, added, "--", "all")
    assert steps(added) == {}
    # Its own again.
    changed = with_variant({"hpss": {"power": 3.0}})
    assert steps(changed) == {None: tables, "power": harmonic | {"audit_models"}}
    # What it now shares, nothing makes again.
    same = with_variant({"hpss": {"power": 2.0}})
    matrix = "make_figure_of_merit harmonic"
    assert steps(same) == {None: tables, "power": {"list_shared", matrix}}
    assert steps(configuration(*systems)) == {None: tables}
    # The dataset gets the value of the variant, which has the same recipe from then on.
    base = with_variant({"hpss": {"power": 1.0}}, hpss={"power": 1.0})
    assert steps(base) == {
        None: tables, "music": harmonic | {"audit_models"}, "power": {"list_shared", matrix},
    }  # fmt: skip
    # What they share runs once, for the dataset, and what follows for both.
    stft = {"compute_stft", "compute_mel harmonic", "separate_hpss"}
    found = steps(with_variant({"hpss": {"power": 1.0}}, stft={"hop": 256}))
    assert stft | {"train_dnn sf"} <= (found["music"] or set())
    assert stft - {"compute_stft"} <= (found["power"] or set())
    assert "train_dnn sf" not in (found["power"] or set())


@pytest.fixture(scope="module")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of a study, with its report."""
    found = tmp_path_factory.mktemp("study")
    write_music(found)
    vary = {"rf.decision": ["mean_proba"], "dnn.initialisation": ["he_normal"], "hpss.power": [1.0]}
    studies = [
        study(vary, "SF", "TF", seeds=[0, 1]),
        study({"rf.decision": ["mean_proba"]}, "TF", seeds=[0, 1], name="less"),
    ]
    config = configuration("SF", studies=studies)
    outcome = run_snakemake(found, config, "--", "results/report.html", "tables")
    assert outcome.status == 0, outcome.output[-3000:]
    return found


def test_a_study_has_the_differences_of_its_predictions(finished_study: Path) -> None:
    results = finished_study / "results"
    table = pd.read_csv(results / "tables/studies.csv", keep_default_na=False)
    rows = table[(table["varied"] == "dnn.initialisation") & (table["seed"] != "mean")]
    assert list(zip(rows["system"], rows["seed"], strict=True)) == [
        ("SF", "0"), ("SF", "1"), ("TF", "0"), ("TF", "1"),
    ]  # fmt: skip
    for row in rows.itertuples():
        accuracies = []
        for dataset in ("music@dnn.initialisation=he_normal,seeds=0,1", "music@seeds=0,1"):
            found = read_predictions(results / dataset / f"predictions/split/{row.system}.csv")
            own = found[found["seed"] == int(row.seed)]
            accuracies.append(100 * (own["true"] == own["predicted"]).mean())
        assert float(row.difference) == pytest.approx(accuracies[0] - accuracies[1], abs=0.01)
    # Nothing of these systems is made from separated spectra.
    assert "hpss.power" not in set(table["varied"])
    rows_of_costs = read_rows(results / "tables/study_costs.csv")
    costs = {row["varied"]: row for row in rows_of_costs if row["study"] == "points"}
    # What SF alone needs is no cost of the study without it, though their variations are the same.
    less = {row["varied"]: row for row in rows_of_costs if row["study"] == "less"}
    assert int(less[""]["jobs"]) == int(less["rf.decision"]["jobs"]) < int(costs[""]["jobs"])
    assert int(less["rf.decision"]["jobs_made"]) == 2 + 1
    assert costs["hpss.power"]["jobs_made"] == "0"
    assert int(costs["rf.decision"]["jobs_made"]) == 2 * 2 + 2
    assert int(costs["dnn.initialisation"]["jobs_made"]) == 3 * 2 * 2 + 2
    made, jobs = (int(costs["all"][name]) for name in ("jobs_made", "jobs"))
    assert made < jobs
    assert float(costs["all"]["seconds_made"]) > 0
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "Study points: music, split" in report
    assert "Without an effect on these systems: hpss.power = 1.0." in report


def test_whose_files_a_variant_has_is_listed(finished_study: Path) -> None:
    path = finished_study / "results/music@rf.decision=mean_proba,seeds=0,1/shared.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    own = {row["rule"] for row in rows if row["dataset"] != "music"}
    assert own == {"evaluate_forest", "collect_predictions"}
    assert {"compute_stft", "train_dnn"} <= {row["rule"] for row in rows} - own
    for row in rows:
        assert len(list(finished_study.glob(row["file"]))) >= int(row["jobs"]), row

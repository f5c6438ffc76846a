"""`--sdm conda`: every job runs the Python of its own class's environment.

A stand-in for conda makes the environments, since what is tested is which of them a rule uses.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import ALL_SYSTEMS, REPOSITORY, SMALL, run_snakemake, write_collection

#: Answers what Snakemake asks of conda.  An environment's Python notes which it is and what it was
#: given, and makes the files that a job names, empty.
CONDA = """#!/bin/sh
case "$*" in
  "info --json") echo '{{"conda_prefix": "{base}", "platform": "linux-64"}}' ;;
  "--version") echo "conda 25.1.0" ;;
  "config --get channel_priority --json") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
  "env create"*)
    while [ "$1" != --prefix ]; do [ "$1" != --file ] || file=$2; shift; done
    mkdir -p "$2/bin"
    cp "$file" "$2/environment.yaml"
    cp "{base}/bin/python-stand-in" "$2/bin/python" ;;
  "clean"*) ;;
  *) exit 1 ;;
esac
"""
PYTHON = """#!/bin/sh
# The first argument is what runs the script of the second one's name.
echo "$CONDA_PREFIX $2" >> "{base}/calls"
for path in "$@"; do
  case $path in
    results/*.*) [ -e "$path" ] || {{ mkdir -p "${{path%/*}}" && : > "$path"; }} ;;
    results/*) mkdir -p "$path" ;;
  esac
done
"""
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'


@pytest.fixture
def conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in first on the path, and return its folder."""
    base = tmp_path / "conda"
    programs = base / "bin"
    programs.mkdir(parents=True)
    for name, text in (("conda", CONDA), ("python-stand-in", PYTHON)):
        (programs / name).write_text(text.format(base=base))
        (programs / name).chmod(0o755)
    (programs / "activate").write_text(ACTIVATE)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return base


def test_jobs_run_in_the_environment_of_their_class(conda: Path, tmp_path: Path) -> None:
    rows = [
        {
            "track_id": f"t{i}",
            "path": f"{i}.wav",
            "label": ("blues", "rock")[i % 2],
            "split": ("train", "valid", "test")[i // 2],
        }
        for i in range(6)
    ]
    write_collection(tmp_path, rows)
    config = {
        **SMALL,
        "datasets": {
            "music": {"source": "manifest", "manifest": "manifest.csv"},
            "demo": {"source": "synthetic", "seeds": [0], "artists": 4, "seconds": 6},
        },
        "probes": {"mert": {"vectors": "mert.npz"}},
        "experiments": [
            {"dataset": "music", "partition": "split", "systems": [*ALL_SYSTEMS, "probe:mert"]}
        ],
        "studies": [
            {
                "name": "points",
                "dataset": "music",
                "partition": "split",
                "systems": ["SF"],
                "vary": {"rf.trees": [5]},
            }
        ],
        "classify": [{"dataset": "music", "classifier": "results/music/classifiers/SF"}],
    }
    (tmp_path / "mert.npz").touch()
    crate = "results/ro-crate-metadata.json"
    targets = ("all", "features", "report", "classified", "results/music/classifiers/stats", crate)
    outcome = run_snakemake(tmp_path, config, "--sdm", "conda", "--", *targets)
    assert outcome.status == 0, outcome.output[-3000:]

    used: dict[str, set[str]] = {}
    for line in (conda / "calls").read_text().splitlines():
        prefix, script = line.split()
        used.setdefault(script, set()).add(
            (Path(prefix) / "environment.yaml").read_text(encoding="utf-8")
        )
    # Nothing is retrieved here.
    scripts = {path.stem for path in (REPOSITORY / "workflow/scripts").glob("*.py")}
    assert set(used) == scripts - {"retrieve_collection", "retrieve_annotations"}
    # tests/unit/test_envs.py says which rules belong to which class; here one of each.
    for rule, environment in (
        ("compute_stft", "features"),
        ("train_expert", "training"),
        ("make_tables", "evaluation"),
        ("classify_shard", "classification"),
    ):
        content = (REPOSITORY / "envs" / f"{environment}.yaml").read_text(encoding="utf-8")
        assert used[rule] == {content}
    assert all(len(environments) == 1 for environments in used.values())

    # The same results without conda are another environment's, and Snakemake says so.
    assert (
        "Nothing to be done"
        in run_snakemake(tmp_path, config, "--sdm", "conda", "--", *targets).output
    )
    assert (
        "Software environment definition has changed"
        in run_snakemake(tmp_path, config, "-n", "--", *targets).output
    )

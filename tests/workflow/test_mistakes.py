"""A user's mistake gets one clear message, no traceback, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import SMALL, Snakemake, music_configuration, plan, write_collection, write_music


def rows(number: int = 8) -> list[dict[str, str]]:
    splits = ("train", "train", "valid", "test")
    return [
        {
            "track_id": f"t{i}",
            "path": f"{i}.wav",
            "label": ("blues", "rock")[i % 2],
            "group": f"artist {i // 2}",
            "split": splits[i // 2 % 4],
        }
        for i in range(number)
    ]


def config(**changes: object) -> dict[str, object]:
    experiment = {"dataset": "music", "partition": "split", "systems": ["SF"]}
    experiment.update(changes.pop("experiment", {}))  # type: ignore[call-overload]
    return {
        **SMALL,
        "datasets": {"music": {"source": "manifest", "manifest": "manifest.csv"}},
        "experiments": [experiment],
        **changes,
    }


def refused(snakemake: Snakemake, folder: Path, configuration: dict[str, object]) -> str:
    """Return the message of a refused run."""
    outcome = snakemake(configuration, "--", "results/tables.csv")
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert not (folder / "results").exists()
    return outcome.output


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mels": {}}, ["unknown key `mels`", "did you mean `mel`?"]),
        ({"mel": {"n_mel": 64}}, ["unknown key `mel.n_mel`", "did you mean `n_mels`?"]),
        ({"mel": {"fmax": 16000}}, ["mel.fmax = 16000", "audio.sample_rate = 22050"]),
        ({"stft": {"n_fft": 1024, "hop": 300}}, ["stft.n_fft / 2 = 512", "stft.hop = 300"]),
        ({"rf": {"trees": 0}}, ["`rf.trees` is 0"]),
        ({"experiment": {"systems": ["SF", "MoED"]}}, ["'MoED'", "did you mean"]),
        ({"experiment": {"partition": "splt"}}, ["'splt'", "did you mean `split`?"]),
        ({"experiment": {"dataset": "musik"}}, ["`musik`", "did you mean `music`?"]),
        ({"audio": {"clip_seconds": 4}}, ["window_frames = 214", "clip_seconds = 4"]),
    ],
)
def test_bad_config(
    snakemake: Snakemake, tmp_path: Path, changes: dict[str, object], expected: list[str]
) -> None:
    write_collection(tmp_path, rows())
    message = refused(snakemake, tmp_path, config(**changes))
    for text in expected:
        assert text in message


def test_missing_manifest(snakemake: Snakemake, tmp_path: Path) -> None:
    message = refused(snakemake, tmp_path, config())
    assert "the manifest does not exist" in message
    assert "manifest.csv" in message


def test_manifest_without_label(snakemake: Snakemake, tmp_path: Path) -> None:
    write_collection(tmp_path, [{"track_id": "a", "path": "a.wav", "genre": "rock"}])
    message = refused(snakemake, tmp_path, config())
    assert "no column `label`" in message


def test_label_with_one_clip(snakemake: Snakemake, tmp_path: Path) -> None:
    write_collection(tmp_path, [*rows(), {**rows()[0], "track_id": "x", "label": "polka"}])
    assert "label 'polka' has one clip" in refused(snakemake, tmp_path, config())


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ({"partition": "cv10"}, "class 'blues' has 4 clips"),
        ({"partition": "random", "group_disjoint": True}, "class 'polka' has 1 groups"),
    ],
)
def test_partition_with_too_few_clips_or_groups(
    snakemake: Snakemake, tmp_path: Path, experiment: dict[str, object], expected: str
) -> None:
    collection = rows()
    if "polka" in expected:
        collection += [
            {**rows()[0], "track_id": f"p{i}", "label": "polka", "group": "x"} for i in range(4)
        ]
    write_collection(tmp_path, collection)
    assert expected in refused(snakemake, tmp_path, config(experiment=experiment))


def test_group_on_two_sides_of_a_split_that_should_be_disjoint(
    snakemake: Snakemake, tmp_path: Path
) -> None:
    collection = rows()
    collection[6]["group"] = collection[0]["group"]
    write_collection(tmp_path, collection)
    message = refused(snakemake, tmp_path, config(experiment={"group_disjoint": True}))
    assert "'artist 0' (test, train)" in message


def test_too_many_unusable_clips_stop_the_run(snakemake: Snakemake, tmp_path: Path) -> None:
    write_collection(tmp_path, rows())
    outcome = snakemake(config(), "--", "results/tables.csv")
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert "8 of 8 clips (100.0%) can't be used" in outcome.output
    assert "file not found" in outcome.output
    assert not (tmp_path / "results/tables.csv").exists()
    # Planning says so already; nothing is trained, and the list is there.
    assert "8 of 8 files are missing: " in outcome.output.partition("Building DAG")[0]
    assert len((tmp_path / "results/music/quarantine.csv").read_text().splitlines()) == 9
    assert "rule compute_normalisation:" not in outcome.output


def trained(folder: Path) -> set[str]:
    """Return what a run has trained."""
    results = folder / "results/music"
    kinds = ("models/split/*/fold0/*.safetensors", "normalisation/split/fold0/*.h5")
    return {str(path.relative_to(results)) for kind in kinds for path in results.glob(kind)}


#: A job of every rule that trains, which is new after `test_nothing_trains_...`'s first run.
NEW = {
    "compute_normalisation": "fold0/tf",
    "train_dnn": "seed1/fold0/sf",
    "train_expert": "seed0/fold0/modulation",
    "train_mixer": "seed0/fold0/moec",
}


def test_nothing_trains_once_the_limit_is_lowered(snakemake: Snakemake, tmp_path: Path) -> None:
    write_music(tmp_path)
    experiment = {"dataset": "music", "partition": "split"}
    first = music_configuration(shards=1) | {
        "experiments": [{**experiment, "systems": ["SF", "MoEB"]}],
        "mixer": {**SMALL["mixer"], "experts": ["original", "mfcc"]},
    }
    target = ("--", "results/tables.csv")
    outcome = snakemake(first, *target)
    assert outcome.status == 0, outcome.output[-3000:]
    before = trained(tmp_path)
    assert len(before) == 4

    lower = first | {
        "audio": {**first["audio"], "max_quarantined": 0.01},
        "experiments": [{**experiment, "systems": ["SF", "TF", "MoEB", "MoEC", "modulation"]}],
        "seeds": [0, 1],
    }
    outcome = snakemake(lower, "--logger", "genreflow", *target)
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert trained(tmp_path) == before
    said = "Error: 1 of 24 clips (4.2%) can't be used"
    for rule, job in NEW.items():
        assert said in (tmp_path / f"results/logs/{rule}/music/split/{job}.log").read_text()
    end = outcome.output.partition("\nFailed, ")[2]
    assert f"check_quarantine/music:\n    {said}:\n" in end
    assert "    t10: " in end
    assert "Expected: at most 1.0% (audio.max_quarantined)" in end

    assert {job.rule for job in plan(tmp_path, first, *target)} <= {
        "check_quarantine",
        "make_tables",
    }


def test_a_line_a_job_and_the_failed_one_with_its_reason_once(
    snakemake: Snakemake, tmp_path: Path
) -> None:
    write_collection(tmp_path, rows())
    outcome = snakemake(config(), "--logger", "genreflow", "--", "results/tables.csv")
    assert outcome.status != 0
    lines = outcome.output.splitlines()
    assert any("] write_manifest/music: 8 clips, " in line for line in lines)
    assert not any(line.startswith(("rule ", "localrule ", "    input:")) for line in lines)
    assert (
        outcome.output.count("8 of 8 clips (100.0%) can't be used") == 2
    )  # by the job, at the end
    assert "CalledProcessError" not in outcome.output
    (end,) = (number for number, line in enumerate(lines) if line.startswith("Failed, "))
    named = lines.index("allow_training/music:")
    assert named > end
    assert lines[named + 1] == "    Error: 8 of 8 clips (100.0%) can't be used:"


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("results/table.csv", "results/tables.csv"),
        ("results/music/classifiers/SF+FT", "results/music/classifiers/SF+TF"),
        ("xyz", ""),
    ],
)
def test_a_target_that_nothing_makes(
    snakemake: Snakemake, tmp_path: Path, target: str, meant: str
) -> None:
    write_collection(tmp_path, rows())
    outcome = snakemake(config(), "-n", "--", target)
    assert outcome.status != 0
    assert f"Error: there is nothing that makes `{target}`." in outcome.output
    assert ("did you mean" in outcome.output) == bool(meant)
    assert f"did you mean `{meant}`?" in outcome.output or not meant
    names = "all, classified, features, report, tables, a file under results/"
    assert f"Expected: one of {names}\n" in outcome.output

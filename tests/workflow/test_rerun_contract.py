"""The rerun contract: docs/reruns.md, compared with what Snakemake plans.

Every key is changed on `finished`, a real run.  What that run has no jobs of is changed on a run
that is only pretended: Snakemake records each job as done, but the results are empty files.
Each test changes one thing and compares all planned jobs with those of the contract.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import venv
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from genreflow.collections.gtzan import TRACK_IDS
from genreflow.collections.manifest import read_manifest
from genreflow.collections.shards import shard_clips
from genreflow.features.registry import CACHES, DROPPABLE, FEATURES
from genreflow.plan import planning
from harness import (
    ALL_SYSTEMS,
    SNAKEFILE,
    TARGETS,
    PlannedJob,
    copy_workflow,
    merge,
    music_configuration,
    plan,
    pretend_run,
    run_here,
    run_snakemake,
    write_collection,
)
from rerun_graph import (
    DATASETS,
    EXPERIMENTS,
    OTHERS,
    RULES,
    SETTINGS,
    TRAINED_EXPERTS,
    WHOLE,
    Rerun,
    follows,
    with_removed,
)

Config = dict[str, Any]
#: The wildcards that make a step of a rule.
VARIANTS = ("component", "feature", "network", "expert", "mixer", "system")
#: Rules that only collect what others make.
COLLECTING = ("all", "features", "tables", "report")
#: Another value of each key, legal beside those of the runs.
VALUES: dict[str, Any] = {
    "seeds": [1],
    "audio.sample_rate": 24000,
    "audio.clip_seconds": 5.6,
    "audio.resampler": "soxr_vhq",
    "audio.max_missing": 0.1,
    "audio.max_quarantined": 0.2,
    "stft.n_fft": 2048,
    "stft.hop": 256,
    "cepstrum.epsilon": 1e-3,
    "cepstral_modulation.window_frames": 100,
    "cepstral_modulation.shift_frames": 50,
    "hpss.kernel": 17,
    "hpss.power": 1.0,
    "hpss.margin": 2.0,
    "hpss.conserve": "power",
    "mel.n_mels": 80,
    "mel.fmin": 20.0,
    "mel.fmax": 8000.0,
    "mel.top_db": 60.0,
    "modulation.spectrogram": "power",
    "mfcc.n_mfcc": 13,
    "mfcc.delta_width": 5,
    "partitions.seed": 5,
    "partitions.random_draws": "independent",
    "partitions.cv_validation_folds": 2,
    "partitions.swapped_networks": "retrained",
    "partitions.final_validation": 0.2,
    "partitions.without_group": "leave_out",
    "dnn.hidden": [50, 50],
    "dnn.initialisation": "he_normal",
    "dnn.learning_rate": 0.02,
    "dnn.batch": 50,
    "dnn.epochs": 4,
    "dnn.patience": 5,
    "joint.optimiser": "sgd",
    "joint.learning_rate": 1e-3,
    "joint.batch": 10,
    "rf.trees": 21,
    "rf.max_features": "log2",
    "rf.decision": "mean_proba",
    "expert.channels": [4, 4, 4, 4, 5],
    "expert.normalisation": "train_freq",
    "expert.epochs": 3,
    "expert.batch": 5,
    "expert.learning_rate": 1e-3,
    "expert.decay": 0.02,
    "expert.patience": 2,
    "expert.model": "last",
    "expert.batchnorm_momentum": 0.6,
    "expert.batchnorm_average": "plain",
    "expert.batchnorm_variance": "plain",
    "mixer.experts": ["mfcc", "original"],
    "mixer.epochs": 2,
    "mixer.batch": 5,
    "mixer.learning_rate": 1e-3,
    "mixer.decay": 1e-3,
    "mixer.patience": 2,
    "mixer.model": "last",
    "mixer.batchnorm_momentum": 0.6,
    "mixer.batchnorm_average": "plain",
    "mixer.batchnorm_variance": "plain",
    "mixer.dropout": [0.1, 0.1, 0.1],
    "mixer.frozen_batchnorm": "keras224_bn",
    "training.device": "auto",
    "training.threads": 3,
    "training.precision": "bfloat16",
    "training.memory_gb": 3.0,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with music of every kind of source, empty since planning opens no clip."""
    folder = tmp_path_factory.mktemp("contract")
    rows = []
    for number in range(24):
        rows.append(
            {
                "track_id": f"t{number:02d}",
                "path": f"{number:02d}.wav",
                "label": ("high", "low")[number % 2],
                "group": f"artist {number // 4}",
                "split": ("train", "train", "valid", "test")[number // 2 % 4],
            }
        )
        album = folder / "albums" / str(number % 2)
        album.mkdir(parents=True, exist_ok=True)
        (album / f"{number:02d}.wav").touch()
    # The folder named `music` has all files but the last.
    shutil.copytree(folder / "albums" / "0", folder / "music")
    shutil.copytree(folder / "albums" / "1", folder / "music", dirs_exist_ok=True)
    (folder / "music" / "23.wav").unlink()
    write_collection(folder / "music", rows)
    for track_id in TRACK_IDS:
        path = folder / "genres" / track_id.partition(".")[0] / f"{track_id}.au"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for path in (folder / "fma_small" / "000" / "000002.mp3", folder / "metadata" / "tracks.csv"):
        path.parent.mkdir(parents=True)
        path.touch()
    (folder / "mert.npz").touch()
    (folder / "clap").mkdir()
    (folder / "clap" / "t00.npy").touch()
    return folder


@pytest.fixture
def music(home: Path) -> Iterator[Path]:
    """The manifest's folder, which a test may change."""
    shutil.copytree(home / "music", home / "kept")
    yield home / "music"
    shutil.rmtree(home / "music")
    (home / "kept").rename(home / "music")


def experiment(dataset: str, partition: str, *systems: str) -> Config:
    return {"dataset": dataset, "partition": partition, "systems": list(systems)}


def configuration(home: Path) -> Config:
    """Return a configuration with every rule and every form of partition."""
    own = {"source": "manifest", "manifest": str(home / "music" / "manifest.csv"), "shards": 2}
    return music_configuration() | {
        "probes": {"mert": {"vectors": str(home / "mert.npz")}},
        "cepstral_modulation": {"window_frames": 120, "shift_frames": 60},
        "datasets": {
            "music": own,
            "demo": {"source": "synthetic", "seeds": [0], "artists": 4, "seconds": 6, "shards": 1},
        },
        "experiments": [
            experiment("music", "split", *ALL_SYSTEMS, "probe:mert"),
            experiment("music", "split_swapped", "SF", "MFCC"),
            experiment("music", "random", "SF", "original"),
            experiment("music", "cv10", "TF"),
            experiment("demo", "split", "SF", "MFCC"),
        ],
    }


def other_sources(home: Path) -> Config:
    """Return a configuration with the sources that `configuration` has not."""
    return music_configuration() | {
        "datasets": {
            "albums": {"source": "folder", "folder": str(home / "albums"), "shards": 1},
            "gtzan": {"source": "gtzan", "path": str(home / "genres"), "shards": 1},
            "fma": {"source": "fma_small", "path": str(home / "fma_small"), "shards": 1},
        },
        "experiments": [experiment(name, "random", "SF") for name in ("albums", "gtzan", "fma")],
    }


def downloaded() -> Config:
    """Return a configuration of published collections that are not there."""
    return music_configuration() | {
        "datasets": {
            "gtzan": {"source": "gtzan", "shards": 1},
            "fma": {"source": "fma_small", "shards": 1},
        },
        "experiments": [
            experiment("gtzan", "fault_filtered", "SF"),
            experiment("fma", "official", "SF"),
        ],
    }


def every_job(folder: Path, config: Config) -> set[PlannedJob]:
    return real(plan(folder, config, "--forceall", *TARGETS))


def real(jobs: set[PlannedJob]) -> set[PlannedJob]:
    return {job for job in jobs if job.rule not in COLLECTING}


class Run:
    """A finished or a pretended run: its folder, configuration and jobs."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self.config = folder, config
        self.jobs = every_job(folder, config)
        assert real(plan(folder, config, *TARGETS)) == set(), "the run is not finished"

    def check(
        self, rerun: Rerun, config: Config, *, snakefile: Path = SNAKEFILE, **limits: str
    ) -> None:
        """Compare what would run with another configuration with the contract."""
        names = {"dataset": ("dataset",), "partition": ("dataset", "partition")}
        names |= {"": (), "shard": ("dataset", "shard")}
        assert tuple(limits) == names[rerun.within]
        planned = real(plan(self.folder, config, *TARGETS, snakefile=snakefile))
        # The same jobs as before, unless there are others among them.
        jobs = self.jobs if planned <= self.jobs else every_job(self.folder, config)
        new = jobs - self.jobs if rerun.new else set()
        limited = new | {job for job in jobs if concerns(rerun, job, config, limits)}
        # Where nothing follows from the first steps, the table that holds everything stays.
        whole = rerun.steps() if limited else follows(WHOLE.intersection(rerun.first))
        contract = limited | {job for job in jobs if step(job) in WHOLE.intersection(whole)}
        assert listed(planned - contract) == [], "would run, against the contract"
        assert listed(contract - planned) == [], "would not run, against the contract"


def listed(jobs: set[PlannedJob]) -> list[str]:
    return sorted(f"{job.rule} {dict(job.wildcards)}" for job in jobs)


def step(job: PlannedJob) -> str:
    """Return a job's step in the contract."""
    variants = [value for name in VARIANTS if (value := job[name])]
    assert len(variants) <= 1, job
    return " ".join([job.rule, *variants])


def concerns(rerun: Rerun, job: PlannedJob, config: Config, limits: dict[str, str]) -> bool:
    """Return whether the contract says that a job runs which is no part of the whole."""
    if step(job) in WHOLE:
        return False
    if not all(job[name] in (None, value) for name, value in limits.items()):
        return False
    partition = job["partition"]
    if partition is None:
        return step(job) in rerun.steps()
    if rerun.partitions and not any(fnmatch(partition, pattern) for pattern in rerun.partitions):
        return False
    systems = [
        system
        for found in config["experiments"]
        if found["dataset"] == job["dataset"] and form(found) == partition
        for system in found["systems"]
    ]
    # A network may be there for another partition alone, whose swapped form shares it.
    return step(job) in rerun.steps(systems or ALL_SYSTEMS)


def form(found: Config) -> str:
    return found["partition"] + ("_group_disjoint" if found.get("group_disjoint") else "")


@pytest.fixture(scope="module")
def real_run(finished: Path) -> Run:
    return Run(finished, music_configuration())


@pytest.fixture(scope="module")
def pretended(home: Path) -> Run:
    """A pretended run of `configuration`."""
    return pretend(home / "run", configuration(home))


@pytest.fixture(scope="module")
def alone(home: Path) -> Run:
    """A pretended run of a dataset that has every feature trained on."""
    config = configuration(home)
    experiments = [found for found in config["experiments"] if found["dataset"] == "music"]
    datasets = {"music": config["datasets"]["music"]}
    return pretend(home / "alone", config | {"datasets": datasets, "experiments": experiments})


@pytest.fixture(scope="module")
def pretended_sources(home: Path) -> Run:
    """A pretended run of `other_sources`."""
    return pretend(home / "sources", other_sources(home))


@pytest.fixture(scope="module")
def pretended_downloads(home: Path) -> Run:
    """A pretended run of `downloaded`."""
    return pretend(home / "downloaded", downloaded())


@contextmanager
def without(run: Run, caches: Collection[str]) -> Iterator[None]:
    """Take caches out of a run, by their names in `keep` and `drop`."""
    folders = [
        folder
        for folder in run.folder.glob("results/*/features/*")
        if FEATURES[folder.name].cache in caches
    ]
    assert {FEATURES[folder.name].cache for folder in folders} == set(caches)
    for path in folders:
        path.rename(path.with_name(f"no {path.name}"))
    try:
        yield
    finally:
        for path in folders:
            path.with_name(f"no {path.name}").rename(path)


def pretend(folder: Path, config: Config) -> Run:
    folder.mkdir()
    pretend_run(folder, config, *TARGETS)
    return Run(folder, config)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh copy of the workflow, with the times of now."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    copy_workflow(folder)
    for path in folder.rglob("*"):
        path.touch()
    return folder


# Keys.


def changed(config: Config, key: str, value: Any) -> Config:
    """Return the configuration with another value of a dotted key."""
    section, _, name = key.rpartition(".")
    return merge(config, {section: {name: value}} if section else {key: value})


@pytest.mark.parametrize("key", SETTINGS)
def test_a_key_reruns_what_depends_on_it(real_run: Run, key: str) -> None:
    real_run.check(SETTINGS[key], changed(real_run.config, key, VALUES[key]))


#: Keys that decide over jobs which `finished` has none of.
ELSEWHERE = [
    key
    for key, rerun in SETTINGS.items()
    if rerun.partitions or "synthesise_audio" in rerun.first or key == "seeds"
]


@pytest.mark.parametrize("key", ELSEWHERE)
def test_so_it_does_with_every_partition_and_rendered_clips(pretended: Run, key: str) -> None:
    pretended.check(SETTINGS[key], changed(pretended.config, key, VALUES[key]))


@pytest.mark.parametrize("key", ["rf.trees", "mel.n_mels", "partitions.seed"])
def test_a_setting_of_a_dataset_reruns_nothing_of_the_others(pretended: Run, key: str) -> None:
    config = changed({}, key, VALUES[key])
    found = copy.deepcopy(pretended.config)
    found["datasets"]["music"]["settings"] = config
    rerun = SETTINGS[key]
    own = Rerun(rerun.first, rerun.partitions, within="dataset")
    pretended.check(own, found, dataset="music")


# Caches that are not kept.


#: `keep` and `drop`.
FEWER: dict[str, tuple[list[str], list[str]]] = {
    "neither": ([], []),
    "audio": (["audio"], []),
    "hpss": (["hpss"], []),
    "no stft": (["audio", "hpss"], ["stft"]),
    "no mel": (["audio", "hpss"], ["mel"]),
    "none": ([], [name for name in CACHES if name not in DROPPABLE]),
}


def removed(fewer: str) -> set[str]:
    keep, drop = FEWER[fewer]
    return {*DROPPABLE, *drop}.difference(keep)


def fewer_caches(run: Run, fewer: str) -> Config:
    keep, drop = FEWER[fewer]
    return run.config | {"keep": keep, "drop": drop}


@pytest.mark.parametrize("fewer", FEWER)
def test_which_caches_are_kept_reruns_nothing(alone: Run, fewer: str) -> None:
    alone.check(DATASETS["keep"], fewer_caches(alone, fewer))
    with without(alone, removed(fewer)):
        alone.check(DATASETS["drop"], fewer_caches(alone, fewer))


@pytest.mark.parametrize(
    ("fewer", "key"),
    [
        *(
            ("neither", key)
            for key in (
                "audio.resampler", "stft.n_fft", "cepstrum.epsilon", "hpss.kernel", "mel.n_mels",
                "mfcc.n_mfcc", "expert.epochs",
            )
        ),
        *(
            ("no stft", key)
            for key in (
                "stft.n_fft", "cepstrum.epsilon", "hpss.kernel", "mel.n_mels", "mfcc.n_mfcc",
                "dnn.epochs", "rf.trees", "expert.epochs",
            )
        ),
        *(
            ("no mel", key)
            for key in ("hpss.kernel", "modulation.spectrogram", "expert.epochs", "mixer.epochs")
        ),
        *(
            ("none", key)
            for key in ("cepstrum.epsilon", "mfcc.n_mfcc", "dnn.epochs", "rf.trees", "mixer.epochs")
        ),
    ],
)  # fmt: skip
def test_of_removed_caches_a_key_remakes_what_it_needs(alone: Run, fewer: str, key: str) -> None:
    rerun = with_removed(SETTINGS[key], removed(fewer))
    config = changed(fewer_caches(alone, fewer), key, VALUES[key])
    with without(alone, removed(fewer)):
        alone.check(rerun, config)


def test_without_the_stft_another_kernel_trains_everything() -> None:
    assert "train_expert mfcc" not in SETTINGS["hpss.kernel"].steps()
    steps = with_removed(SETTINGS["hpss.kernel"], ["stft"]).steps()
    assert {"compute_stft", "compute_cepstrogram", "train_dnn tf", "train_expert mfcc"} <= {*steps}


def said(output: str, run: Run) -> dict[str, tuple[int, int]]:
    """Return the jobs that a run says a change costs, and with every cache there, by change."""
    assert f"these of the run's {len(plan_all(run))} jobs" in output
    [found] = re.findall(r"^After these changes .*:\n((?: {4}.*\n)*)", output, flags=re.MULTILINE)
    return {
        change: (int(more), int(less))
        for changes, more, less in re.findall(r"^ {4}(.*): (\d+) \((\d+)\)$", found, re.MULTILINE)
        for change in changes.split(", ")
    }


def plan_all(run: Run) -> set[PlannedJob]:
    return plan(run.folder, run.config, "--forceall", *TARGETS)


@pytest.mark.parametrize("fewer", ["neither", "no stft", "none"])
def test_what_a_change_costs_is_what_was_said_beforehand(alone: Run, fewer: str) -> None:
    config = fewer_caches(alone, fewer)
    before = run_here(alone.folder, config, "-n", "--forceall", *TARGETS)
    assert before.output.count("Removed after their last use") == 1
    costs = said(before.output, alone)
    keys = [
        "stft.n_fft", "cepstrum.epsilon", "hpss.kernel", "mel.n_mels", "modulation.spectrogram",
        "partitions.seed", "dnn.epochs", "rf.trees", "expert.epochs", "mixer.dropout",
    ]  # fmt: skip
    named = set()
    for key in keys:
        other = changed({}, key, VALUES[key])
        kept = len(plan(alone.folder, merge(config, other), *TARGETS))
        with without(alone, removed(fewer)):
            jobs = len(plan(alone.folder, merge(config, other), *TARGETS))
        name = key if key in costs else f"{key.partition('.')[0]}.*"
        assert costs.get(name, (kept, kept)) == (jobs, kept), key
        named |= {name}.intersection(costs)
    # Not all cost more.
    assert 0 < len(named) < len(keys)


# Other changes: each returns what the jobs are limited to.

Change = Callable[[Config], dict[str, str]]


def dataset(name: str, key: str, value: Any) -> Change:
    """Return a change of one key of a dataset."""

    def change(config: Config) -> dict[str, str]:
        config["datasets"][name][key] = value
        return {"dataset": name}

    return change


def with_study(config: Config) -> dict[str, str]:
    """Add a study of what the pretended run has."""
    config["studies"] = [
        experiment("music", "split", "SF") | {"name": "s", "vary": {"rf.trees": [5]}}
    ]
    return {}


def with_sound(config: Config) -> dict[str, str]:
    """Let clips be heard in the report."""
    config["report"] = {"audio": True}
    return {}


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("report", with_sound),
        ("studies", with_study),
        ("shards", dataset("music", "shards", 4)),
        ("shards", dataset("demo", "shards", 2)),
        ("synthetic.seeds", dataset("demo", "seeds", [1])),
        ("synthetic.artists", dataset("demo", "artists", 8)),
        ("synthetic.seconds", dataset("demo", "seconds", 7)),
    ],
)
def test_a_key_of_a_dataset_reruns_nothing_of_the_others(
    pretended: Run, key: str, change: Change
) -> None:
    config = copy.deepcopy(pretended.config)
    limits = change(config)
    pretended.check(DATASETS[key], config, **limits)


def test_another_source_reruns_nothing_of_the_others(pretended: Run) -> None:
    config = copy.deepcopy(pretended.config)
    config["datasets"]["music"] = {"source": "synthetic", "seeds": [3], "artists": 12, "shards": 2}
    pretended.check(DATASETS["source"], config, dataset="music")


@pytest.mark.parametrize(
    ("name", "key", "place"),
    [
        ("music", "manifest.manifest", "music/manifest.csv"),
        ("albums", "folder.folder", "albums"),
        ("gtzan", "gtzan.path", "genres"),
        ("fma", "fma.path", "fma_small"),
    ],
)
def test_music_in_another_place_reruns_nothing_of_the_others(
    home: Path, tmp_path: Path, pretended: Run, pretended_sources: Run,
    name: str, key: str, place: str,
) -> None:  # fmt: skip
    run = pretended if name == "music" else pretended_sources
    shutil.copytree(home / Path(place).parts[0], tmp_path / Path(place).parts[0])
    config = copy.deepcopy(run.config)
    config["datasets"][name][key.partition(".")[2]] = str(tmp_path / place)
    run.check(DATASETS[key], config, dataset=name)


def test_lists_that_are_left_out_rerun_no_feature(pretended_sources: Run) -> None:
    config = copy.deepcopy(pretended_sources.config)
    config["datasets"]["gtzan"]["lists"] = None
    pretended_sources.check(DATASETS["gtzan.lists"], config, dataset="gtzan")


@pytest.mark.parametrize(
    ("name", "key", "place"),
    [
        ("gtzan", "lists", "lists"),
        ("fma", "metadata", "metadata"),
        ("gtzan", "path", "genres.tar.gz"),
    ],
)
def test_a_copy_of_what_was_downloaded_reruns_nothing(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pretended_downloads: Run,
    name: str,
    key: str,
    place: str,
) -> None:
    found = home / place if (home / place).exists() else tmp_path / place
    if place == "lists":
        found.mkdir()
        # Its content is another test's matter: here it is only somewhere else.
        monkeypatch.setattr("genreflow.plan.planning.COLLECTIONS", {
            **planning.COLLECTIONS,
            "gtzan": replace(planning.COLLECTIONS["gtzan"], read_lists=lambda folder: []),
        })  # fmt: skip
    elif place == "genres.tar.gz":
        found.touch()
    config = copy.deepcopy(pretended_downloads.config)
    config["datasets"][name][key] = str(found)
    pretended_downloads.check(DATASETS["fma.metadata"], config, dataset=name)


def test_another_folder_of_downloads_concerns_all_that_is_retrieved(
    pretended_downloads: Run,
) -> None:
    config = pretended_downloads.config | {"downloads": "elsewhere"}
    pretended_downloads.check(DATASETS["downloads"], config)


def in_experiment(index: int, **values: Any) -> Change:
    """Return a change of an experiment."""

    def change(config: Config) -> dict[str, str]:
        config["experiments"][index] |= values
        return {}

    return change


def in_random(*systems: str) -> Change:
    """Return a change of the systems of the experiment `random`."""

    def change(config: Config) -> dict[str, str]:
        [found] = [e for e in config["experiments"] if e["partition"] == "random"]
        found["systems"] = list(systems)
        return {"dataset": "music", "partition": "random"}

    return change


def added(*found: Config, **datasets: Config) -> Change:
    """Return an addition of experiments and datasets."""

    def change(config: Config) -> dict[str, str]:
        config["experiments"] += found
        config["datasets"] |= datasets
        return {}

    return change


def another_seed(config: Config) -> dict[str, str]:
    config["seeds"] = [0, 1]
    return {}


DEMO = {"source": "synthetic", "seeds": [1], "artists": 4, "seconds": 6}


@pytest.mark.parametrize(
    ("rerun", "change"),
    [
        (EXPERIMENTS["dataset"], in_experiment(2, dataset="demo")),
        (EXPERIMENTS["partition"], in_experiment(2, partition="random_swapped")),
        (EXPERIMENTS["group_disjoint"], in_experiment(2, group_disjoint=True)),
        (EXPERIMENTS["systems"], in_random("TF", "MFCC")),
        (OTHERS["a system of Jeong 2016 is added"], in_random("SF", "original", "TF")),
        (OTHERS["a system of Yi 2019 is added"], in_random("SF", "original", "MoER")),
        (OTHERS["a system of neither paper is added"], in_random("SF", "original", "stats")),
        (OTHERS["a system of neither paper is added"], in_random("SF", "original", "probe:mert")),
        (OTHERS["a partition is added"], added(experiment("music", "cv10_swapped", "SF"))),
        (OTHERS["a dataset is added"], added(experiment("more", "split", "MFCC"), more=DEMO)),
        (OTHERS["a seed is added"], another_seed),
    ],
)
def test_an_experiment_reruns_nothing_of_the_others(
    pretended: Run, rerun: Rerun, change: Change
) -> None:
    config = copy.deepcopy(pretended.config)
    limits = change(config)
    pretended.check(rerun, config, **limits)


def in_another_place(folder: Path) -> Config:
    """Return a probe of the same embeddings elsewhere."""
    path = folder / "elsewhere.npz"
    path.touch()
    return {"mert": {"vectors": str(path)}}


def test_other_embeddings_rerun_what_learns_from_them(
    home: Path, tmp_path: Path, pretended: Run
) -> None:
    config = pretended.config | {"probes": in_another_place(tmp_path)}
    pretended.check(DATASETS["probes"], config)
    # One that no experiment has.
    unused = pretended.config["probes"] | {"clap": {"vectors": str(home / "clap")}}
    assert {
        job.rule for job in real(plan(pretended.folder, pretended.config | {"probes": unused}))
    } == {"write_run_config"}


def test_embeddings_that_are_made_again_rerun_what_learns_from_them(
    home: Path, pretended: Run
) -> None:
    (home / "mert.npz").write_bytes(b"others")
    try:
        pretended.check(OTHERS["embeddings are made again"], pretended.config)
    finally:
        os.utime(home / "mert.npz", ns=(0, 0))


def test_a_folder_of_embeddings_is_seen_through(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clap"
    shutil.copytree(home / "clap", folder)
    config = configuration(home) | {"probes": {"mert": {"vectors": str(folder)}}}
    run = pretend(tmp_path / "run", config)
    (folder / "notes.txt").touch()
    assert real(plan(run.folder, config, *TARGETS)) == set()
    # A file that is written over leaves the time of its folder.
    before = folder.stat().st_mtime_ns
    (folder / "t00.npy").write_bytes(b"others")
    assert folder.stat().st_mtime_ns == before
    run.check(OTHERS["embeddings are made again"], run.config)


# Clips.


def shard_of(music: Path, track_id: str) -> dict[str, str]:
    shards = shard_clips(read_manifest(music / "manifest.csv"), 2)
    [shard] = [name for name, clips in shards.items() if track_id in [c.track_id for c in clips]]
    return {"dataset": "music", "shard": shard}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def add_clip(music: Path) -> dict[str, str]:
    edit(music / "manifest.csv", "t00,", "extra,extra.wav,high,artist 9,train\nt00,")
    return shard_of(music, "extra")


def remove_clip(music: Path) -> dict[str, str]:
    limits = shard_of(music, "t08")
    edit(music / "manifest.csv", "t08,08.wav,high,artist 2,train\n", "")
    return limits


def replace_file(music: Path) -> dict[str, str]:
    (music / "03.wav").write_bytes(b"another")
    return shard_of(music, "t03")


def bring_file(music: Path) -> dict[str, str]:
    (music / "23.wav").touch()
    return shard_of(music, "t23")


def date_file(music: Path) -> dict[str, str]:
    os.utime(music / "05.wav", ns=(0, 1))
    return shard_of(music, "t05")


def edit_group(music: Path) -> dict[str, str]:
    edit(music / "manifest.csv", "artist 3", "artist 2")
    return {"dataset": "music"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (add_clip, "a clip is added or removed"),
        (remove_clip, "a clip is added or removed"),
        (replace_file, "an audio file is replaced, repaired or newly present"),
        (bring_file, "an audio file is replaced, repaired or newly present"),
        (date_file, "an audio file is replaced, repaired or newly present"),
        (edit_group, "a label, group or split changes"),
    ],
)
def test_a_clip_reruns_its_shard_and_what_follows(
    pretended: Run, music: Path, change: Callable[[Path], dict[str, str]], what: str
) -> None:
    limits = change(music)
    pretended.check(OTHERS[what], pretended.config, **limits)


def test_of_two_changes_at_once_none_is_forgotten(pretended: Run, music: Path) -> None:
    # Snakemake skips its own reasons for a job behind another that runs.
    replace_file(music)
    alone = plan(pretended.folder, pretended.config, *TARGETS)
    config = changed(pretended.config, "rf.trees", 21)
    config = changed(config, "audio.max_quarantined", 0.2)
    both = plan(pretended.folder, config, *TARGETS)
    assert alone < both
    assert {job.rule for job in both - alone} >= {"evaluate_forest", "check_quarantine"}


# Code.

#: Some modules, and the steps whose scripts use them.  Figures of clips compute what they show.
MODULES: dict[str, tuple[str, ...]] = {
    "features/stft": ("compute_stft", *RULES["plot_clips"]),
    # SF's and TF's networks have one script, which needs the module for TF.
    "features/cepstrum": (
        "compute_cepstrogram",
        "compute_normalisation sf",
        "compute_normalisation tf",
        *RULES["plot_clips"],
    ),
    "features/hpss": ("separate_hpss", *RULES["plot_clips"]),
    "features/mfcc": ("compute_mfcc", *RULES["plot_clips"]),
    "yi2019/training": (*TRAINED_EXPERTS, "evaluate_mixture MoEB"),
    "errors": (),
}


@pytest.mark.parametrize("module", MODULES)
def test_a_changed_line_reruns_the_rules_that_use_it(
    real_run: Run, clone: Path, module: str
) -> None:
    path = clone / "workflow" / "scripts" / "genreflow" / f"{module}.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nREMARK = 1\n", encoding="utf-8")
    real_run.check(Rerun(MODULES[module]), real_run.config, snakefile=clone / "Snakefile")


@pytest.mark.parametrize(
    ("what", "name", "old", "new"),
    [
        ("a published accuracy changes", "config/published/jeong2016_accuracy.csv", "78.2", "78.3"),
        ("the template of the report changes",
         "workflow/scripts/genreflow/results/templates/report.html", "<", " <"),
    ],
)  # fmt: skip
def test_a_changed_file_reruns_what_reads_it(
    real_run: Run, clone: Path, what: str, name: str, old: str, new: str
) -> None:
    edit(clone / name, old, new)
    real_run.check(OTHERS[what], real_run.config, snakefile=clone / "Snakefile")


def package(clone: Path) -> list[Path]:
    """Return every script and every module of a copy of the workflow."""
    return sorted((clone / "workflow" / "scripts").rglob("*.py"))


def test_other_words_in_the_code_rerun_nothing(real_run: Run, clone: Path) -> None:
    for path in package(clone):
        text = path.read_text(encoding="utf-8")
        # Every module has a docstring and this import.
        assert text.startswith('"""')
        text = text.replace('"""', '"""Another word. ', 1)
        start = "from __future__ import annotations\n"
        text = text.replace(start, f"# A comment.\n{start}\n\n", 1)
        path.write_text(text, encoding="utf-8")
    what = "a comment, a docstring or a blank line in the code changes"
    real_run.check(OTHERS[what], real_run.config, snakefile=clone / "Snakefile")


def test_another_message_or_hint_reruns_nothing(real_run: Run, clone: Path) -> None:
    changed = {}
    for path in package(clone):
        text = path.read_text(encoding="utf-8")
        other = re.sub(r'((?:hint|expected)=f?")', r"\1please, ", text)
        other = re.sub(r'(log\.(?:info|warning)\(\s*")', r"\1now ", other)
        path.write_text(other, encoding="utf-8")
        changed[path.parent.name] = changed.get(path.parent.name, 0) + (other != text)
    # Manifests and retrieval, planning, partitions, reading caches, training, scripts.
    folders = ("collections", "plan", "partitions", "files", "yi2019", "scripts")
    assert all(changed[folder] for folder in folders), changed
    real_run.check(
        OTHERS["a message or a hint in the code changes"],
        real_run.config,
        snakefile=clone / "Snakefile",
    )


def test_another_python_reruns_nothing(finished: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    outcome = run_snakemake(finished, music_configuration(), "-n", *TARGETS, python=python)
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]
    assert OTHERS["another Python runs Snakemake"].first == ()


def test_a_fresh_clone_reruns_nothing(finished: Path, clone: Path) -> None:
    # In a process of its own: it imports the clone's package.
    outcome = run_snakemake(
        finished, music_configuration(), "-n", *TARGETS, snakefile=clone / "Snakefile"
    )
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]
    assert OTHERS["the workflow lies in another folder"].first == ()


def test_results_that_are_moved_into_a_fresh_clone_are_kept(pretended: Run, clone: Path) -> None:
    for name in ("results", ".snakemake"):
        shutil.copytree(pretended.folder / name, clone / name)
    outcome = run_snakemake(clone, pretended.config, "-n", *TARGETS, snakefile=clone / "Snakefile")
    assert "Nothing to be done" in outcome.output, outcome.output[-3000:]


def test_another_number_of_cores_reruns_nothing(real_run: Run) -> None:
    assert real(plan(real_run.folder, real_run.config, "--cores", "1", *TARGETS)) == set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cepstral_modulation.window_frames", "cepstral_modulation.shift_frames"),
        ("expert.epochs", "expert.batch"),
    ],
)
def test_two_values_that_are_exchanged_are_noticed(pretended: Run, one: str, other: str) -> None:
    section, names = one.partition(".")[0], [key.partition(".")[2] for key in (one, other)]
    values = [pretended.config[section][name] for name in names]
    assert values[0] != values[1]
    config = merge(pretended.config, {section: dict(zip(names, reversed(values), strict=True))})
    pretended.check(SETTINGS[one], config)

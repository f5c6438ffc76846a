"""The configuration: typing errors, contradictions, replacement, settings by dataset."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from genreflow.errors import UserError
from genreflow.features.registry import clip_shape
from genreflow.plan.checks import RESERVED
from genreflow.plan.loading import canonical, load, read_yaml
from genreflow.plan.schema import Config, Settings, merge
from hypothesis import given, settings
from hypothesis import strategies as st

DEFAULTS: dict[str, Any] = {
    "datasets": {"demo": {"source": "synthetic", "settings": {"audio": {"clip_seconds": 12}}}},
    "experiments": [{"dataset": "demo", "partition": "random", "systems": ["SF", "original"]}],
}
MINE = {"source": "manifest", "manifest": "m.csv"}
ALL_SYSTEMS = [
    "SF", "TF", "SF+TF", "original", "harmonic", "percussive", "modulation", "MFCC",
    "MoEB", "MoEC", "MoER", "joint", "series",
]  # fmt: skip


def refusal(overrides: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        load(DEFAULTS, overrides)
    message = str(caught.value)
    # What a library says of itself is no help to a user.
    assert not re.search(r"Traceback|pydantic|validation error|\[type=|For further", message)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "Where: " in message
    return message


def with_experiment(**experiment: Any) -> dict[str, Any]:
    base = {"dataset": "mine", "partition": "split", "systems": ["SF"]}
    return {"datasets": {"mine": MINE}, "experiments": [base | experiment]}


def test_defaults_are_the_papers() -> None:
    settings = load({}, {})
    assert (clip_shape("audio", settings), clip_shape("stft", settings)[1]) == ((661500,), 1292)
    assert clip_shape("cepstrogram", settings)[1] == 1290
    assert clip_shape("cepstral_modulation", settings)[1] == 11
    assert settings.expert_shape("original") == (96, 1292)
    assert settings.expert_shape("modulation") == (96, 646)
    assert settings.expert_shape("mfcc") == (60, 1292)
    assert settings.expert_pools("harmonic") == ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))
    assert settings.mixer.experts == ["original", "harmonic", "percussive", "modulation"]


@pytest.mark.parametrize(
    ("overrides", "key", "suggestion"),
    [
        ({"cepstrm": {"epsilon": 1}}, "cepstrm", "cepstrum"),
        ({"stft": {"hopp": 512}}, "stft.hopp", "hop"),
        ({"hpss": {"kernal": 31}}, "hpss.kernal", "kernel"),
        ({"datasets": {"m": {**MINE, "setings": {}}}, "experiments": []}, "datasets.m.setings",
         "settings"),
        (with_experiment(group_disjont=True), "experiments.0.group_disjont", "group_disjoint"),
    ],
)  # fmt: skip
def test_typing_error_in_a_key_gets_a_suggestion(
    overrides: dict[str, Any], key: str, suggestion: str
) -> None:
    message = refusal(overrides)
    assert f"unknown key `{key}`" in message
    assert f"did you mean `{suggestion}`?" in message


@pytest.mark.parametrize("name", ["logs", "benchmarks", "tables", "figures", "results"])
def test_names_of_the_workflows_own_folders_are_no_datasets(name: str) -> None:
    message = refusal({"datasets": {name: MINE}, "experiments": []})
    assert f"a dataset is called `{name}`" in message
    assert f"for example `my_{name}`" in message


@pytest.mark.parametrize("audio", [{"sample_rate": 10**400}, {"clip_seconds": 1e308}])
def test_numbers_that_are_too_large_to_reckon_with_are_refused(audio: dict[str, Any]) -> None:
    dataset = {**MINE, "settings": {"audio": audio}}
    message = refusal({"datasets": {"m": dataset}, "experiments": []})
    assert "too large to reckon with" in message
    assert "the settings of dataset `m`" in message


def test_every_folder_of_results_that_is_no_datasets_is_reserved() -> None:
    rules = Path(__file__).parents[2] / "rules"
    text = "".join(path.read_text(encoding="utf-8") for path in rules.glob("*.smk"))
    folders = set(re.findall(r'"results/(\w+)/', text))
    assert {"figures", "logs", "tables"} <= folders <= set(RESERVED)


def test_typing_error_in_a_datasets_settings_names_the_dataset() -> None:
    message = refusal(
        {"datasets": {"m": {**MINE, "settings": {"stft": {"hopp": 2}}}}, "experiments": []}
    )
    assert "unknown key `stft.hopp`" in message
    assert "datasets.m.settings" in message
    assert "did you mean `hop`?" in message


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (with_experiment(systems=["precussive"]), ["'precussive'", "did you mean `percussive`?"]),
        (with_experiment(partition="randm"), ["'randm'", "did you mean `random`?", "cv10"]),
        (with_experiment(dataset="mnie"), ["`mnie`", "did you mean `mine`?"]),
        (with_experiment(systems=[]), ["`experiments.0.systems`"]),
        ({"datasets": {"m": {"source": "spotify"}}, "experiments": []},
         ["`datasets.m.source`", "spotify", "manifest"]),
        ({"datasets": {"m": {"manifest": "m.csv"}}, "experiments": []}, ["datasets.m", "source"]),
        ({"datasets": {"m": {"source": "manifest"}}, "experiments": []},
         ["`datasets.m.manifest` is missing"]),
        ({"datasets": {"my music": MINE}, "experiments": []}, ["datasets.my music"]),
        ({"datasets": {"m" * 65: MINE}, "experiments": []}, ["at most 64 characters"]),
        ({"datasets": {"m": {**MINE, "shards": 1_000_000}}, "experiments": []},
         ["`datasets.m.shards` is 1000000", "less than or equal to 512"]),
        ({"downloads": "a{b}"}, ["`downloads` is 'a{b}'", "without braces"]),
        ({"audio": {"resampler": "soxr"}}, ["'soxr'", "soxr_hq"]),
        ({"audio": {"clip_seconds": 0}}, ["`audio.clip_seconds` is 0", "greater than 0"]),
        ({"audio": {"clip_seconds": float("inf")}}, ["`audio.clip_seconds` is inf", "finite"]),
        ({"audio": {"clip_seconds": "long"}}, ["`audio.clip_seconds` is 'long'", "number"]),
        ({"audio": 30}, ["`audio` is 30"]),
        ({"stft": None}, ["`stft` is None"]),
        ({"experiments": None}, ["`experiments` is None"]),
        ({"expert": {"channels": [64, 128]}}, ["`expert.channels`", "5"]),
        ({"dnn": {"hidden": [50, 0]}}, ["`dnn.hidden.1` is 0"]),
        ({"keep": ["audio", "hps"]}, ["`keep.1` is 'hps'", "audio, hpss", "did you mean `hpss`?"]),
        ({"keep": ["stft"]}, ["`keep.0` is 'stft'", "one of audio, hpss"]),
        ({"keep": "audio"}, ["`keep` is 'audio'", "list"]),
        ({"keep": None}, ["`keep` is None", "list"]),
        ({"drop": ["sftf"]}, ["`drop.0` is 'sftf'", "one of audio, stft, cepstrogram", "mel, mod",
                              "did you mean `stft`?"]),
        ({"drop": ["stft", "hpss"]},
         ["`hpss` is in `keep` and in `drop`", "`keep: [audio]` lets it go"]),
        ({"keep": ["audio"], "drop": ["audio"]}, ["`audio` is in `keep`", "`keep: []` lets it"]),
        ({"mixer": {"experts": ["original", "mfc"]}},
         ["`mixer.experts.1` is 'mfc'", "one of original, harmonic, percussive, modulation, mfcc",
          "did you mean `mfcc`?"]),
        ({"mixer": {"experts": ["original", "MFCC"]}}, ["`mixer.experts.1` is 'MFCC'"]),
        ({"mixer": {"experts": ["mfcc"]}}, ["`mixer.experts`", "at least 2 items"]),
    ],
)  # fmt: skip
def test_bad_value_is_named_with_what_would_be_right(
    overrides: dict[str, Any], parts: list[str]
) -> None:
    message = refusal(overrides)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({"stft": {"hop": 300}}, ["stft.n_fft / 2 = 512", "stft.hop = 300"]),
        ({"mel": {"fmax": 12000}}, ["mel.fmax = 12000", "audio.sample_rate = 22050", "11025"]),
        ({"mel": {"fmin": 9000, "fmax": 8000}}, ["mel.fmin = 9000", "mel.fmax = 8000"]),
        ({"mfcc": {"n_mfcc": 97}}, ["n_mfcc = 97", "n_mels = 96"]),
        ({"hpss": {"kernel": 30}}, ["hpss.kernel = 30", "odd"]),
        ({"mfcc": {"delta_width": 8}}, ["mfcc.delta_width = 8", "odd"]),
        ({"cepstral_modulation": {"window_frames": 600}},
         ["window_frames = 600", "clip_seconds = 12"]),
        ({"cepstral_modulation": {"window_frames": 213}}, ["window_frames = 213", "even"]),
        ({"seeds": [1, 2, 1]}, ["[1, 2, 1]", "repeats"]),
        ({"mixer": {"experts": ["mfcc", "original", "mfcc"]}},
         ["mixer.experts = ['mfcc', 'original', 'mfcc']", "repeats an expert"]),
    ],
)  # fmt: skip
def test_contradiction_names_both_values_and_the_dataset(
    overrides: dict[str, Any], parts: list[str]
) -> None:
    message = refusal(overrides)
    assert all(part in message for part in parts), message
    assert "dataset `demo`" in message
    assert "Hint: " in message


def test_contradiction_between_a_datasets_setting_and_the_general_ones_is_found() -> None:
    dataset = {**MINE, "settings": {"audio": {"sample_rate": 16000}}}
    message = refusal({"datasets": {"m": dataset}, "experiments": []})
    assert "mel.fmax = 11025" in message
    assert "audio.sample_rate = 16000" in message
    assert "dataset `m`" in message


def test_clip_too_short_for_the_experts_is_refused_only_where_they_are_asked_for() -> None:
    short = {
        "audio": {"clip_seconds": 0.45},
        "cepstral_modulation": {"window_frames": 8, "shift_frames": 4},
    }
    overrides = with_experiment(systems=["SF", "TF"])
    overrides["datasets"] = {"mine": {**MINE, "settings": short}}
    # 20 frames, so 10 columns of modulation: five convolutions alone need 11.
    assert load(DEFAULTS, overrides).settings("mine").expert_shape("modulation") == (96, 10)
    overrides["experiments"][0]["systems"] = ["MoEB"]
    message = refusal(overrides)
    assert "audio.clip_seconds = 0.45" in message
    assert "n_mels = 96" in message
    # A mixture asks for the experts that it mixes, and for no other.
    overrides["mixer"] = {"experts": ["original", "mfcc"]}
    assert load(DEFAULTS, overrides).settings("mine").mixer.experts == ["original", "mfcc"]


def test_datasets_and_experiments_replace_the_defaults_and_other_keys_are_merged() -> None:
    config = load(DEFAULTS, with_experiment(systems=ALL_SYSTEMS) | {"stft": {"hop": 256}})
    assert list(config.datasets) == ["mine"]
    assert [experiment.dataset for experiment in config.experiments] == ["mine"]
    assert (config.stft.hop, config.stft.n_fft) == (256, 1024)


def test_caches_to_keep_are_a_list_for_all_datasets() -> None:
    assert load(DEFAULTS, {}).keep == ["audio", "hpss"]
    assert load(DEFAULTS, {"keep": []}).keep == []
    own = {"datasets": {"m": {**MINE, "settings": {"keep": []}}}, "experiments": []}
    assert "unknown key `keep`" in refusal(own)


def test_what_is_dropped_goes_besides_what_is_not_kept() -> None:
    assert load(DEFAULTS, {}).dropped == ()
    assert load(DEFAULTS, {"keep": ["hpss"]}).dropped == ("audio",)
    assert load(DEFAULTS, {"drop": ["mel", "stft", "mel"]}).dropped == ("stft", "mel")
    both = {"keep": ["audio"], "drop": ["hpss", "mfcc"]}
    assert load(DEFAULTS, both).dropped == ("hpss", "mfcc")
    own = {"datasets": {"m": {**MINE, "settings": {"drop": []}}}, "experiments": []}
    assert "unknown key `drop`" in refusal(own)


def test_no_experiments_are_allowed_but_must_be_said() -> None:
    assert load(DEFAULTS, {"datasets": {"mine": MINE}, "experiments": []}).experiments == []
    assert "`experiments: []`" in refusal({"datasets": {"mine": MINE}})


def test_experiments_alone_use_the_default_datasets() -> None:
    experiment = {"dataset": "demo", "partition": "cv10", "systems": ["TF"]}
    config = load(DEFAULTS, {"experiments": [experiment]})
    assert list(config.datasets) == ["demo"]
    assert config.experiments[0].partition_id == "cv10"


def test_group_disjoint_is_part_of_the_partitions_name() -> None:
    config = load(DEFAULTS, with_experiment(partition="random_swapped", group_disjoint=True))
    assert config.experiments[0].partition_id == "random_swapped_group_disjoint"


def test_settings_of_a_dataset_override_the_general_ones_for_it_alone() -> None:
    own = {**MINE, "settings": {"audio": {"clip_seconds": 20}, "seeds": [5]}}
    overrides = {"datasets": {"own": own, "other": MINE}, "experiments": [], "stft": {"hop": 256}}
    config = load(DEFAULTS, overrides)
    assert config.settings("own").audio.clip_seconds == 20
    assert config.settings("own").audio.sample_rate == 22050
    assert config.settings("own").seeds == [5]
    assert config.settings("own").stft.hop == 256
    assert config.settings("other").audio.clip_seconds == 30


def test_defaults_given_to_load_are_left_as_they_were() -> None:
    before = json.dumps(DEFAULTS)
    load(DEFAULTS, {"datasets": {"mine": MINE}, "experiments": [], "audio": {"clip_seconds": 20}})
    assert json.dumps(DEFAULTS) == before


def test_merge_goes_into_maps_and_replaces_everything_else() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 2}
    assert merge(base, {"a": {"c": [3]}, "d": {"e": 4}}) == {"a": {"b": 1, "c": [3]}, "d": {"e": 4}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 2}


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.integers(), st.text(max_size=5), st.lists(st.booleans(), max_size=3)),
    )
)
def test_canonical_form_ignores_order_and_nothing_else(value: dict[str, Any]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(backwards)
    assert json.loads(canonical(value)) == value
    assert canonical(value).isascii()
    assert canonical({**value, "one more": 1}) != canonical(value)


def test_canonical_form_is_compact_and_takes_sections() -> None:
    assert canonical({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    stft = Settings().stft
    assert canonical(stft) == '{"hop":512,"n_fft":1024}'
    assert canonical([stft]) == '[{"hop":512,"n_fft":1024}]'
    # A set has no order, so its canonical form would differ from run to run.
    with pytest.raises(TypeError, match="set"):
        canonical({"a": {1, 2}})


def test_every_key_is_described() -> None:
    for name, definition in Config.model_json_schema()["$defs"].items():
        for key, schema in definition["properties"].items():
            # The reader of the documented file needs a line for each but what names itself.
            named = (
                key in ("source", "dataset", "partition") or "$ref" in schema or "allOf" in schema
            )
            assert named or schema.get("description"), f"{name}.{key}"


def test_yaml_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("audio: {clip_seconds: 12}\n")
    assert read_yaml(path) == {"audio": {"clip_seconds": 12}}
    for text in ("- a\n", "", "word"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"no mapping[\s\S]*my\.yaml"):
            read_yaml(path)


@pytest.mark.parametrize("swapped", ["", "_swapped"])
@pytest.mark.parametrize(
    ("partition", "dataset", "expected"),
    [
        ("fault_filtered", MINE, "`source: gtzan`"),
        ("fault_filtered", {"source": "gtzan", "lists": None}, "without `lists: null`"),
        ("fault_filtered", {"source": "fma_small"}, "`source: gtzan`"),
        ("official", MINE, "`source: fma_small`"),
        ("official", {"source": "gtzan"}, "`source: fma_small`"),
    ],
)
def test_published_lists_are_those_of_their_collection(
    dataset: dict[str, Any], partition: str, expected: str, swapped: str
) -> None:
    overrides = with_experiment(partition=partition + swapped) | {"datasets": {"mine": dataset}}
    message = refusal(overrides)
    assert f"partition `{partition}{swapped}` of dataset `mine` has no lists" in message
    assert expected in message


@pytest.mark.parametrize(
    ("partition", "dataset"),
    [
        ("fault_filtered", {"source": "gtzan"}),
        ("fault_filtered_swapped", {"source": "gtzan", "path": "gtzan", "lists": "lists"}),
        ("official", {"source": "fma_small"}),
        ("official_swapped", {"source": "fma_full", "path": "fma", "metadata": "m.zip"}),
    ],
)
def test_published_collections_need_no_more_than_their_name(
    dataset: dict[str, Any], partition: str
) -> None:
    overrides = with_experiment(partition=partition) | {"datasets": {"mine": dataset}}
    config = load(DEFAULTS, overrides)
    assert config.experiments[0].partition_id == partition
    found = config.datasets["mine"].model_dump()
    assert {key: found[key] for key in dataset} == dataset
    assert found["path"] == dataset.get("path", "download")


def test_all_mistakes_are_told_at_once_each_with_its_file_and_line(tmp_path: Path) -> None:
    first, second = tmp_path / "one.yaml", tmp_path / "two.yaml"
    first.write_text("mel: {n_mels: -3}\nhpss:\n  kernel: 31\n  margn: 2\n")
    second.write_text(
        "datasets:\n  m: {source: folder, foldr: music}\n"
        "experiments:\n"
        "  - {dataset: m, partition: random, systems: [SF]}\n"
        "  - {dataset: m, partition: random, systems: [SF, TT]}\n"
    )
    overrides = {**read_yaml(first), **read_yaml(second)}
    with pytest.raises(UserError) as caught:
        load({}, overrides, [first, second])
    message = str(caught.value)
    assert message.startswith("5 mistakes")
    for found, where in (
        ("`mel.n_mels` is -3", f"{first}, line 1"),
        ("unknown key `hpss.margn`", f"{first}, line 4"),
        ("`datasets.m.folder` is missing", f"{second}, line 2"),
        ("unknown key `datasets.m.foldr`", f"{second}, line 2"),
        ("`experiments.1.systems.1` is 'TT'", f"{second}, line 5"),
    ):
        block = message.partition(found)[2].partition("Where: ")[2]
        assert block.startswith(where), (found, message)
    assert "did you mean `TF`?" in message


def test_contradictions_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        load({}, {"datasets": {"m": {"source": "synthetic"}, "n": {"source": "synthetic"}},
                  "experiments": [], "hpss": {"kernel": 30}, "seeds": [1, 1]})  # fmt: skip
    message = str(caught.value)
    assert message.count("hpss.kernel = 30 is even") == 2
    assert message.count("repeats a seed") == 2


def test_home_is_expanded_in_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    datasets = {
        "a": {"source": "folder", "folder": "~/music"},
        "b": {"source": "manifest", "manifest": "~/m.csv"},
        "c": {"source": "gtzan", "path": "~/genres", "lists": "~/lists"},
        "d": {"source": "fma_small", "metadata": "~/fma_metadata.zip"},
    }
    found = load({}, {"datasets": datasets, "experiments": [], "downloads": "~/downloads"})
    text = json.dumps(found.model_dump())
    assert "~" not in text
    assert text.count("/home/me/") == 6


VARIANT = {"like": "mine", "settings": {"hpss": {"power": 1.0}}}
A_STUDY = {
    "name": "points",
    "dataset": "mine",
    "partition": "split",
    "systems": ["SF"],
    "vary": {"rf.trees": [40]},
}


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"like": "mime"}, ["`v` is like `mime`, which is not there", "did you mean `mine`"]),
        ({"like": "v"}, ["`v` is like itself"]),
        ({"like": "w"}, ["`v` is like itself: v, w"]),
        (VARIANT | {"source": "manifest"}, ["unknown key `datasets.v.source`", "like, settings"]),
        ({"like": "mine", "settings": {"hpss": {"power": -1}}}, ["hpss.power", "greater than 0"]),
        ({"like": "mine", "settings": {"audio": {"max_quarantined": 0.5}}},
         ["`audio.max_quarantined`", "clips of `mine`", "give it for `mine`"]),
    ],
)  # fmt: skip
def test_variants_that_are_none(variant: dict[str, Any], words: list[str]) -> None:
    datasets = {"mine": MINE, "v": variant, "w": {"like": "v"}}
    message = refusal({"datasets": datasets, "experiments": []})
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({"dataset": "mime"}, ["`mime` is not among the datasets", "did you mean `mine`"]),
        ({"vary": {"rf.tree": [4]}}, ["unknown key `rf.tree`", "did you mean `rf.trees`"]),
        ({"vary": {"rf.trees": [0]}}, ["`rf.trees` is 0", "greater than 0"]),
        ({"vary": {"rf.trees": [500]}}, ["`points` varies nothing"]),
        ({"vary": {}}, ["`studies.0.vary`"]),
        ({"vary": {"seeds": [[1]]}}, ["`seeds` can't be varied", "key `seeds` of its own"]),
        ({"vary": {"partitions.seed": [1]}}, ["can't be varied", "compared with itself"]),
        ({"vary": {"hpss.kernel": [32]}}, ["hpss.kernel = 32 is even", "with hpss.kernel = 32"]),
        (
            {"vary": {"mel.n_mels": [8]}, "systems": ["harmonic"]},
            ["no five pools"],
        ),
        ({"partition": "fault_filtered"}, ["has no lists"]),
        ({"design": "gird"}, ["did you mean `grid`"]),
        ({"varies": {}}, ["unknown key `studies.0.varies`"]),
    ],
)
def test_studies_that_are_none(study: dict[str, Any], words: list[str]) -> None:
    message = refusal({"datasets": {"mine": MINE}, "experiments": [], "studies": [A_STUDY | study]})
    assert all(word in message for word in words), message


def test_two_studies_of_a_name() -> None:
    studies = [A_STUDY, A_STUDY]
    message = refusal({"datasets": {"mine": MINE}, "experiments": [], "studies": studies})
    assert "two studies are called `points`" in message


PROBED = {"probes": {"mert": {"vectors": "mert.h5"}, "clap": {"vectors": "~/clap"}}}


def test_probes_are_systems_by_their_names() -> None:
    config = load(DEFAULTS, with_experiment(systems=["stats", "probe:mert", "probe:clap"]) | PROBED)
    assert config.experiments[0].systems == ["stats", "probe:mert", "probe:clap"]
    assert config.probes["clap"].vectors == os.path.expanduser("~/clap")


@pytest.mark.parametrize(
    ("system", "probes", "expected"),
    [
        ("probe:mrt", PROBED, "did you mean `probe:mert`?"),
        ("prob:mert", PROBED, "did you mean `probe:NAME`?"),
        ("probe:mert", {}, "probe:NAME for each NAME in `probes`"),
        ("stat", {}, "did you mean `stats`?"),
    ],
)
def test_a_probe_that_is_not_there_is_named(
    system: str, probes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError) as error:
        load(DEFAULTS, with_experiment(systems=["SF", system]) | probes)
    message = str(error.value)
    assert f"`experiments.0.systems.1` is '{system}'" in message
    assert expected in message


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ({"mert": {"vector": "a.h5"}}, "did you mean `vectors`?"),
        ({"mert": {}}, "`probes.mert.vectors` is missing"),
        ({"mert:v1": {"vectors": "a.h5"}}, "mert:v1"),
        ({"mert": {"vectors": ""}}, "`probes.mert.vectors` is ''"),
    ],
)
def test_mistakes_in_probes_are_named(probes: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as error:
        load(DEFAULTS, {"probes": probes})
    assert expected in str(error.value)

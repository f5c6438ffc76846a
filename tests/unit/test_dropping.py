"""What removed caches cost later, on graphs that one can count by hand."""

from __future__ import annotations

import warnings

import pytest
from genreflow.features.registry import FEATURES
from genreflow.plan.dropping import (
    Cost,
    clip_bytes,
    describe_dropping,
    jobs_again,
    setting_keys,
    with_another,
)
from genreflow.plan.schema import Config, Settings

#: Two shards of a cache, of each a feature is made, and a training reads both shards of the cache.
READS = {
    "cache 0": ["audio 0"],
    "cache 1": ["audio 1"],
    "feature 0": ["cache 0"],
    "feature 1": ["cache 1"],
    "training": ["cache 0", "cache 1"],
    "tables": ["training"],
}
JOBS = {*READS, "audio 0", "audio 1"}


def again(first: str, *gone: str) -> set[str]:
    return jobs_again(
        [first],
        follow=lambda job: [reader for reader, read in READS.items() if job in read],
        makers_of_gone=lambda job: [read for read in READS.get(job, ()) if read in gone],
    )


@pytest.mark.parametrize(
    ("first", "gone", "expected"),
    [
        ("tables", ("cache 0", "cache 1"), {"tables"}),
        ("training", (), {"training", "tables"}),
        ("feature 0", (), {"feature 0"}),
        ("cache 0", (), {"cache 0", "feature 0", "training", "tables"}),
        # The training reads the other shard too.
        ("feature 0", ("cache 0", "cache 1"), JOBS - {"audio 0", "audio 1"}),
        ("feature 0", ("audio 0", "cache 0"),
         {"audio 0", "cache 0", "feature 0", "training", "tables"}),
        ("feature 0", ("audio 0", "audio 1"), {"feature 0"}),
        ("training", ("audio 0", "audio 1", "cache 0", "cache 1"), JOBS),
    ],
)  # fmt: skip
def test_what_reads_a_cache_that_is_gone_repeats_what_was_made_from_it(
    first: str, gone: tuple[str, ...], expected: set[str]
) -> None:
    assert again(first, *gone) == expected


@pytest.mark.parametrize("key", list(setting_keys()))
def test_every_key_has_another_value_of_its_type(key: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for settings in (Settings(), Config()):
            before, after = settings.model_dump(), with_another(settings, key).model_dump()
            section, _, name = key.rpartition(".")
            if section:
                changed = {k for k in before[section] if before[section][k] != after[section][k]}
                assert changed == {name}
                before.pop(section), after.pop(section)
            else:
                assert before.pop(name) != after.pop(name)
            assert before == after


def test_a_clip_takes_what_the_guide_says() -> None:
    sizes = {name: clip_bytes(name, Settings()) for name in FEATURES}
    assert sizes["stft"] == sizes["audio"] + 513 * 1292 * 4 - 661500 * 4
    assert round(sum(sizes.values()) / 1e6, 1) == 11.9


def test_the_words_have_the_highest_price_first_and_whole_sections_as_one() -> None:
    words = describe_dropping(
        {"stft": 2.65e9, "mel": 28e6},
        total=1.27e12,
        again={"stft": 90, "mel": 20},
        jobs=100,
        costs=[
            Cost("mel.n_mels", 20, 10),
            Cost("cepstrum.epsilon", 90, 5),
            *(Cost(f"hpss.{key}", 90, 30) for key in ("kernel", "power", "margin", "conserve")),
            Cost("rf.trees", 4, 4),
        ],
    )
    assert words.splitlines()[0].endswith("caches of about 2.68 GB of 1.27 TB.")
    assert [line for line in words.splitlines() if line.startswith("    ")] == [
        "    stft (2.65 GB): 90",
        "    mel (28 MB): 20",
        "    hpss.*: 90 (30)",
        "    cepstrum.epsilon: 90 (5)",
        "    mel.n_mels: 20 (10)",
    ]

"""docs/predict.md, its commands and its Python carried out in their order."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from harness import write_tone
from pages import blocks, carry_out, write_project

pytestmark = pytest.mark.docs

BLOCKS = blocks("docs/predict.md", "bash", "python")


def test_page_is_carried_out_word_for_word(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "genreflow")
    for label, pitch in (("jazz", 110), ("rock", 440)):
        (folder / "music" / label).mkdir(parents=True)
        for number in range(4):
            path = folder / "music" / label / f"{number}.wav"
            write_tone(path, pitch * 1.02**number, seconds=6, sample_rate=22050)
    (folder / "new" / "album").mkdir(parents=True)
    write_tone(folder / "new" / "song.mp3", 445, seconds=20, sample_rate=44100)
    write_tone(folder / "new" / "album" / "one.flac", 112, seconds=6, sample_rate=44100)
    config = {
        "datasets": {"mymusic": {"source": "folder", "folder": "music"}},
        "experiments": [],
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shown = [carry_out(folder, block) for block in BLOCKS]
    assert len(shown) == 8
    genres = pd.read_csv(folder / "genres.csv")
    assert list(genres["path"]) == ["new/song.mp3", "new/album/one.flac"]
    assert list(genres.columns) == [
        "path", "label", "probability", "probability_jazz", "probability_rock",
    ]  # fmt: skip
    # 20 s are four clips of 5.5 s, the last of which is more than half: each has one segment.
    timeline = pd.read_csv(folder / "timeline.csv")
    assert list(timeline["start"]) == [0, 5.5, 11, 16.5]
    assert shown[3].splitlines()[0].startswith(f"{genres['label'][0]} {{'jazz': ")
    exported = pd.read_csv(folder / "features.csv")
    assert list(exported["label"]) == ["jazz"] * 4 + ["rock"] * 4
    assert exported.shape == (8, 2 + 2 * (60 + 96))

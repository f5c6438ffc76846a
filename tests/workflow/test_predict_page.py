"""docs/predict.md, its commands and its Python carried out in their order."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from harness import REPOSITORY, SMALL, copy_workflow, write_tone

PAGE = (REPOSITORY / "docs" / "predict.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", PAGE, flags=re.DOTALL)


def test_page_is_carried_out_word_for_word(tmp_path: Path) -> None:
    folder = tmp_path / "genreflow"
    copy_workflow(folder)
    for label, pitch in (("jazz", 110), ("rock", 440)):
        (folder / "music" / label).mkdir(parents=True)
        for number in range(4):
            path = folder / "music" / label / f"{number}.wav"
            write_tone(path, pitch * 1.02**number, seconds=6, sample_rate=22050)
    (folder / "new" / "album").mkdir(parents=True)
    write_tone(folder / "new" / "song.mp3", 445, seconds=20, sample_rate=44100)
    write_tone(folder / "new" / "album" / "one.flac", 112, seconds=6, sample_rate=44100)
    config = {
        **SMALL,
        "datasets": {"mymusic": {"source": "folder", "folder": "music"}},
        "experiments": [],
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name, module in (("snakemake", "snakemake"), ("genreflow", "genreflow.cli")):
        command = binaries / name
        command.write_text(
            f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(folder / 'workflow' / 'scripts'))} "
            f'exec {shlex.quote(sys.executable)} -m {module} "$@"\n'
        )
        command.chmod(0o755)
    shown = []
    for kind, text in BLOCKS:
        command = [sys.executable, "-c", text] if kind == "python" else ["bash", "-euc", text]
        result = subprocess.run(
            command,
            cwd=folder,
            env={
                "PATH": f"{binaries}:/usr/bin:/bin",
                "HOME": str(tmp_path),
                "PYTHONPATH": str(folder / "workflow" / "scripts"),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{text}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
        shown.append(result.stdout)
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

"""The documented files agree with the schema they follow from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from genreflow.config import Settings, load
from genreflow.config_file import render_config, render_schema

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.mark.parametrize(
    ("name", "render"), [("config.yaml", render_config), ("schema.json", render_schema)]
)
def test_committed_file_is_the_rendered_one(name: str, render: object) -> None:
    assert (CONFIG / name).read_text(encoding="utf-8") == render(), "run `make config`"


def test_default_file_holds_every_key_with_its_default() -> None:
    values = yaml.safe_load(render_config())
    config = load(values, {})
    for name in Settings.model_fields:
        assert name in values
        assert getattr(config, name) == getattr(Settings(), name)

"""Runs of the workflow with results in a bucket, and what is in it afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import collection
from harness import REPOSITORY, Outcome, merge, snakemake_command

NAME, FOLDER = "music", "a/run"
PROFILE = REPOSITORY / "profiles" / "s3"
write_clips = collection.write_clips
#: Audio is removed after its last use, as in a bucket that costs by its size.
CONFIGURATION = merge(
    collection.CONFIGURATION,
    {
        "keep": [],
        "expert": {"epochs": 2},
        "datasets": {"music": {"source": "manifest", "manifest": "manifest.csv", "shards": 2}},
        "experiments": [{"dataset": "music", "partition": "split", "systems": ["SF", "MFCC"]}],
    },
)


class Bucket:
    """A bucket, and runs whose results are in a folder of it."""

    def __init__(self, address: str) -> None:
        import boto3

        #: No file has a key.
        self.environment = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
        }
        client = boto3.resource(
            "s3", endpoint_url=address, region_name="us-east-1",
            aws_access_key_id="nobody", aws_secret_access_key="nothing",
        )  # fmt: skip
        self.objects = client.create_bucket(Bucket=NAME).objects

    def run(
        self,
        folder: Path,
        config: dict[str, object],
        *arguments: str,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run the workflow in a folder of this machine, in a session of its own."""
        command = [
            *snakemake_command(folder, config), "--workflow-profile", str(PROFILE),
            "--default-storage-prefix", f"s3://{NAME}/{FOLDER}", *arguments,
        ]  # fmt: skip
        result = subprocess.run(
            command, env={**self.environment, **(environment or {})}, cwd=folder, text=True,
            capture_output=True, start_new_session=True, check=False, timeout=1500,
        )  # fmt: skip
        return Outcome(result.returncode, result.stdout + result.stderr)

    def content(self) -> dict[str, Any]:
        """Return the objects of the runs by their names, as boto3 has them."""
        return {
            found.key.removeprefix(f"{FOLDER}/"): found.Object()
            for found in self.objects.filter(Prefix=f"{FOLDER}/")
        }


def copies(folder: Path) -> Path:
    """Return where a folder has its copies of the bucket's folder."""
    return folder / ".snakemake" / "storage" / "s3" / NAME / FOLDER


def machine(music: Path, folder: Path) -> Path:
    """Return a new folder that has the clips, as those of another machine."""
    folder.mkdir()
    for path in music.iterdir():
        if path.is_file():
            shutil.copy2(path, folder)
    return folder

"""Every command of every page, in the order of the page, in a small project.

What would take the network, a cluster, root or hours is made a dry run or only read: `HELD` says
which and why.  What a test of its own carries out of a page is not run again here.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mutagen
import pytest
import yaml
from genreflow.errors import UserError
from genreflow.plan.loading import load, read_yaml
from harness import REPOSITORY, write_tone
from pages import (
    PAGES,
    Command,
    blocks,
    carry_out,
    commands,
    is_snakefile,
    write_project,
)

pytestmark = pytest.mark.docs

#: Pages whose blocks are carried out, word for word, by a test of their own.
OWN_TEST = {
    "docs/extending.md": "test_extending.py",
    "docs/module.md": "test_module.py and test_deployment.py",
    "docs/predict.md": "test_predict_page.py",
    "docs/probes.md": "test_probes_page.py",
}
#: Pages that begin with a folder of music and nothing else; their YAML is `my.yaml`.
FROM_THE_START = {
    "README.md": ("jazz", "rock"),
    "docs/tutorial.md": ("classical", "electronic", "pop", "rock"),
}


@dataclass(frozen=True)
class Held:
    """A command that isn't run, and what is done instead."""

    reason: str
    #: ``-n`` is added behind its first word.
    dry: bool = True


TESTS = Held("these tests are part of it")
HOURS = Held("hours of training")
NETWORK = Held("needs the network", dry=False)
DOCKER = Held("needs docker", dry=False)
APPTAINER = Held("needs Apptainer and the image", dry=False)
STORAGE = Held("needs the storage plugin; tests/cloud runs the profile", dry=False)
EXECUTORS = Held("needs the executors; tests/cluster/test_pages.py makes it a dry run", dry=False)
#: Commands that aren't run, as they stand on the pages.
HELD = {
    "make test": TESTS,
    "make test-all": TESTS,
    "make test-docs": TESTS,
    "make test-cluster": TESTS,
    "make test-cloud": TESTS,
    "make test-unit": TESTS,
    'make test-python PYTHON_VERSIONS="3.12 3.13"': Held("needs the network, and other Pythons"),
    "make rulegraph": Held("needs Graphviz; test_catalogue.py holds the picture to the rules"),
    "python -m pytest tests/unit/test_stft.py": Held("is part of `make test`", dry=False),
    "make lint": Held("is part of `make test`"),
    "make docs": Held("tests/unit/test_site.py builds the site"),
    "make config": Held("tests/unit/test_config_file.py compares what it writes"),
    "make bench": HOURS,
    'make bench ONLY="stage.measure_growth"': HOURS,
    "make bench ONLY=load.measure_load": HOURS,
    "make env-slurm": Held("needs the network"),
    "make env-cloud": Held("needs the network"),
    "source .venv-cloud/bin/activate": STORAGE,
    "snakemake --cores 16 --workflow-profile profiles/s3"
    " --default-storage-prefix s3://mybucket/mymusic --configfile my.yaml"
    " -- results/tables.csv": STORAGE,
    "pip install .": NETWORK,
    "pip install pyarrow": NETWORK,
    "pre-commit install": Held("is not in the lock", dry=False),
    **{
        f"snakemake --cores 16 --directory ../{name} --configfile config/{name}.yaml"
        " -- results/tables.csv": Held("needs the network, and takes a day")
        for name in ("gtzan", "fma_small")
    },
    "snakemake --cores 2 --configfile my.yaml config/open_points.yaml -- tables": HOURS,
    "snakemake --cores 2 --sdm conda --configfile my.yaml -- results/tables.csv": Held(
        "needs conda and the network", dry=False
    ),
    "docker build -f envs/Dockerfile -t genreflow .": DOCKER,
    'docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" genreflow'
    " --cores 4 --configfile my.yaml -- results/tables.csv": DOCKER,
    "docker save genreflow -o genreflow.tar": DOCKER,
    "apptainer build genreflow.sif docker-daemon:genreflow:latest": APPTAINER,
    "snakemake --cores 2 --sdm apptainer --configfile my.yaml -- results/tables.csv": APPTAINER,
    "snakemake --cores 4 --snakefile workflow/Snakefile --configfile run_config.yaml": Held(
        "is of a folder that somebody got; test_crate.py runs it there", dry=False
    ),
    "source .venv-slurm/bin/activate": EXECUTORS,
    "snakemake --workflow-profile profiles/slurm --configfile my.yaml"
    " -- results/tables.csv": EXECUTORS,
    "snakemake --profile site --workflow-profile profiles/slurm --configfile my.yaml"
    " -- results/tables.csv": EXECUTORS,
    "snakemake --workflow-profile profiles/generic --configfile my.yaml"
    " -- results/tables.csv": EXECUTORS,
}


def dry(text: str) -> str:
    """Return a command of make or Snakemake with ``-n``."""
    found, number = re.subn(r"\b(make|snakemake)\b", r"\1 -n", text, count=1)
    assert number, f"`{text}` has no dry run"
    return found


def write_music(folder: Path, labels: tuple[str, ...]) -> None:
    """Write a folder of music for each label, with artists in the tags, and music that is new."""
    (folder / "new").mkdir()
    for number, label in enumerate(labels):
        (folder / "music" / label).mkdir(parents=True)
        pitch = 110 * 2**number
        for clip in range(12):
            path = folder / "music" / label / f"{70 + clip:03d}.mp3"
            write_tone(path, pitch * 1.02**clip, seconds=6, sample_rate=22050)
            tags = mutagen.File(path, easy=True)
            tags.add_tags()
            tags["artist"] = (
                f"{label.title()} {clip // 2}" if clip < 10 else "Magnatune Compilation"
            )
            tags.save()
        write_tone(folder / "new" / f"{label}.mp3", pitch, seconds=6, sample_rate=44100)
    shutil.copyfile(folder / "new" / f"{labels[0]}.mp3", folder / "new" / "song.mp3")


def walk(folder: Path, page: str) -> Counter[str]:
    """Carry out a page in a project, and return how many of its commands were run, and how."""
    count: Counter[str] = Counter()
    for block in blocks(page):
        if block.kind == "yaml" and page in FROM_THE_START:
            (folder / "my.yaml").write_text(block.text, encoding="utf-8")
        elif block.kind == "python" and page not in OWN_TEST and not is_snakefile(block):
            carry_out(folder, block)
            count["blocks of Python on the pages, run"] += 1
        elif block.kind == "bash" and page in OWN_TEST:
            count["commands on the pages, run by a page's own test"] += len(commands(block))
        elif block.kind in ("bash", "inline"):
            for command in commands(block):
                why = HELD.get(command.words)
                if why is None:
                    carry_out(folder, command)
                    count["commands on the pages, run"] += 1
                elif why.dry:
                    carry_out(folder, Command(command.page, command.line, dry(command.text)))
                    count["commands on the pages, run dry"] += 1
                else:
                    # The shell has read it, or it would be no command.
                    count["commands on the pages, only read"] += 1
    return count


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Counter[str]]:
    """A project in which README.md was carried out."""
    folder = write_project(tmp_path_factory.mktemp("readme") / "genreflow")
    write_music(folder, FROM_THE_START["README.md"])
    return folder, walk(folder, "README.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_does_what_it_says(
    page: str,
    home: tuple[Path, Counter[str]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    folder, count = home
    if page != "README.md":
        copy = tmp_path / "genreflow"
        if page in FROM_THE_START:
            write_music(write_project(copy), FROM_THE_START[page])
        else:
            shutil.copytree(folder, copy, symlinks=True)
        count = walk(copy, page)
    for name, number in count.items():
        record_property(name, number)


# docs/extending.md has the system that it adds, docs/module.md another workflow's configuration.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in ("docs/extending.md", "docs/module.md")]
)
def test_every_configuration_on_the_page_is_accepted(page: str) -> None:
    defaults = read_yaml(REPOSITORY / "config" / "config.yaml")
    (readme,) = blocks("README.md", "yaml")
    known = yaml.safe_load(readme.text)
    for block in blocks(page, "yaml"):
        own = yaml.safe_load(block.text)
        if "default-resources" in own:  # a profile of Snakemake
            continue
        # A block without datasets is about those of the one before it.
        known = {key: known[key] for key in ("datasets", "experiments")} | own
        try:
            load(defaults, known)
        except UserError as error:
            pytest.fail(f"{block}\n{error}")


def test_what_is_held_back_is_on_a_page() -> None:
    found = {
        command.words
        for page in PAGES
        for block in blocks(page, "bash", "inline")
        for command in commands(block)
    }
    assert not set(HELD) - found, "on no page any more: take them out of HELD"
    assert not set(OWN_TEST) - set(PAGES)


def test_every_block_says_what_it_is() -> None:
    kinds = {"bash", "text", "python", "yaml", "csv", "diff", "inline"}
    other = [str(block) for page in PAGES for block in blocks(page) if block.kind not in kinds]
    assert not other, f"```bash is for commands, ```text for what is shown; known: {sorted(kinds)}"

"""What a job reads is what a job wrote: every kind of damage is refused, and none is silent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import genreflow.jobs.job
import h5py
import numpy as np
import pytest
from genreflow.errors import UserError
from genreflow.files import integrity
from genreflow.files.assignments import Assignment, usable, write_assignments
from genreflow.files.integrity import check_seals, digest_parameters, place_of, seal
from genreflow.files.layouts import Layout
from genreflow.files.models import read_model, write_model
from genreflow.files.store import (
    FeatureFile,
    FeatureSet,
    FeatureWriter,
    check_parameters,
    write_arrays,
)
from safetensors.numpy import save_file

Count = Callable[[str, object], None]
RUN_SCRIPT = Path(genreflow.__file__).parents[2] / "run_script.py"
PARAMETERS = {"audio": {"sample_rate": 22050}, "stft": {"hop": 512}}
CACHES = Path("results/music/features/stft")
CACHE = CACHES / "000-of-002.h5"
OTHER = CACHES / "001-of-002.h5"
SEALED = {
    "partition": Path("results/music/partitions/split.csv"),
    "model": Path("results/music/models/split/seed0/fold0/sf.safetensors"),
    "probabilities": Path("results/music/probabilities/split/seed0/fold0/original.h5"),
}


def write_cache(path: Path, *, parameters: dict[str, object] = PARAMETERS) -> None:
    """Write four clips with moments; the place decides which."""
    rng = np.random.default_rng(len(path.stem) + path.stem.count("1"))
    compressed = path.parent.name == "mel"
    layout = Layout(
        path.parent.name, "stft", ("bin", "frame"), (9, 40), "float32",
        step=0.5 if compressed else None, moments=True,
    )  # fmt: skip
    with FeatureWriter(path, layout, parameters=parameters, sample_rate=1, hop=1) as out:
        for row in range(4):
            out.append(f"{path.stem[:3]}-{row}", 9 * rng.standard_normal(layout.shape))
        out.leave_out(f"{path.stem[:3]}-bad")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a run, with caches and with a sealed file of each format."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(integrity, "ATTEMPTS", 1)
    for path in (CACHE, OTHER, CACHES.with_name("mel") / CACHE.name):
        write_cache(path)
    for path in SEALED.values():
        path.parent.mkdir(parents=True)
    write_assignments([Assignment(0, f"000-{i}", "x", "train") for i in range(4)],
                      SEALED["partition"])  # fmt: skip
    write_model(SEALED["model"], {"weight": np.arange(60.0)}, {"labels": ["a", "b"]})
    write_arrays(SEALED["probabilities"], {"data": np.arange(60.0), "track_id": np.array(["a"])})
    seal(SEALED.values())
    return tmp_path


def content(path: Path) -> list[object]:
    """Return everything that a job takes from a cache."""
    with FeatureFile(path) as cache:
        return [
            (track_id, values.tobytes(), *(np.asarray(m).tobytes() for m in cache.moments(row)))
            for row, (track_id, values) in enumerate(cache)
        ] + [cache.quarantined, cache.parameters, sorted(map(str, cache.attributes.items()))]


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as error:
        content(path)
    message = str(error.value)
    assert str(path) in message
    assert "delete the file" in message
    for word in words:
        assert word in message


def test_what_was_written_is_read(results: Path) -> None:
    check_seals(SEALED.values())
    for path in (CACHE, OTHER):
        assert [entry[0] for entry in content(path)[:4]] == [
            f"{path.stem[:3]}-{i}" for i in range(4)
        ]
    with FeatureSet([CACHE, OTHER]) as features:
        assert features.quarantined == ["000-bad", "001-bad"]


def edit(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        with h5py.File(path, "r+", locking=False) as file:
            change(file)

    return changed


def replace(file: h5py.File, name: str, values: object) -> None:
    kind = h5py.string_dtype("utf-8") if name == "track_id" else None
    del file[name]
    file.create_dataset(name, data=values, dtype=kind)


def link(make: Callable[[Path], h5py.HardLink]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        other = path.with_name("elsewhere.h5")
        shutil.copy(path, other)
        with h5py.File(path, "r+", locking=False) as file:
            file.move("data", "data_")
            file["data"] = make(other)

    return changed


def about(**values: object) -> Callable[[Path], None]:
    def change(file: h5py.File) -> None:
        text = json.dumps(json.loads(file.attrs["about"]) | values).encode()
        file.attrs.create("about", text, dtype=h5py.string_dtype("utf-8", len(text)))

    return edit(change)


def zero_clip(file: h5py.File) -> None:
    # As a page of zeros that a disk gave for a chunk with its checksum.
    file["data"][2] = 0


CHANGES = {
    "zeroed chunk": edit(zero_clip),
    "zeroed moments": edit(lambda f: f["moments/sum"].write_direct(np.zeros((4, 9)))),
    "one value": edit(lambda f: f["data"].__setitem__((1, 3, 7), 0.25)),
    "reversed ids": edit(lambda f: replace(f, "track_id", f["track_id"].asstr()[:][::-1].tolist())),
    "repeated id": edit(lambda f: replace(f, "track_id", ["000-0", "000-1", "000-2", "000-2"])),
    "missing id": edit(lambda f: replace(f, "track_id", ["000-0", "000-1", "000-2"])),
    "missing clip": edit(lambda f: f["data"].resize(3, axis=0)),
    "another clip's values": edit(lambda f: f["data"].__setitem__(0, f["data"][1])),
    "nobody in quarantine": edit(lambda f: replace(f, "quarantined", [])),
    "another hop": about(parameters=json.dumps(PARAMETERS).replace("512", "256")),
    "another feature": about(feature="mel"),
    "parameters that are no map": about(parameters="[]"),
    "another count": edit(lambda f: f["moments"].attrs.update({"count": 39})),
    "another version": about(format_version=3),
    "version 1": edit(lambda f: f.attrs.__delitem__("about")),
    "no digests": edit(lambda f: f.__delitem__("digest")),
    "no data": edit(lambda f: f.__delitem__("data")),
    "soft link": link(lambda other: h5py.SoftLink("/data_")),
    "external link": link(lambda other: h5py.ExternalLink(str(other), "data")),
    "cut": lambda path: os.truncate(path, path.stat().st_size * 2 // 3),
    "emptied": lambda path: os.truncate(path, 0),
    "another shard": lambda path: shutil.copy(OTHER, path) and None,
    "text": lambda path: path.write_text("no HDF5") and None,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_cache_is_refused(results: Path, name: str, record_property: Count) -> None:
    record_property("changed files in results", 1)
    CHANGES[name](CACHE)
    refused(CACHE)


def test_another_datasets_cache_is_refused(results: Path) -> None:
    path = Path("results/other/features/stft") / CACHE.name
    path.parent.mkdir(parents=True)
    shutil.copy(CACHE, path)
    refused(path, "is that of music/features/stft/000-of-002.h5")


def test_a_folder_of_results_may_be_moved_and_a_copied_feature_read(results: Path) -> None:
    expected = content(CACHE)
    (results / "results").rename(results / "moved")
    assert content(results / "moved" / CACHE.relative_to("results")) == expected
    (results / "another").mkdir()
    (results / "moved").rename(results / "another" / "results")
    assert content(Path("another") / CACHE) == expected


def test_shards_of_different_parameters_are_no_feature(results: Path) -> None:
    write_cache(OTHER, parameters={**PARAMETERS, "stft": {"hop": 256}})
    with pytest.raises(UserError, match="not of the feature or the parameters") as error:
        FeatureSet([CACHE, OTHER])
    assert str(OTHER) in str(error.value)


def test_caches_of_other_settings_than_the_dataset_has_are_refused(results: Path) -> None:
    paths = [CACHE, OTHER, SEALED["model"], Path("7"), results / CACHE]
    check_parameters(paths, {"music": digest_parameters(PARAMETERS)})
    check_parameters(paths, {"another": {}})
    now = {**PARAMETERS, "stft": {"hop": 256}}
    with pytest.raises(UserError, match=r"other settings of stft than"):
        check_parameters(paths, {"music": digest_parameters(now)})


def test_a_clip_may_be_missing_only_if_it_is_in_quarantine(results: Path) -> None:
    def assigned(*track_ids: str) -> list[Assignment]:
        return [Assignment(0, track_id, "x", "train") for track_id in track_ids]

    with FeatureSet([CACHE]) as features:
        clips = usable(assigned("000-0", "000-bad"), features, roles=["train"])
        assert [clip.track_id for clip in clips] == ["000-0"]
        with pytest.raises(UserError, match=r"1 clips of the partition are neither .*'001-0'"):
            usable(assigned("000-0", "001-0"), features, roles=["train"])


def swap(path: Path, *, with_seal: bool) -> None:
    """Put another file of the same format in the place of one."""
    other = path.with_name(f"another{path.suffix}")
    write_model(other, {"weight": np.ones(60)}, {"labels": ["b", "a"]})
    seal([other])
    shutil.copy(other, path)
    if with_seal:
        shutil.copy(
            other.with_name(f".{other.name}.sha256"), path.with_name(f".{path.name}.sha256")
        )


def rewrite(old: bytes, new: bytes) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        before = path.read_bytes()
        assert old in before
        path.write_bytes(before.replace(old, new, 1))

    return changed


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("partition", rewrite(b"0,000-1,x,train\n", b""), "not as the job"),
        ("partition", rewrite(b"0,000-1,x,train\n", b"0,000-1,x,train\n" * 2), "not as the job"),
        ("partition", rewrite(b"000-1", b"999-1"), "not as the job"),
        ("partition", rewrite(b"train", b"valid"), "not as the job"),
        ("partition", lambda path: os.truncate(path, 40), "not as the job"),
        ("partition", lambda path: os.truncate(path, 0), "not as the job"),
        ("model", rewrite(b'[\\"a\\", \\"b\\"]', b'[\\"b\\", \\"a\\"]'), "not as the job"),
        ("model", lambda path: swap(path, with_seal=False), "not as the job"),
        ("model", lambda path: swap(path, with_seal=True), "is that of music/models/split"),
        ("probabilities", lambda path: os.truncate(path, 900), "not as the job"),
        ("probabilities", lambda path: path.with_name(f".{path.name}.sha256").unlink(), "no seal"),
    ],
)  # fmt: skip
def test_a_changed_file_is_refused(
    results: Path,
    kind: str,
    change: Callable[[Path], object],
    words: str,
    record_property: Count,
) -> None:
    record_property("changed files in results", 1)
    change(SEALED[kind])
    with pytest.raises(UserError) as error:
        check_seals(SEALED.values())
    message = str(error.value)
    assert words in message
    assert str(SEALED[kind]) in message
    assert "delete the file and run again" in message


def test_a_model_whose_description_is_no_map_is_refused(results: Path) -> None:
    # With a seal, as another tool might write it.
    save_file({"weight": np.ones(3)}, SEALED["model"], metadata={"genreflow": "[1, 2]"})
    with pytest.raises(UserError, match="the model"):
        read_model(SEALED["model"])


def test_seals_are_lines_of_sha256sum(results: Path) -> None:
    if not (tool := shutil.which("sha256sum")):
        pytest.skip("there is no sha256sum")
    for path in SEALED.values():
        where = path.with_name(f".{path.name}.sha256").relative_to("results")
        subprocess.run([tool, "--check", "--strict", where], cwd="results", check=True)


def test_what_is_not_of_the_workflow_has_no_seal(results: Path) -> None:
    own = [Path("7"), Path("music/split.csv"), results / SEALED["partition"], CACHE,
           Path("results/music/classifiers/SF/classifier.json")]  # fmt: skip
    own[1].parent.mkdir()
    own[1].write_text("a user's")
    seal(own)
    check_seals(own)
    assert not list(Path("music").glob(".*"))
    assert place_of(Path("prefix/results/a/b.csv")) == "a/b.csv"


#: Reads damaged copies of a file, each in a process of its own, since HDF5 may end it.
DRIVER = """
import os, signal, sys
import numpy as np
sys.path.insert(0, {tests!r})
from test_integrity import CACHE, CACHES, SEALED, UserError, check_seals, content, integrity
from pathlib import Path

integrity.ATTEMPTS = 1
path, rng = Path(sys.argv[1]), np.random.default_rng(int(sys.argv[2]))
sealed = path in SEALED.values()

def read():
    if not sealed:
        return content(path)
    check_seals([path])
    return path.read_bytes()

original, expected = path.read_bytes(), read()

def damage(number):
    content = bytearray(original)
    start = int(rng.integers(len(content)))
    if number % 4 == 0:
        content[start : start + 512] = bytes(len(content[start : start + 512]))
    elif number % 4 == 1:
        del content[start:]
    else:
        content[start] ^= 1 << int(rng.integers(8))
    return bytes(content)

for number in range(int(sys.argv[3])):
    changed = damage(number)
    pid = os.fork()
    if not pid:
        signal.alarm(5)  # HDF5 may look for ever
        path.write_bytes(changed)
        try:
            same = changed == original or read() == expected
            os._exit(0 if same else 1)
        except UserError:
            os._exit(2)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(3)
    status = os.waitpid(pid, 0)[1]
    print(os.waitstatus_to_exitcode(status))
path.write_bytes(original)
"""
#: Of each format; the mark `long` tries more.
TRIED = 120


def outcomes(path: Path, *, seed: int, number: int) -> list[int]:
    code = DRIVER.format(tests=str(Path(__file__).parent))
    result = subprocess.run(
        [sys.executable, "-c", code, path, str(seed), str(number)],
        env=os.environ | {"PYTHONPATH": str(RUN_SCRIPT.parent / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = [int(line) for line in result.stdout.split()]
    assert len(found) == number
    assert 1 not in found, "damage went unnoticed"
    assert 3 not in found, result.stderr
    return found


@pytest.mark.parametrize(
    "path", [CACHE, CACHES.with_name("mel") / CACHE.name, *SEALED.values()], ids=str
)
def test_random_damage_is_refused_or_changes_nothing(
    results: Path, path: Path, record_property: Count
) -> None:
    found = outcomes(path, seed=0, number=TRIED)
    record_property("files in results with random damage", len(found))
    # Some bytes of HDF5 say nothing; and where HDF5 itself ends (below 0), so does the job.
    assert sum(code == 2 for code in found) > TRIED // 2


@pytest.mark.long
@pytest.mark.parametrize("path", [CACHE, CACHES.with_name("mel") / CACHE.name], ids=str)
def test_so_it_is_with_thousands(results: Path, path: Path, record_property: Count) -> None:
    found = outcomes(path, seed=1, number=5000)
    record_property("files in results with random damage", len(found))


def test_a_job_checks_what_it_reads_and_seals_what_it_writes(results: Path) -> None:
    scripts = results / "scripts"
    scripts.mkdir()
    (scripts / "copy_file.py").write_text(
        "import shutil\ndef main(job):\n    shutil.copy(job.path('source'), job.path('copy'))\n"
    )
    target = Path("results/music/copies.csv")

    def run(source: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, RUN_SCRIPT, "copy_file", "--written", "copy",
             "--source", source, "--copy", target],
            env=os.environ | {"PYTHONPATH": str(scripts)} | environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run(SEALED["partition"]).returncode == 0
    check_seals([target])
    rewrite(b"train", b"valid")(SEALED["partition"])
    target.unlink()
    result = run(SEALED["partition"])
    assert result.returncode == 1
    assert "Error: the file is not as the job that wrote it left it." in result.stderr
    assert not target.exists()
    # Caches are checked by those who read them, and their settings here.
    other = {"music": digest_parameters({**PARAMETERS, "stft": {"hop": 256}})}
    result = run(CACHE, GENREFLOW_PARAMETERS=json.dumps(other))
    assert "made with other settings of stft" in result.stderr
    assert run(CACHE).returncode == 0

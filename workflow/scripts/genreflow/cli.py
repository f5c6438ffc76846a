"""The command ``genreflow``: classify music with a trained classifier; export cached features."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genreflow import __version__, load, read_features
from genreflow.classifiers.folder import read_folder
from genreflow.errors import UserError, printable
from genreflow.files.atomic import explain_fault, write_whole

if TYPE_CHECKING:
    from genreflow.classifiers.classifier import Classifier, Prediction

#: Status of a run that left files out.
FILES_LEFT_OUT = 3
#: As of a process that SIGINT ended.
INTERRUPTED = 130
#: Seconds between lines of progress where the output is no terminal.
QUIET = 30.0
#: Of a process of the pool.
_classifier: Classifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its status: 0, 1 (a mistake), 3 (files left out), 130 (Ctrl-C)."""
    parser = argparse.ArgumentParser(prog="genreflow", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    predict = commands.add_parser(
        "predict",
        help="classify audio files",
        description="Classify audio files, and all those in folders: a row a file.",
    )
    predict.set_defaults(run=_predict)
    predict.add_argument("classifier", type=Path, help="folder of a classifier")
    predict.add_argument("music", type=Path, nargs="+", metavar="FILE_OR_FOLDER")
    predict.add_argument("--csv", type=Path, metavar="OUT", help="write the rows here")
    predict.add_argument("--json", type=Path, metavar="OUT", help="write everything here, as JSON")
    predict.add_argument(
        "--segments", type=Path, metavar="OUT", help="write the timeline: a row a segment"
    )
    predict.add_argument(
        "--jobs",
        type=_positive,
        default=_cores(),
        metavar="N",
        help="files at a time (default: %(default)s)",
    )
    predict.add_argument(
        "--first",
        action="store_true",
        help="use each file's first clip alone, as experiments do",
    )
    export = commands.add_parser(
        "export",
        help="write cached features as a table",
        description="Write mean and deviation of every row of cached features: a row a clip.",
    )
    export.set_defaults(run=_export)
    export.add_argument("dataset", type=Path, help="folder of a dataset, such as results/mymusic")
    export.add_argument(
        "--features", required=True, metavar="NAME,NAME...", help="such as mfcc,mel_original"
    )
    export.add_argument("--out", type=Path, required=True, metavar="OUT.csv")
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if not (fault := explain_fault(error)):
            raise
        print(f"Error: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was done is written.", file=sys.stderr)
        return INTERRUPTED
    return status


def _predict(options: argparse.Namespace) -> int:
    files = list(find_music(options.music))
    outputs = (options.csv, options.json, options.segments)
    for path in filter(None, outputs):
        _check_output(path)
    found: dict[Path, Prediction] = {}
    bad: dict[Path, str] = {}
    try:
        for path, result in _progress(_run(files, options), len(files)):
            if isinstance(result, str):
                bad[path] = result
            else:
                found[path] = result
    finally:
        # Also what was done before an interruption.
        _write(options.csv, _rows(found), show=not any(outputs))
        if options.segments:
            _write(options.segments, _segment_rows(found))
        if options.json:
            _write_text(options.json, _as_json(found, bad))
    for path, reason in bad.items():
        print(printable(f"{path}: left out: {reason}"), file=sys.stderr)
    if bad:
        print(f"{len(bad)} of {len(files)} files were left out.", file=sys.stderr)
    return FILES_LEFT_OUT if bad else 0


def find_music(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files as given, and the audio in folders as `find_audio` finds it; each once.

    Raises
    ------
    UserError
        A path is not there, or a folder holds no audio.
    """
    from genreflow.collections.folder import AUDIO_SUFFIXES, find_audio

    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise UserError("there is no such file or folder.", where=str(path))
        found = [path]
        if path.is_dir():
            found = [path / file for file in find_audio(path, labelled=False).files]
            if not found:
                raise UserError(
                    "the folder holds no audio files.",
                    where=str(path),
                    expected=" ".join(AUDIO_SUFFIXES),
                )
        for file in found:
            if file not in seen:
                seen.add(file)
                yield file


def _run(
    files: Sequence[Path], options: argparse.Namespace
) -> Iterator[tuple[Path, Prediction | str]]:
    """Yield each file with its prediction, or with the reason why there is none."""
    jobs = min(options.jobs, len(files))
    with ExitStack() as stack:
        if jobs == 1:
            classifier = load(options.classifier)
            results: Iterable[Prediction | str] = (
                _one(classifier, file, options.first) for file in files
            )
        else:
            # A damaged classifier is told once, and not by every process.
            read_folder(options.classifier)
            pool = stack.enter_context(
                ProcessPoolExecutor(
                    jobs,
                    mp_context=get_context("spawn"),
                    initializer=_start,
                    initargs=(options.classifier,),
                )
            )
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            results = pool.map(_one_in_pool, files, [options.first] * len(files))
        try:
            yield from zip(files, results, strict=True)
        except BrokenProcessPool:
            raise UserError(
                "a process was killed, most likely for its memory.",
                hint=f"use fewer than {jobs} `--jobs`; what was done is written.",
            ) from None


def _start(folder: Path) -> None:
    """Begin a process of the pool."""
    global _classifier
    # Ctrl-C is for the process that collects the results.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _classifier = load(folder)


def _one_in_pool(path: Path, first: bool) -> Prediction | str:
    return _one(_classifier, path, first)


def _one(classifier: Classifier, path: Path, first: bool) -> Prediction | str:
    try:
        return classifier.predict(path, first=first)
    except UserError as error:
        return str(error).partition("\n")[0]
    except Exception as error:
        # One file never stops the others.
        return f"{type(error).__name__}: {error}"


def _progress(
    results: Iterable[tuple[Path, Prediction | str]], number: int
) -> Iterator[tuple[Path, Prediction | str]]:
    """Pass results through, and say on the terminal how many are done and how long it will take."""
    started = last = time.monotonic()
    terminal = sys.stderr.isatty()
    for done, result in enumerate(results, start=1):
        yield result
        now = time.monotonic()
        if terminal or now - last > QUIET or done == number:
            last = now
            left = round((now - started) / done * (number - done))
            text = f"{done} of {number} files, {left // 60} min {left % 60:02d} s left"
            end = "\r" if terminal and done < number else "\n"
            print(text, file=sys.stderr, end=end, flush=True)


def _rows(found: Mapping[Path, Prediction]) -> Iterator[dict[str, Any]]:
    for path, prediction in found.items():
        yield {"path": str(path), **prediction.row()}


def _segment_rows(found: Mapping[Path, Prediction]) -> Iterator[dict[str, Any]]:
    for path, prediction in found.items():
        for segment in prediction.segments:
            yield {"path": str(path), **segment.row()}


def _as_json(found: Mapping[Path, Prediction], bad: Mapping[Path, str]) -> str:
    from dataclasses import asdict

    content = [{"path": str(path), **asdict(prediction)} for path, prediction in found.items()]
    content += [{"path": str(path), "error": reason} for path, reason in bad.items()]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path | None, rows: Iterable[Mapping[str, Any]], *, show: bool = False) -> None:
    """Write rows as CSV to a file, or show them."""
    table = list(rows)
    text = io.StringIO(newline="")
    if table:
        writer = csv.DictWriter(text, table[0], lineterminator="\n")
        writer.writeheader()
        for row in table:
            writer.writerow({k: f"{v:.6f}" if isinstance(v, float) else v for k, v in row.items()})
    if path is not None:
        _write_text(path, text.getvalue())
    elif show:
        sys.stdout.write(text.getvalue())


def _write_text(path: Path, text: str) -> None:
    # A name that is no Unicode, as old file systems have them, is written as it is.
    write_whole(path, text.encode("utf-8", "surrogateescape"))


def _check_output(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError("no file can be written here.", where=str(path))


def _export(options: argparse.Namespace) -> int:
    import pandas as pd

    _check_output(options.out)
    tables = []
    for name in options.features.split(","):
        with read_features(options.dataset / "features" / name.strip()) as features:
            tables.append(features.to_dataframe())
    table = pd.concat(tables, axis=1, join="inner")
    manifest = options.dataset / "manifest.csv"
    if manifest.is_file():
        known = pd.read_csv(manifest, dtype=str, keep_default_na=False).set_index("track_id")
        table.insert(0, "label", known["label"].reindex(table.index))
    _write_text(options.out, table.to_csv(lineterminator="\n"))
    print(f"{len(table)} clips, {table.shape[1]} columns: {options.out}", file=sys.stderr)
    return 0


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())

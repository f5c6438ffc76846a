"""What planning knows of somebody's embeddings: that they are there, and their state."""

from __future__ import annotations

from pathlib import Path

from genreflow.collections.collection import states_digest
from genreflow.errors import UserError

#: What `genreflow.baselines.embeddings` reads; a folder has none.
SUFFIXES = (".h5", ".hdf5", ".npz", ".parquet")


def plan_probe(name: str, vectors: str) -> str:
    """Return the state of a probe's folder: a digest of its files' names, sizes and times.

    A file's state is its own time, which Snakemake sees; so it has none.

    Raises
    ------
    UserError
        There is no such file or folder, or it is of another kind.
    """
    path = Path(vectors)
    where = f"config, probes.{name}.vectors"
    expected = f"a file ({', '.join(SUFFIXES)}) or a folder of .npy, by track id"
    if not path.exists():
        raise UserError(f"{vectors!r} does not exist.", where=where, expected=expected)
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(
                f"{vectors!r} is of no kind that is read.", where=where, expected=expected
            )
        return ""
    states = {file.relative_to(path).as_posix(): file.stat() for file in path.rglob("*.npy")}
    if not states:
        raise UserError(f"no .npy file lies in {vectors!r}.", where=where, expected=expected)
    return states_digest({file: [s.st_size, s.st_mtime_ns] for file, s in states.items()})

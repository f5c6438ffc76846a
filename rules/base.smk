"""Where the files of this workflow lie."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory


def unpacked(source):
    """Return where a path in a repository at a Git host is on this machine, as of its commit.

    Snakemake copies from there only what it reads itself, and each job runs scripts and the package.
    """
    repository = source.hosted_repo.repo
    commit = repository.commit(source.ref)
    folder = Path(workflow.sourcecache.cache_path) / "genreflow" / commit.hexsha
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as temporary:
            archive = Path(temporary, "archive.zip")
            with archive.open("wb") as file:
                repository.archive(file, commit.hexsha, format="zip")
            # Python unpacks a zip archive safely in each of its versions.
            shutil.unpack_archive(archive, Path(temporary, "files"))
            try:
                Path(temporary, "files").rename(folder)
            except OSError:
                # Another run was quicker.
                if not folder.is_dir():
                    raise
    return folder / source.path


# Of this file, since a workflow that uses this one as a module has a folder of its own.
SOURCE = workflow.current_basedir
BASE = (unpacked(SOURCE) if hasattr(SOURCE, "hosted_repo") else Path(SOURCE.path)).parent

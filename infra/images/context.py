"""Writes the folder that Docker builds an image in: its inputs, and nothing else."""

import os
import posixpath
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gitrepo import Entry, Repository
from gitrepo.objects import EXECUTABLE, FOLDER, LINK, SUBMODULE
from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs

_UNUSED_SECONDS = 24 * 60 * 60


def keep_context(repository: Repository, inputs: Inputs, folder: Path) -> Path:
    """The folder `<image>/<version>` in `folder`, filled if it is not there yet, and never changed after.

    So a build that takes its time has the files of its version, whatever runs beside it and whatever is written
    meanwhile. Folders that nobody has asked for in a day are removed. Raises `ImageSourceError` as `write_context`.
    """
    image = folder / inputs.name
    image.mkdir(parents=True, exist_ok=True)
    kept = image / inputs.version
    if kept.is_dir():
        os.utime(kept)
    else:
        _fill(repository, inputs, kept)
    for other in image.iterdir():
        with suppress(FileNotFoundError):  # another run was faster
            if other != kept and time.time() - other.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    return kept


def _fill(repository: Repository, inputs: Inputs, kept: Path) -> None:
    """All at once: a folder that is there is whole."""
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=kept.parent))
    try:
        write_context(repository, inputs, new)
        new.rename(kept)
    except OSError:
        if not kept.is_dir():  # another run was faster
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_context(repository: Repository, inputs: Inputs, folder: Path) -> None:
    """Fills an empty folder. What git ignores is not in it, nor what the version does not depend on.

    Docker takes permissions over into the image: they are the same whatever the umask is. Raises `ImageSourceError`
    where the inputs hold a submodule, or files that Git has a stand-in for: they are not in the repository.
    """
    files = dict(_files(repository, inputs))
    paths = {posixpath.normpath(posixpath.join(inputs.workspace, path)): path for path in files}
    if filtered := repository.paths_with_filter(paths):
        raise ImageSourceError(
            f"{inputs.name}: Git stores something else for {filtered[0]}, as its attribute `filter` says (LFS is such "
            "a filter); images are built from what Git stores"
        )
    for path, entry in files.items():
        _write(repository.objects.content(entry.id), entry.mode, folder / path)
    for path, text in inputs.cut.items():
        (folder / path).write_text(text, encoding="utf-8")
        (folder / path).chmod(0o644)
    for each, _, _ in os.walk(folder):
        Path(each).chmod(0o755)


def _files(repository: Repository, inputs: Inputs) -> Iterator[tuple[str, Entry]]:
    waiting = list(inputs.taken.items())
    while waiting:
        path, entry = waiting.pop()
        if entry.mode == SUBMODULE:
            raise ImageSourceError(f"{inputs.name}: {path} is a submodule; images cannot be built from submodules")
        if entry.mode == FOLDER:
            below = repository.objects.tree(entry.id)
            waiting += ((posixpath.normpath(posixpath.join(path, name)), each) for name, each in below.items())
        else:
            yield path, entry


def _write(content: bytes, mode: int, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode == LINK:
        target.symlink_to(os.fsdecode(content))
        return
    target.write_bytes(content)
    target.chmod(0o755 if mode == EXECUTABLE else 0o644)

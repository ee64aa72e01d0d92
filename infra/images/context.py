"""Writes the folder that Docker builds an image in: its inputs, and nothing else."""

import os
import posixpath
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pygit2

from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs

_EXECUTABLE = pygit2.enums.FileMode.BLOB_EXECUTABLE
_LINK = pygit2.enums.FileMode.LINK
_UNUSED_SECONDS = 24 * 60 * 60


def keep_context(repository: pygit2.Repository, inputs: Inputs, folder: Path) -> Path:
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


def _fill(repository: pygit2.Repository, inputs: Inputs, kept: Path) -> None:
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


def write_context(repository: pygit2.Repository, inputs: Inputs, folder: Path) -> None:
    """Fills an empty folder. What git ignores is not in it, nor what the version does not depend on.

    Docker takes permissions over into the image: they are the same whatever the umask is. Raises `ImageSourceError`
    where the inputs hold a submodule: its files are not in the repository.
    """
    for path, entry in inputs.taken.items():
        _write(repository, repository[entry.id], entry.mode, inputs.name, folder / path)
    for path, text in inputs.cut.items():
        (folder / path).write_text(text, encoding="utf-8")
        (folder / path).chmod(0o644)
    for each, _, _ in os.walk(folder):
        Path(each).chmod(0o755)


def _write(repository: pygit2.Repository, item: pygit2.Object, mode: int, image: str, target: Path) -> None:
    if isinstance(item, pygit2.Tree):
        target.mkdir(parents=True, exist_ok=True)
        for each in item:
            if each.filemode == pygit2.enums.FileMode.COMMIT:
                raise ImageSourceError(
                    f"{image}: {posixpath.join(target.name, str(each.name))} is a submodule; "
                    "images cannot be built from submodules"
                )
            _write(repository, each, int(each.filemode), image, target / str(each.name))
    elif isinstance(item, pygit2.Blob):
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == _LINK:
            target.symlink_to(item.data.decode())
            return
        target.write_bytes(item.data)
        target.chmod(0o755 if mode == _EXECUTABLE else 0o644)

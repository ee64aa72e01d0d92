"""Writes the folder that Docker builds an image in: its inputs, and nothing else."""

import posixpath
from pathlib import Path

import pygit2

from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs

_EXECUTABLE = pygit2.enums.FileMode.BLOB_EXECUTABLE
_LINK = pygit2.enums.FileMode.LINK


def write_context(repository: pygit2.Repository, inputs: Inputs, folder: Path) -> None:
    """Fills an empty folder. What git ignores is not in it, nor what the version does not depend on.

    Raises `ImageSourceError` where the inputs hold a submodule: its files are not in the repository.
    """
    for path, entry in inputs.taken.items():
        _write(repository, repository[entry.id], entry.mode, inputs.name, folder / path)
    for path, text in inputs.cut.items():
        (folder / path).write_text(text, encoding="utf-8")


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

"""Writes an image's Docker build context, which contains only the image's inputs."""

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
    """Creates the build context `<image>/<version>` in `folder`, unless it exists, and returns its path.

    A context never changes, so concurrent runs and edits cannot affect a long build. Contexts that have been unused for
    a day are removed. Raises `ImageSourceError` like `write_context`.
    """
    image = folder / inputs.name
    image.mkdir(parents=True, exist_ok=True)
    kept = image / inputs.version
    if kept.is_dir():
        os.utime(kept)
    else:
        _fill(repository, inputs, kept)
    for other in image.iterdir():
        with suppress(FileNotFoundError):  # removed by a concurrent run
            if other != kept and time.time() - other.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    return kept


def _fill(repository: Repository, inputs: Inputs, kept: Path) -> None:
    """Creates the context atomically: an existing folder is always complete."""
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=kept.parent))
    try:
        write_context(repository, inputs, new)
        new.rename(kept)
    except OSError:
        if not kept.is_dir():  # otherwise created by a concurrent run
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_context(repository: Repository, inputs: Inputs, folder: Path) -> None:
    """Fills an empty folder with the inputs. Omits gitignored files and anything else that does not affect the version.

    Permissions do not depend on the umask, because Docker copies them into the image. Raises `ImageSourceError` if the
    inputs contain a submodule or files with a Git filter, whose content is not in the repository.
    """
    files = dict(_files(repository, inputs))
    paths = {posixpath.normpath(posixpath.join(inputs.workspace, path)): path for path in files}
    if filtered := repository.paths_with_filter(paths):
        raise ImageSourceError(
            f"{inputs.name}: {filtered[0]} has a Git filter (such as LFS), but images are built from the unfiltered "
            "content that Git stores. Remove the file's `filter` attribute"
        )
    for path, entry in files.items():
        _write(repository.objects.content(entry.id), entry.mode, folder / path)
    for path, text in inputs.cut.items():
        (folder / path).write_text(text, encoding="utf-8")
        (folder / path).chmod(0o644)
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o755)


def _files(repository: Repository, inputs: Inputs) -> Iterator[tuple[str, Entry]]:
    waiting = list(inputs.taken.items())
    while waiting:
        path, entry = waiting.pop()
        if entry.mode == SUBMODULE:
            raise ImageSourceError(f"{inputs.name}: {path} is a submodule; images cannot be built from submodules")
        if entry.mode == FOLDER:
            children = repository.objects.tree(entry.id)
            waiting += ((posixpath.normpath(posixpath.join(path, name)), child) for name, child in children.items())
        else:
            yield path, entry


def _write(content: bytes, mode: int, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode == LINK:
        target.symlink_to(os.fsdecode(content))
        return
    target.write_bytes(content)
    target.chmod(0o755 if mode == EXECUTABLE else 0o644)

"""The inputs of images in a working copy, including uncommitted changes."""

import posixpath
from pathlib import Path

from gitrepo import Repository
from infra.images.context import keep_context
from infra.images.errors import ImageSourceError
from infra.images.images_file import load_sources
from infra.images.inputs import Inputs
from infra.images.versions import Versions


class WorkingCopy:
    """A working copy with an `images.yaml` in its root."""

    def __init__(self, folder: Path) -> None:
        """Raises `SettingsError` if `images.yaml` is invalid, and `ImageSourceError` outside a Git repository."""
        repository = Repository.find(folder)
        if repository is None:
            raise ImageSourceError(f"{folder} is not in a Git repository, but image versions are computed from Git")
        self.repository = repository
        self.sources = load_sources(repository.root)
        self.versions = Versions(repository, self.sources)
        self.state = repository.working_state()

    def inputs(self, image: str) -> Inputs:
        """The current inputs of an image. Raises `ImageSourceError`."""
        if image not in self.sources.images:
            known = ", ".join(self.versions.images)
            raise ImageSourceError(f"{image}: not in images.yaml; available: {known}")
        inputs = self.versions.inputs(image, self.state.tree)
        taken = [posixpath.normpath(posixpath.join(self.sources.workspace, path)) for path in inputs.taken]
        for path in self.state.opaque:
            if any(folder in (".", path) or path.startswith(f"{folder}/") for folder in taken):
                raise ImageSourceError(
                    f"{image}: {path} is a nested Git repository whose files cannot be committed here; remove it, or "
                    "add it to .gitignore"
                )
        return inputs

    def keep_context(self, image: str, folder: Path) -> tuple[Inputs, Path]:
        """The current inputs of an image, and its build context in `folder`. Raises `ImageSourceError`."""
        inputs = self.inputs(image)
        return inputs, keep_context(self.repository, inputs, folder)

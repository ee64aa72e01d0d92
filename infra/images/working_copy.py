"""The images as the files of a working copy would make them now, committed or not."""

import posixpath
from pathlib import Path

from gitrepo import Repository
from infra.images.context import keep_context
from infra.images.errors import ImageSourceError
from infra.images.images_file import load_sources
from infra.images.inputs import Inputs
from infra.images.versions import Versions


class WorkingCopy:
    """A working copy whose root has an `images.yaml`."""

    def __init__(self, folder: Path) -> None:
        """Raises `SettingsError` where `images.yaml` is wrong, `ImageSourceError` where there is no git repository."""
        repository = Repository.find(folder)
        if repository is None:
            raise ImageSourceError(f"{folder} belongs to no git repository: versions are those of what git holds")
        self.repository = repository
        self.sources = load_sources(repository.root)
        self.versions = Versions(repository, self.sources)
        self.state = repository.working_state()

    def inputs(self, image: str) -> Inputs:
        """What an image is built from now. Raises `ImageSourceError`."""
        if image not in self.sources.images:
            known = ", ".join(self.versions.images)
            raise ImageSourceError(f"{image}: images.yaml does not describe it; it describes {known}")
        inputs = self.versions.inputs(image, self.state.tree)
        taken = [posixpath.normpath(posixpath.join(self.sources.workspace, path)) for path in inputs.taken]
        for path in self.state.opaque:
            if any(folder in (".", path) or path.startswith(f"{folder}/") for folder in taken):
                raise ImageSourceError(
                    f"{image}: {path} is a repository of its own with files that no commit of this one names; remove "
                    "it, or have Git ignore it"
                )
        return inputs

    def keep_context(self, image: str, folder: Path) -> tuple[Inputs, Path]:
        """What the image is built from, and the folder in `folder` that holds it. Raises `ImageSourceError`."""
        inputs = self.inputs(image)
        return inputs, keep_context(self.repository, inputs, folder)

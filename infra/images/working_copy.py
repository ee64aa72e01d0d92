"""The images as the files of a working copy would make them now, committed or not."""

from pathlib import Path

import pygit2

from infra.images.context import keep_context
from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs
from infra.images.reading import load_sources
from infra.images.versions import Versions


def find_repository(folder: Path) -> pygit2.Repository | None:
    """The git repository that a folder belongs to."""
    found = pygit2.discover_repository(str(folder))
    return None if found is None else pygit2.Repository(found)


def working_tree(repository: pygit2.Repository) -> pygit2.Tree:
    """The tree that a commit of everything would have; the index on disk stays as it is, ignored files do not count."""
    index = repository.index
    index.read()
    index.add_all()  # takes out what is gone as well
    tree = repository[index.write_tree()]
    assert isinstance(tree, pygit2.Tree)
    return tree


class WorkingCopy:
    """A working copy whose root has an `images.yaml`."""

    def __init__(self, folder: Path) -> None:
        """Raises `SettingsError` where `images.yaml` is wrong, `ImageSourceError` where there is no git repository."""
        repository = find_repository(folder)
        if repository is None:
            raise ImageSourceError(f"{folder} belongs to no git repository: versions are those of what git holds")
        self.repository = repository
        root = Path(repository.workdir)
        self.sources = load_sources(root)
        self.versions = Versions(repository, self.sources)
        self.tree = working_tree(repository)

    def inputs(self, image: str) -> Inputs:
        """What an image is built from now. Raises `ImageSourceError`."""
        if image not in self.sources.images:
            known = ", ".join(self.versions.images)
            raise ImageSourceError(f"{image}: images.yaml does not describe it; it describes {known}")
        return self.versions.inputs(image, self.tree)

    def keep_context(self, image: str, folder: Path) -> tuple[Inputs, Path]:
        """What the image is built from, and the folder in `folder` that holds it. Raises `ImageSourceError`."""
        inputs = self.inputs(image)
        return inputs, keep_context(self.repository, inputs, folder)

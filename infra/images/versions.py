"""Computes the versions of all images for any state of the repository."""

from collections import deque

from gitrepo import Repository
from infra.images.inputs import Inputs, inputs_of
from infra.images.tree import Files, Reader
from infra.settings.images import ImageSources

_KEPT = 4
"""Cached inputs per image: consecutive commits, or a commit and its parent, usually have the same inputs."""


class Versions:
    """Computes and caches versions, so even a long history is processed quickly."""

    def __init__(self, repository: Repository, sources: ImageSources) -> None:
        self._sources = sources
        self._reader = Reader(repository)
        self._recent: dict[str, deque[Inputs]] = {name: deque(maxlen=_KEPT) for name in sources.images}

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the images."""
        return tuple(self._sources.images)

    def load(self, trees: list[str]) -> None:
        """Preloads the objects that `inputs` reads from many trees, which is faster than one tree at a time."""
        self._reader.load(trees, self._sources.workspace)

    def inputs(self, image: str, tree: str) -> Inputs:
        """An image's inputs in the tree with the given object id.

        Raises `ImageSourceError` if a file is missing or unreadable.
        """
        files = Files.of(self._reader, tree, self._sources.workspace)
        recent = self._recent[image]
        for candidate in recent:
            if files is not None and candidate.are_in(files):
                return candidate
        inputs = inputs_of(image, self._sources.images[image], self._sources.workspace, files)
        recent.appendleft(inputs)
        return inputs

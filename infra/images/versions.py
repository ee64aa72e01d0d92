"""The versions of all images, at any state of the repository."""

from collections import deque

from gitrepo import Repository
from infra.images.inputs import Inputs, inputs_of
from infra.images.tree import Files, Reader
from infra.settings.images import ImageSources

_KEPT = 4
"""Inputs of each image that are kept: a commit's are most often those of the commit before it, or of its parent."""


class Versions:
    """Keeps what it has read: a long history is walked in a moment."""

    def __init__(self, repository: Repository, sources: ImageSources) -> None:
        self._sources = sources
        self._reader = Reader(repository)
        self._last: dict[str, deque[Inputs]] = {name: deque(maxlen=_KEPT) for name in sources.images}

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the images."""
        return tuple(self._sources.images)

    def load(self, trees: list[str]) -> None:
        """Read what `inputs` will look at first in each of many trees, which is faster than one by one."""
        self._reader.load(trees, self._sources.workspace)

    def inputs(self, image: str, tree: str) -> Inputs:
        """What an image is built from in a tree, given by its object's name.

        Raises `ImageSourceError` where something is missing or cannot be read.
        """
        files = Files.of(self._reader, tree, self._sources.workspace)
        last = self._last[image]
        for known in last:
            if files is not None and known.are_in(files):
                return known
        inputs = inputs_of(image, self._sources.images[image], self._sources.workspace, files)
        last.appendleft(inputs)
        return inputs

"""Finds the commit at which an image had a given version, and later commits that changed its inputs."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from gitrepo import Commit, Repository, ShallowError
from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs
from infra.images.versions import Versions

_BATCH_SIZE = 128
"""Number of commits to read at a time."""


@dataclass(frozen=True)
class ImageChange:
    """A commit that changed an image's inputs."""

    commit: str
    author: str
    time: datetime
    subject: str
    paths: tuple[str, ...]
    """The image inputs that the commit changed."""


class History:
    """The history of a commit and of ``others`` that it may not include, such as a hotfix branch.

    Each commit's image inputs are computed only once.
    """

    def __init__(self, repository: Repository, versions: Versions, head: str, others: Collection[str] = ()) -> None:
        self._repository = repository
        self._versions = versions
        self._head = head
        self._walked: list[Commit] = []
        self._walk = repository.history(head, *others)
        self._known: dict[tuple[str, str], Inputs | None] = {}

    def find(self, image: str, versions: Collection[str]) -> dict[str, str]:
        """The latest commit at which the image had each version; versions without a commit are left out."""
        missing = {*versions}
        commits: dict[str, str] = {}
        for commit in self._loaded(self._commits()) if missing else ():
            inputs = self._inputs(image, commit.tree)
            if inputs is not None and inputs.version in missing:
                commits[inputs.version] = commit.id
                missing.discard(inputs.version)
                if not missing:
                    break
        return commits

    def changes(self, image: str, since: str, until: str | None = None) -> list[ImageChange]:
        """The commits in ``since..until`` that changed the image's inputs, newest first.

        ``until`` defaults to the head. Merge commits are left out, but not the commits that they merge. Raises
        ShallowError if a shallow clone lacks some of these commits.
        """
        commits = self._repository.history(until or self._head, hidden=(since,))
        return [change for commit in self._loaded(commits) if (change := self._change(image, commit))]

    def _commits(self) -> Iterator[Commit]:
        """All commits, reading each only once."""
        yield from self._walked
        for commit in self._walk:
            self._walked.append(commit)
            yield commit

    def _loaded(self, commits: Iterator[Commit]) -> Iterator[Commit]:
        """The same commits, read in batches."""
        while batch := list(itertools.islice(commits, _BATCH_SIZE)):
            self._versions.load([commit.tree for commit in batch])
            yield from batch

    def _change(self, image: str, commit: Commit) -> ImageChange | None:
        parents = commit.parents
        if len(parents) > 1:
            return None
        if not parents and self._repository.is_shallow:
            raise ShallowError(self._repository.root)
        after = self._inputs(image, commit.tree)
        before = self._inputs(image, self._repository.tree(parents[0])) if parents else None
        if after is None or (before is not None and before.version == after.version):
            return None
        return ImageChange(
            commit=commit.id,
            author=commit.author,
            time=datetime.fromtimestamp(commit.time, UTC),
            subject=commit.subject,
            paths=tuple(after.changes(before) if before else after.taken),
        )

    def _inputs(self, image: str, tree: str) -> Inputs | None:
        """The image's inputs in a tree; None if the image cannot be built from it."""
        key = (image, tree)
        if key not in self._known:
            self._known[key] = None
            with suppress(ImageSourceError):
                self._known[key] = self._versions.inputs(image, tree)
        return self._known[key]

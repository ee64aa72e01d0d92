"""Where in a repository's history an image had a version, and what has changed its inputs since."""

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

_AT_ONCE = 128
"""Commits."""


@dataclass(frozen=True)
class ImageChange:
    """A commit that changed what an image is built from."""

    commit: str
    author: str
    time: datetime
    subject: str
    paths: tuple[str, ...]
    """What of the image's inputs it changed."""


class History:
    """The history of a commit, and of ``others`` where what is looked for may not be in it, such as a hot-fix's branch.

    What each commit's images are built from is found out once.
    """

    def __init__(self, repository: Repository, versions: Versions, head: str, others: Collection[str] = ()) -> None:
        self._repository = repository
        self._versions = versions
        self._head = head
        self._walked: list[Commit] = []
        self._walk = repository.history(head, *others)
        self._known: dict[tuple[str, str], Inputs | None] = {}

    def find(self, image: str, versions: Collection[str]) -> dict[str, str]:
        """The newest commit at which the image had each of these versions; those that it never had are missing."""
        wanted = {*versions}
        found: dict[str, str] = {}
        for commit in self._loaded(self._commits()) if wanted else ():
            inputs = self._inputs(image, commit.tree)
            if inputs is not None and inputs.version in wanted:
                found[inputs.version] = commit.id
                wanted.discard(inputs.version)
                if not wanted:
                    break
        return found

    def changes(self, image: str, since: str, until: str | None = None) -> list[ImageChange]:
        """The commits that changed the image's inputs and that ``since`` does not hold; the newest first.

        ``until``: the commit that holds them, instead of the head. Merges are left out: what they bring in is listed.
        Raises ShallowError where a shallow clone lacks some of them.
        """
        commits = self._repository.history(until or self._head, hidden=(since,))
        return [change for commit in self._loaded(commits) if (change := self._change(image, commit))]

    def _commits(self) -> Iterator[Commit]:
        """Those that were walked before are not read again."""
        yield from self._walked
        for commit in self._walk:
            self._walked.append(commit)
            yield commit

    def _loaded(self, commits: Iterator[Commit]) -> Iterator[Commit]:
        """The same, read many at a time."""
        while some := list(itertools.islice(commits, _AT_ONCE)):
            self._versions.load([commit.tree for commit in some])
            yield from some

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
        """None where the image could not be built."""
        key = (image, tree)
        if key not in self._known:
            self._known[key] = None
            with suppress(ImageSourceError):
                self._known[key] = self._versions.inputs(image, tree)
        return self._known[key]

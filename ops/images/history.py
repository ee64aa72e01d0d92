"""Where in a repository's history an image had a version, and what has changed its inputs since. No git process."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import pygit2

from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs
from infra.images.versions import Versions


@dataclass(frozen=True)
class Change:
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

    def __init__(
        self, repository: pygit2.Repository, versions: Versions, head: pygit2.Oid, others: Collection[pygit2.Oid] = ()
    ) -> None:
        self._repository = repository
        self._versions = versions
        self._head = head
        self._others = others
        self._known: dict[tuple[str, pygit2.Oid], Inputs | None] = {}

    def find(self, image: str, versions: Collection[str]) -> dict[str, pygit2.Oid]:
        """The newest commit at which the image had each of these versions; those that it never had are missing."""
        wanted = {*versions}
        found: dict[str, pygit2.Oid] = {}
        walker = self._repository.walk(self._head)
        for other in self._others:
            walker.push(other)
        for commit in walker if wanted else ():
            inputs = self._inputs(image, commit)
            if inputs is not None and inputs.version in wanted:
                found[inputs.version] = commit.id
                wanted.discard(inputs.version)
                if not wanted:
                    break
        return found

    def changes(self, image: str, since: pygit2.Oid, until: pygit2.Oid | None = None) -> list[Change]:
        """The commits that changed the image's inputs and that ``since`` does not hold; the newest first.

        ``until``: the commit that holds them, instead of the head. Merges are left out: what they bring in is listed.
        """
        walker = self._repository.walk(until or self._head)
        walker.hide(since)
        return [change for commit in walker if (change := self._change(image, commit))]

    def _change(self, image: str, commit: pygit2.Commit) -> Change | None:
        parents = commit.parents
        if len(parents) > 1:
            return None
        after = self._inputs(image, commit)
        before = self._inputs(image, parents[0]) if parents else None
        if after is None or (before is not None and before.version == after.version):
            return None
        return Change(
            commit=str(commit.id),
            author=commit.author.name,
            time=datetime.fromtimestamp(commit.commit_time, UTC),
            subject=commit.message.partition("\n")[0],
            paths=tuple(after.changes(before) if before else after.taken),
        )

    def _inputs(self, image: str, commit: pygit2.Commit) -> Inputs | None:
        """None where the image could not be built."""
        key = (image, commit.id)
        if key not in self._known:
            self._known[key] = None
            with suppress(ImageSourceError):
                self._known[key] = self._versions.inputs(image, commit.tree)
        return self._known[key]

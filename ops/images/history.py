"""Where in a repository's history an image had a version, and what has changed its inputs since. No git process."""

from __future__ import annotations

from collections.abc import Iterable
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
    """The history of a commit."""

    def __init__(self, repository: pygit2.Repository, versions: Versions) -> None:
        self._repository = repository
        self._versions = versions

    def find(self, image: str, versions: Iterable[str], head: pygit2.Oid) -> dict[str, pygit2.Commit]:
        """The newest commit at which the image had each of these versions; those that it never had are missing."""
        wanted = {*versions}
        found: dict[str, pygit2.Commit] = {}
        for commit in self._repository.walk(head) if wanted else ():
            inputs = self._inputs(image, commit)
            if inputs is not None and inputs.version in wanted:
                found[inputs.version] = commit
                wanted.discard(inputs.version)
                if not wanted:
                    break
        return found

    def changes(self, image: str, since: pygit2.Oid, head: pygit2.Oid) -> list[Change]:
        """The commits that changed the image's inputs and that `since` does not hold; the newest first.

        Merges are left out: what they bring in is listed.
        """
        walker = self._repository.walk(head)
        walker.hide(since)
        return [change for commit in walker if (change := self._change(image, commit))]

    def _change(self, image: str, commit: pygit2.Commit) -> Change | None:
        if len(commit.parents) > 1:
            return None
        after = self._inputs(image, commit)
        before = self._inputs(image, commit.parents[0]) if commit.parents else None
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
        try:
            return self._versions.inputs(image, commit.tree)
        except ImageSourceError:
            return None

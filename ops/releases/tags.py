"""A stack's releases, stored as Git tags. Other tags are ignored."""

from __future__ import annotations

import getpass
import socket
from datetime import date
from pathlib import Path
from typing import Any

from gitrepo import GitError, Repository
from gitrepo.repository import TagExistsError
from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.release import Release, name_parts

_ATTEMPTS = 10
_LISTED = 10


class Releases:
    """The releases in one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @classmethod
    def of(cls, folder: Path) -> Releases:
        """The releases in a folder's repository. Raises OpsError if there is no repository."""
        return cls(git.find_repository(folder, "releases are Git tags. Clone the repository with its tags."))

    def all(self, stack: str) -> list[Release]:
        """All releases of a stack, newest first."""
        tags = self._repository.tags(stack)
        parsed = (Release.parse(tag.name, tag.commit, tag.message) for tag in tags if tag.commit is not None)
        return sorted((each for each in parsed if each is not None), key=lambda each: each.order, reverse=True)

    def newest(self, stack: str) -> Release | None:
        return next(iter(self.all(stack)), None)

    def find(self, stack: str, name: str) -> Release:
        """Find a release by name, with or without the stack prefix. Raises OpsError listing the latest releases."""
        releases = self.all(stack)
        for each in releases:
            if name in (each.name, each.name.removeprefix(f"{stack}/")):
                return each
        listed = ", ".join(each.name for each in releases[:_LISTED]) or "none; run `git fetch --tags`"
        raise OpsError(f"{stack} has no release {name}. Latest releases: {listed}.", ExitCode.USAGE)

    def record(self, stack: str, day: date, commit: str, **content: Any) -> Release:
        """Create the tag for a new release, with the day's next number.

        ``content``: the other fields of ``Release``. Raises OpsError if Git rejects the tag.
        """
        for _ in range(_ATTEMPTS):
            release = Release(stack=stack, day=day, number=self._next(stack, day), commit=commit, **content)
            try:
                self._repository.tag(release.name, commit, release.message, self._tagger(release.by))
            except TagExistsError:
                continue  # taken by a concurrent run
            except GitError as error:
                raise OpsError(f"git could not create the tag {release.name}: {error}", ExitCode.FAILED) from None
            return release
        raise OpsError(
            f"No tag was created for {stack} because {_ATTEMPTS} consecutive names were taken. Try again.",
            ExitCode.FAILED,
        )

    def _next(self, stack: str, day: date) -> int:
        """The day's next free number; tags from other sources also count."""
        parts = [name_parts(tag.name) for tag in self._repository.tags(stack)]
        return max((each[2] for each in parts if each is not None and each[1] == day), default=0) + 1

    def _tagger(self, by: str) -> tuple[str, str] | None:
        """The tagger's name and email; None for the Git user.

        Without a Git user, as in CI, the tagger is the applier at this host.
        """
        if self._repository.identity() is not None:
            return None
        name = "".join(character for character in by if character not in "<>\n\0").strip() or getpass.getuser()
        return name, f"{getpass.getuser()}@{socket.gethostname()}"

"""The releases of a stack, as git's tags have them. Tags that are not ours are left alone. No git process."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.release import Release, name_parts

if TYPE_CHECKING:
    import pygit2

_PREFIX = "refs/tags/"
_ATTEMPTS = 10


class Releases:
    """The releases in one repository."""

    def __init__(self, repository: pygit2.Repository) -> None:
        self._repository = repository

    @classmethod
    def of(cls, folder: Path) -> Releases:
        """In the repository that a folder belongs to. Raises OpsError where there is none."""
        from infra.images.working_copy import find_repository

        found = find_repository(folder)
        if found is None:
            raise OpsError(
                f"{folder} belongs to no git repository, and releases are git's tags: clone it with its tags.",
                ExitCode.USAGE,
            )
        return cls(found)

    def all(self, stack: str) -> list[Release]:
        """The newest first."""
        found = (self._read(name) for name in self._names(stack))
        return sorted((each for each in found if each is not None), key=lambda each: each.order, reverse=True)

    def newest(self, stack: str) -> Release | None:
        return next(iter(self.all(stack)), None)

    def find(self, stack: str, name: str) -> Release:
        """By its name, with or without the stack's in front. Raises OpsError with those that there are."""
        releases = self.all(stack)
        for each in releases:
            if name in (each.name, each.name.removeprefix(f"{stack}/")):
                return each
        listed = ", ".join(each.name for each in releases[:_ATTEMPTS]) or "none; fetch the tags"
        raise OpsError(f"{stack} has no release {name}. Its newest releases: {listed}.", ExitCode.USAGE)

    def record(self, stack: str, day: date, commit: str, **content: Any) -> Release:
        """Make the tag of a new release, the next one of its day.

        ``content``: the other fields of ``Release``. Raises OpsError when git does not take the tag.
        """
        import pygit2

        for _ in range(_ATTEMPTS):
            release = Release(stack=stack, day=day, number=self._next(stack, day), commit=commit, **content)
            try:
                self._repository.create_tag(
                    release.name,
                    pygit2.Oid(hex=commit),
                    pygit2.enums.ObjectType.COMMIT,
                    self._tagger(release.by),
                    release.message,
                )
            except pygit2.AlreadyExistsError:
                continue  # somebody else was faster
            except (pygit2.GitError, ValueError, KeyError, OSError) as error:
                raise OpsError(f"git does not take the tag {release.name}: {error}", ExitCode.FAILED) from None
            return release
        raise OpsError(f"git does not take a tag for {stack}: its names are taken again and again", ExitCode.FAILED)

    def _names(self, stack: str) -> Iterator[str]:
        for reference in self._repository.references:
            tag = reference.removeprefix(_PREFIX)
            parts = name_parts(tag) if tag != reference else None
            if parts is not None and parts[0] == stack:
                yield tag

    def _next(self, stack: str, day: date) -> int:
        """Tags that are not ours take a number, too."""
        parts = [name_parts(name) for name in self._names(stack)]
        return max((each[2] for each in parts if each is not None and each[1] == day), default=0) + 1

    def _read(self, name: str) -> Release | None:
        import pygit2

        try:
            tag = self._repository[self._repository.references[_PREFIX + name].target]
            if not isinstance(tag, pygit2.Tag):
                return None
            return Release.parse(name, str(tag.peel(pygit2.Commit).id), tag.message)
        except (pygit2.GitError, ValueError, KeyError, UnicodeDecodeError):
            return None

    def _tagger(self, by: str) -> pygit2.Signature:
        """Git's user; where CI has none, who it is and where."""
        import pygit2

        try:
            return self._repository.default_signature
        except KeyError:
            name = "".join(character for character in by if character not in "<>\n\0").strip() or getpass.getuser()
            return pygit2.Signature(name, f"{getpass.getuser()}@{socket.gethostname()}")

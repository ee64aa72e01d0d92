"""What git knows of a working copy: its commit, and the tree of what lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    import pygit2

_SHOWN = 10
_CONFIG_NAMES = ("user.name", "user.email")


@dataclass(frozen=True)
class Revision:
    """What a working copy holds."""

    commit: str
    tree: str
    """Of the files as they lie there, with changes that are not committed; ignored files do not count."""
    changed: tuple[str, ...]
    """Files that differ from the commit."""

    @property
    def dirty(self) -> bool:
        return bool(self.changed)

    def shown_changes(self) -> str:
        more = len(self.changed) - _SHOWN
        listed = "".join(f"\n  {path}" for path in self.changed[:_SHOWN])
        return f"{listed}\n  and {more} more" if more > 0 else listed


def revision(folder: Path) -> Revision:
    """Of the working copy that a folder belongs to. Raises OpsError when there is none, or nothing was committed."""
    repository = _repository(folder)
    import pygit2

    from infra.images.working_copy import working_tree

    if repository.head_is_unborn:
        raise OpsError(f"{repository.workdir}: nothing was committed yet", ExitCode.USAGE)
    commit = repository.head.peel(pygit2.Commit)
    changed = changed_files(repository)
    tree = str(working_tree(repository).id if changed else commit.tree_id)
    return Revision(str(commit.id), tree, changed)


def changed_files(repository: pygit2.Repository) -> tuple[str, ...]:
    """Files of a working copy that differ from its commit; ignored ones do not count."""
    import pygit2

    return tuple(sorted(path for path, flags in repository.status().items() if flags != pygit2.GIT_STATUS_IGNORED))


def author(folder: Path) -> str:
    """Who works here, as git's settings say; empty where they do not."""
    config = _repository(folder).config
    name, email = (str(config[key]) if key in config else "" for key in _CONFIG_NAMES)
    return f"{name} <{email}>" if email else name


def _repository(folder: Path) -> pygit2.Repository:
    from infra.images.working_copy import find_repository

    found = find_repository(folder)
    if found is None:
        raise OpsError(
            f"{folder} belongs to no git repository; a plan names the commit and the files that it was made of.",
            ExitCode.USAGE,
        )
    return found

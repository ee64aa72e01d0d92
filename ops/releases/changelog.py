"""A changelog of each app's commits between two sets of images.

Commits are identified by their images' content versions. The changelog can be formatted as plain text
(terminal, commit message), Markdown (pull request) or Slack markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gitrepo import Repository, ShallowError
from infra.images.errors import ImageSourceError
from infra.images.images_file import load_sources
from infra.images.versions import Versions
from infra.settings import Image, SettingsError
from ops.images.history import History, ImageChange
from ops.releases.tags import Releases
from ops.report import slack
from ops.report.markdown import code
from ops.report.text import counted, safe, short

_PULL_REQUEST = re.compile(r"^Merge pull request #(?P<merged>\d{1,9}) |\(#(?P<squashed>\d{1,9})\)$")
"""A pull request's number in the subject of a commit that GitHub made by merging or squashing it."""
_CUT = ": the clone is shallow (`git fetch --unshallow --tags`)"
_MAX_COMMITS = 50
"""Maximum number of commits listed per app."""
_SEARCHED_RELEASES = 20
"""Number of releases per stack whose history is also searched, since the checked-out history may lack a hotfix."""


@dataclass(frozen=True)
class AppChange:
    """An app whose image changes."""

    name: str
    before: Image | None
    after: Image
    added: list[ImageChange] = field(default_factory=list)
    """Newest first."""
    removed: list[ImageChange] = field(default_factory=list)
    """Commits in the previous version that are missing from the new one."""
    unknown: str = ""
    """Why the commits are unknown; empty if they are known."""


@dataclass(frozen=True)
class Changelog:
    """The changes between two sets of a stack's images."""

    title: str
    changes: list[AppChange]

    @property
    def apps(self) -> str:
        return ", ".join(change.name for change in self.changes) or "no app"

    def plain(self) -> str:
        return self._written(_PLAIN)

    def markdown(self, address: str = "") -> str:
        """``address``: the repository's web address, for links to commits and pull requests."""
        return self._written(_linked_markdown(address) if address else _MARKDOWN)

    def slack(self) -> str:
        return self._written(_SLACK)

    def _written(self, style: _Style) -> str:
        return "\n".join([style.heading(self.title), *self._lines(style)])

    def _lines(self, style: _Style) -> Iterator[str]:
        for change in self.changes:
            before = style.code(short(change.before.version)) if change.before else "new"
            yield ""
            yield f"{style.strong(change.name)} {before} → {style.code(short(change.after.version))}"
            if change.unknown:
                yield f"{style.item}{change.unknown}"
            elif not change.added and not change.removed:
                yield f"{style.item}no commit changed its sources"
            yield from _commits(change.added, style, "")
            yield from _commits(change.removed, style, "removes ")


def _commits(changes: list[ImageChange], style: _Style, prefix: str) -> Iterator[str]:
    for change in changes[:_MAX_COMMITS]:
        subject = style.text(safe(change.subject))
        yield f"{style.item}{prefix}{style.commit(change)} {subject} ({style.text(safe(change.author))})"
    if (more := len(changes) - _MAX_COMMITS) > 0:
        yield f"{style.item}{prefix}{counted(more, 'more commit')}"


def changelog(
    title: str, folder: Path, stacks: Collection[str], before: Mapping[str, Image], after: Mapping[str, Image]
) -> Changelog:
    """``folder``: any folder in the repository with the image sources; ``stacks``: whose releases to search."""
    changed = [name for name in sorted(after) if before.get(name) != after[name]]
    search = _Search.of(folder, stacks) if changed else None
    return Changelog(title, [_change(search, name, before.get(name), after[name]) for name in changed])


def _change(search: _Search | str | None, name: str, before: Image | None, after: Image) -> AppChange:
    if before is None:
        return AppChange(name, before, after, unknown="newly added")
    if not isinstance(search, _Search):
        return AppChange(name, before, after, unknown=search or "")
    return search.change(name, before, after)


@dataclass(frozen=True)
class _Search:
    history: History
    versions: Versions
    is_shallow: bool

    @classmethod
    def of(cls, folder: Path, stacks: Collection[str]) -> _Search | str:
        """The search, or why there is no history to search."""
        repository = Repository.find(folder)
        head = repository.commit("HEAD") if repository is not None else None
        if repository is None or head is None:
            return "commits unknown: not in a Git repository"
        try:
            versions = Versions(repository, load_sources(repository.root))
        except (SettingsError, ImageSourceError):
            return "commits unknown: no valid images.yaml"
        releases = [each for stack in stacks for each in Releases(repository).all(stack)[:_SEARCHED_RELEASES]]
        others = [each.commit for each in releases if repository.commit(each.commit)]
        return cls(History(repository, versions, head, others), versions, repository.is_shallow)

    def change(self, name: str, before: Image, after: Image) -> AppChange:
        if name not in self.versions.images:
            return AppChange(name, before, after, unknown="not built from this repository")
        commits = self.history.find(name, {before.version, after.version})
        missing = sorted({before.version, after.version} - commits.keys())
        if missing:
            names = " and ".join(short(version) for version in missing)
            unknown = f"commits unknown: {names} not in this Git history{_CUT if self.is_shallow else ''}"
            return AppChange(name, before, after, unknown=unknown)
        old, new = commits[before.version], commits[after.version]
        try:
            added, removed = self.history.changes(name, old, new), self.history.changes(name, new, old)
        except ShallowError:
            return AppChange(name, before, after, unknown=f"commits unknown{_CUT}")
        return AppChange(name, before, after, added=added, removed=removed)


@dataclass(frozen=True)
class _Style:
    heading: Callable[[str], str]
    strong: Callable[[str], str]
    code: Callable[[str], str]
    text: Callable[[str], str]
    """Escapes commit text so that it is not interpreted as markup."""
    item: str
    commit: Callable[[ImageChange], str]


def _verbatim(text: str) -> str:
    return text


def _linked_markdown(address: str) -> _Style:
    def commit(change: ImageChange) -> str:
        found = _PULL_REQUEST.search(change.subject)
        number = found and (found["merged"] or found["squashed"])
        pull_request = f" [#{number}]({address}/pull/{number})" if number else ""
        return f"[{code(change.commit[:8])}]({address}/commit/{change.commit}){pull_request}"

    return replace(_MARKDOWN, strong=lambda text: f"**{code(text)}**", commit=commit)


_PLAIN = _Style(_verbatim, _verbatim, _verbatim, _verbatim, "  - ", lambda change: change.commit[:8])
_MARKDOWN = _Style(
    lambda text: f"### {text}", lambda text: f"**{text}**", code, code, "- ", lambda change: code(change.commit[:8])
)
_SLACK = _Style(
    lambda text: f"*{slack.escaped(text)}*",
    lambda text: f"*{slack.escaped(text)}*",
    lambda text: f"`{slack.escaped(text)}`",
    slack.escaped,
    "• ",
    lambda change: f"`{change.commit[:8]}`",
)

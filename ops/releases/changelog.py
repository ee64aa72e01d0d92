"""What changes when a stack goes from some images to others: the commits of each app, found by content versions.

As plain text (on a terminal, in a commit), as Markdown (a pull request) and as Slack writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
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

_CUT = ": the clone is shallow (`git fetch --unshallow --tags`)"
_SHOWN = 50
"""Commits of an app."""
_HEADS = 20
"""Releases of a stack whose commits are searched too: a hot-fix may not be in the history of what is checked out."""


@dataclass(frozen=True)
class AppChange:
    """An app that gets another image."""

    name: str
    before: Image | None
    after: Image
    added: list[ImageChange] = field(default_factory=list)
    """The newest first."""
    removed: list[ImageChange] = field(default_factory=list)
    """Commits that were in the version before and are not in the one after."""
    unknown: str = ""
    """Why the commits are not known."""


@dataclass(frozen=True)
class Changelog:
    """From one state of a stack's images to another."""

    title: str
    changes: list[AppChange]

    @property
    def apps(self) -> str:
        return ", ".join(change.name for change in self.changes) or "no app"

    def plain(self) -> str:
        return self._written(_PLAIN)

    def markdown(self) -> str:
        return self._written(_MARKDOWN)

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
                yield f"{style.item}no commit changed what it is built from"
            yield from _commits(change.added, style, "")
            yield from _commits(change.removed, style, "without ")


def _commits(changes: list[ImageChange], style: _Style, prefix: str) -> Iterator[str]:
    for change in changes[:_SHOWN]:
        said = style.text(safe(change.subject))
        yield f"{style.item}{prefix}{style.code(change.commit[:8])} {said} ({style.text(safe(change.author))})"
    if (more := len(changes) - _SHOWN) > 0:
        yield f"{style.item}{prefix}{counted(more, 'more commit')}"


def changelog(
    title: str, folder: Path, stacks: Collection[str], before: Mapping[str, Image], after: Mapping[str, Image]
) -> Changelog:
    """``folder``: in the repository that the images are built from; ``stacks``: whose releases are searched, too."""
    changed = [name for name in sorted(after) if before.get(name) != after[name]]
    search = _Search.of(folder, stacks) if changed else None
    return Changelog(title, [_change(search, name, before.get(name), after[name]) for name in changed])


def _change(search: _Search | str | None, name: str, before: Image | None, after: Image) -> AppChange:
    if before is None:
        return AppChange(name, before, after, unknown="did not run before")
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
        """Or why there is no history to search."""
        repository = Repository.find(folder)
        head = repository.commit("HEAD") if repository is not None else None
        if repository is None or head is None:
            return "commits not known: there is no git history here"
        try:
            versions = Versions(repository, load_sources(repository.root))
        except (SettingsError, ImageSourceError):
            return "commits not known: there is no images.yaml here"
        releases = [each for stack in stacks for each in Releases(repository).all(stack)[:_HEADS]]
        others = [each.commit for each in releases if repository.commit(each.commit)]
        return cls(History(repository, versions, head, others), versions, repository.is_shallow)

    def change(self, name: str, before: Image, after: Image) -> AppChange:
        if name not in self.versions.images:
            return AppChange(name, before, after, unknown="not built from this repository")
        found = self.history.find(name, {before.version, after.version})
        missing = sorted({before.version, after.version} - found.keys())
        if missing:
            named = " and ".join(short(version) for version in missing)
            unknown = f"commits not known: this history does not have {named}{_CUT if self.is_shallow else ''}"
            return AppChange(name, before, after, unknown=unknown)
        old, new = found[before.version], found[after.version]
        try:
            added, removed = self.history.changes(name, old, new), self.history.changes(name, new, old)
        except ShallowError:
            return AppChange(name, before, after, unknown=f"commits not known{_CUT}")
        return AppChange(name, before, after, added=added, removed=removed)


@dataclass(frozen=True)
class _Style:
    heading: Callable[[str], str]
    strong: Callable[[str], str]
    code: Callable[[str], str]
    text: Callable[[str], str]
    """What people have written: it must not become markup."""
    item: str


def _as_it_is(text: str) -> str:
    return text


_PLAIN = _Style(_as_it_is, _as_it_is, _as_it_is, _as_it_is, "  - ")
_MARKDOWN = _Style(lambda text: f"### {text}", lambda text: f"**{text}**", code, code, "- ")
_SLACK = _Style(
    lambda text: f"*{slack.escaped(text)}*",
    lambda text: f"*{slack.escaped(text)}*",
    lambda text: f"`{slack.escaped(text)}`",
    slack.escaped,
    "• ",
)

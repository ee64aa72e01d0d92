"""A release's notes, published as the GitHub release of its tag.

Source: GitHub's REST API, "Releases".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from gitrepo import GitError
from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import WRITE_RELEASES, Repository, client, current_repository, readable_errors, with_retries
from ops.pull_request import marker, normalized
from ops.releases import hotfix
from ops.releases.changelog import changelog
from ops.releases.release import Release
from ops.releases.rollback import rollback_target
from ops.report.markdown import code
from ops.report.text import counted, short

if TYPE_CHECKING:
    from github.GitRelease import GitRelease
    from github.Repository import Repository as Hosted

_KIND = "release"
_LIMIT = 125_000
"""GitHub's limit for the text of a release, in characters."""
_CUT_NOTE_LENGTH = 100


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FOREIGN = "left unchanged, because someone else wrote it"


@dataclass(frozen=True)
class NotesResult:
    """The result of publishing a release's notes."""

    outcome: Outcome
    url: str


@dataclass(frozen=True)
class ReleaseNotes:
    """A release, with those before it."""

    release: Release
    known: list[Release]
    """All known releases of the stack, newest first."""
    folder: Path
    """Any folder in the repository with the image sources."""
    is_final: bool
    """Whether no other stack is promoted from this one."""

    @cached_property
    def previous(self) -> Release | None:
        return next((each for each in self.known if each.order < self.release.order), None)

    @cached_property
    def rolled_back_to(self) -> Release | None:
        return rollback_target(self.release, self.known)

    @cached_property
    def is_hotfix(self) -> bool:
        """Whether it contains a commit of `snu hotfix build` that the previous release does not contain."""
        if self.previous is None:
            return False
        repository = git.find_repository(self.folder, "releases are Git tags.")
        try:
            commits = repository.history(self.release.commit, hidden=(self.previous.commit,))
            return any(hotfix.is_title(commit.subject) for commit in commits)
        except GitError:  # the clone lacks a commit, which the changelog reports
            return False

    @property
    def title(self) -> str:
        kind = " (rollback)" if self.rolled_back_to else " (hotfix)" if self.is_hotfix else ""
        return f"{self.release.name}{kind}"

    @property
    def is_latest(self) -> bool:
        """Whether GitHub marks it as the repository's latest release."""
        return self.is_final and self.release == self.known[0]

    def markdown(self, address: str) -> str:
        """The text, with links to the repository at this address; the end of a long text is cut."""
        lines = [marker(self.release.stack, _KIND), *self._lines(address)]
        kept, room = 0, _LIMIT - _CUT_NOTE_LENGTH
        for line in lines:
            room -= len(line) + 1
            if room < 0:
                break
            kept += 1
        cut = len(lines) - kept
        return "\n".join([*lines[:kept], *([f"… and {counted(cut, 'more line')}"] if cut else [])])

    def _lines(self, address: str) -> Iterator[str]:
        release, previous = self.release, self.previous
        if target := self.rolled_back_to:
            yield f"**Rollback** to {_link(address, target)}."
            yield ""
        elif self.is_hotfix:
            yield "**Hotfix**, without the other changes on the main branch."
            yield ""
        commit = f"[{code(short(release.commit))}]({address}/commit/{release.commit})"
        time = f"{release.at:%Y-%m-%d at %H:%M} UTC"
        yield f"Deployed to {release.stack} by {code(release.by)} on {time}, commit {commit}."
        if previous is None:
            yield ""
            yield f"This is the first release of {release.stack}."
        else:
            compared = f"{address}/compare/{_quoted(previous)}...{_quoted(release)}"
            yield f"All changes since {_link(address, previous)}: [compare]({compared})."
        before = previous.images if previous is not None else {}
        log = changelog("Changed images", self.folder, (release.stack,), before, release.images)
        removed = sorted(before.keys() - release.images.keys())
        yield ""
        if log.changes:
            yield from log.markdown(address).split("\n")
        elif not removed:
            yield "No image changed: this release changes only settings or the program."
        for name in removed:
            yield ""
            yield f"**{code(name)}** is no longer part of the stack."


def _quoted(release: Release) -> str:
    return quote(release.name, safe="")


def _link(address: str, release: Release) -> str:
    return f"[{release.name}]({address}/releases/tag/{_quoted(release)})"


def publish_notes(repository: Repository, token: str, notes: ReleaseNotes, tag: str) -> NotesResult:
    """Create or update the GitHub release. ``tag``: ID of the local tag object.

    A GitHub release that was not written by this function is left unchanged. Raises OpsError if the tag is not on
    GitHub, or if GitHub rejects a request or cannot be reached.
    """
    errors = readable_errors(repository, "repository", repository.name, WRITE_RELEASES)
    with errors, client(repository, token) as github:
        hosted = current_repository(github, repository)
        _require_tag(hosted, notes.release, tag)
        body = notes.markdown(hosted.html_url)
        return with_retries(lambda: _publish(hosted, notes, body))


def _require_tag(hosted: Hosted, release: Release, tag: str) -> None:
    """Raises OpsError unless GitHub has the tag: it would create a missing one, at the default branch."""
    from github import UnknownObjectException

    try:
        published = hosted.get_git_ref(f"tags/{release.name}").object.sha
    except UnknownObjectException:
        published = None
    if published != tag:
        problem = "is not on GitHub" if published is None else "is another one on GitHub"
        raise OpsError(
            f"The tag {release.name} {problem}. Run `scripts/snu release publish {release.stack}` first. "
            "Nothing was written.",
            ExitCode.FAILED,
        )


def _publish(hosted: Hosted, notes: ReleaseNotes, body: str) -> NotesResult:
    title, is_prerelease = notes.title, not notes.is_final
    latest = "true" if notes.is_latest else "false"
    existing = _existing(hosted, notes.release.name)
    if existing is None:
        created = hosted.create_git_release(
            notes.release.name, title, body, prerelease=is_prerelease, make_latest=latest
        )
        return NotesResult(Outcome.CREATED, created.html_url)
    current = normalized(existing.body or "")
    if current.partition("\n")[0] != marker(notes.release.stack, _KIND):
        return NotesResult(Outcome.FOREIGN, existing.html_url)
    if (current, existing.name, existing.prerelease) == (normalized(body), title, is_prerelease):
        return NotesResult(Outcome.UNCHANGED, existing.html_url)
    existing.update_release(title, body, prerelease=is_prerelease, make_latest=latest)
    return NotesResult(Outcome.UPDATED, existing.html_url)


def _existing(hosted: Hosted, tag: str) -> GitRelease | None:
    from github import UnknownObjectException

    try:
        return hosted.get_release(tag)
    except UnknownObjectException:
        return None

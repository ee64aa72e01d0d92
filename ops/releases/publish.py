"""Publishes the commits and tags of releases. Each step can be repeated, and ends the same."""

from __future__ import annotations

from dataclasses import dataclass

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.release import Release
from ops.releases.remote import Remote
from ops.releases.tags import Releases

_ATTEMPTS = 10
_TAGS = "refs/tags/"
_HEADS = "refs/heads/"


@dataclass(frozen=True)
class PublishedReference:
    """A reference on the remote."""

    name: str
    commit: str
    was_there: bool


def push_commit(remote: Remote, branch: str) -> PublishedReference:
    """Make the commit that is checked out part of a branch of the remote.

    Where an earlier attempt of the same run has pushed a commit with the same content, that one is checked out and
    used. Raises OpsError with the status REFUSED if somebody else has pushed to the branch.
    """
    head, there = remote.head, remote.find(_HEADS + branch)
    if there == head:
        return PublishedReference(branch, head, was_there=True)
    if there is not None:
        remote.fetch(there)
    if there is None or remote.holds(head, there):
        if remote.push(f"{head}:{_HEADS}{branch}"):
            return PublishedReference(branch, head, was_there=False)
        there = remote.find(_HEADS + branch) or ""
        raise _overtaken(branch, there)
    known = _earlier_attempt(remote, head, there)
    if known is None:
        raise _overtaken(branch, there)
    if known != head:
        remote.adopt(known)
    return PublishedReference(branch, known, was_there=True)


def _earlier_attempt(remote: Remote, head: str, there: str) -> str | None:
    """The commit on the remote that stands for this one, unless others have committed on top of it."""
    tree, own = remote.repository.tree(head), remote.committer
    for commit in remote.repository.history(there, hidden=[head]):
        if commit.tree == tree:
            return commit.id
        if commit.committer_email != own:
            return None
    return head if remote.holds(there, head) else None


def _overtaken(branch: str, there: str) -> OpsError:
    return OpsError(
        f"{branch} has moved on to commit {there[:12]}, which this run does not know: another release has begun. "
        "Nothing was deployed. Push the branch again to start from its newest commit.",
        ExitCode.REFUSED,
    )


def push_release(remote: Remote, releases: Releases, release: Release) -> PublishedReference:
    """Push the tag of a release; where its name was taken meanwhile, under the next number. Raises OpsError."""
    for _ in range(_ATTEMPTS):
        reference = _TAGS + release.name
        own, there = remote.tag(release.name), remote.find(reference)
        if there == own:
            return PublishedReference(release.name, release.commit, was_there=True)
        if there is None and remote.push(f"{reference}:{reference}"):
            return PublishedReference(release.name, release.commit, was_there=False)
        remote.delete_tag(release.name)
        remote.fetch(f"{_TAGS}{release.stack}/*:{_TAGS}{release.stack}/*")
        known = next((each for each in releases.all(release.stack) if each.plan_id == release.plan_id), None)
        release = known or releases.record(
            release.stack,
            release.day,
            release.commit,
            images=release.images,
            plan=release.plan,
            plan_id=release.plan_id,
            by=release.by,
            at=release.at,
        )
    raise OpsError(
        f"The tag of the release of {release.stack} was not pushed: its names are taken again and again. Run this "
        "again.",
        ExitCode.FAILED,
    )


def move_branch(remote: Remote, branch: str, commit: str) -> PublishedReference:
    """Move a branch of the remote forward to what was deployed. Raises OpsError where it has gone another way."""
    there = remote.find(_HEADS + branch)
    if there == commit:
        return PublishedReference(branch, commit, was_there=True)
    if there is not None:
        remote.fetch(there)
        if remote.holds(there, commit):
            return PublishedReference(branch, there, was_there=True)
    if (there is None or remote.holds(commit, there)) and remote.push(f"{commit}:{_HEADS}{branch}"):
        return PublishedReference(branch, commit, was_there=False)
    raise OpsError(
        f"{branch} was not moved to commit {commit[:12]}, which is deployed: it is at {(there or '')[:12]}, which that "
        f"commit does not hold. Merge one into the other, and push {branch}.",
        ExitCode.FAILED,
    )

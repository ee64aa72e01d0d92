"""Publishes the commits and tags of releases. Each step is idempotent."""

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
    """A published reference on the remote."""

    name: str
    commit: str
    existed: bool
    """Whether it was already published."""


def push_commit(remote: Remote, branch: str) -> PublishedReference:
    """Push the checked-out commit to a remote branch.

    If an earlier attempt of the same run already pushed a commit with the same content, checks out that commit instead.
    Raises OpsError with code REFUSED if somebody else has pushed to the branch.
    """
    head, published = remote.head, remote.find(_HEADS + branch)
    if published == head:
        return PublishedReference(branch, head, existed=True)
    if published is not None:
        remote.fetch(published)
    if published is None or remote.contains(head, published):
        if remote.push(f"{head}:{_HEADS}{branch}"):
            return PublishedReference(branch, head, existed=False)
        raise _overtaken(branch, remote.find(_HEADS + branch) or "")
    earlier = _earlier_attempt(remote, head, published)
    if earlier is None:
        raise _overtaken(branch, published)
    if earlier != head:
        remote.check_out(earlier)
    return PublishedReference(branch, earlier, existed=True)


def _earlier_attempt(remote: Remote, head: str, published: str) -> str | None:
    """The commit on the remote with the same content as ``head``; None if somebody else has pushed since."""
    tree, committer = remote.repository.tree(head), remote.committer
    for commit in remote.repository.history(published, hidden=[head]):
        if commit.tree == tree:
            return commit.id
        if commit.committer_email != committer:
            return None
    return head if remote.contains(published, head) else None


def _overtaken(branch: str, published: str) -> OpsError:
    return OpsError(
        f"{branch} is now at commit {published[:12]}, which this run did not create: another release has started. "
        "Nothing was deployed. Push to the branch again to start from its latest commit.",
        ExitCode.REFUSED,
    )


def push_release(remote: Remote, releases: Releases, release: Release) -> PublishedReference:
    """Push a release tag, using the next number if its name is taken. Raises OpsError."""
    for _ in range(_ATTEMPTS):
        reference = _TAGS + release.name
        local, published = remote.tag(release.name), remote.find(reference)
        if published == local:
            return PublishedReference(release.name, release.commit, existed=True)
        if published is None and remote.push(f"{reference}:{reference}"):
            return PublishedReference(release.name, release.commit, existed=False)
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
        f"The release tag of {release.stack} was not pushed because {_ATTEMPTS} consecutive names were taken. Run the "
        "command again.",
        ExitCode.FAILED,
    )


def move_branch(remote: Remote, branch: str, commit: str) -> PublishedReference:
    """Fast-forward a remote branch to the deployed commit. Raises OpsError if it has diverged."""
    published = remote.find(_HEADS + branch)
    if published == commit:
        return PublishedReference(branch, commit, existed=True)
    if published is not None:
        remote.fetch(published)
        if remote.contains(published, commit):
            return PublishedReference(branch, published, existed=True)
    if (published is None or remote.contains(commit, published)) and remote.push(f"{commit}:{_HEADS}{branch}"):
        return PublishedReference(branch, commit, existed=False)
    raise OpsError(
        f"{branch} was not moved to the deployed commit {commit[:12]}: it has diverged and is at "
        f"{(published or '')[:12]}. Merge one into the other and push {branch}.",
        ExitCode.FAILED,
    )

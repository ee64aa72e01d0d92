"""``snu release``: the release steps that come before and after plan and apply."""

from __future__ import annotations

import sys
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository, read_token
from ops.process_environment import TOKEN, TOKEN_FILE, process_environment
from ops.releases.changelog import changelog
from ops.releases.notes import ReleaseNotes, publish_notes
from ops.releases.publish import PublishedReference, move_branch, push_commit, push_release
from ops.releases.pull_request import ReleasedBranch, delete_branch, open_pull_request
from ops.releases.release import Release
from ops.releases.remote import Remote
from ops.releases.tags import Releases
from ops.report.factory import printer_for
from ops.report.text import Line
from ops.stacks import find_stack, project_dir, stack_names


def check(directory: Path | None, stack: str, hub: Repository | None) -> ExitCode:
    """Raises OpsError (REFUSED) unless the checked-out commit contains the release that the stack runs."""
    project = project_dir(directory)
    remote, release = Remote(project), Releases.of(project).newest(find_stack(project, stack).name)
    if release is None:
        print(f"{stack} has no release yet; any commit can be released.")
        return ExitCode.OK
    if not remote.contains(remote.head, release.commit):
        raise _not_held(remote, release, hub)
    print(f"{remote.head[:12]} contains commit {release.commit[:12]} of {release.name}, which {stack} runs.")
    return ExitCode.OK


def _not_held(remote: Remote, release: Release, hub: Repository | None) -> OpsError:
    problem = (
        f"{remote.head[:12]} does not contain commit {release.commit[:12]} of {release.name}, which "
        f"{release.stack} runs"
    )
    if remote.repository.has_changes_of(remote.head, release.commit):
        return OpsError(
            f"{problem}, although it has the same changes: the pull request was squashed or rebased. Run `git merge "
            f"--strategy ours {release.name}` and push. In future, merge such pull requests with a merge commit. "
            "Nothing was deployed.",
            ExitCode.REFUSED,
        )
    environ = process_environment()
    pulls: tuple[str, ...] = ()
    if hub is not None and (environ.get(TOKEN) or environ.get(TOKEN_FILE)):
        pulls = GitHub(hub, read_token(environ)).open_pull_requests_of(release.commit)
    waiting = f"Merge {' and '.join(pulls)} with a merge commit" if pulls else f"Run `git merge {release.name}`"
    return OpsError(
        f"{problem}. Deploying it would undo that release. {waiting}, then push. Nothing was deployed.",
        ExitCode.REFUSED,
    )


def push(directory: Path | None, branch: str) -> ExitCode:
    """Push the checked-out commit to a branch. Raises OpsError, with REFUSED if someone else has pushed to it."""
    _say(push_commit(Remote(project_dir(directory)), branch), "already contains", "moved to")
    return ExitCode.OK


def publish(directory: Path | None, stack: str, branch: str | None) -> ExitCode:
    """Push the tag of the checked-out release, and fast-forward a branch to it. Raises OpsError."""
    project = project_dir(directory)
    remote, releases = Remote(project), Releases.of(project)
    release = _released(remote, releases, find_stack(project, stack).name)
    _say(push_release(remote, releases, release), "was already pushed at", "pushed at")
    if branch is not None:
        _say(move_branch(remote, branch, release.commit), "is already at", "moved to")
    return ExitCode.OK


def _say(published: PublishedReference, unchanged: str, done: str) -> None:
    words = unchanged if published.existed else done
    printer_for(sys.stdout).print([Line.of((published.name, "bold"), f" {words} {published.commit[:12]}.")])


def _released(remote: Remote, releases: Releases, stack: str) -> Release:
    """The latest release of the checked-out commit. Raises OpsError if it has none."""
    head = remote.head
    release = next((each for each in releases.all(stack) if each.commit == head), None)
    if release is None:
        raise OpsError(
            f"{stack} has no release at commit {head[:12]}. `scripts/snu apply` records a release once every "
            "container is ready: apply the plan first, or fetch the tags (`git fetch --tags`).",
            ExitCode.FAILED,
        )
    return release


def notes(directory: Path | None, name: str, named: str | None, repository: Path | None, hub: Repository) -> ExitCode:
    """Publish the notes of a release, by default the checked-out commit's, as a GitHub release. Raises OpsError."""
    project = project_dir(directory)
    stack, remote, releases = find_stack(project, name), Remote(project), Releases.of(project)
    release = _released(remote, releases, stack.name) if named is None else releases.find(stack.name, named)
    others = (find_stack(project, each) for each in stack_names(project))
    is_final = not any(each.config.get("snu:promoteFrom") == stack.name for each in others)
    written = ReleaseNotes(release, releases.all(stack.name), repository or project, is_final)
    published = publish_notes(hub, read_token(process_environment()), written, remote.tag(release.name))
    print(f"GitHub release {release.name} {published.outcome}: {published.url}")
    return ExitCode.OK


def finish(
    directory: Path | None,
    stack: str,
    branch: str,
    repository: Path | None,
    hub: Repository,
    base: str,
    *,
    delete: bool,
) -> ExitCode:
    """Open the pull request that merges a branch's release into the base. Raises OpsError."""
    project = project_dir(directory)
    release = _released(Remote(project), Releases.of(project), find_stack(project, stack).name)
    title = f"Merge {release.name} into {base}"
    bring_back(project, ReleasedBranch(branch, release.commit, release), repository, hub, base, title, delete=delete)
    return ExitCode.OK


def bring_back(
    project: Path,
    released: ReleasedBranch,
    repository: Path | None,
    hub: Repository,
    base: str,
    title: str,
    *,
    delete: bool,
) -> None:
    """Open a pull request to the base, unless it already exists, and delete the branch if requested.

    Raises OpsError.
    """
    stack, token = released.release.stack, read_token(process_environment())
    older = [each for each in Releases.of(project).all(stack) if each.order < released.release.order]
    before = older[0].images if older else {}
    log = changelog(title, repository or project, (stack,), before, released.release.images)
    returned = open_pull_request(hub, token, released, base, title, log.markdown())
    if returned.url:
        print(f"Pull request {'already exists' if returned.existed else 'opened'}: {returned.url}")
    else:
        print(f"{base} already contains {released.release.name}.")
    if not delete:
        print(f"Its branch is {returned.branch}; {released.branch} can be deleted with --delete-branch.")
    elif delete_branch(hub, token, released):
        print(f"Deleted the branch {released.branch}.")
    else:
        print(f"The branch {released.branch} no longer exists.")

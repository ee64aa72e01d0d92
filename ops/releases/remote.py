"""Accesses the branches and tags of the remote that releases are pushed to, using the git command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gitrepo.program import Git, GitError
from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode

_ORIGIN = "origin"


class Remote:
    """A repository's `origin` remote. All methods raise OpsError if git fails."""

    def __init__(self, folder: Path) -> None:
        self.repository = git.find_repository(folder, "releases are pushed from a Git repository.")

    # --- local ------------------------------------------------------------------------------------------

    @property
    def head(self) -> str:
        """The checked-out commit."""
        return self._line("rev-parse", "--verify", "HEAD^{commit}")

    def contains(self, commit: str, other: str) -> bool:
        """Whether a commit equals or descends from another; False if either is unknown locally."""
        return self._run("merge-base", "--is-ancestor", other, commit).returncode == 0

    @property
    def committer(self) -> str:
        """Email address of the local committer."""
        return self._line("var", "GIT_COMMITTER_IDENT").rpartition(">")[0].rpartition("<")[2]

    def check_out(self, commit: str) -> None:
        """Check out a commit with the same files as the current one."""
        self._line("reset", "--soft", commit)

    def delete_tag(self, name: str) -> None:
        """Delete a local tag."""
        self._line("tag", "--delete", name)

    def tag(self, name: str) -> str:
        """ID of a local tag object, not of its commit."""
        return self._line("rev-parse", "--verify", f"refs/tags/{name}")

    # --- remote ----------------------------------------------------------------------------------------

    def find(self, reference: str) -> str | None:
        """Object ID of a remote reference, or None."""
        line = self._line("ls-remote", _ORIGIN, reference)
        return line.split()[0] if line else None

    def fetch(self, *references: str) -> None:
        """Fetch commits or tags."""
        self._line("fetch", "--quiet", "--no-tags", _ORIGIN, *references)

    def push(self, refspec: str) -> bool:
        """Push without force. Returns False if the remote reference has changed."""
        process = self._run("push", "--porcelain", _ORIGIN, refspec)
        if process.returncode == 0:
            return True
        rejected = next((line for line in process.stdout.splitlines() if line.startswith("!")), "")
        if "[rejected]" in rejected:
            return False
        reason = rejected.rpartition("\t")[2] or _last_line(process.stderr)
        raise OpsError(
            f"git push to {refspec.rpartition(':')[2]} failed: {reason}. If a branch rule rejects the push, "
            "`scripts/snu doctor --repo OWNER/NAME` identifies it. Run the command again once this is fixed.",
            ExitCode.FAILED,
        )

    def _line(self, *arguments: str) -> str:
        process = self._run(*arguments)
        if process.returncode != 0:
            raise OpsError(f"git {arguments[0]} failed: {_last_line(process.stderr)}", ExitCode.FAILED)
        return process.stdout.strip()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            ended = Git(self.repository.root).try_run(*arguments)
        except GitError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        output, messages = (text.decode(errors="replace") for text in (ended.stdout, ended.stderr))
        return subprocess.CompletedProcess(arguments, ended.returncode, output, messages)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1].rstrip(".")

"""The repository that releases are pushed to: its branches and tags, through the program git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gitrepo.program import Git, GitError
from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode

_ORIGIN = "origin"


class Remote:
    """The remote `origin` of a working copy. All methods raise OpsError where git fails."""

    def __init__(self, folder: Path) -> None:
        self.repository = git.find_repository(folder, "releases are pushed from one.")

    # --- here -------------------------------------------------------------------------------------------

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return self._line("rev-parse", "--verify", "HEAD^{commit}")

    def holds(self, commit: str, other: str) -> bool:
        """Whether a commit is another one or descends from it; no for what is not known here."""
        return self._ended("merge-base", "--is-ancestor", other, commit).returncode == 0

    @property
    def committer(self) -> str:
        """The address of who commits here."""
        return self._line("var", "GIT_COMMITTER_IDENT").rpartition(">")[0].rpartition("<")[2]

    def adopt(self, commit: str) -> None:
        """Check out a commit with the tree of the present one."""
        self._line("reset", "--soft", commit)

    def delete_tag(self, name: str) -> None:
        """Only here."""
        self._line("tag", "--delete", name)

    def tag(self, name: str) -> str:
        """The id of a tag of here: of its object, not of its commit."""
        return self._line("rev-parse", "--verify", f"refs/tags/{name}")

    # --- there ------------------------------------------------------------------------------------------

    def find(self, reference: str) -> str | None:
        """What a reference of the remote is at; None if there is none."""
        found = self._line("ls-remote", _ORIGIN, reference)
        return found.split()[0] if found else None

    def fetch(self, *references: str) -> None:
        """Get commits, or tags."""
        self._line("fetch", "--quiet", "--no-tags", _ORIGIN, *references)

    def push(self, refspec: str) -> bool:
        """Push without force; no if the remote has something else there by now."""
        ended = self._ended("push", "--porcelain", _ORIGIN, refspec)
        if ended.returncode == 0:
            return True
        rejected = next((line for line in ended.stdout.splitlines() if line.startswith("!")), "")
        if "[rejected]" in rejected:
            return False
        reason = rejected.rpartition("\t")[2] or _last_line(ended.stderr)
        raise OpsError(
            f"git push of {refspec.rpartition(':')[2]} failed: {reason}. If a rule of the branch refuses it, "
            "`scripts/snu doctor --repo OWNER/NAME` names the rule. Run this again once that is fixed.",
            ExitCode.FAILED,
        )

    def _line(self, *arguments: str) -> str:
        ended = self._ended(*arguments)
        if ended.returncode != 0:
            raise OpsError(f"git {arguments[0]} failed: {_last_line(ended.stderr)}", ExitCode.FAILED)
        return ended.stdout.strip()

    def _ended(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            ended = Git(self.repository.root).try_run(*arguments)
        except GitError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
        output, messages = (text.decode(errors="replace") for text in (ended.stdout, ended.stderr))
        return subprocess.CompletedProcess(arguments, ended.returncode, output, messages)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1].rstrip(".")

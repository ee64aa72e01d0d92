"""Update records in Pulumi's format (``backend.UpdateInfo``), as displayed by ``pulumi stack history``."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gitrepo import GitError, Repository

AGENT = "snu/"
"""Prefix of ``exec.agent`` in the records of ``snu`` runs."""
Kind = Literal["update", "refresh", "destroy", "resource-import"]


@dataclass(frozen=True)
class Update:
    """Data about an update, available before the update finishes."""

    kind: Kind
    project_dir: Path
    config: Mapping[str, Any]
    """The configuration from the stack's file; secure values stay encrypted."""
    environ: Mapping[str, str] = field(repr=False)
    """Environment variables, which identify the CI system and its user."""

    def record(self, ok: bool, start_time: int, changes: Mapping[str, int]) -> dict[str, Any]:
        """Return the update's record, with the current time as its end. Times are in seconds since 1970."""
        message, commit = _commit(self.project_dir)
        return {
            "kind": self.kind,
            "startTime": start_time,
            "message": message,
            "environment": {"exec.kind": "embedded", "exec.agent": agent(self.environ), **_ci(self.environ), **commit},
            "config": dict(self.config),
            "version": 0,
            "result": "succeeded" if ok else "failed",
            "endTime": int(time.time()),
            "resourceChanges": dict(changes),
        }


def agent(environ: Mapping[str, str]) -> str:
    """Return the user in either engine's update records: ``snu/`` followed by ``who_runs``."""
    return f"{AGENT}{who_runs(environ)}"


def who_runs(environ: Mapping[str, str]) -> str:
    """Return the current user as ``<user>@<machine>``, or the CI system's actor."""
    if actor := environ.get("GITHUB_ACTOR"):
        return f"{actor}@github"
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # the user has no name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _ci(environ: Mapping[str, str]) -> dict[str, str]:
    if not environ.get("GITHUB_ACTIONS"):
        return {}
    metadata = {
        "ci.system": "GitHub",
        "ci.build.id": environ.get("GITHUB_RUN_ID", ""),
        "ci.build.number": environ.get("GITHUB_RUN_NUMBER", ""),
        "ci.build.type": environ.get("GITHUB_EVENT_NAME", ""),
    }
    return {key: value for key, value in metadata.items() if value}


def _commit(directory: Path) -> tuple[str, dict[str, str]]:
    """Return the subject and metadata of the checked-out commit; both are empty if there is no commit."""
    try:
        repository = Repository.find(directory)
        commit = next(repository.history("HEAD"), None) if repository and repository.commit("HEAD") else None
        branch = repository.branch() if repository else None
    except GitError:
        return "", {}
    if commit is None:
        return "", {}
    return commit.subject, {
        "git.head": commit.id,
        "git.headName": f"refs/heads/{branch}" if branch else "HEAD",
        "git.author": commit.author,
        "git.author.email": commit.author_email,
        "git.committer": commit.committer,
        "git.committer.email": commit.committer_email,
    }

"""The pull request comment that shows the preview environment's status."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra import naming
from ops.errors import OpsError
from ops.github import GitHub
from ops.previews.cloud import CloudObject
from ops.previews.parent import Parent
from ops.pull_request import CommentResult, CommentTarget, write_comment
from ops.report.markdown import code, fenced
from ops.report.text import short
from ops.scaleway.catalogue import CONTAINER
from ops.state.account import Account

KIND = "environment"
_MAX_PROBLEM_LENGTH = 6_000
_LOG = "    "
"""Prefix of container log lines in errors. Such lines are dropped, because app output does not belong on a pull
request."""
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class CommentBody:
    """An environment's status as shown in the comment."""

    name: str
    status: str
    urls: Mapping[str, str]
    versions: Mapping[str, str]
    """Image version by app."""
    containers: Mapping[str, CloudObject]
    """Container by app."""
    problem: str = ""

    def markdown(self) -> str:
        return "\n".join(self._lines()).rstrip()

    def _lines(self) -> Iterator[str]:
        yield f"### Preview environment {code(self.name)}: {self.status}"
        yield ""
        apps = sorted(self.versions.keys() | self.urls.keys() | self.containers.keys())
        if apps:
            yield "| App | Status | URL | Version |"
            yield "|---|---|---|---|"
        for app in apps:
            container = self.containers.get(app)
            status = container.status if container else "missing"
            version = short(self.versions.get(app, ""))
            cells = (code(app), status, self.urls.get(app, ""), code(version) if version else "")
            yield f"| {' | '.join(cells)} |"
        if self.problem:
            yield ""
            yield from fenced(_without_logs(self.problem.splitlines()), _MAX_PROBLEM_LENGTH)
            yield "See the workflow run's log for the full output."


def _without_logs(lines: Sequence[str]) -> list[str]:
    """The lines without log lines, and without titles of log lines."""
    kept = list[str]()
    for line in lines:
        if not line.startswith(_LOG):
            kept.append(line)
        elif kept and kept[-1].endswith(":"):
            kept.pop()
    return kept


def taken_down(name: str, reason: str) -> str:
    """The comment for an environment that was taken down."""
    return f"### Preview environment {code(name)}: taken down\n\n{reason}"


def write(github: GitHub, number: int, name: str, text: str, *, create: bool = True) -> CommentResult:
    """Raises OpsError."""
    target = CommentTarget(github.repository.name, number, github.repository.api_url)
    return write_comment(target, name, text, github.token, kind=KIND, create=create)


def containers_by_app(name: str, objects: Iterable[CloudObject]) -> dict[str, CloudObject]:
    prefix = naming.container(name, "")
    return {each.name.removeprefix(prefix): each for each in objects if each.kind is CONTAINER}


def redacted(parent: Parent, name: str, text: str) -> str:
    """The text without any values from the secret documents of the environment and its parent.

    If a document cannot be read, the whole text is withheld.
    """
    try:
        account = Account(parent.stack, parent.environ)
        try:
            values = {value for each in (name, parent.template.parent) for value in _values(account, parent, each)}
        finally:
            account.close()
    except OpsError:
        return "See the workflow run's log for the error."
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text


def _values(account: Account, parent: Parent, environment: str) -> Iterator[str]:
    for secret in account.secrets_named(naming.secret(environment), parent.project_id):
        content = account.content(secret)
        if content is not None:
            yield from _strings(_parsed(content))


def _parsed(content: bytes) -> Any:
    text = content.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
        yield value
        yield from (line for line in value.splitlines() if len(line) >= _SHORTEST_SECRET)

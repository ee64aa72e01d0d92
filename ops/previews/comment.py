"""The one comment on a pull request that says how its environment is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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
_MOST_SAID = 6_000
_LOG = "    "
"""What lines of a container's log begin with in errors: what an app writes does not belong on a pull request."""
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class CommentBody:
    """How an environment is."""

    name: str
    status: str
    urls: Mapping[str, str]
    versions: Mapping[str, str]
    """Of the images, by app."""
    containers: Mapping[str, CloudObject]
    """By app."""
    problem: str = ""

    def markdown(self) -> str:
        return "\n".join(self._lines()).rstrip()

    def _lines(self) -> Iterator[str]:
        yield f"### Environment {code(self.name)}: {self.status}"
        yield ""
        apps = sorted(self.versions.keys() | self.urls.keys() | self.containers.keys())
        if apps:
            yield "| app | status | address | version |"
            yield "|---|---|---|---|"
        for app in apps:
            container = self.containers.get(app)
            status = container.status if container else "not there"
            version = short(self.versions.get(app, ""))
            cells = (code(app), status, self.urls.get(app, ""), code(version) if version else "")
            yield f"| {' | '.join(cells)} |"
        if self.problem:
            yield ""
            yield from fenced([line for line in self.problem.splitlines() if not line.startswith(_LOG)], _MOST_SAID)
            yield "The job that brought it up shows all that was said."


def gone(name: str, why: str) -> str:
    """The comment once the environment was taken down."""
    return f"### Environment {code(name)}: taken down\n\n{why}"


def write(github: GitHub, number: int, name: str, text: str, *, create: bool = True) -> CommentResult:
    """Raises OpsError."""
    target = CommentTarget(github.repository.name, number, github.repository.api_url)
    return write_comment(target, name, text, github.token, kind=KIND, create=create)


def containers_by_app(name: str, things: Iterable[CloudObject]) -> dict[str, CloudObject]:
    prefix = naming.container(name, "")
    return {each.name.removeprefix(prefix): each for each in things if each.kind is CONTAINER}


def without_secrets(parent: Parent, name: str, text: str) -> str:
    """The text without any value of the environment's secret document or its parent's, whoever has written it there.

    Where a document cannot be read, nothing of the text is left.
    """
    try:
        account = Account(parent.stack, parent.environ)
        try:
            values = {value for each in (name, parent.template.parent) for value in _values(account, parent, each)}
        finally:
            account.close()
    except OpsError:
        return "What went wrong is said by the job that brought it up."
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text


def _values(account: Account, parent: Parent, environment: str) -> Iterator[str]:
    for secret in account.secrets_named(naming.secret(environment), parent.project_id):
        content = account.content(secret)
        if content is not None:
            yield from _texts(_parsed(content))


def _parsed(content: bytes) -> Any:
    text = content.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
        yield value
        yield from (line for line in value.splitlines() if len(line) >= _SHORTEST_SECRET)

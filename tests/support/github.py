"""As much of GitHub's API as a comment on a pull request needs, on a free port of this machine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ops.github import Repository

TOKEN = "t0ken-of-the-test"
_REPOSITORY = "/repos/octo/snu"
_PULL = re.compile(rf"{_REPOSITORY}/pulls/(\d+)")
_BRANCH = re.compile(rf"{_REPOSITORY}/branches/(.+)")
_COMMIT_PULLS = re.compile(rf"{_REPOSITORY}/commits/([0-9a-f]+)/pulls")
_ISSUES = f"{_REPOSITORY}/issues"
_ISSUE = re.compile(rf"{_ISSUES}/(\d+)")
_COMMENTS = re.compile(rf"{_REPOSITORY}/issues/(\d+)/comments")
_COMMENT = re.compile(r"/repos/octo/snu/issues/comments/(\d+)")


@dataclass
class Answer:
    """What is answered instead of the truth."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False
    """Whether the request is carried out all the same."""


@dataclass
class Pull:
    """A pull request."""

    branch: str
    is_open: bool = True
    labels: tuple[str, ...] = ()
    head: str | None = "octo/snu"
    """The repository of its branch; None where it was deleted."""
    commit: str = "c" * 40
    """The newest one of its branch."""
    merged_as: str | None = None
    """The commit that its merge ended in."""
    reads_until_closed: int | None = None
    """It is closed by somebody after so many times that it was asked for."""

    def read(self) -> Pull:
        if self.reads_until_closed is not None:
            self.reads_until_closed -= 1
            self.is_open = self.is_open and self.reads_until_closed >= 0
        return self


@dataclass
class Hub:
    """As much of octo/snu on GitHub as a hot-fix needs."""

    url: str = ""
    branches: dict[str, str] = field(default_factory=dict)
    """Name and commit."""
    known: set[str] = field(default_factory=set)
    """Commits that were pushed."""
    knows_all: bool = False
    """Whether every commit counts as pushed."""
    pulls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def repository(self) -> Repository:
        return Repository("octo/snu", self.url)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        path = path.removeprefix(_REPOSITORY)
        if path == "":
            return 200, {"full_name": "octo/snu", "url": f"{self.url}{_REPOSITORY}"}
        if path == "/git/refs" and method == "POST":
            if not self.knows_all and body["sha"] not in self.known:
                return 422, {"message": "Object does not exist"}
            self.branches[body["ref"].removeprefix("refs/heads/")] = body["sha"]
            return 201, {"ref": body["ref"], "object": {"sha": body["sha"]}}
        for prefix in ("/git/refs/heads/", "/git/ref/heads/", "/git/matching-refs/heads/"):
            if path.startswith(prefix):
                return self._reference(method, path.removeprefix(prefix))
        if path == "/pulls" and method == "GET":
            head = query["head"][0].removeprefix("octo:")
            return 200, [pull for pull in self.pulls if pull["head"]["ref"] == head and pull["state"] == "open"]
        if path == "/pulls" and method == "POST":
            number = len(self.pulls) + 1
            pull = {"number": number, "state": "open", "html_url": f"https://github.example/octo/snu/pull/{number}"}
            told = {"title": body["title"], "body": body["body"]}
            self.pulls.append({**pull, **told, "head": {"ref": body["head"]}, "base": {"ref": body["base"]}})
            return 201, self.pulls[-1]
        return 404, {"message": "Not Found"}

    def _reference(self, method: str, name: str) -> tuple[int, Any]:
        if name not in self.branches:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            del self.branches[name]
            return 204, None
        url = f"{self.url}{_REPOSITORY}/git/refs/heads/{name}"
        return 200, {"ref": f"refs/heads/{name}", "url": url, "object": {"sha": self.branches[name]}}


@dataclass
class FakeGitHub:
    """The repository octo/snu: pull requests, of which 7 is there from the beginning, their comments, and branches."""

    url: str = ""
    login: str = "snu-bot"
    integration: bool = False
    """Whether the token is a workflow's, which may not ask who it is."""
    comments: list[dict[str, Any]] = field(default_factory=list)
    pulls: dict[int, Pull] = field(default_factory=lambda: {7: Pull("feature")})
    branches: set[str] = field(default_factory=lambda: {"main"})
    issues: list[dict[str, Any]] = field(default_factory=list)
    hub: Hub = field(default_factory=lambda: Hub(knows_all=True))
    """Has the branches and pull requests that are made here."""
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    """By method, what the next requests of it are answered with."""
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        return [method for method, _ in self.requests if method != "GET"]

    def add(self, body: str, login: str | None = None, pull: int = 7) -> dict[str, Any]:
        number = 100 + len(self.comments)
        comment = {
            "id": number,
            "body": body.replace("\n", "\r\n"),
            "user": {"login": login or self.login, "type": "User", "url": f"{self.url}/users/x"},
            "url": f"{self.url}/repos/octo/snu/issues/comments/{number}",
            "html_url": f"https://github.example/octo/snu/pull/{pull}#issuecomment-{number}",
        }
        self.comments.append(comment)
        return comment

    def bodies(self, pull: int | None = None) -> list[str]:
        """Of one pull request, or of all."""
        found = self.comments if pull is None else self._of(pull)
        return [comment["body"].replace("\r\n", "\n") for comment in found]

    def _of(self, pull: int) -> list[dict[str, Any]]:
        return [comment for comment in self.comments if f"/pull/{pull}#" in comment["html_url"]]

    def add_issue(self, title: str, body: str, labels: list[str], login: str | None = None) -> dict[str, Any]:
        number = 50 + len(self.issues)
        issue = {
            "number": number,
            "title": title,
            "body": body.replace("\n", "\r\n"),
            "state": "open",
            "labels": [{"name": label} for label in labels],
            "user": {"login": login or self.login, "type": "User", "url": f"{self.url}/users/x"},
            "url": f"{self.url}{_ISSUES}/{number}",
            "html_url": f"https://github.example/octo/snu/issues/{number}",
        }
        self.issues.append(issue)
        return issue

    def _issue(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any, Any]:
        if path == _ISSUES and method == "POST":
            return 201, self.add_issue(body["title"], body["body"], body.get("labels", [])), {}
        if path == _ISSUES:
            state, label = query.get("state", ["open"])[0], query.get("labels", [""])[0]
            there = [each for each in self.issues if state in ("all", each["state"])]
            return 200, [each for each in there if label in ("", *(known["name"] for known in each["labels"]))], {}
        (issue,) = [each for each in self.issues if path == f"{_ISSUES}/{each['number']}"]
        if method == "PATCH":
            issue |= {**body, **({"body": body["body"].replace("\n", "\r\n")} if "body" in body else {})}
        return 200, issue, {}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer | tuple[int, Any, Any]:
        fault = self.faults.get(method, []).pop(0) if self.faults.get(method) else None
        if fault is not None and not fault.done:
            return fault
        found = self._truth(method, path, query, body)
        return fault or found

    def _truth(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any, Any]:
        if path == "/user":
            if self.integration:
                return 403, {"message": "Resource not accessible by integration"}, {}
            return 200, {"login": self.login, "url": f"{self.url}/user"}, {}
        if (found := _PULL.fullmatch(path)) and int(found[1]) in self.pulls:
            return 200, self._pull(int(found[1])), {}
        if found := _COMMIT_PULLS.fullmatch(path):
            pulls = [self._pull(number) for number in self.pulls]
            return 200, [pull for pull in pulls if found[1] in (pull["merge_commit_sha"], pull["head"]["sha"])], {}
        if (found := _BRANCH.fullmatch(path)) and unquote(found[1]) in self.branches:
            return 200, {"name": unquote(found[1]), "protected": False}, {}
        if path == _ISSUES or _ISSUE.fullmatch(path):
            return self._issue(method, path, query, body)
        if (found := _COMMENTS.fullmatch(path)) and method == "GET":
            page, size = (int(query.get(key, [default])[0]) for key, default in (("page", "1"), ("per_page", "30")))
            return self._page(int(found[1]), page, size)
        if (found := _COMMENTS.fullmatch(path)) and method == "POST":
            return 201, self.add(body["body"], pull=int(found[1])), {}
        if found := _COMMENT.fullmatch(path):
            (comment,) = [each for each in self.comments if each["id"] == int(found[1])]
            if method == "DELETE":
                self.comments.remove(comment)
                return 204, None, {}
            comment["body"] = body["body"].replace("\n", "\r\n")
            return 200, comment, {}
        return *self.hub.answer(method, path, query, body), {}

    def _pull(self, number: int) -> dict[str, Any]:
        pull = self.pulls[number].read()
        return {
            "number": number,
            "issue_url": f"{self.url}{_REPOSITORY}/issues/{number}",
            "url": f"{self.url}{_REPOSITORY}/pulls/{number}",
            "state": "open" if pull.is_open else "closed",
            "merged_at": "2026-01-02T03:04:05Z" if pull.merged_as else None,
            "merge_commit_sha": pull.merged_as or f"{number:040x}",
            "head": {"ref": pull.branch, "sha": pull.commit, "repo": pull.head and {"full_name": pull.head}},
            "labels": [{"name": label} for label in pull.labels],
        }

    def _page(self, pull: int, page: int, size: int) -> tuple[int, Any, dict[str, str]]:
        comments = self._of(pull)
        start = (page - 1) * size
        more = start + size < len(comments)
        following = f"{self.url}{_REPOSITORY}/issues/{pull}/comments?page={page + 1}&per_page={size}"
        return 200, comments[start : start + size], {"Link": f'<{following}>; rel="next"'} if more else {}


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    authorization: str


@contextmanager
def json_server(answer: Callable[[Request], tuple[int, Any, dict[str, str]]]) -> Iterator[str]:
    """A server on this machine that gives what ``answer`` gives: status, document and headers; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            return None

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            authorization = self.headers.get("Authorization", "")
            status, document, headers = answer(
                Request(self.command, parts.path, parse_qs(parts.query), body, authorization)
            )
            text = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def github() -> Iterator[FakeGitHub]:
    fake = FakeGitHub()

    def answer(request: Request) -> tuple[int, Any, dict[str, str]]:
        fake.requests.append((request.method, request.path))
        if request.authorization != f"token {TOKEN}":
            return 401, {"message": "Bad credentials"}, {}
        found = fake.answer(request.method, request.path, request.query, request.body)
        return (found.status, found.body, found.headers) if isinstance(found, Answer) else found

    with json_server(answer) as url:
        fake.url = fake.hub.url = url
        yield fake


@pytest.fixture
def hub() -> Iterator[Hub]:
    held = Hub()
    with json_server(lambda asked: (*held.answer(asked.method, asked.path, asked.query, asked.body), {})) as url:
        held.url = url
        yield held

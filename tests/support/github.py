"""As much of GitHub's API as a comment on a pull request needs, on a free port of this machine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "t0ken-of-the-test"
_COMMENTS = re.compile(r"/repos/octo/snu/issues/7/comments")
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
class FakeGitHub:
    """The pull request octo/snu#7 and its comments."""

    url: str = ""
    login: str = "snu-bot"
    integration: bool = False
    """Whether the token is a workflow's, which may not ask who it is."""
    comments: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    """By method, what the next requests of it are answered with."""
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        return [method for method, _ in self.requests if method != "GET"]

    def add(self, body: str, login: str | None = None) -> dict[str, Any]:
        number = 100 + len(self.comments)
        comment = {
            "id": number,
            "body": body.replace("\n", "\r\n"),
            "user": {"login": login or self.login, "type": "User", "url": f"{self.url}/users/x"},
            "url": f"{self.url}/repos/octo/snu/issues/comments/{number}",
            "html_url": f"https://github.example/octo/snu/pull/7#issuecomment-{number}",
        }
        self.comments.append(comment)
        return comment

    def bodies(self) -> list[str]:
        return [comment["body"].replace("\r\n", "\n") for comment in self.comments]

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
        if path == "/repos/octo/snu/pulls/7":
            issue = f"{self.url}/repos/octo/snu/issues/7"
            return 200, {"number": 7, "issue_url": issue, "url": f"{self.url}{path}"}, {}
        if _COMMENTS.fullmatch(path) and method == "GET":
            return self._page(int(query.get("page", ["1"])[0]), int(query.get("per_page", ["30"])[0]))
        if _COMMENTS.fullmatch(path) and method == "POST":
            return 201, self.add(body["body"]), {}
        if found := _COMMENT.fullmatch(path):
            (comment,) = [each for each in self.comments if each["id"] == int(found[1])]
            if method == "DELETE":
                self.comments.remove(comment)
                return 204, None, {}
            comment["body"] = body["body"].replace("\n", "\r\n")
            return 200, comment, {}
        return 404, {"message": "Not Found"}, {}

    def _page(self, page: int, size: int) -> tuple[int, Any, dict[str, str]]:
        start = (page - 1) * size
        more = start + size < len(self.comments)
        following = f"{self.url}/repos/octo/snu/issues/7/comments?page={page + 1}&per_page={size}"
        return 200, self.comments[start : start + size], {"Link": f'<{following}>; rel="next"'} if more else {}


@contextmanager
def github() -> Iterator[FakeGitHub]:
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            return None

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            fake.requests.append((self.command, parts.path))
            if self.headers.get("Authorization") != f"token {TOKEN}":
                found: Any = (401, {"message": "Bad credentials"}, {})
            else:
                found = fake.answer(self.command, parts.path, parse_qs(parts.query), body)
            status, answer, headers = (found.status, found.body, found.headers) if isinstance(found, Answer) else found
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

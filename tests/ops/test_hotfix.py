"""A hot-fix's branch: what may become a release by itself, and how it comes back to the main branch."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pygit2
import pytest

from ops.errors import OpsError
from ops.github import Repository
from ops.releases import hotfix
from ops.releases.hotfix import HotFix
from ops.releases.tags import Releases
from tests.ops.test_releases import CONTENT, DAY
from tests.support.repository import commit_all

TOKEN = "t0ken-of-the-test"
BRANCH = "production_hotfix"


@pytest.fixture
def repository(tmp_path: Path) -> pygit2.Repository:
    """On the branch of a hot-fix, at the commit of production's release."""
    made = pygit2.init_repository(str(tmp_path), initial_head="main")
    change(made, "first")
    made.branches.local.create(BRANCH, made.head.peel(pygit2.Commit))
    made.set_head(f"refs/heads/{BRANCH}")
    return made


def change(repository: pygit2.Repository, message: str) -> str:
    (Path(repository.workdir) / "file").write_text(message)
    return commit_all(repository, message)


def found(repository: pygit2.Repository, **environ: str) -> HotFix:
    return hotfix.find(Path(repository.workdir), "production", environ)


def test_a_branch_that_descends_from_the_release(repository: pygit2.Repository) -> None:
    released = str(repository.head.target)
    release = Releases(repository).record("production", DAY, released, **CONTENT)
    assert found(repository) == HotFix("production", BRANCH, released, release)
    fix = change(repository, "fix")
    assert found(repository).commit == fix
    # In CI a commit is checked out.
    repository.set_head(pygit2.Oid(hex=fix))
    assert found(repository, GITHUB_REF_NAME=BRANCH).commit == fix
    with pytest.raises(OpsError, match="this is no branch"):
        found(repository)


def test_a_branch_that_lacks_what_production_runs(repository: pygit2.Repository) -> None:
    """It was cut from an older release, or production has got another one since."""
    base = repository.head.target
    repository.set_head("refs/heads/main")
    released = change(repository, "released since")
    Releases(repository).record("production", DAY, released, **CONTENT)
    repository.set_head(f"refs/heads/{BRANCH}")
    repository.reset(base, pygit2.enums.ResetMode.HARD)
    change(repository, "fix")
    with pytest.raises(OpsError, match=f"does not hold commit {released[:12]} of production/2026-11-26.1") as refused:
        found(repository)
    assert "git switch -c production_hotfix production/2026-11-26.1" in str(refused.value)


def test_what_is_no_hot_fix(repository: pygit2.Repository) -> None:
    with pytest.raises(OpsError, match="production has no release that production_hotfix could be cut from"):
        found(repository)
    repository.set_head("refs/heads/main")
    with pytest.raises(OpsError, match="is made on the branch production_hotfix; this is main"):
        found(repository)


def test_a_release_whose_commit_is_elsewhere_is_not_descended_from(repository: pygit2.Repository) -> None:
    """Another history, without a common commit."""
    signature = pygit2.Signature("B", "b@snu.localhost")
    tree = repository.head.peel(pygit2.Commit).tree_id
    stray = repository.create_commit(None, signature, signature, "stray", tree, [])
    Releases(repository).record("production", DAY, str(stray), **CONTENT)
    with pytest.raises(OpsError, match="does not hold commit"):
        found(repository)


# --- GitHub ---------------------------------------------------------------------------------------------


@dataclass
class Hub:
    """As much of octo/snu on GitHub as a hot-fix needs."""

    url: str = ""
    branches: dict[str, str] = field(default_factory=dict)
    """Name and commit."""
    known: set[str] = field(default_factory=set)
    """Commits that were pushed."""
    pulls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def repository(self) -> Repository:
        return Repository("octo/snu", self.url)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        path = path.removeprefix("/repos/octo/snu")
        if path == "":
            return 200, {"full_name": "octo/snu", "url": f"{self.url}/repos/octo/snu"}
        if path == "/git/refs" and method == "POST":
            if body["sha"] not in self.known:
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
            self.pulls.append({**pull, "title": body["title"], "body": body["body"], "head": {"ref": body["head"]}})
            return 201, self.pulls[-1]
        return 404, {"message": "Not Found"}

    def _reference(self, method: str, name: str) -> tuple[int, Any]:
        if name not in self.branches:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            del self.branches[name]
            return 204, None
        url = f"{self.url}/repos/octo/snu/git/refs/heads/{name}"
        return 200, {"ref": f"refs/heads/{name}", "url": url, "object": {"sha": self.branches[name]}}


@pytest.fixture
def hub() -> Iterator[Hub]:
    held = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            return None

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = held.answer(self.command, parts.path, parse_qs(parts.query), body)
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture
def fix(repository: pygit2.Repository) -> HotFix:
    Releases(repository).record("production", DAY, str(repository.head.target), **CONTENT)
    change(repository, "fix")
    return found(repository)


def test_the_pull_request_has_a_branch_of_its_own(hub: Hub, fix: HotFix) -> None:
    hub.known.add(fix.commit)
    hub.branches[BRANCH] = fix.commit
    opened = hotfix.open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "The log")
    assert opened.branch == "production_hotfix-2026-11-26.1"
    assert not opened.was_there
    assert hub.branches[opened.branch] == fix.commit
    assert [(pull["title"], pull["body"]) for pull in hub.pulls] == [("Back", "The log")]
    again = hotfix.open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "The log")
    assert (again.url, again.was_there) == (opened.url, True)
    assert len(hub.pulls) == 1

    assert hotfix.delete_branch(hub.repository, TOKEN, fix)
    assert hub.branches == {opened.branch: fix.commit}
    assert not hotfix.delete_branch(hub.repository, TOKEN, fix)


def test_a_fix_that_was_not_pushed(hub: Hub, fix: HotFix) -> None:
    with pytest.raises(OpsError, match="push production_hotfix first"):
        hotfix.open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "")
    assert hub.pulls == []


def test_a_branch_that_holds_something_else_is_left_alone(hub: Hub, fix: HotFix) -> None:
    hub.branches = {BRANCH: "0" * 40, f"{BRANCH}-2026-11-26.1": "1" * 40}
    with pytest.raises(OpsError, match="is on GitHub already, at commit 111111111111"):
        hotfix.open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "")
    with pytest.raises(OpsError, match="production_hotfix was not deleted: on GitHub it is at commit 000000000000"):
        hotfix.delete_branch(hub.repository, TOKEN, fix)
    assert len(hub.branches) == 2

"""As much of GitHub's API as the command uses, for the repository octo/snu."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pygit2
import pytest
from nacl.public import PrivateKey, SealedBox
from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from ops.github import Repository
from tests.support.fake_server import FakeServer, json_response

TOKEN = "t0ken-of-the-test"
_NAME = "octo/snu"
_REPOSITORY = f"/repos/{_NAME}"
_ANY = re.compile(".*")
_NOT_FOUND = 404, {"message": "Not Found"}
_FORBIDDEN = 403, {"message": "Resource not accessible by personal access token"}

Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
"""Status, document and headers."""


@dataclass
class Pull:
    """A pull request."""

    branch: str
    is_open: bool = True
    labels: tuple[str, ...] = ()
    head: str | None = _NAME
    """The repository of its branch; None where it was deleted."""
    commit: str = "c" * 40
    """The newest one of its branch."""
    merged_as: str | None = None
    """The commit that its merge ended in."""
    reads_until_closed: int | None = None
    """It is closed by somebody after so many times that it was asked for."""
    title: str = ""
    body: str = ""
    base: str = "main"

    def read(self) -> Pull:
        if self.reads_until_closed is not None:
            self.reads_until_closed -= 1
            self.is_open = self.is_open and self.reads_until_closed >= 0
        return self


class FakeGitHub(FakeServer):
    """Pull requests, of which 7 is there from the beginning, their comments, branches and issues."""

    def __init__(self) -> None:
        super().__init__()
        self.login = "snu-bot"
        self.integration = False
        """Whether the token is a workflow's, which may not ask who it is."""
        self.comments: list[dict[str, Any]] = []
        self.pulls = {7: Pull("feature")}
        self.branches = {"main": "0" * 40}
        """Name and commit."""
        self.protected: set[str] = set()
        """Branches with a protection rule of any kind."""
        self.commits: set[str] | None = None
        """Those that were pushed; None: all."""
        self.merged: set[str] = set()
        """Those that every base branch holds."""
        self.may_open_pulls = True
        self.issues: list[dict[str, Any]] = []
        self.environments: dict[str, set[str]] = {}
        """Deployment environments, with the names of their secrets."""
        self.may_administer = True
        """Whether the token may change settings, environments and rulesets."""
        self.may_read_secrets = True
        self.key = PrivateKey.generate()
        """Secrets are encrypted for it."""
        self.secrets: dict[tuple[str, str], str] = {}
        """Values that were set, by environment and name."""
        self.may_delete_environments = True
        self.deployments: list[dict[str, Any]] = []
        """Each with its statuses; oldest first."""
        self.tags: dict[str, str] = {}
        """Name and ID of the tag object."""
        self.origin: Path | None = None
        """A bare repository, whose tags GitHub has too."""
        self.releases: list[dict[str, Any]] = []
        self.former_name: str | None = None
        """The repository's name before it was renamed."""
        self.settings: dict[str, Any] = {"allow_merge_commit": True}
        """Of the repository."""
        self.documents: dict[str, Any] = {}
        """What else the repository's part of the API has, by path; a number is the status of an error."""
        self.expect_request(_ANY).respond_with_handler(self._respond)
        references = f"{_REPOSITORY}/git/<any('ref', 'refs', 'matching-refs'):kind>"
        heads = f"{references}/heads/<path:name>"
        self._routes = Map(
            [
                Rule("/user", methods=["GET"], endpoint=self._user),
                Rule(_REPOSITORY, methods=["GET"], endpoint=self._repository),
                Rule(_REPOSITORY, methods=["PATCH"], endpoint=self._edit_repository),
                Rule("/users/<name>", methods=["GET"], endpoint=self._who),
                Rule("/orgs/octo/teams/<name>", methods=["GET"], endpoint=self._who),
                Rule(f"{_REPOSITORY}/environments/<name>", methods=["PUT"], endpoint=self._put_environment),
                Rule(
                    f"{_REPOSITORY}/environments/<name>/deployment-branch-policies",
                    methods=["POST"],
                    endpoint=self._add_policy,
                ),
                Rule(f"{_REPOSITORY}/rulesets", methods=["GET"], endpoint=self._list_rulesets),
                Rule(f"{_REPOSITORY}/rulesets", methods=["POST"], endpoint=self._write_ruleset),
                Rule(f"{_REPOSITORY}/rulesets/<int:number>", methods=["PUT"], endpoint=self._write_ruleset),
                Rule(f"{_REPOSITORY}/actions/<path:rest>", methods=["PUT"], endpoint=self._put_actions),
                Rule("/repositories/1", methods=["GET"], endpoint=self._repository),
                Rule(f"{_REPOSITORY}/pulls", methods=["GET"], endpoint=self._list_pulls),
                Rule(f"{_REPOSITORY}/pulls", methods=["POST"], endpoint=self._open_pull),
                Rule(f"{_REPOSITORY}/pulls/<int:number>", methods=["GET"], endpoint=self._get_pull),
                Rule(f"{_REPOSITORY}/commits/<commit>/pulls", methods=["GET"], endpoint=self._pulls_of_commit),
                Rule(f"{_REPOSITORY}/compare/<base>...<head>", methods=["GET"], endpoint=self._compare),
                Rule(f"{_REPOSITORY}/branches/<path:name>", methods=["GET"], endpoint=self._get_branch),
                Rule(f"{_REPOSITORY}/environments", methods=["GET"], endpoint=self._list_environments),
                Rule(f"{_REPOSITORY}/environments/<name>", methods=["GET"], endpoint=self._get_environment),
                Rule(f"{_REPOSITORY}/environments/<path:name>", methods=["DELETE"], endpoint=self._delete_environment),
                Rule(f"{_REPOSITORY}/deployments", methods=["GET"], endpoint=self._list_deployments),
                Rule(f"{_REPOSITORY}/deployments", methods=["POST"], endpoint=self._create_deployment),
                Rule(f"{_REPOSITORY}/deployments/<int:number>/statuses", methods=["GET"], endpoint=self._list_statuses),
                Rule(f"{_REPOSITORY}/deployments/<int:number>/statuses", methods=["POST"], endpoint=self._add_status),
                Rule(f"{_REPOSITORY}/releases", methods=["POST"], endpoint=self._create_release),
                Rule(f"{_REPOSITORY}/releases/tags/<path:tag>", methods=["GET"], endpoint=self._get_release),
                Rule(f"{_REPOSITORY}/releases/<int:number>", methods=["PATCH"], endpoint=self._edit_release),
                Rule(f"{references}/tags/<path:name>", methods=["GET"], endpoint=self._get_tag),
                Rule(f"{_REPOSITORY}/environments/<name>/secrets", methods=["GET"], endpoint=self._list_secrets),
                Rule(f"{_REPOSITORY}/environments/<name>/secrets/public-key", endpoint=self._public_key),
                Rule(f"{_REPOSITORY}/environments/<name>/secrets/<secret>", methods=["PUT"], endpoint=self._set_secret),
                Rule(
                    f"{_REPOSITORY}/environments/<name>/deployment-branch-policies",
                    methods=["GET"],
                    endpoint=self._list_policies,
                ),
                Rule(
                    f"{_REPOSITORY}/<any('rules', 'rulesets', 'actions'):kind>/<path:rest>",
                    methods=["GET"],
                    endpoint=self._other,
                ),
                Rule(f"{_REPOSITORY}/hooks", methods=["GET"], endpoint=self._list_hooks),
                Rule(f"{_REPOSITORY}/git/refs", methods=["POST"], endpoint=self._create_reference),
                Rule(heads, methods=["GET"], endpoint=self._get_reference),
                Rule(heads, methods=["DELETE"], endpoint=self._delete_reference),
                Rule(f"{_REPOSITORY}/issues", methods=["GET"], endpoint=self._list_issues),
                Rule(f"{_REPOSITORY}/issues", methods=["POST"], endpoint=self._create_issue),
                Rule(f"{_REPOSITORY}/issues/<int:number>", methods=["GET"], endpoint=self._get_issue),
                Rule(f"{_REPOSITORY}/issues/<int:number>", methods=["PATCH"], endpoint=self._edit_issue),
                Rule(f"{_REPOSITORY}/issues/<int:number>/comments", methods=["GET"], endpoint=self._list_comments),
                Rule(f"{_REPOSITORY}/issues/<int:number>/comments", methods=["POST"], endpoint=self._create_comment),
                Rule(f"{_REPOSITORY}/issues/comments/<int:number>", methods=["PATCH"], endpoint=self._edit_comment),
                Rule(f"{_REPOSITORY}/issues/comments/<int:number>", methods=["DELETE"], endpoint=self._delete_comment),
            ]
        )

    @property
    def repository(self) -> Repository:
        return Repository(_NAME, self.url)

    @property
    def writes(self) -> list[str]:
        return [method for method, _ in self.requests if method != "GET"]

    @property
    def opened(self) -> list[Pull]:
        """The pull requests that were opened through the API."""
        return [pull for pull in self.pulls.values() if pull.title]

    def bodies(self, pull: int | None = None) -> list[str]:
        """The comments on one pull request, or on all."""
        found = self.comments if pull is None else self._comments_on(pull)
        return [comment["body"].replace("\r\n", "\n") for comment in found]

    def fail(
        self,
        method: str,
        *statuses: int,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        done: bool = False,
    ) -> None:
        """Answer the next requests of a method with these, in turn, and no more with what was set before.

        ``done``: they are carried out nevertheless.
        """

        def answer(status: int, request: Request) -> Response:
            if done:
                self._respond(request)
            return json_response(status, document or {}, headers)

        self.oneshot_handlers.clear()
        for status in statuses:
            self.expect_oneshot_request(_ANY, method=method).respond_with_handler(partial(answer, status))

    def add(self, body: str, login: str | None = None, pull: int = 7) -> dict[str, Any]:
        """Add a comment."""
        number = 100 + len(self.comments)
        path = f"{_NAME}/pull/{pull}#issuecomment-{number}"
        comment = self._written(body, login, "issues/comments", number, path) | {"id": number}
        self.comments.append(comment)
        return comment

    def add_issue(self, title: str, body: str, labels: list[str], login: str | None = None) -> dict[str, Any]:
        number = 50 + len(self.issues)
        issue = self._written(body, login, "issues", number, f"{_NAME}/issues/{number}") | {
            "number": number,
            "title": title,
            "state": "open",
            "labels": [{"name": label} for label in labels],
        }
        self.issues.append(issue)
        return issue

    def _written(self, body: str, login: str | None, kind: str, number: int, path: str) -> dict[str, Any]:
        """What a comment and an issue have in common."""
        return {
            "body": body.replace("\n", "\r\n"),
            "user": {"login": login or self.login, "type": "User", "url": f"{self.url}/users/x"},
            "url": f"{self.url}{_REPOSITORY}/{kind}/{number}",
            "html_url": f"https://github.example/{path}",
        }

    # --- requests ---------------------------------------------------------------------------------------

    def _respond(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"token {TOKEN}":
            return json_response(401, {"message": "Bad credentials"})
        if self.former_name and request.path.startswith(f"/repos/{self.former_name}"):
            rest = request.path.removeprefix(f"/repos/{self.former_name}")
            moved = {"Location": f"{self.url}/repositories/1{rest}"}
            return json_response(301 if request.method == "GET" else 307, {"message": "Moved Permanently"}, moved)
        try:
            handler, values = self._routes.bind_to_environ(request.environ).match()
        except HTTPException:
            return json_response(*_NOT_FOUND)
        answer: Answer = handler(request, **values)
        return json_response(*answer)

    def _user(self, _request: Request) -> Answer:
        if self.integration:
            return 403, {"message": "Resource not accessible by integration"}
        return 200, {"login": self.login, "url": f"{self.url}/user"}

    def _repository(self, _request: Request) -> Answer:
        addresses = {"url": f"{self.url}{_REPOSITORY}", "html_url": f"https://github.example/{_NAME}"}
        return 200, {"full_name": _NAME, **addresses, **self.settings}

    def _list_policies(self, _request: Request, name: str) -> Answer:
        return self._document(f"environments/{name}/deployment-branch-policies")

    def _list_hooks(self, _request: Request) -> Answer:
        return self._document("hooks")

    def _other(self, _request: Request, kind: str, rest: str) -> Answer:
        return self._document(f"{kind}/{rest}")

    def _document(self, path: str) -> Answer:
        found = self.documents.get(path, 404)
        return (
            (found, {"message": "Resource not accessible by integration"}) if isinstance(found, int) else (200, found)
        )

    # --- settings ---------------------------------------------------------------------------------------

    def _edit_repository(self, request: Request) -> Answer:
        if not self.may_administer:
            return _FORBIDDEN
        self.settings |= request.get_json()
        return 200, self.settings

    def _put_actions(self, request: Request, rest: str) -> Answer:
        if not self.may_administer:
            return _FORBIDDEN
        self.documents[f"actions/{rest}"] = request.get_json()
        return 204, None

    def _who(self, request: Request, name: str) -> Answer:
        return (404, {"message": "Not Found"}) if name == "nobody" else (200, {"id": len(name), "name": name})

    def _put_environment(self, request: Request, name: str) -> Answer:
        """Replaces its rules, as GitHub does."""
        if not self.may_administer:
            return _FORBIDDEN
        asked = request.get_json()
        reviewers = [{"type": each["type"], "reviewer": {"id": each["id"]}} for each in asked.get("reviewers") or []]
        self.environments.setdefault(name, set())
        self.documents[f"environments/{name}"] = {
            "deployment_branch_policy": asked["deployment_branch_policy"],
            "protection_rules": [{"type": "required_reviewers", "reviewers": reviewers}] if reviewers else [],
            "can_admins_bypass": True,
        }
        self.documents.setdefault(f"environments/{name}/deployment-branch-policies", {"branch_policies": []})
        return self._get_environment(request, name)

    def _add_policy(self, request: Request, name: str) -> Answer:
        found = self.documents[f"environments/{name}/deployment-branch-policies"]["branch_policies"]
        found.append(request.get_json())
        return 200, found[-1]

    def _list_rulesets(self, _request: Request) -> Answer:
        return 200, [each for path, each in self.documents.items() if re.fullmatch(r"rulesets/\d+", path)]

    def _write_ruleset(self, request: Request, number: int | None = None) -> Answer:
        if not self.may_administer:
            return _FORBIDDEN
        asked = request.get_json()
        number = number or 1 + sum(path.startswith("rulesets/") for path in self.documents)
        self.documents[f"rulesets/{number}"] = {"id": number, **asked}
        for reference in asked["conditions"]["ref_name"]["include"]:
            rules = self.documents.setdefault(f"rules/branches/{reference.removeprefix('refs/heads/')}", [])
            rules[:] = [rule for rule in rules if rule["ruleset_id"] != number]
            rules += [{**rule, "ruleset_id": number} for rule in asked["rules"]]
        return 201, self.documents[f"rulesets/{number}"]

    # --- pull requests ----------------------------------------------------------------------------------

    def _list_pulls(self, request: Request) -> Answer:
        owner, _, branch = request.args["head"].partition(":")
        assert owner == "octo"
        pulls = [self._pull(number) for number, pull in self.pulls.items() if pull.branch == branch]
        return 200, [pull for pull in pulls if request.args["state"] in ("all", pull["state"])]

    def _open_pull(self, request: Request) -> Answer:
        if not self.may_open_pulls:
            return 403, {"message": "GitHub Actions is not permitted to create or approve pull requests."}
        asked = request.get_json()
        number = max(self.pulls, default=0) + 1
        self.pulls[number] = Pull(asked["head"], title=asked["title"], body=asked["body"], base=asked["base"])
        return 201, self._pull(number)

    def _get_pull(self, _request: Request, number: int) -> Answer:
        return (200, self._pull(number)) if number in self.pulls else _NOT_FOUND

    def _pulls_of_commit(self, _request: Request, commit: str) -> Answer:
        pulls = [self._pull(number) for number in self.pulls]
        return 200, [pull for pull in pulls if commit in (pull["merge_commit_sha"], pull["head"]["sha"])]

    def _pull(self, number: int) -> dict[str, Any]:
        pull = self.pulls[number].read()
        return {
            "number": number,
            "issue_url": f"{self.url}{_REPOSITORY}/issues/{number}",
            "url": f"{self.url}{_REPOSITORY}/pulls/{number}",
            "html_url": f"https://github.example/{_NAME}/pull/{number}",
            "state": "open" if pull.is_open else "closed",
            "merged_at": "2026-01-02T03:04:05Z" if pull.merged_as else None,
            "merge_commit_sha": pull.merged_as or f"{number:040x}",
            "title": pull.title,
            "body": pull.body,
            "head": {"ref": pull.branch, "sha": pull.commit, "repo": pull.head and {"full_name": pull.head}},
            "base": {"ref": pull.base},
            "labels": [{"name": label} for label in pull.labels],
        }

    def _compare(self, _request: Request, base: str, head: str) -> Answer:
        ahead = 0 if head in self.merged else 1
        return 200, {"status": "ahead" if ahead else "identical", "ahead_by": ahead, "behind_by": 0}

    # --- branches ---------------------------------------------------------------------------------------

    def _get_branch(self, _request: Request, name: str) -> Answer:
        return (200, {"name": name, "protected": name in self.protected}) if name in self.branches else _NOT_FOUND

    def _create_reference(self, request: Request) -> Answer:
        asked = request.get_json()
        if self.commits is not None and asked["sha"] not in self.commits:
            return 422, {"message": "Object does not exist"}
        self.branches[asked["ref"].removeprefix("refs/heads/")] = asked["sha"]
        return 201, {"ref": asked["ref"], "object": {"sha": asked["sha"]}}

    def _get_reference(self, _request: Request, kind: str, name: str) -> Answer:
        if name not in self.branches:
            return _NOT_FOUND
        url = f"{self.url}{_REPOSITORY}/git/refs/heads/{name}"
        return 200, {"ref": f"refs/heads/{name}", "url": url, "object": {"sha": self.branches[name]}}

    def _delete_reference(self, _request: Request, kind: str, name: str) -> Answer:
        return (204, None) if self.branches.pop(name, None) else _NOT_FOUND

    # --- environments -----------------------------------------------------------------------------------

    def _list_environments(self, _request: Request) -> Answer:
        found = [self._environment(name) for name in self.environments]
        return 200, {"total_count": len(found), "environments": found}

    def _get_environment(self, _request: Request, name: str) -> Answer:
        return (200, self._environment(name)) if name in self.environments else _NOT_FOUND

    def _environment(self, name: str) -> dict[str, Any]:
        known = self.documents.get(f"environments/{name}", {})
        return {"name": name, "url": f"{self.url}{_REPOSITORY}/environments/{name}", **known}

    def _list_secrets(self, _request: Request, name: str) -> Answer:
        if not self.may_read_secrets:
            return 403, {"message": "Resource not accessible by integration"}
        if name not in self.environments:
            return _NOT_FOUND
        found = [{"name": secret} for secret in sorted(self.environments[name])]
        return 200, {"total_count": len(found), "secrets": found}

    def _public_key(self, _request: Request, name: str) -> Answer:
        if not self.may_read_secrets:
            return 403, {"message": "Resource not accessible by integration"}
        return 200, {"key_id": "k", "key": base64.b64encode(bytes(self.key.public_key)).decode()}

    def _set_secret(self, request: Request, name: str, secret: str) -> Answer:
        asked = request.get_json()
        if name not in self.environments:
            return _NOT_FOUND
        if asked.get("key_id") != "k":
            return 422, {"message": "Bad request - key_id does not match"}
        value = SealedBox(self.key).decrypt(base64.b64decode(asked["encrypted_value"]))
        self.secrets[name, secret] = value.decode()
        self.environments[name].add(secret)
        return 201, {}

    def _delete_environment(self, _request: Request, name: str) -> Answer:
        if not self.may_delete_environments:
            return 403, {"message": "Resource not accessible by integration"}
        return (204, None) if self.environments.pop(name, None) is not None else _NOT_FOUND

    # --- deployments ------------------------------------------------------------------------------------

    def states(self, environment: str) -> list[list[str]]:
        """The states that each deployment of an environment has had; the newest deployment is the last."""
        there = [each for each in self.deployments if each["environment"] == environment]
        return [[status["state"] for status in each["statuses"]] for each in there]

    def _list_deployments(self, request: Request) -> Answer:
        environment = request.args["environment"]
        return 200, [each for each in reversed(self.deployments) if each["environment"] == environment]

    def _create_deployment(self, request: Request) -> Answer:
        asked = request.get_json()
        assert (asked["required_contexts"], asked["auto_merge"], asked["transient_environment"]) == ([], False, True)
        number = 1000 + len(self.deployments)
        url = f"{self.url}{_REPOSITORY}/deployments/{number}"
        made = {"id": number, "url": url, "statuses": [], "sha": asked["ref"], **asked}
        self.deployments.append(made)
        self.environments.setdefault(asked["environment"], set())
        return 201, made

    def _list_statuses(self, _request: Request, number: int) -> Answer:
        return 200, self.deployments[number - 1000]["statuses"][::-1]

    def _add_status(self, request: Request, number: int) -> Answer:
        status = request.get_json()
        self.deployments[number - 1000]["statuses"].append(status)
        return 201, status

    # --- releases ---------------------------------------------------------------------------------------

    def _get_tag(self, _request: Request, kind: str, name: str) -> Answer:
        tag = self._tag(name)
        return (200, {"ref": f"refs/tags/{name}", "object": {"sha": tag, "type": "tag"}}) if tag else _NOT_FOUND

    def _tag(self, name: str) -> str | None:
        if self.origin is None:
            return self.tags.get(name)
        found = pygit2.Repository(str(self.origin)).references.get(f"refs/tags/{name}")
        return str(found.target) if found else None

    def _get_release(self, _request: Request, tag: str) -> Answer:
        return next(((200, each) for each in self.releases if each["tag_name"] == tag), _NOT_FOUND)

    def _create_release(self, request: Request) -> Answer:
        asked = request.get_json()
        assert self._tag(asked["tag_name"]), "GitHub would create the tag"
        number = len(self.releases)
        addresses = {
            "url": f"{self.url}{_REPOSITORY}/releases/{number}",
            "html_url": f"https://github.example/{_NAME}/releases/tag/{asked['tag_name']}",
        }
        self.releases.append({"id": number, **addresses, **asked})
        return 201, self.releases[-1]

    def _edit_release(self, request: Request, number: int) -> Answer:
        self.releases[number] |= request.get_json()
        return 200, self.releases[number]

    # --- issues and comments ----------------------------------------------------------------------------

    def _list_issues(self, request: Request) -> Answer:
        state, label = request.args.get("state", "open"), request.args.get("labels", "")
        there = [each for each in self.issues if state in ("all", each["state"])]
        return 200, [each for each in there if label in ("", *(known["name"] for known in each["labels"]))]

    def _create_issue(self, request: Request) -> Answer:
        asked = request.get_json()
        return 201, self.add_issue(asked["title"], asked["body"], asked.get("labels", []))

    def _get_issue(self, _request: Request, number: int) -> Answer:
        (issue,) = [each for each in self.issues if each["number"] == number]
        return 200, issue

    def _edit_issue(self, request: Request, number: int) -> Answer:
        (issue,) = [each for each in self.issues if each["number"] == number]
        asked = request.get_json()
        issue |= {**asked, **({"body": asked["body"].replace("\n", "\r\n")} if "body" in asked else {})}
        return 200, issue

    def _list_comments(self, request: Request, number: int) -> Answer:
        page, size = int(request.args.get("page", 1)), int(request.args.get("per_page", 30))
        comments = self._comments_on(number)
        following = f"{self.url}{request.path}?page={page + 1}&per_page={size}"
        more = page * size < len(comments)
        return 200, comments[(page - 1) * size : page * size], {"Link": f'<{following}>; rel="next"'} if more else {}

    def _create_comment(self, request: Request, number: int) -> Answer:
        return 201, self.add(request.get_json()["body"], pull=number)

    def _edit_comment(self, request: Request, number: int) -> Answer:
        (comment,) = [each for each in self.comments if each["id"] == number]
        comment["body"] = request.get_json()["body"].replace("\n", "\r\n")
        return 200, comment

    def _delete_comment(self, _request: Request, number: int) -> Answer:
        (comment,) = [each for each in self.comments if each["id"] == number]
        self.comments.remove(comment)
        return 204, None

    def _comments_on(self, pull: int) -> list[dict[str, Any]]:
        return [comment for comment in self.comments if f"/pull/{pull}#" in comment["html_url"]]


@pytest.fixture
def hub() -> Iterator[FakeGitHub]:
    """A repository to which nothing was pushed."""
    with FakeGitHub() as made:
        made.branches, made.commits, made.pulls = {}, set(), {}
        yield made

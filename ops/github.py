"""Accesses pull requests, branches and environments through PyGithub, and turns errors into one-line messages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from infra.loopback import is_loopback
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import TOKEN, TOKEN_FILE

if TYPE_CHECKING:
    from github import Github, GithubException
    from github.Repository import Repository as Hosted

T = TypeVar("T")

API_URL = "https://api.github.com"

RETRIES = 3
RETRY_SECONDS = 0.5
SERVER_ERRORS = (500, 502, 503, 504)
WRITE_COMMENTS = "`pull-requests: write`, and the pull request must not be locked"
WRITE_PULL_REQUESTS = (
    "`contents: write` and `pull-requests: write`, and the repository must allow GitHub Actions to create pull "
    "requests (Settings, Actions, General)"
)
WRITE_ISSUES = "`issues: write`"
WRITE_DEPLOYMENTS = "`deployments: write`"
WRITE_RELEASES = "`contents: write`"
READ_ACTIONS = "the repository permission `actions: read`"
READ_ENVIRONMENTS = "the repository permission `environments: read`, which a workflow's token never has"
WRITE_ADMINISTRATION = "the repository permission `administration: write`"
WRITE_ENVIRONMENTS = "the repository permission `environments: write`"
READ_ADMINISTRATION = "the repository permission `administration: read`, which a workflow's token never has"
READ_WEBHOOKS = "the repository permission `webhooks: read`, which a workflow's token never has"
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PER_PAGE = 100
_TIMEOUT_SECONDS = 20
_MOVED = (301, 307, 308)


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub."""

    name: str
    """``owner/name``."""
    api_url: str = API_URL

    def __post_init__(self) -> None:
        """Raises OpsError for an invalid name, and for a URL to which the token must not be sent."""
        if not _REPOSITORY.fullmatch(self.name):
            raise OpsError(f"--repo is {self.name!r}; expected OWNER/NAME", ExitCode.USAGE)
        parts = urlsplit(self.api_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise OpsError(
                f"--api-url is {self.api_url!r}; expected an https:// URL, because the token is sent there",
                ExitCode.USAGE,
            )

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class PullRequest:
    """The current state of a pull request."""

    number: int
    is_open: bool
    branch: str
    """Its head branch."""
    head: str
    """The repository that contains the branch, such as a fork; empty if it was deleted."""
    labels: frozenset[str]
    commit: str
    """Latest commit of its branch."""


@dataclass(frozen=True)
class GitHub:
    """A repository on GitHub, accessed with a token."""

    repository: Repository
    token: str

    def pull_request(self, number: int) -> PullRequest:
        """The pull request's current state. Raises OpsError if the request fails."""
        with self._client("pull request", f"{self.repository}#{number}") as github:
            pull = github.get_repo(self.repository.name).get_pull(number)
            # Checked, as a missing field would read as "closed", and the environment would be taken down.
            return PullRequest(
                number=number,
                is_open=_known(pull.state, ("open", "closed")) == "open",
                branch=pull.head.ref,
                head=pull.head.repo.full_name if pull.head.repo is not None else "",
                labels=frozenset(label.name for label in pull.labels),
                commit=pull.head.sha,
            )

    def has_branch(self, branch: str) -> bool:
        """Whether a branch exists.

        Raises OpsError if the request fails or the token has no access to the repository.
        """
        from github import GithubException, UnknownObjectException

        with self._client("repository", str(self.repository)) as github:
            try:
                existing = github.get_repo(self.repository.name).get_branch(branch)
                return bool(existing.name == branch)  # for a renamed branch, GitHub returns the new one
            except UnknownObjectException:
                _ = github.get_repo(self.repository.name).id  # raises if it is the repository that is not visible
                return False
            except GithubException as error:
                if error.status in _MOVED:
                    return False
                raise

    def merged_as(self, commit: str) -> int | None:
        """Number of the pull request that was merged as this commit, or None.

        Source: GitHub's REST API, "List pull requests associated with a commit". Raises OpsError if the request fails,
        GitHub does not have the commit, or ``commit`` is not a full commit id.
        """
        if not _COMMIT.fullmatch(commit):
            raise OpsError(f"--commit is {commit!r}; expected a full 40-character commit id", ExitCode.USAGE)
        with self._client("commit", f"{commit} in {self.repository}") as github:
            pulls = github.get_repo(self.repository.name).get_commit(commit).get_pulls()
            return next((pull.number for pull in pulls if pull.merged_at and pull.merge_commit_sha == commit), None)

    def open_pull_requests_of(self, commit: str) -> tuple[str, ...]:
        """URLs of the open pull requests that have this commit as their head. Raises OpsError."""
        with self._client("commit", f"{commit} in {self.repository}") as github:
            pulls = github.get_repo(self.repository.name).get_commit(commit).get_pulls()
            return tuple(pull.html_url for pull in pulls if pull.state == "open" and pull.head.sha == commit)

    def document(self, path: str, subject: str, permission: str = "`contents: read`") -> Any:
        """A resource of the repository in the REST API, such as ``rules/branches/main``. Raises OpsError.

        ``subject``: its name in messages; ``permission``: the permission that the token needs.
        """
        with self._client("repository with", subject, permission) as github:
            _, document = github.requester.requestJsonAndCheck("GET", f"/repos/{self.repository}/{path}".rstrip("/"))
            return document

    def is_protected(self, branch: str) -> bool:
        """Whether a branch exists and is protected by any rule. Raises OpsError."""
        return self.has_branch(branch) and bool(self.document(f"branches/{branch}", f"branch {branch}")["protected"])

    def environments(self) -> frozenset[str]:
        """The names of the repository's deployment environments. Raises OpsError."""
        with self._client("repository", str(self.repository), READ_ACTIONS) as github:
            return frozenset(each.name for each in github.get_repo(self.repository.name).get_environments())

    def secret_names(self, environment: str) -> frozenset[str]:
        """The names of an environment's secrets, of which it can have 100; GitHub never returns their values.

        Raises OpsError.
        """
        path = f"/repos/{self.repository}/environments/{quote(environment, safe='')}/secrets?per_page=100"
        with self._client("environment with", f"the secrets of {environment}", READ_ENVIRONMENTS) as github:
            _, document = github.requester.requestJsonAndCheck("GET", path)
            return frozenset(secret["name"] for secret in document["secrets"])

    def resource(self, path: str, subject: str, permission: str = "`metadata: read`") -> Any:
        """A resource outside the repository, such as ``/users/octocat``. Raises OpsError."""
        with self._client("object", subject, permission) as github:
            _, document = github.requester.requestJsonAndCheck("GET", path)
            return document

    def change(self, method: str, path: str, body: Mapping[str, Any], subject: str, permission: str) -> None:
        """Create or change a resource of the repository; ``path`` as in ``document``. Raises OpsError."""
        with self._client("repository with", subject, permission) as github:
            path = f"/repos/{self.repository}/{path}".rstrip("/")
            github.requester.requestJsonAndCheck(method, path, input=dict(body))

    def set_secret(self, environment: str, name: str, value: str) -> None:
        """Set a secret of an environment. It is encrypted on this machine with GitHub's key. Raises OpsError."""
        with self._client("environment", environment, WRITE_ENVIRONMENTS) as github:
            github.get_repo(self.repository.name).get_environment(environment).create_secret(name, value)

    @contextmanager
    def _client(self, noun: str, subject: str, permission: str = WRITE_COMMENTS) -> Iterator[Github]:
        errors = readable_errors(self.repository, noun, subject, permission)
        with errors, client(self.repository, self.token) as github:
            yield github


def _known(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise OpsError(
            f"GitHub returned {value!r} as the state of a pull request; expected {' or '.join(allowed)}.",
            ExitCode.FAILED,
        )
    return value


def read_token(environ: Mapping[str, str]) -> str:
    """The GitHub token from the token file or environment variable. Raises OpsError if it is missing or malformed."""
    if file := environ.get(TOKEN_FILE):
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise OpsError(f"The file named by {TOKEN_FILE} cannot be read: {reason}.", ExitCode.ENVIRONMENT) from None
    else:
        token = environ.get(TOKEN, "").strip()
    if not token or any(character.isspace() for character in token):
        raise OpsError(
            f"The GitHub token is missing: set {TOKEN}, or set {TOKEN_FILE} to the path of a file that contains only "
            "the token. It needs write access to pull requests or issues.",
            ExitCode.ENVIRONMENT,
        )
    return token


@contextmanager
def client(repository: Repository, token: str) -> Iterator[Github]:
    """A client that retries idempotent requests, but not creations."""
    from github import Auth, Github
    from urllib3.util import Retry

    retry = Retry(
        total=RETRIES,
        backoff_factor=RETRY_SECONDS,
        status_forcelist=SERVER_ERRORS,
        allowed_methods=["GET", "PATCH", "DELETE"],
        raise_on_status=False,
        respect_retry_after_header=False,  # it may be an hour; the caller decides whether to wait
    )
    github = Github(
        auth=Auth.Token(token),
        base_url=repository.api_url.rstrip("/"),
        timeout=_TIMEOUT_SECONDS,
        per_page=_PER_PAGE,
        retry=retry,
        # A command sends only a few requests, one after the other.
        seconds_between_requests=None,
        seconds_between_writes=None,
        lazy=True,
    )
    try:
        yield github
    finally:
        github.close()


def current_repository(github: Github, repository: Repository) -> Hosted:
    """The repository with its current name.

    GitHub redirects requests to the former name of a renamed repository, but clients follow redirects of reads only.
    """
    return github.get_repo(repository.name).complete()


def with_retries(work: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Retry a creation on server errors. ``work`` must first check whether a failed request created the object."""
    from github import GithubException

    for attempt in range(RETRIES + 1):
        try:
            return work()
        except GithubException as error:
            if error.status not in SERVER_ERRORS or attempt == RETRIES:
                raise
            sleep(RETRY_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


@contextmanager
def readable_errors(
    repository: Repository, noun: str, subject: str, permission: str = WRITE_COMMENTS
) -> Iterator[None]:
    """Turns GitHub and network errors into an OpsError. ``permission``: the permission that the token needs."""
    from github import BadCredentialsException, GithubException, RateLimitExceededException, UnknownObjectException
    from requests import RequestException

    try:
        yield
    except BadCredentialsException:
        message = f"GitHub rejected the token (401): create a new one for {repository}"
    except RateLimitExceededException as error:
        message = f"GitHub's rate limit is exceeded{_until(error)}. Try again later"
    except UnknownObjectException:
        message = f"There is no {noun} {subject}, or the token cannot access it (404)"
    except GithubException as error:
        if error.status == 429:
            message = f"GitHub's rate limit is exceeded{_until(error)}. Try again later"
        elif error.status == 403:
            message = f"The token has no access to {subject} (403): it needs {permission}"
        else:
            message = f"GitHub returned status {error.status} for {subject}: {error.message or 'no reason given'}"
    except RequestException as error:
        message = f"GitHub cannot be reached at {urlsplit(repository.api_url).netloc}: {type(error).__name__}"
    else:
        return
    raise OpsError(f"{message}. Nothing else was written.", ExitCode.FAILED)


def _until(error: GithubException) -> str:
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    if (seconds := str(headers.get("retry-after", ""))).isdigit():
        return f" for {seconds} seconds"
    if (reset := str(headers.get("x-ratelimit-reset", ""))).isdigit():
        return f" until {time.strftime('%H:%M:%S UTC', time.gmtime(int(reset)))}"
    return ""

"""GitHub, through PyGithub: whom the token belongs to, pull requests, branches, and its errors in one sentence."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.process_environment import TOKEN, TOKEN_FILE
from ops.stacks import is_loopback

if TYPE_CHECKING:
    from github import Github, GithubException

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
READ_ENVIRONMENTS = "the repository permission `environments: read`"
READ_ADMINISTRATION = "the repository permission `administration: read`, which a workflow's token never has"
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
        """Raises OpsError for what cannot be one, and for an address that the token must not be sent to."""
        if not _REPOSITORY.fullmatch(self.name):
            raise OpsError(f"--repo is {self.name!r}; expected OWNER/NAME", ExitCode.USAGE)
        parts = urlsplit(self.api_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise OpsError(
                f"--api-url is {self.api_url!r}; expected an https:// address, as the token is sent there",
                ExitCode.USAGE,
            )

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class PullRequest:
    """A pull request as GitHub has it now."""

    number: int
    is_open: bool
    branch: str
    """The one that it brings."""
    head: str
    """The repository that the branch is in: another one for a fork; empty where that was deleted."""
    labels: frozenset[str]


@dataclass(frozen=True)
class GitHub:
    """A repository on GitHub that is asked with a token."""

    repository: Repository
    token: str

    def pull_request(self, number: int) -> PullRequest:
        """Raises OpsError when GitHub does not say."""
        with self._asking("pull request", f"{self.repository}#{number}") as hub:
            found = hub.get_repo(self.repository.name).get_pull(number)
            # A field that GitHub leaves out would be taken for "closed", and that has consequences.
            return PullRequest(
                number=number,
                is_open=_known(found.state, ("open", "closed")) == "open",
                branch=found.head.ref,
                head=found.head.repo.full_name if found.head.repo is not None else "",
                labels=frozenset(label.name for label in found.labels),
            )

    def has_branch(self, branch: str) -> bool:
        """Raises OpsError when GitHub does not say; a repository that the token may not see has no branches."""
        from github import GithubException, UnknownObjectException

        with self._asking("repository", str(self.repository)) as hub:
            try:
                found = hub.get_repo(self.repository.name).get_branch(branch)
                return bool(found.name == branch)  # of a branch that was renamed, GitHub gives the new one
            except UnknownObjectException:
                _ = hub.get_repo(self.repository.name).id  # asks for it: 404 means something else where it is not seen
                return False
            except GithubException as error:
                if error.status in _MOVED:
                    return False
                raise

    def merged_as(self, commit: str) -> int | None:
        """Number of the pull request whose merge ended in this commit; None where there is none.

        Source: GitHub's REST API, "List pull requests associated with a commit". Raises OpsError when GitHub does not
        answer or does not know the commit, and for what is not a full commit id.
        """
        if not _COMMIT.fullmatch(commit):
            raise OpsError(f"--commit is {commit!r}; expected a full commit id of 40 characters", ExitCode.USAGE)
        with self._asking("commit", f"{commit} in {self.repository}") as hub:
            pulls = hub.get_repo(self.repository.name).get_commit(commit).get_pulls()
            return next((pull.number for pull in pulls if pull.merged_at and pull.merge_commit_sha == commit), None)

    def open_pull_requests_of(self, commit: str) -> tuple[str, ...]:
        """The addresses of open pull requests whose newest commit this is. Raises OpsError."""
        with self._asking("commit", f"{commit} in {self.repository}") as hub:
            pulls = hub.get_repo(self.repository.name).get_commit(commit).get_pulls()
            return tuple(pull.html_url for pull in pulls if pull.state == "open" and pull.head.sha == commit)

    def document(self, path: str, what: str, right: str = "`contents: read`") -> Any:
        """A document of the repository's part of the REST API, such as ``rules/branches/main``. Raises OpsError.

        ``what``: it, as messages name it; ``right``: what the token needs.
        """
        with self._asking("repository with", what, right) as hub:
            _, found = hub.requester.requestJsonAndCheck("GET", f"/repos/{self.repository}/{path}".rstrip("/"))
            return found

    def is_protected(self, branch: str) -> bool:
        """Whether a branch is there, and any rule protects it. Raises OpsError."""
        return self.has_branch(branch) and bool(self.document(f"branches/{branch}", f"branch {branch}")["protected"])

    def environments(self) -> frozenset[str]:
        """The names of the repository's deployment environments. Raises OpsError."""
        with self._asking("repository", str(self.repository), READ_ENVIRONMENTS) as hub:
            return frozenset(found.name for found in hub.get_repo(self.repository.name).get_environments())

    def secret_names(self, environment: str) -> frozenset[str]:
        """The names of an environment's secrets; GitHub never gives their values. Raises OpsError."""
        what = f"the secrets of {environment}"
        with self._asking("environment", what, READ_ENVIRONMENTS) as hub:
            found = hub.get_repo(self.repository.name).get_environment(environment).get_secrets()
            return frozenset(secret.name for secret in found)

    @contextmanager
    def _asking(self, noun: str, what: str, right: str = WRITE_COMMENTS) -> Iterator[Github]:
        with clear_errors(self.repository, noun, what, right), client(self.repository, self.token) as hub:
            yield hub


def _known(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise OpsError(
            f"GitHub says that the state of a pull request is {value!r}; expected {' or '.join(allowed)}.",
            ExitCode.FAILED,
        )
    return value


def read_token(environ: Mapping[str, str]) -> str:
    """The token, from the file or the variable. Raises OpsError when there is none."""
    if file := environ.get(TOKEN_FILE):
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise OpsError(
                f"The file that {TOKEN_FILE} names cannot be read: {reason}.", ExitCode.ENVIRONMENT
            ) from None
    else:
        token = environ.get(TOKEN, "").strip()
    if not token or any(character.isspace() for character in token):
        raise OpsError(
            f"There is no token for GitHub: set {TOKEN}, or {TOKEN_FILE} to a file that holds it and nothing else. It "
            "must be allowed to write on pull requests, or issues.",
            ExitCode.ENVIRONMENT,
        )
    return token


@contextmanager
def client(repository: Repository, token: str) -> Iterator[Github]:
    """Tries again what can be asked twice; a creation is not."""
    from github import Auth, Github
    from urllib3.util import Retry

    retry = Retry(
        total=RETRIES,
        backoff_factor=RETRY_SECONDS,
        status_forcelist=SERVER_ERRORS,
        allowed_methods=["GET", "PATCH", "DELETE"],
        raise_on_status=False,
        respect_retry_after_header=False,  # it may be an hour, and whoever runs this can wait better
    )
    made = Github(
        auth=Auth.Token(token),
        base_url=repository.api_url.rstrip("/"),
        timeout=_TIMEOUT_SECONDS,
        per_page=_PER_PAGE,
        retry=retry,
        seconds_between_writes=None,
        lazy=True,
    )
    try:
        yield made
    finally:
        made.close()


def tried_again(work: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """For what makes something: it may have been made when the answer is an error, so the work has to look first."""
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
def clear_errors(repository: Repository, noun: str, what: str, right: str = WRITE_COMMENTS) -> Iterator[None]:
    """What GitHub, or the way to it, refuses: in one sentence. ``right``: what the token needs."""
    from github import BadCredentialsException, GithubException, RateLimitExceededException, UnknownObjectException
    from requests import RequestException

    try:
        yield
    except BadCredentialsException:
        said = f"GitHub does not accept the token (401): make a new one for {repository}"
    except RateLimitExceededException as error:
        said = f"GitHub's rate limit is reached{_until(error)}: run this again later"
    except UnknownObjectException:
        said = f"There is no {noun} {what}, or the token may not see it (404)"
    except GithubException as error:
        if error.status == 429:
            said = f"GitHub's rate limit is reached{_until(error)}: run this again later"
        elif error.status == 403:
            said = f"The token may not use {what} (403): it needs {right}"
        else:
            said = f"GitHub answered {error.status} for {what}: {error.message or 'without a reason'}"
    except RequestException as error:
        said = f"GitHub cannot be reached at {urlsplit(repository.api_url).netloc}: {type(error).__name__}"
    else:
        return
    raise OpsError(f"{said}. Nothing else was written.", ExitCode.FAILED)


def _until(error: GithubException) -> str:
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    if (seconds := str(headers.get("retry-after", ""))).isdigit():
        return f" for {seconds} seconds"
    if (reset := str(headers.get("x-ratelimit-reset", ""))).isdigit():
        return f" until {time.strftime('%H:%M:%S UTC', time.gmtime(int(reset)))}"
    return ""

"""One comment per stack on a pull request, found again by a hidden marker, through PyGithub."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ops.display.markdown import COMMENT_LIMIT
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import is_loopback

if TYPE_CHECKING:
    from github import Github, GithubException
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest

TOKEN = "GITHUB_TOKEN"  # noqa: S105 - the variable's name
TOKEN_FILE = "SNU_GITHUB_TOKEN_FILE"  # noqa: S105 - the variable's name
ACTIONS_BOT = "github-actions[bot]"
"""Whose comments a workflow's own token writes; that token may not ask who it is."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_STACK = re.compile(r"[A-Za-z0-9_.-]+")
_PER_PAGE = 100
_TIMEOUT_SECONDS = 20
_RETRIES = 3
_RETRY_SECONDS = 0.5
_SERVER_ERRORS = (500, 502, 503, 504)


class Outcome(StrEnum):
    CREATED = "created"
    EDITED = "edited"
    UNCHANGED = "unchanged, nothing was written"


@dataclass(frozen=True)
class Written:
    """What became of a comment."""

    outcome: Outcome
    url: str
    removed: int
    """So many more comments with the same marker, all of ours, were deleted."""


@dataclass(frozen=True)
class Target:
    """A pull request, and whose comments on it are ours."""

    repository: str
    """``owner/name``."""
    number: int
    api_url: str
    author: str | None = None
    """The login whose comments are ours; None: that of the token."""

    def __post_init__(self) -> None:
        """Raises OpsError for what cannot be one, and for an address that the token must not be sent to."""
        if not _REPOSITORY.fullmatch(self.repository):
            raise OpsError(f"--repo is {self.repository!r}; expected OWNER/NAME", ExitCode.USAGE)
        parts = urlsplit(self.api_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise OpsError(
                f"--api-url is {self.api_url!r}; expected an https:// address, as the token is sent there",
                ExitCode.USAGE,
            )

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"


def marker(stack: str) -> str:
    """The hidden first line. Raises OpsError for a name that would not stay hidden."""
    if not _STACK.fullmatch(stack):
        raise OpsError(f"--stack is {stack!r}; expected letters, digits, `.`, `_` and `-`", ExitCode.USAGE)
    return f"<!-- snu:plan:{stack} -->"


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
            "must be allowed to write on pull requests.",
            ExitCode.ENVIRONMENT,
        )
    return token


def write_comment(
    target: Target, stack: str, text: str, token: str, *, sleep: Callable[[float], None] = time.sleep
) -> Written:
    """Make the pull request have exactly this comment of ours for the stack.

    Raises OpsError when GitHub refuses, cannot be reached, or the text is too long for it.
    """
    first = marker(stack)
    body = f"{first}\n{_normal(text)}"
    if len(body) > COMMENT_LIMIT:
        raise OpsError(
            f"The comment would have {len(body)} characters, and GitHub takes {COMMENT_LIMIT}: `--markdown` of `snu "
            "preview`, `plan` and `diff` writes texts that fit.",
            ExitCode.USAGE,
        )
    with _clear_errors(target), _client(target, token) as client:
        author = target.author or _own_login(client)
        pull = client.get_repo(target.repository).get_pull(target.number)
        for attempt in range(_RETRIES + 1):
            try:
                return _upsert(pull, author, first, body)
            except _server_error() as error:
                # It may have been created all the same: look again before another try.
                if error.status not in _SERVER_ERRORS or attempt == _RETRIES:
                    raise
                sleep(_RETRY_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


def _upsert(pull: PullRequest, author: str, first: str, body: str) -> Written:
    ours = [comment for comment in pull.get_issue_comments() if _is_ours(comment, author, first)]
    if not ours:
        return Written(Outcome.CREATED, pull.create_issue_comment(body).html_url, 0)
    kept, *others = sorted(ours, key=lambda comment: comment.id)
    for comment in others:
        comment.delete()
    if _normal(kept.body) == body:
        return Written(Outcome.UNCHANGED, kept.html_url, len(others))
    kept.edit(body)
    return Written(Outcome.EDITED, kept.html_url, len(others))


def _is_ours(comment: IssueComment, author: str, first: str) -> bool:
    begins = _normal(comment.body or "").split("\n", 1)[0] == first
    return begins and comment.user is not None and comment.user.login.lower() == author.lower()


def _normal(text: str) -> str:
    """As GitHub may give it back."""
    return text.replace("\r\n", "\n").strip()


def _own_login(client: Github) -> str:
    from github import GithubException

    try:
        return client.get_user().login
    except GithubException as error:
        if error.status == 403 and "not accessible by integration" in str(error.data).lower():
            return ACTIONS_BOT
        raise


# --- the client and its errors --------------------------------------------------------------------------------------


@contextmanager
def _client(target: Target, token: str) -> Iterator[Github]:
    """Tries again what can be asked twice; a creation is not."""
    from github import Auth, Github
    from urllib3.util import Retry

    retry = Retry(
        total=_RETRIES,
        backoff_factor=_RETRY_SECONDS,
        status_forcelist=_SERVER_ERRORS,
        allowed_methods=["GET", "PATCH", "DELETE"],
        raise_on_status=False,
        respect_retry_after_header=False,  # it may be an hour, and whoever runs this can wait better
    )
    client = Github(
        auth=Auth.Token(token),
        base_url=target.api_url.rstrip("/"),
        timeout=_TIMEOUT_SECONDS,
        per_page=_PER_PAGE,
        retry=retry,
        seconds_between_writes=None,
        lazy=True,
    )
    try:
        yield client
    finally:
        client.close()


def _server_error() -> type[GithubException]:
    from github import GithubException

    return GithubException


@contextmanager
def _clear_errors(target: Target) -> Iterator[None]:
    """What GitHub, or the way to it, refuses: in one sentence."""
    from github import BadCredentialsException, GithubException, RateLimitExceededException, UnknownObjectException
    from requests import RequestException

    try:
        yield
    except BadCredentialsException:
        said = f"GitHub does not accept the token (401): make a new one for {target.repository}"
    except RateLimitExceededException as error:
        said = f"GitHub's rate limit is reached{_until(error)}: run this again later"
    except UnknownObjectException:
        said = f"There is no pull request {target}, or the token may not see it (404)"
    except GithubException as error:
        if error.status == 429:
            said = f"GitHub's rate limit is reached{_until(error)}: run this again later"
        elif error.status == 403:
            said = (
                f"The token may not write on {target} (403): it needs `pull-requests: write`, and the pull request "
                "must not be locked"
            )
        else:
            said = f"GitHub answered {error.status} for {target}: {error.message or 'without a reason'}"
    except RequestException as error:
        said = f"GitHub cannot be reached at {urlsplit(target.api_url).netloc}: {type(error).__name__}"
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

"""Posts messages to a Slack channel through an incoming webhook."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from infra.loopback import is_loopback
from ops.errors import OpsError
from ops.exit_codes import ExitCode

WEBHOOK = "SLACK_WEBHOOK_URL"
_RETRY_SECONDS = (0.5, 2.0)
_TIMEOUT_SECONDS = 20.0


def webhook(environ: Mapping[str, str]) -> str:
    """The webhook URL, which is a secret. Raises OpsError if it is missing or does not use HTTPS."""
    url = environ.get(WEBHOOK, "").strip()
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        is_safe = False
    if not is_safe:
        problem = "is not an https:// URL" if url else "is not set"
        raise OpsError(f"{WEBHOOK} {problem}; set it to the URL of a Slack incoming webhook.", ExitCode.ENVIRONMENT)
    return url


def post(url: str, text: str) -> None:
    """Post a message. Raises OpsError, omitting the URL, if Slack does not accept the message."""
    import httpx

    problem = ""
    for seconds in (0.0, *_RETRY_SECONDS):
        time.sleep(seconds)
        try:
            response = httpx.post(url, json={"text": text}, timeout=_TIMEOUT_SECONDS)
        except httpx.ConnectError:
            problem = "connection failed"
            continue
        except httpx.HTTPError as error:
            problem = f"no response ({type(error).__name__})"  # not retried, as it may have been delivered
            break
        if response.is_success:
            return
        problem = f"status {response.status_code}"
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS and response.status_code < 500:
            break
    raise OpsError(f"The message was not posted to Slack: {problem}. Check {WEBHOOK}.", ExitCode.FAILED)

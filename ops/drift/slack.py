"""Messages to a channel of Slack, through its incoming webhook."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import is_loopback

WEBHOOK = "SLACK_WEBHOOK_URL"
_RETRY_SECONDS = (0.5, 2.0)
_TIMEOUT_SECONDS = 20.0


def webhook(environ: Mapping[str, str]) -> str:
    """The address, which is a secret. Raises OpsError where there is none, or it is not one to send to."""
    url = environ.get(WEBHOOK, "").strip()
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        is_safe = False
    if not is_safe:
        what = "is not an https:// address" if url else "is not set"
        raise OpsError(f"{WEBHOOK} {what}: set it to that of an incoming webhook of Slack.", ExitCode.ENVIRONMENT)
    return url


def post(url: str, text: str) -> None:
    """Raises OpsError when Slack does not take it; the address is not in the text."""
    import httpx

    said = ""
    for seconds in (0.0, *_RETRY_SECONDS):
        time.sleep(seconds)
        try:
            response = httpx.post(url, json={"text": text}, timeout=_TIMEOUT_SECONDS)
        except httpx.ConnectError:
            said = "it cannot be reached"
            continue
        except httpx.HTTPError as error:
            said = f"no answer ({type(error).__name__})"  # it may have the message: it is not sent twice
            break
        if response.is_success:
            return
        said = f"it answered {response.status_code}"
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS and response.status_code < 500:
            break
    raise OpsError(f"Slack did not take the message: {said}. Look at {WEBHOOK}.", ExitCode.FAILED)

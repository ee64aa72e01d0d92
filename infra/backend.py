"""Stops plain `pulumi` from keeping the state of a stack on the real Scaleway in a folder.

Pulumi does not tell a program its backend, so this repeats how the CLI chooses one (`GetCurrentCloudURL` in Pulumi's
`pkg/workspace`). `snu` checks the backend itself, and its programs do not see these variables.
"""

import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import yaml

_STARTED_BY_LANGUAGE_HOST = "PULUMI_CONFIG"
"""Set by Pulumi's language host for the programs that it starts."""


class BackendError(Exception):
    """The state would be stored in a folder."""


def check_backend(stack: str, api_url: str | None, project: Path, environ: Mapping[str, str] | None = None) -> None:
    """Raises BackendError if plain `pulumi` runs a stack on the real Scaleway with a file backend.

    `api_url` is the stack's `scaleway:apiUrl`; `environ` defaults to this process's environment.
    """
    environ = os.environ if environ is None else environ
    if _STARTED_BY_LANGUAGE_HOST not in environ or _is_loopback(api_url):
        return
    url = backend_url(project, environ)
    if urlsplit(url).scheme == "file":
        raise BackendError(
            f"{stack} is on the real Scaleway, but Pulumi's backend is the folder {url}. Its state would be stored on "
            f'this machine only, without the existing resources. Run `eval "$(scripts/snu state env {stack})"` in this '
            f"shell, or use `scripts/snu preview {stack}`. Nothing was changed."
        )


def backend_url(project: Path, environ: Mapping[str, str]) -> str:
    """The backend of plain `pulumi` in the folder `project`; empty if it is Pulumi Cloud by default."""
    return environ.get("PULUMI_BACKEND_URL") or _of_project(project) or _of_login(environ)


def _of_project(project: Path) -> str:
    backend = yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8")).get("backend") or {}
    return str(backend.get("url") or "")


def _of_login(environ: Mapping[str, str]) -> str:
    """The backend of the last `pulumi login`."""
    home = environ.get("PULUMI_HOME") or Path(environ.get("HOME") or Path.home(), ".pulumi")
    try:
        credentials = json.loads(Path(home, "credentials.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(credentials.get("current") or "") if isinstance(credentials, dict) else ""


def _is_loopback(api_url: str | None) -> bool:
    try:
        host = urlsplit(api_url or "").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

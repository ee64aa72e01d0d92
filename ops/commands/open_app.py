"""``snu open``: opens an app's URL in the browser."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from infra import naming
from ops.errors import OpsError, UnknownNameError
from ops.exit_codes import ExitCode
from ops.report.text import safe
from ops.stacks import Stack, settings_of


def open_app(
    stack: Stack, app: str, environ: Mapping[str, str], outputs: Callable[[], Mapping[str, Any]], *, only_print: bool
) -> ExitCode:
    """Print an app's URL and, if this machine has a browser and a display, open it.

    ``outputs`` reads the stack's outputs, for an app without a host. Raises OpsError without a URL.
    """
    url = _url(stack, app, outputs)
    print(url)
    if only_print or not has_display(environ):
        return ExitCode.OK
    import webbrowser

    sys.stdout.flush()
    if not webbrowser.open(url):
        raise OpsError("No browser could be started; set BROWSER, or open the URL manually.", ExitCode.FAILED)
    return ExitCode.OK


def has_display(environ: Mapping[str, str]) -> bool:
    """Whether the user can see a browser that is started here: not over SSH, in CI or without a display."""
    if environ.get("BROWSER"):
        return True
    if "SSH_CONNECTION" in environ or "SSH_TTY" in environ or environ.get("CI", "false") != "false":
        return False
    return sys.platform != "linux" or "DISPLAY" in environ or "WAYLAND_DISPLAY" in environ


def _url(stack: Stack, app: str, outputs: Callable[[], Mapping[str, Any]]) -> str:
    settings = settings_of(stack)
    apps = {} if settings.blueprint == "foundation" else settings.apps
    if settings.blueprint == "foundation" or app not in apps:
        raise UnknownNameError(f"{stack.file.name} has no app {safe(app)}. Apps: {', '.join(apps) or 'none'}.", app)
    if (host := apps[app].host) is not None:
        return naming.url(settings.url_template, host)
    endpoint = (outputs().get("endpoints") or {}).get(app)
    if not endpoint:
        raise OpsError(
            f"{app} has no host in {stack.file.name} and no endpoint in the outputs of {stack.name}. "
            f"Deploy it with: scripts/snu up {stack.name}",
            ExitCode.FAILED,
        )
    return naming.url(settings.url_template, str(endpoint).rpartition("://")[2])

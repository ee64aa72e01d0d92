"""The port of the local Scaleway: the one in the tracked stack files, or one that this checkout has chosen.

If another checkout's local Scaleway uses the port, a checkout chooses a free one and remembers it in
``.local/scaleway.port``. The tracked stack files do not change: each local stack gets a generated copy with the chosen
port, for the engines and for plain ``pulumi --config-file``. Only the port differs; the host is the loopback address in
the tracked file, so no copy can reach a real account.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from infra.loopback import is_loopback
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile

PORTS = range(1024, 65535)
"""Ports that can be chosen. Object storage uses the port after the chosen one."""

_FOLDER = ".local"
_PORT_FILE = "scaleway.port"
_STEP = 10
"""Distance between candidates, so that one checkout's object storage port is not the first choice of another."""


def remembered_port(project_dir: Path) -> int | None:
    """The port that this checkout has chosen; None if it has not chosen one or the file that records it is damaged."""
    try:
        port = int((project_dir / _FOLDER / _PORT_FILE).read_text())
    except (OSError, ValueError):
        return None
    return port if port in PORTS else None


def remember_port(project_dir: Path, port: int) -> None:
    """Make this the port of all local stacks in the checkout."""
    (project_dir / _FOLDER).mkdir(exist_ok=True)
    _write(project_dir / _FOLDER / _PORT_FILE, f"{port}\n")


def free_port(host: str, taken: int) -> int:
    """A free port above ``taken`` that is followed by another free port. Raises OpsError if none is found."""
    for port in range(taken + _STEP, PORTS.stop, _STEP):
        if all(_is_free(host, candidate) for candidate in (port, port + 1)):
            return port
    raise OpsError(
        f"No port after {taken} is free. Choose one: scripts/snu local start --port PORT", ExitCode.LOCAL_CLOUD
    )


def config_file(project_dir: Path, stack: str) -> Path:
    """The file with the stack's configuration: the tracked one, or its copy with the chosen port.

    Updates the copy, or removes it if it is not needed. Raises OpsError if it cannot be written.
    """
    tracked = project_dir / f"Pulumi.{stack}.yaml"
    port = remembered_port(project_dir)
    copy = project_dir / _FOLDER / tracked.name
    try:
        content = None if port is None else _with_port(tracked, port)
        if content is None:
            if port is not None or copy.exists():
                copy.unlink(missing_ok=True)
            return tracked
        if not copy.is_file() or copy.read_text(encoding="utf-8") != content:
            _write(copy, content)
    except OSError as error:
        raise OpsError(
            f"{copy}, the copy of {tracked.name} with port {port}, cannot be updated: {error.strerror}",
            ExitCode.LOCAL_CLOUD,
        ) from error
    return copy


def _with_port(tracked: Path, port: int) -> str | None:
    """The content of a stack's file with another port; None for a stack that is not local or already uses this port."""
    tracked_port = _tracked_port(tracked)
    if tracked_port is None or tracked_port == port:
        return None
    # Every URL with the port, whatever its host: apps' host names lead to the same local Scaleway.
    urls = re.compile(rf"(https?://[^\s/'\":]+):({tracked_port}|{tracked_port + 1})\b")
    content = urls.sub(lambda url: f"{url[1]}:{int(url[2]) - tracked_port + port}", tracked.read_text(encoding="utf-8"))
    return f"{content.rstrip()}\n# Generated from {tracked.name} with port {port}. Edit that file instead.\n"


def _tracked_port(tracked: Path) -> int | None:
    """The port in a stack's file; None if the stack is not local or the file is invalid (reported elsewhere)."""
    try:
        url = StackFile.read(tracked).config.get("scaleway:apiUrl")
        parts = urlsplit(url if isinstance(url, str) else "")
        return parts.port or 80 if is_loopback(parts.hostname or "") else None
    except (PulumiError, ValueError):
        return None


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port)):
            return True
    except OSError:
        return False


def _write(path: Path, content: str) -> None:
    """Replace a file atomically."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)

"""Ports of the loopback interface, for servers whose port must be known before they start."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_PORTS = range(10_000, 32_000, 2)


def free_port() -> int:
    """A port of the loopback interface that is this process's as long as it runs, with the next one.

    For servers whose port must be known before they start; all others bind port 0. The local Scaleway takes the next
    port for its object storage. No other run of tests gets either of the two, and both are below those that the
    system gives to clients.
    """
    while True:
        port = secrets.choice(_PORTS)
        if _reserve(port) and _is_free(port) and _is_free(port + 1):
            return port


_reserved: set[int] = set()


def _reserve(port: int) -> bool:
    """Lock the byte with the port's number in a file that all tests of this user share."""
    if port in _reserved:
        return False
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _reserved.add(port)
    return True


@cache
def _reservations() -> int:
    """Stays open: closing it would release all locks of this process."""
    path = Path(tempfile.gettempdir()) / f"snu-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else can while the block lasts."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

"""Types of the ASGI interface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Service = Callable[[Scope, Receive, Send], Awaitable[tuple[int, str]]]
"""Handles a request. Returns the status and, for errors, the reason to log."""

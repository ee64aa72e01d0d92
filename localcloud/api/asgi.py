"""The types of ASGI's interface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Service = Callable[[Scope, Receive, Send], Awaitable[tuple[int, str]]]
"""Answers a request; gives the status and, for the log, why it is an error."""

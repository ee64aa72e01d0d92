"""Errors raised by the embedded engine; their messages are displayed to the user."""

from __future__ import annotations

from pulumi_state.errors import PulumiError


class EngineError(PulumiError):
    """The operation cannot continue; the message states the problem and how to fix it."""


class ProviderError(EngineError):
    """Scaleway's API rejected a request or failed; the message comes from the API and contains no secrets."""

    uncertain = False
    """Whether the operation may be partially complete, because a request succeeded or got no response."""

"""Errors of the embedded engine. Their messages are shown to the user."""

from __future__ import annotations

from pulumi_state.errors import PulumiError


class EngineError(PulumiError):
    """The operation cannot continue; the message says what was found and what to do."""


class ProviderError(EngineError):
    """Scaleway's API has rejected a request or failed; the message is its own, without secrets."""

    uncertain = False
    """Whether the operation may have been carried out in part: a request has succeeded or got no response."""

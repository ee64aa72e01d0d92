"""What can go wrong in the embedded engine; every text is for the user."""

from __future__ import annotations

from pulumi_state.errors import PulumiError


class EngineError(PulumiError):
    """The operation cannot go on; the text says what was found and what to do."""


class ProviderError(EngineError):
    """Scaleway's API refused or failed; the text is the platform's own, without secrets."""

    uncertain = False
    """Whether the platform may have done part or all of what failed: a request of it succeeded or got no answer."""

"""What can go wrong in the embedded engine; every text is for the user."""

from __future__ import annotations


class EngineError(Exception):
    """The operation cannot go on; the text says what was found and what to do."""


class UnsupportedError(EngineError):
    """The program asks for something of Pulumi that the embedded engine does not do."""

    def __init__(self, feature: str) -> None:
        super().__init__(f"the embedded engine does not support {feature}; use the Pulumi CLI for it (--engine pulumi)")


class StateError(EngineError):
    """The stack's state cannot be read, written or locked."""


class PassphraseError(EngineError):
    """The passphrase is missing or wrong."""


class ProviderError(EngineError):
    """Scaleway's API refused or failed; the text is the platform's own, without secrets."""

    doubtful = False
    """Whether the platform may have done part or all of what failed: a request of it succeeded or got no answer."""

"""Errors in Pulumi's files and state. Their messages are shown to the user."""

from __future__ import annotations


class PulumiError(Exception):
    """Base of these errors; the message says what was found and what to do."""


class StateError(PulumiError):
    """A stack's state cannot be read, written or locked."""


class OverwrittenError(StateError):
    """Another run has changed the stack's state since it was read; nothing was written."""


class PassphraseError(PulumiError):
    """The passphrase is missing or wrong."""


class UnsupportedError(PulumiError):
    """A Pulumi feature that only the Pulumi CLI supports."""

    def __init__(self, feature: str) -> None:
        """Name the feature; the message refers to the Pulumi CLI."""
        super().__init__(f"the embedded engine does not support {feature}; use the Pulumi CLI for it (--engine pulumi)")

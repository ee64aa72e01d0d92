"""Errors in Pulumi's files and state; their messages are displayed to the user."""

from __future__ import annotations


class PulumiError(Exception):
    """Base class of these errors; the message states the problem and how to fix it."""


class StateError(PulumiError):
    """A stack's state cannot be read, written or locked."""


class OverwrittenError(StateError):
    """Another run has changed the stack's state since it was read. Nothing was written."""


class PassphraseError(PulumiError):
    """The passphrase is missing or wrong."""


class UnsupportedError(PulumiError):
    """A Pulumi feature that only the Pulumi CLI supports."""

    def __init__(self, feature: str) -> None:
        """Build a message that names the feature and refers to the Pulumi CLI."""
        super().__init__(f"the embedded engine does not support {feature}; use the Pulumi CLI (--engine pulumi)")

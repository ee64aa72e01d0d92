"""What can be wrong with what Pulumi keeps; every text is for the user."""

from __future__ import annotations


class PulumiError(Exception):
    """Something cannot be read, written or done; the text says what was found and what to do."""


class StateError(PulumiError):
    """A stack's state cannot be read, written or locked."""


class OverwrittenError(StateError):
    """Somebody else has changed a stack's state since it was read; nothing was written."""


class PassphraseError(PulumiError):
    """The passphrase is missing or wrong."""


class UnsupportedError(PulumiError):
    """Something of Pulumi's that only the Pulumi CLI does."""

    def __init__(self, feature: str) -> None:
        super().__init__(f"the embedded engine does not support {feature}; use the Pulumi CLI for it (--engine pulumi)")

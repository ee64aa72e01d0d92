"""Keys of states, derived once in a run of tests: what Pulumi's passphrase provider makes slow on purpose."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from pulumi_state import passphrase as provider


def keep(folder: Path) -> None:
    """Let this process, and what it forks, find in the folder the keys that others have derived."""
    derive = provider._derive

    def derived(passphrase: str, salt: bytes) -> bytes:
        path = folder / hashlib.sha256(salt + passphrase.encode()).hexdigest()
        if path.exists():
            return path.read_bytes()
        key = derive(passphrase, salt)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(key)
        Path(file.name).replace(path)
        return key

    provider._derive = derived  # only here: tests of the derivation itself give new salts

"""Replaces the API keys of an application that people and workflows use.

The description of the new key records the progress of a rotation, so that an interrupted one can be resumed: if the key
was not stored everywhere, its secret key is lost and another one is created; otherwise, it is kept and only the former
keys are deleted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from infra import naming
from ops.application_keys import ApplicationKeys
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub
from ops.scaleway.catalogue import API_KEY
from ops.scaleway.client import Client, Object, ScalewayError
from ops.scaleway.profile import Profile
from ops.state.backend_document import KeyPair

STORING = "Made by a key rotation: not stored everywhere yet"
"""The description of a key whose secret key may be lost."""
STORED = "Made by a key rotation: stored, and replaces the other keys"
"""The description of a key that is in use, while the former keys still exist."""
_ATTEMPTS = 30
_ATTEMPT_SECONDS = 2.0
_UNAUTHENTICATED = 401

Say = Callable[[str, str], None]


class KeyPlace(Protocol):
    """A place where a key is stored."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        ...

    def check(self) -> None:
        """Raises OpsError, before a key is created, if the place cannot be written."""
        ...

    def store(self, key: KeyPair) -> None:
        """Replace the key that is stored there. Raises OpsError."""
        ...


@dataclass(frozen=True)
class GitHubEnvironment:
    """The secrets of a GitHub environment."""

    github: GitHub
    environment: str
    prefix: str
    """``SCW`` or ``SNU_SOURCE``."""

    @property
    def name(self) -> str:
        return f"GitHub environment {self.environment}"

    def check(self) -> None:
        self.github.secret_names(self.environment)

    def store(self, key: KeyPair) -> None:
        for half, value in (("ACCESS_KEY", key.access_key), ("SECRET_KEY", key.secret_key)):
            self.github.set_secret(self.environment, f"{self.prefix}_{half}", value)


@dataclass(frozen=True)
class KeyFiles:
    """Two files that only their owner can read, as created by ``snu keys make``."""

    folder: Path
    application: str

    @property
    def name(self) -> str:
        return f"files in {self.folder}"

    def check(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OpsError(
                f"{self.folder} cannot be created: {error.strerror}. Nothing was changed.", ExitCode.USAGE
            ) from None
        if not os.access(self.folder, os.W_OK):
            raise OpsError(f"{self.folder} is not writable. Nothing was changed.", ExitCode.USAGE)

    def store(self, key: KeyPair) -> None:
        for half, value in (("access-key", key.access_key), ("secret-key", key.secret_key)):
            replace_private(self.folder / f"{self.application}.{half}", value)


def replace_private(path: Path, text: str) -> None:
    """Atomically replace a file that only its owner can read. Raises OpsError."""
    written = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{text}\n")
        written.replace(path)
    except OSError as error:
        with suppress(OSError):
            written.unlink(missing_ok=True)
        raise OpsError(f"{path} cannot be written: {error.strerror}", ExitCode.FAILED) from None


@dataclass(frozen=True)
class DeployKeyRotation:
    """The rotation of one application's keys. Requests raise ScalewayError."""

    keys: ApplicationKeys
    application: str
    places: Sequence[KeyPlace]
    verify: Callable[[KeyPair], None]
    """Raises OpsError if a key does not work."""
    say: Say
    keeps_former: bool = False
    """Whether former keys are kept."""

    def former(self) -> list[Object]:
        """The keys that the rotation would delete."""
        existing = self.keys.keys_of(self.application)
        current = self._current(existing)
        return [key for access_key, key in existing.items() if access_key != current and not self.keeps_former]

    def run(self) -> str:
        """Create, store and verify a key, then delete the others; returns its access key.

        Raises OpsError; the former keys are deleted only after the new one is stored everywhere and works.
        """
        existing = self.keys.keys_of(self.application)
        if self.keeps_former:
            # Otherwise, a later rotation would mistake this key for the one that replaces all others.
            for access_key in filter(None, [self._stored(existing)]):
                self.keys.describe(access_key, naming.HANDED_OUT_KEY)
        current = self._current(existing)
        if current:
            self.say(f"key {current}", "stored by an interrupted rotation, which is being resumed")
        else:
            for place in self.places:
                place.check()
            current = self._new_key()
        if not self.keeps_former:
            for access_key in existing:
                if access_key != current:
                    self.keys.revoke(access_key)
                    self.say(f"key {access_key}", "deleted")
        self.keys.describe(current, naming.HANDED_OUT_KEY)
        return current

    def _current(self, existing: dict[str, Object]) -> str:
        return "" if self.keeps_former else self._stored(existing)

    @staticmethod
    def _stored(existing: dict[str, Object]) -> str:
        """The key of an interrupted rotation that was stored everywhere; empty if there is none."""
        return next((name for name, key in existing.items() if key["description"] == STORED), "")

    def _new_key(self) -> str:
        key = self.keys.make(self.application, STORING)
        self.say(f"key {key.access_key}", f"created for {self.application}")
        try:
            for place in self.places:
                place.store(key)
                self.say(place.name, f"stored the key {key.access_key}")
            self.verify(key)
        except OpsError as error:
            raise OpsError(
                f"{error}\nThe former keys were not deleted and still work; {key.access_key} may be stored in some "
                "places. Run the same command again: it replaces the key everywhere.",
                error.code,
            ) from None
        self.say(f"key {key.access_key}", "works")
        if not self.keeps_former:
            self.keys.describe(key.access_key, STORED)
        return key.access_key


def verify_with(profile: Profile, sleep: Callable[[float], None] = time.sleep) -> Callable[[KeyPair], None]:
    """Check that Scaleway accepts a key, which may take some time after its creation."""

    def verify(key: KeyPair) -> None:
        own = replace(profile, access_key=key.access_key, secret_key=key.secret_key)
        with Client(own, ExitCode.FAILED) as client:
            for attempt in range(_ATTEMPTS):
                try:
                    client.get(API_KEY.listing.object_at(id=key.access_key))
                except ScalewayError as error:
                    if error.status != _UNAUTHENTICATED:
                        _raise_unless_refused(error)
                        return
                    if attempt + 1 == _ATTEMPTS:
                        raise OpsError(
                            f"The new key {key.access_key} does not work: {error}", ExitCode.FAILED
                        ) from None
                else:
                    return
                sleep(_ATTEMPT_SECONDS)

    return verify


def _raise_unless_refused(error: ScalewayError) -> None:
    """Ignore a refusal, which only a valid key can cause: not every application is allowed to read IAM."""
    if error.status != 403:
        raise error

"""Allows this machine to connect to a backend database for the duration of a run.

A database instance blocks every address that is not in its ACL. If `openForRuns` is set in the foundation's settings, a
run adds its own address and removes it on exit. Each rule contains its expiry time, so later runs can remove rules left
by killed runs.
"""

from __future__ import annotations

import atexit
import fcntl
import ipaddress
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.progress import spinner_for
from ops.report.text import safe
from ops.scaleway.catalogue import DATABASE_ACL, DATABASE_INSTANCE
from ops.scaleway.client import Client, ScalewayError
from ops.scaleway.list_call import ListCall
from ops.stacks import Stack

PUBLIC_ADDRESS = "SNU_PUBLIC_ADDRESS"
"""Variable that contains this machine's public IPv4 address; by default, an external service is queried."""
LOCAL_ADDRESS = "127.0.0.1"
_ADDRESS_SERVICE = "https://checkip.amazonaws.com"
_ADDRESS_SECONDS = 10.0

_RULES = ListCall(DATABASE_ACL.listing.path, "rules")
_VALID = timedelta(hours=3)
"""Lifetime of a rule, longer than any workflow job."""
_RENEWED_BELOW = timedelta(hours=2)
_DESCRIPTION = re.compile(r"snu run, until (\d{4}-\d\d-\d\dT\d\d:\d\d)Z")
_READY_SECONDS = 120.0
_POLL_SECONDS = 1.0


def temporary_until(description: str) -> datetime | None:
    """The expiry time of a rule added by a run; None for manual rules and rules from the settings."""
    match = _DESCRIPTION.fullmatch(description)
    return datetime.fromisoformat(match[1]).replace(tzinfo=UTC) if match else None


def opened_by_runs(rules: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """The networks that runs have added to an ACL, with their expiry times; expired rules are ignored."""
    validity = {str(rule.get("ip")): temporary_until(str(rule.get("description", ""))) for rule in rules}
    now = datetime.now(UTC)
    return {ip: until for ip, until in validity.items() if until is not None and until > now}


def public_address(stack: Stack, environ: Mapping[str, str]) -> str:
    """This machine's IPv4 address as seen by the stack's Scaleway account. Raises OpsError if it is unknown."""
    given = environ.get(PUBLIC_ADDRESS, "").strip()
    if not given and stack.is_local:
        return LOCAL_ADDRESS
    address = given or _ask_address()
    try:
        return str(ipaddress.IPv4Address(address))
    except ValueError:
        source = PUBLIC_ADDRESS if given else _ADDRESS_SERVICE
        raise OpsError(
            f"Expected this machine's public IPv4 address from {source}, found {safe(address[:40])}. Set "
            f"{PUBLIC_ADDRESS} to the correct address.",
            ExitCode.ENVIRONMENT,
        ) from None


def _ask_address() -> str:
    import httpx

    try:
        # Database connections bypass HTTP proxies, so a proxy's address would be wrong.
        response = httpx.get(_ADDRESS_SERVICE, timeout=_ADDRESS_SECONDS, trust_env=False)
        return response.raise_for_status().text.strip()
    except httpx.HTTPError as error:
        raise OpsError(
            f"This machine's public address is unknown: {_ADDRESS_SERVICE} did not respond ({type(error).__name__}). "
            f"Set {PUBLIC_ADDRESS} to the address.",
            ExitCode.ENVIRONMENT,
        ) from None


@dataclass(frozen=True)
class InstanceAcl:
    """The ACL of one database instance. Methods raise ScalewayError."""

    stack: Stack
    environ: Mapping[str, str]
    """Contains the API key."""
    instance_id: str
    """The ID as in a state: `fr-par/<uuid>`."""

    def rules(self) -> list[dict[str, Any]]:
        with self._client() as client:
            return list(client.list(_RULES, **self._place))

    def add(self, address: str, until: datetime) -> None:
        """Add a rule and wait until the instance is ready again."""
        rule = {"ip": f"{address}/32", "description": f"snu run, until {until:%Y-%m-%dT%H:%MZ}"}
        deadline = time.monotonic() + _READY_SECONDS
        with self._client() as client:
            while True:
                self._when_ready(client)
                try:
                    client.post(_RULES.at(**self._place), {"rules": [rule]})
                    break
                except ScalewayError as error:  # another run may be changing the ACL
                    if error.status != HTTPStatus.CONFLICT or time.monotonic() > deadline:
                        raise
            self._when_ready(client)

    def remove(self, networks: list[str]) -> None:
        if networks:
            with self._client() as client:
                self._when_ready(client)
                client.delete(_RULES.at(**self._place), {"acl_rule_ips": networks})

    def _client(self) -> Client:
        return Client.of(self.stack, self.environ, ExitCode.ENVIRONMENT)

    @property
    def _place(self) -> dict[str, str]:
        region, _, bare = self.instance_id.partition("/")
        return {"region": region, "instanceId": bare}

    def _when_ready(self, client: Client) -> None:
        """Wait until the instance is ready; until then, it rejects changes and may not have applied the last one."""
        path = DATABASE_INSTANCE.listing.object_at(**self._place, id=self._place["instanceId"])
        deadline = time.monotonic() + _READY_SECONDS
        while client.get(path).get("status") != "ready" and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


@dataclass(frozen=True)
class TemporaryAccess:
    """One address's access to one instance, shared by all processes on this machine."""

    acl: InstanceAcl
    address: str

    def open(self) -> bool:
        """Add the address, unless the settings already allow it, and remove expired rules.

        Returns whether the address must be removed at the end. Raises ScalewayError.
        """
        now = datetime.now(UTC)
        rules = self.acl.rules()
        validity = {str(rule["ip"]): temporary_until(str(rule["description"])) for rule in rules}
        expired = [ip for ip, until in validity.items() if until is not None and until <= now]
        address = ipaddress.IPv4Address(self.address)
        permanent = (ipaddress.ip_network(ip, strict=False) for ip, until in validity.items() if until is None)
        if any(address in network for network in permanent):
            self.acl.remove(expired)
            return False
        until = validity.get(f"{self.address}/32")
        if until is not None and until - now >= _RENEWED_BELOW:
            self.acl.remove(expired)
        else:
            self.acl.remove(sorted({*expired, *([f"{self.address}/32"] if until is not None else [])}))
            with spinner_for(sys.stderr, f"Opening the state database to {self.address}"):
                self.acl.add(self.address, now + _VALID)
        return True

    def close(self) -> None:
        """Remove the address if a run added it. Raises ScalewayError."""
        network = f"{self.address}/32"
        if any(rule["ip"] == network and temporary_until(str(rule["description"])) for rule in self.acl.rules()):
            self.acl.remove([network])


_OPENED: set[str] = set()
"""The instances to which this process has already opened access, if necessary."""


def open_while_running(stack: Stack, environ: Mapping[str, str], instance_id: str) -> None:
    """Allow this machine to connect until the process exits. Raises OpsError if the machine's address is unknown.

    A key without permission to change the ACL causes only a warning, since the address may already be allowed.
    """
    if instance_id in _OPENED:
        return
    _OPENED.add(instance_id)
    access = TemporaryAccess(InstanceAcl(stack, environ, instance_id), public_address(stack, environ))
    users = _Users.of(instance_id)
    close = partial(users.leave, access)
    atexit.register(close)  # registered before opening, so a later failure leaves nothing behind
    try:
        if access.open():
            return
    except ScalewayError as error:
        if error.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise
        _warn(
            f"this machine's address, {access.address}, could not be added to the database's allowed addresses: "
            f"{error}. The key requires RelationalDatabasesFullAccess unless the address is already allowed."
        )
    atexit.unregister(close)
    users.leave()


@dataclass(frozen=True)
class _Users:
    """The local processes that use this access, each with a shared lock on a file.

    The last process to leave removes the access and the file.
    """

    file: Path
    descriptor: int

    @classmethod
    def of(cls, instance_id: str) -> _Users:
        """Add this process, waiting if the last process is still leaving."""
        file = Path(tempfile.gettempdir()) / f"snu-{os.getuid()}-{instance_id.rpartition('/')[2]}.lock"
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), file.stat()):
                    return cls(file, descriptor)
            os.close(descriptor)  # the last user has since removed this file

    def leave(self, access: TemporaryAccess | None = None) -> None:
        """Remove this process; the last one closes ``access``."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            if access is not None:
                access.close()
        except ScalewayError as error:
            _warn(f"the address was not removed from the database's allowed addresses: {error}. The rule will expire.")
        self.file.unlink(missing_ok=True)


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")

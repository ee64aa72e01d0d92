"""The address of a run in the ACL of a database instance: added, shared, renewed, removed, expired."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.errors import OpsError
from ops.stacks import Stack
from ops.state.database_access import InstanceAcl, TemporaryAccess, public_address, temporary_until
from tests.support.environment import ROOT
from tests.support.local_scaleway import Server
from tests.support.seed import OWNER_SECRET_KEY

_INSTANCES = "/rdb/v1/regions/fr-par/instances"
_OWN, _OFFICE = "198.51.100.9", "203.0.113.0/24"
_NOW = datetime.now(UTC)
_REAL = Stack(ROOT, "stage", {}, "passphrase")


class Instance:
    """A database instance of a local Scaleway that lets the office in."""

    def __init__(self, server: Server) -> None:
        self._api = server.client()
        self.stack = {"scaleway:apiUrl": server.url, "scaleway:secretKey": OWNER_SECRET_KEY}
        body = {
            "name": "db",
            "engine": "PostgreSQL-16",
            "user_name": "admin",
            "password": "Fake_passw0rd!",
            "node_type": "db-dev-s",
        }
        self.id = f"fr-par/{self._api('POST', _INSTANCES, body)['id']}"
        self.path = f"{_INSTANCES}/{self.id.rpartition('/')[2]}/acls"

    def let_in(self, *rules: tuple[str, str]) -> None:
        """Networks and their descriptions; nobody else is let in."""
        self._api("PUT", self.path, {"rules": [{"ip": ip, "description": text} for ip, text in rules]})

    @property
    def rules(self) -> dict[str, str]:
        return {rule["ip"]: rule["description"] for rule in self._api("GET", self.path)["rules"]}

    def access(self, address: str = _OWN) -> TemporaryAccess:
        return TemporaryAccess(InstanceAcl(Stack(ROOT, "local", self.stack, "passphrase"), {}, self.id), address)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Server(tmp_path_factory.mktemp("acl") / "data") as server:
        yield Instance(server)


def described(left: timedelta) -> str:
    return f"snu run, until {_NOW + left:%Y-%m-%dT%H:%MZ}"


def test_an_address_is_added_and_removed(instance: Instance) -> None:
    instance.let_in((_OFFICE, "office"))
    access = instance.access()
    assert access.open()
    until = temporary_until(instance.rules[f"{_OWN}/32"])
    assert until is not None
    assert timedelta(hours=2) < until - _NOW < timedelta(hours=4)
    access.close()
    assert instance.rules == {_OFFICE: "office"}


@pytest.mark.parametrize("network", [_OFFICE, "203.0.113.5/32", "203.0.0.0/8"])
def test_an_address_that_is_allowed_anyway_is_neither_added_nor_removed(instance: Instance, network: str) -> None:
    instance.let_in((network, "office"))
    access = instance.access("203.0.113.5")
    assert not access.open()
    access.close()
    assert instance.rules == {network: "office"}


def test_what_has_expired_is_removed_by_the_next_run(instance: Instance) -> None:
    other = ("198.51.100.2/32", described(timedelta(hours=1)))
    instance.let_in((_OFFICE, "office"), ("198.51.100.1/32", described(-timedelta(hours=1))), other)
    access = instance.access()
    access.open()
    access.close()
    assert instance.rules == dict([(_OFFICE, "office"), other])


@pytest.mark.parametrize(("left", "renewed"), [(timedelta(hours=2, minutes=30), False), (timedelta(hours=1), True)])
def test_an_address_that_was_left_is_renewed_in_time(instance: Instance, left: timedelta, renewed: bool) -> None:
    instance.let_in((f"{_OWN}/32", described(left)))
    instance.access().open()
    assert (instance.rules[f"{_OWN}/32"] != described(left)) is renewed


_RUN = """
import sys
from pathlib import Path
from ops.stacks import Stack
from ops.state.database_access import open_while_running
open_while_running(Stack(Path.cwd(), "local", dict(zip(sys.argv[2::2], sys.argv[3::2])), "passphrase"), {}, sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def running(instance: Instance) -> Iterator[subprocess.Popen[str]]:
    """A run that has connected; it ends when its standard input does."""
    arguments = [instance.id, *(part for item in instance.stack.items() for part in item)]
    command = [sys.executable, "-c", _RUN, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "open\n"
        yield run


def end(run: subprocess.Popen[str]) -> None:
    run.communicate()
    assert run.returncode == 0


def test_the_last_run_of_a_machine_removes_its_address(instance: Instance) -> None:
    instance.let_in((_OFFICE, "office"))
    with running(instance) as first, running(instance) as second:
        end(first)
        assert "127.0.0.1/32" in instance.rules
        second.send_signal(signal.SIGINT)
        second.communicate()
    assert instance.rules == {_OFFICE: "office"}


def test_what_a_killed_run_leaves_goes_with_the_next_one(instance: Instance) -> None:
    instance.let_in((_OFFICE, "office"))
    with running(instance) as run:
        run.send_signal(signal.SIGKILL)
    assert temporary_until(instance.rules["127.0.0.1/32"])
    with running(instance) as run:
        end(run)
    assert instance.rules == {_OFFICE: "office"}


def test_a_key_that_may_not_open_is_reported(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ops.state import database_access

    stack: dict[str, Any] = instance.stack | {"scaleway:secretKey": "10ca1000-0000-4000-8000-00000000dead"}
    monkeypatch.setattr(database_access, "_OPENED", set())
    database_access.open_while_running(Stack(ROOT, "local", stack, "passphrase"), {}, instance.id)
    said = capsys.readouterr().err
    assert said.startswith("warning: this machine's address, 127.0.0.1, could not be added")
    assert "RelationalDatabasesFullAccess" in said


@pytest.mark.parametrize("given", ["203.0.113", "::1", "203.0.113.0/24", "office"])
def test_a_public_address_is_an_ipv4_address(given: str) -> None:
    with pytest.raises(OpsError, match="public IPv4 address from SNU_PUBLIC_ADDRESS, found"):
        public_address(_REAL, {"SNU_PUBLIC_ADDRESS": given})
    assert public_address(_REAL, {"SNU_PUBLIC_ADDRESS": " 203.0.113.9 "}) == "203.0.113.9"

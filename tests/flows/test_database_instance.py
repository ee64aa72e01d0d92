"""The state of an environment in a database instance: TLS, who may connect, up and down, on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.exit_codes import ExitCode
from tests.flows.test_bootstrap import ENVIRONMENT, FOUNDATION, documents, settings, snu
from tests.lab.lab import Lab, Run
from tests.support.postgres import TlsServer, other_certificate, tls_server
from tests.support.programs import PULUMI, missing

__all__ = ["tls_server"]

_INSTANCES = "/rdb/v1/regions/fr-par/instances"
_OFFICE, _OWN = "203.0.113.7/32", "127.0.0.1/32"
_ENGINES = ("embedded", *(() if missing(PULUMI) else ("pulumi",)))
_PASSWORD = "p@ss/w0rd"


@pytest.fixture
def lab(tmp_path: Path, tls_server: TlsServer) -> Iterator[Lab]:
    """The database and the user that the instance's API promises are made on the server beforehand."""
    with Lab.running(tmp_path / "project") as made:
        address = f"{tls_server.host}:{tls_server.port}"
        made.ask("POST", "/_local/sql-server", {"address": address, "certificate": tls_server.certificate})
        tls_server.run(
            f"CREATE ROLE pulumi LOGIN PASSWORD '{_PASSWORD}'",
            "CREATE DATABASE pulumi_state OWNER pulumi",
            "REVOKE CONNECT ON DATABASE pulumi_state FROM PUBLIC",
        )
        try:
            yield made
        finally:
            tls_server.run("DROP DATABASE pulumi_state WITH (FORCE)", "DROP ROLE pulumi")


def ok(run: Run) -> str:
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    return run.stdout


def acl_path(lab: Lab) -> str:
    (instance,) = lab.ask("GET", _INSTANCES)["instances"]
    return f"{_INSTANCES}/{instance['id']}/acls"


def allowed(lab: Lab) -> set[str]:
    return {rule["ip"] for rule in lab.ask("GET", acl_path(lab))["rules"]}


def _secret_path(lab: Lab) -> str:
    secrets = "/secret-manager/v1beta1/regions/fr-par/secrets"
    (secret,) = lab.ask("GET", f"{secrets}?name=snu-local-state")["secrets"]
    return f"{secrets}/{secret['id']}"


def changes_of_acl(lab: Lab, after: int) -> list[str]:
    return [entry["method"] for entry in lab.journal()[after:] if entry["path"].endswith("/acls")]


def test_up_and_down(lab: Lab, tls_server: TlsServer) -> None:
    database = {"kind": "instance", "allowedRanges": [_OFFICE], "openForRuns": True}
    environments = yaml.safe_load(lab.project.stack_file(FOUNDATION).read_text())["config"]["snu:environments"]
    environments[ENVIRONMENT]["database"] = database
    passwords = {ENVIRONMENT: {"administrator": "administrat0r", "user": _PASSWORD}}
    settings(lab, FOUNDATION, state={"backend": "bucket"}, environments=environments, databasePasswords=passwords)
    settings(lab, ENVIRONMENT, state={"backend": "foundation"})

    ok(snu(lab, "bootstrap", FOUNDATION, "--engine", "embedded", "--yes"))
    document = documents(lab)["snu-local-state"]
    assert document["backendUrl"].endswith(f"@{tls_server.host}:{tls_server.port}/pulumi_state?sslmode=verify-full")
    assert document["certificate"] == tls_server.certificate
    assert allowed(lab) == {_OFFICE}

    _check_each_run_opens_and_closes(lab)
    ok(snu(lab, "up", ENVIRONMENT, "--engine", "embedded", "--yes", "--skip-preview"))
    for engine in _ENGINES:
        ok(snu(lab, "preview", ENVIRONMENT, "--engine", engine, "--expect-no-changes"))
    assert allowed(lab) == {_OFFICE}
    _check_leftovers(lab)
    _check_certificate(lab, document)
    certificates = lab.project.directory / ".local/certificates"
    assert tls_server.certificate in [file.read_text() for file in certificates.iterdir()]
    _check_moves(lab)

    ok(snu(lab, "destroy", ENVIRONMENT, "--engine", "embedded", "--yes"))
    lab.ask("DELETE", _secret_path(lab))  # made by the bootstrap, and so in no state
    lab.project.stack_file(ENVIRONMENT).unlink()  # nothing says any more where its state would be
    ok(snu(lab, "destroy", FOUNDATION, "--engine", "embedded", "--yes"))
    assert lab.ask("GET", _INSTANCES)["instances"] == []


def _check_each_run_opens_and_closes(lab: Lab) -> None:
    before = len(lab.journal())
    ok(snu(lab, "state", "show", ENVIRONMENT))
    assert changes_of_acl(lab, before) == ["POST", "DELETE"]
    # From an address that is allowed anyway, nothing is opened.
    before = len(lab.journal())
    ok(snu(lab, "state", "show", ENVIRONMENT, SNU_PUBLIC_ADDRESS=_OFFICE.partition("/")[0]))
    assert changes_of_acl(lab, before) == []


def _check_leftovers(lab: Lab) -> None:
    """Of runs that were killed: what has expired goes with the next run, and the others' stay."""
    now = datetime.now(UTC)
    rules = [("198.51.100.1/32", now - timedelta(minutes=1)), ("198.51.100.2/32", now + timedelta(hours=1))]
    described = [{"ip": ip, "description": f"snu run, until {until:%Y-%m-%dT%H:%MZ}"} for ip, until in rules]
    lab.ask("POST", acl_path(lab), {"rules": described})
    ok(snu(lab, "state", "show", ENVIRONMENT))
    for engine in _ENGINES:
        refused = snu(lab, "up", FOUNDATION, "--engine", engine, "--yes")
        assert refused.returncode == ExitCode.LOCKED, refused.stdout + refused.stderr
        assert f"(198.51.100.2/32 until {rules[1][1]:%H:%M} UTC)" in refused.stderr
    assert allowed(lab) == {_OFFICE, "198.51.100.2/32"}


def _check_moves(lab: Lab) -> None:
    """Out of the instance and back into it."""
    folder = lab.project.directory / "elsewhere"
    folder.mkdir()
    for place in (f"file://{folder}", "foundation"):
        ok(snu(lab, "state", "move", ENVIRONMENT, "--to", place, "--yes"))
    ok(snu(lab, "preview", ENVIRONMENT, "--engine", "embedded", "--expect-no-changes"))
    assert documents(lab)["snu-local-state"]["openInstance"]


def _check_certificate(lab: Lab, document: dict[str, Any]) -> None:
    """A server whose certificate is by another authority gets no password; the bootstrap renews the document's."""
    secret_id = _secret_path(lab).rpartition("/")[2]
    kept = {key: value for key, value in document.items() if not key.startswith("_")}
    lab.write_secret(secret_id, json.dumps(kept | {"certificate": other_certificate()}).encode())
    refused = snu(lab, "state", "show", ENVIRONMENT)
    assert refused.returncode == ExitCode.ENVIRONMENT, refused.stdout
    assert "certificate verify failed" in refused.stderr
    ok(snu(lab, "bootstrap", FOUNDATION, "--engine", "embedded", "--yes"))
    assert allowed(lab) == {_OFFICE, "198.51.100.2/32"}
    assert documents(lab)["snu-local-state"]["certificate"] == kept["certificate"]

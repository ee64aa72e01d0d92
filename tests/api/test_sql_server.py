"""The PostgreSQL server behind databases of the local Scaleway."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.local_scaleway import Server

_DATABASES = "/serverless-sqldb/v1alpha1/regions/fr-par/databases"


def test_databases_have_no_server_by_default(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        api = server.client()
        before = api("POST", _DATABASES, {"name": "one"})
        api("POST", "/_local/sql-server", {"address": "127.0.0.1:5432"})
        after = api("POST", _DATABASES, {"name": "two"})
        api("POST", "/_local/sql-server", {"address": ""})
        last = api("POST", _DATABASES, {"name": "three"})
    assert before["endpoint"] == f"postgres://{before['id']}.pg.sdb.fr-par.localhost:5432/one?sslmode=require"
    assert after["endpoint"] == "postgres://127.0.0.1:5432/two?sslmode=disable"
    assert last["endpoint"].endswith(".localhost:5432/three?sslmode=require")


@pytest.mark.parametrize("address", ["db.example.test:5432", "10.0.0.1:1", "127.0.0.1", 5, None])
def test_only_local_servers_are_accepted(tmp_path: Path, address: object) -> None:
    with Server(tmp_path / "data") as server:
        server.client()("POST", "/_local/sql-server", {"address": address}, status=400)

"""Resources managed by Scaleway are not orphans of a foundation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ops.drift import orphans
from ops.drift.orphans import orphans_of
from ops.engines.embedded import EmbeddedEngine
from ops.scaleway import catalogue
from ops.scaleway.catalogue import ResourceKind
from ops.scaleway.client import Client
from ops.session import Session
from ops.stacks import Stack
from pulumi_state.store import layout
from tests.support.memory_store import MemoryStore
from tests.support.settings import FOUNDATION

OBJECTS: Mapping[str, list[dict[str, Any]]] = {
    catalogue.SECRET.token: [
        {"name": "database-instance-tls", "managed": True},
        {"name": "by-hand", "managed": False},
        {"name": "older-api", "region": "fr-par"},
        {"name": "snu-test-state"},
    ],
    catalogue.DATA_SOURCE.token: [{"name": "scaleway-logs", "origin": "scaleway"}, {"name": "own", "origin": "custom"}],
}


class FakeFinder:
    def __init__(self, _client: object) -> None: ...

    def existing(self, kind: ResourceKind, _query: object, **_place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for found in OBJECTS.get(kind.token, []):
            yield f"fr-par/{found['name']}", found


def test_resources_managed_by_scaleway_are_not_orphans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "Finder", FakeFinder)
    monkeypatch.setattr(Client, "of", lambda *_arguments: None)
    (tmp_path / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")
    config = {**FOUNDATION, "scaleway:apiUrl": "http://127.0.0.1:1"}
    (tmp_path / "Pulumi.foundation-test.yaml").write_text(json.dumps({"config": config}))
    session = Session(Stack(tmp_path, "foundation-test", config, "passphrase"), EmbeddedEngine(), {})
    store = vars(session)["store"] = MemoryStore()
    root = {"type": "pulumi:pulumi:Stack", "urn": "root", "outputs": {"projectId": "1"}}
    state = {"version": 3, "checkpoint": {"latest": {"resources": [root]}}}
    store.write(layout.checkpoint("snu", "foundation-test"), json.dumps(state).encode())
    assert {each.name for each in orphans_of(session, {})} == {"by-hand", "older-api", "own"}

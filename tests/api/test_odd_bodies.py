"""Whatever a body holds, the answer is never an internal error.

Takes the recorded requests of the contract and sends, before each one, variants of it with odd values in every
field. Runs in this process, and forgets what the variants change.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from localcloud.api.fields import Body
from localcloud.api.products import ROUTES
from tests.api.in_process import InProcess
from tests.api.test_contract import CONTRACT, RECORDED_PROJECT, compare, mapped
from tests.support.seed import ORGANIZATION

ODD: list[Any] = [None, 0, -1, 2**70, 1.5, True, "", "\ud800", "é" * 300, [], [1], [{}], [[]], {}, {"a": 1}]


def variants(body: Any) -> Iterator[Any]:
    """``body`` with each of its parts replaced by odd values, one at a time."""
    if isinstance(body, dict):
        for name, value in body.items():
            for odd in ODD:
                yield {**body, name: odd}
            for variant in variants(value):
                yield {**body, name: variant}
    elif isinstance(body, list) and body:
        for variant in [*ODD, *variants(body[0])]:
            yield [variant, *body[1:]]


@pytest.mark.parametrize("name", sorted(path.stem for path in CONTRACT.glob("*.jsonl")))
def test_odd_values_are_refused_or_understood(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = InProcess(tmp_path / "data")
    store = server.cloud.store
    ids = {RECORDED_PROJECT: ORGANIZATION}
    for line in (CONTRACT / f"{name}.jsonl").read_text().splitlines():
        wanted = json.loads(mapped(line, ids))
        method, path, query = wanted["method"], wanted["path"], wanted.get("query", "")
        with mock.patch.object(store, "commit", side_effect=lambda _entry=None: store.rollback()):
            for variant in variants(wanted.get("request")):
                status, _ = server(method, path, query, variant)
                assert status < 500, f"{method} {path} {variant}: {capsys.readouterr().err.splitlines()[-1]}"
        status, content = server(method, path, query, wanted.get("request", {}))
        assert status == wanted["status"], content
        if "response" in wanted and status == 200:
            compare(json.loads(line)["response"], json.loads(content), path, ids)
    store.close()


def test_odd_values_of_every_field_to_every_route(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also of fields that no recorded request has, and on objects that are there."""
    server = InProcess(tmp_path / "data")
    store = server.cloud.store
    bodies = [
        value for name, module in sys.modules.items() if name.endswith(".shapes") for value in vars(module).values()
    ]
    names = sorted({"project_id", *(name for body in bodies if isinstance(body, Body) for name in body.fields)})
    places = {"region": "fr-par", "zone": "fr-par-1", "id": ORGANIZATION, "project_id": ORGANIZATION}
    with mock.patch.object(store, "commit", side_effect=lambda _entry=None: store.rollback()):
        for route in ROUTES:
            if route.method in ("GET", "DELETE"):
                continue
            path = re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], ORGANIZATION), route.path)
            for odd in ODD:
                for body in ({"project_id": odd}, dict.fromkeys(names, odd), odd):
                    status, _ = server(route.method, path, "", body)
                    assert status < 500, f"{route.method} {path} {odd!r}: {capsys.readouterr().err.splitlines()[-1]}"
    store.close()

"""No request body causes an internal error.

Takes the recorded requests of the contract and sends, before each one, variants of it with odd values in every field
that it has or that is read. Requests of the routes without a recording start from an empty body. Runs in this process,
and forgets what the variants change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from localcloud.api import request
from localcloud.api.products import ROUTES
from localcloud.api.routing import Route, Table
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


EACH_TYPE: list[Any] = [None, 1, True, "x", [], [1], [{}], {}, {"a": 1}]
"""Values of fields that no recording contains."""

_WITH_BODY = ("POST", "PUT", "PATCH")

Names = tuple[str | int, ...]
"""Where in a body a value is."""


class ReadObject(dict[str, Any]):
    """An object that records which of its fields are read."""

    def __init__(self, values: dict[str, Any], read: set[Names], at: Names = ()) -> None:
        super().__init__({name: _noting(value, read, (*at, name)) for name, value in values.items()})
        self._read, self._at = read, at

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add((*self._at, name))
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self._read.add((*self._at, name))
        return super().__getitem__(name)


def _noting(value: Any, read: set[Names], at: Names) -> Any:
    if isinstance(value, dict):
        return ReadObject(value, read, at)
    return [_noting(item, read, (*at, index)) for index, item in enumerate(value)] if isinstance(value, list) else value


def with_value(body: Any, names: Names, value: Any) -> Any:
    """The body with another value at a path. Missing objects and lists are created."""
    if not names:
        return value
    first, *rest = names
    if isinstance(first, int):
        items = body if isinstance(body, list) and body else [{}]
        return [with_value(items[0], tuple(rest), value), *items[1:]]
    fields = body if isinstance(body, dict) else {}
    return {**fields, first: with_value(fields.get(first), tuple(rest), value)}


def has(body: Any, names: Names) -> bool:
    for name in names:
        if isinstance(name, int):
            if not isinstance(body, list) or len(body) <= name:
                return False
        elif not isinstance(body, dict) or name not in body:
            return False
        body = body[name]
    return True


class Sender:
    """Sends variants to one server, which is reset afterwards."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.server = InProcess(folder)
        self._read: set[Names] = set()
        self._capsys = capsys

    def known_ids(self) -> set[str]:
        """Of all resources that are named in paths by one part."""
        store = self.server.cloud.store
        found = {resource.get("id", "/") for kind in store.kinds() for resource in store.all(kind)}
        return {id for id in found if "/" not in id}

    def vary(self, method: str, path: str, query: str, body: Any) -> None:
        """Send the body with odd values in place of each of its parts, and of each field that is read besides."""
        store, parse = self.server.cloud.store, request.parse_object
        self._read = set()

        def noting(content: bytes) -> dict[str, Any]:
            return ReadObject(parse(content), self._read)

        with (
            mock.patch.object(store, "commit", side_effect=lambda _entry=None: store.rollback()),
            mock.patch.object(request, "parse_object", noting),
        ):
            for variant in [body, *variants(body)]:
                self._send(method, path, query, variant)
            done: set[Names] = set()
            while new := {names for names in self._read - done if not has(body, names)}:
                done |= self._read
                for names, value in product(sorted(new, key=str), EACH_TYPE):
                    self._send(method, path, query, with_value(body, names, value))

    def _send(self, method: str, path: str, query: str, variant: Any) -> None:
        status, _ = self.server(method, path, query, variant)
        assert status < 500, f"{method} {path} {variant}: {self._capsys.readouterr().err.splitlines()[-1]}"


def recorded() -> dict[str, list[str]]:
    return {path.stem: path.read_text().splitlines() for path in sorted(CONTRACT.glob("*.jsonl"))}


def unrecorded() -> list[Route]:
    """Routes with a body that no recording uses."""
    table = Table(ROUTES)
    requests = [json.loads(line) for lines in recorded().values() for line in lines]
    found = [table.find(request["method"], request["path"]) for request in requests]
    known = {(route[0].method, route[0].path) for route in found if route is not None}
    return [route for route in ROUTES if route.method in _WITH_BODY and (route.method, route.path) not in known]


UNRECORDED = unrecorded()


@pytest.mark.parametrize("name", recorded())
def test_odd_values_are_rejected_or_accepted_without_internal_errors(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = Sender(tmp_path / "data", capsys)
    requests = [json.loads(line) for line in recorded()[name]]
    products = {request["path"].split("/")[1] for request in requests}
    ids = {RECORDED_PROJECT: ORGANIZATION}
    removal = next((number for number, each in enumerate(requests) if each["method"] == "DELETE"), len(requests) - 1)
    for number, line in enumerate(recorded()[name]):
        if number == removal:  # when most exists
            for route in UNRECORDED:
                if route.path.split("/")[1] in products:
                    for id in sender.known_ids() if "{id}" in route.path else [""]:
                        sender.vary(route.method, route.path.format(region="fr-par", id=id, revision="1"), "", {})
        wanted = json.loads(mapped(line, ids))
        method, path, query = wanted["method"], wanted["path"], wanted.get("query", "")
        if method in _WITH_BODY:
            sender.vary(method, path, query, wanted.get("request", {}))
        status, content = sender.server(method, path, query, wanted.get("request", {}))
        assert status == wanted["status"], content
        if "response" in wanted and status == 200:
            compare(json.loads(line)["response"], json.loads(content), path, ids)
    sender.server.cloud.store.close()

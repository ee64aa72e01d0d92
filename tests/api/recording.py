"""Recordings of real clients: how they are written down, and how they are played to a server.

A line has ``method``, ``path``, ``query``, ``request``, ``status`` and ``response``, the answer's shape. What differs
from run to run stands as a name in braces: ``{id1}``, ``{id2}``, … in the order of their appearance, ``{id1.short}``
for the first part of an id, ``{key1}`` for an access key, ``{port}`` for the server's port.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.support.local_scaleway import HTTP, Server
from tests.support.seed import OWNER_ACCESS_KEY, OWNER_SECRET_KEY

FOLDER = Path(__file__).parent / "contract" / "clients"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACCESS_KEY = re.compile(r"SCW[A-Z0-9]{17}")
_SEEDED = "10ca1000-0000-4000-8000-"
"""Ids of the seed, which are not replaced."""
_PLACE = re.compile(r"\{(?:id|key)\d+\}")
_KEY = {"X-Auth-Token": OWNER_SECRET_KEY}


def written(raw: Iterable[str], port: int) -> Iterator[str]:
    """The lines of a recording, from those that the server wrote. A request that repeats the one before is left out."""
    names: dict[str, str] = {}
    counts = {"id": 0, "key": 0}

    def name(kind: str, value: str) -> str:
        if value.startswith(_SEEDED) or value == OWNER_ACCESS_KEY:
            return value
        if value not in names:
            counts[kind] += 1
            names[value] = f"{{{kind}{counts[kind]}}}"
        return names[value]

    before = ""
    for line in raw:
        text = _UUID.sub(lambda match: name("id", match[0]), line.rstrip("\n"))
        text = _ACCESS_KEY.sub(lambda match: name("key", match[0]), text)
        for value, place in names.items():
            if place.startswith("{id"):
                text = text.replace(value[:8], f"{place[:-1]}.short}}")
        text = text.replace(f":{port}/", ":{port}/")
        if text != before:
            yield text
        before = text


def play(server: Server, path: Path) -> int:
    """Send every request of a recording; each is answered with its status and its shape. Gives their number."""
    known = {"{port}": server.url.rpartition(":")[2]}
    number = 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        recorded = json.loads(line)
        sent = json.loads(_filled(line, known))
        url = server.url + sent["path"] + (f"?{sent['query']}" if "query" in sent else "")
        answer = HTTP.request(sent["method"], url, json=sent.get("request"), headers=_KEY)
        place = f"{path.name}:{number} {sent['method']} {sent['path']}"
        assert answer.status_code == sent["status"], f"{place}: {answer.status_code} {answer.text}"
        if "response" in recorded:
            _compare(recorded["response"], answer.json(), place, known)
    return number


def _filled(line: str, known: dict[str, str]) -> str:
    for place, value in known.items():
        line = line.replace(place, value)
    return line


def _compare(wanted: Any, ours: Any, place: str, known: dict[str, str]) -> None:
    """Every field is there, with the type it had; an id is the one that it was before, or is learned."""
    if isinstance(wanted, dict):
        assert isinstance(ours, dict), f"{place} is not an object"
        for name, value in wanted.items():
            assert name in ours, f"{place}: {name} is missing"
            _compare(value, ours[name], f"{place} {name}", known)
    elif isinstance(wanted, list):
        assert isinstance(ours, list), f"{place} is not a list"
        assert len(ours) == len(wanted), f"{place} has {len(ours)} items, not {len(wanted)}"
        for index, (left, right) in enumerate(zip(wanted, ours, strict=True)):
            _compare(left, right, f"{place}[{index}]", known)
    elif wanted is None:
        assert ours is None, f"{place} is {ours!r}, not null"
    elif match := _PLACE.search(wanted):
        assert isinstance(ours, str), f"{place} is no id"
        if match[0] not in known:
            known[match[0]] = ours.rpartition("/")[2]
            known[f"{match[0][:-1]}.short}}"] = known[match[0]][:8]
        assert ours == _filled(wanted, known), f"{place} is {ours}"
    elif wanted.startswith("<"):
        assert f"<{type(ours).__name__}>" == wanted, f"{place} is {type(ours).__name__}"
    else:
        assert ours == wanted, f"{place} is {ours}"

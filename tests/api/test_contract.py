"""Requests of the real provider get the responses that it needs.

``contract/<type>.jsonl`` holds recorded requests with their answers, one a line, in order; the lines of step
``setup`` make what the recording takes for granted. Ids differ from run to run: those of the recorded answers are
mapped to ours as they appear.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_scaleway import HTTP, Server
from tests.support.seed import ORGANIZATION, OWNER_SECRET_KEY

CONTRACT = Path(__file__).parent / "contract"
RECORDED_PROJECT = "11111111-1111-1111-1111-111111111111"

KEY = {"X-Auth-Token": OWNER_SECRET_KEY}
ID_FIELDS = ("id", "access_key", "secret_id", "organization_id")


@pytest.mark.parametrize("name", sorted(path.stem for path in CONTRACT.glob("*.jsonl")))
def test_recorded_requests_get_the_responses_that_the_provider_needs(server: Server, name: str) -> None:
    ids = {RECORDED_PROJECT: ORGANIZATION}
    for number, line in enumerate((CONTRACT / f"{name}.jsonl").read_text().splitlines(), 1):
        wanted = json.loads(mapped(line, ids))
        recorded = json.loads(line)
        path = wanted["path"] + (f"?{wanted['query']}" if "query" in wanted else "")
        answer = HTTP.request(wanted["method"], server.url + path, json=wanted.get("request"), headers=KEY)
        place = f"{name}.jsonl:{number} {wanted['method']} {path}"
        assert answer.status_code == wanted["status"], f"{place}: {answer.text}"
        if "response" in recorded and answer.status_code == 200:
            compare(recorded["response"], answer.json(), place, ids)


def mapped(line: str, ids: dict[str, str]) -> str:
    for recorded, ours in ids.items():
        line = line.replace(recorded, ours)
    return line


def compare(recorded: Any, ours: Any, place: str, ids: dict[str, str]) -> None:
    """Check that every recorded field exists with the same JSON type, and learn ids."""
    if isinstance(recorded, dict):
        assert isinstance(ours, dict), f"{place} is not an object"
        for name, value in recorded.items():
            assert name in ours, f"{place}: {name} is missing"
            if name in ID_FIELDS and isinstance(value, str):
                ids[value] = ours[name]
            compare(value, ours[name], f"{place} {name}", ids)
    elif isinstance(recorded, list):
        assert isinstance(ours, list), f"{place} is not a list"
        assert len(ours) == len(recorded), f"{place} has {len(ours)} items, not {len(recorded)}"
        for index, (left, right) in enumerate(zip(recorded, ours, strict=True)):
            compare(left, right, f"{place}[{index}]", ids)
    elif recorded is not None and ours is not None:
        assert type(ours) is type(recorded), f"{place} is {type(ours).__name__}"

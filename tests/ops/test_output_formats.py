"""What commands print: JSON documents, one output, tables, times, colours."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.settings import Image
from ops.commands import local as local_commands
from ops.commands import stack as stack_commands
from ops.commands.images import ImageReport, ImageUse
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.local import LocalCloud, PortOwner
from ops.releases.release import Release
from ops.releases.rollback import rollback_target
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.table import table
from ops.report.text import Line
from ops.report.times import local_time
from ops.session import Session

MOMENT = datetime(2026, 1, 2, 22, 30, 5, tzinfo=UTC)
OUTPUTS = {"urls": {"api": "https://api.example", "admin": "https://admin.example"}, "count": 3, "token": "[secret]"}
SESSION = cast(
    "Session",
    SimpleNamespace(outputs=lambda: OUTPUTS, warn_overwritten=lambda: None, stack=SimpleNamespace(name="local")),
)


def test_a_document_has_its_schema_and_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    print_document("state show", {"at": MOMENT, "name": "é"})
    assert json.loads(capsys.readouterr().out) == {
        "schema": "snu.state-show/1",
        "at": "2026-01-02T22:30:05Z",
        "name": "é",
    }


def test_the_keys_of_a_json_document_are_in_camel_case(capsys: pytest.CaptureFixture[str]) -> None:
    report = ImageReport("0123456789", ["taken"], {"stage": ImageUse("abc", "state", in_registry=None)})
    print_document("images", {"images": {"an_image": report}})
    assert json.loads(capsys.readouterr().out)["images"] == {
        "an_image": {
            "version": "0123456789",
            "sources": ["taken"],
            "environments": {
                "stage": {"version": "abc", "versionSource": "state", "inRegistry": None, "changes": None}
            },
        }
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("urls.api", "https://api.example\n"),
        ("count", "3\n"),
        ("token", "[secret]\n"),
        ("urls", "admin: https://admin.example\napi: https://api.example\n"),
    ],
)
def test_one_output(path: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert stack_commands.outputs(SESSION, path, as_json=False) is ExitCode.OK
    assert capsys.readouterr().out == text


def test_one_output_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    stack_commands.outputs(SESSION, "urls", as_json=True)
    assert json.loads(capsys.readouterr().out) == OUTPUTS["urls"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("url", r"local has no output url\. Keys: count, token, urls\."),
        ("urls.app", r"local has no output urls\.app\. Keys of urls: admin, api\."),
        ("count.x", r"local has no output count\.x\. Keys of count: none\."),
    ],
)
def test_an_unknown_output_is_answered_with_the_keys(path: str, message: str) -> None:
    with pytest.raises(OpsError, match=message) as error:
        stack_commands.outputs(SESSION, path, as_json=False)
    assert error.value.code is ExitCode.USAGE


def test_times_are_in_the_zone_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        assert local_time(MOMENT) == "2026-01-02 23:30 CET"
        assert local_time(MOMENT, seconds=True) == "2026-01-02 23:30:05 CET"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_table_aligns_its_columns() -> None:
    lines = table(["NAME", "URL"], [[("pr-1234", "bold"), "a"], ["b", ""]])
    assert [line.plain.rstrip() for line in lines] == ["NAME     URL", "pr-1234  a", "b"]
    assert list(table(["NAME"], [])) == []


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_in_a_pipe(variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    printer_for(stream).print([Line.of(("red", "red"))])
    assert ("\x1b[31m" in stream.getvalue()) is coloured


@pytest.mark.parametrize("running", [True, False])
def test_the_local_status_as_json(running: bool, capsys: pytest.CaptureFixture[str]) -> None:
    health = {"uptime_seconds": 5, "resources": {"containers.container": 2, "iam.key": 0}, "runtime": {"engine": "off"}}
    owner = PortOwner.OURS if running else PortOwner.NOBODY
    port = SimpleNamespace(holder=owner, health=health, pid=7)
    cloud = SimpleNamespace(find=lambda: port, require=lambda: port, address="http://127.0.0.1:8421", data="data")
    code = local_commands.status(cast("LocalCloud", cloud), as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "snu.local-status/1"
    assert document["running"] is running
    assert code is (ExitCode.OK if running else ExitCode.LOCAL_CLOUD)
    assert document.get("resources") == ({"containers.container": 2} if running else None)


def test_a_release_that_restores_earlier_images_is_a_rollback() -> None:
    first, second, same, back = (_release(number, version) for number, version in enumerate("aBBa", 1))
    releases = [back, same, second, first]
    assert rollback_target(back, releases) is first
    assert [rollback_target(each, releases) for each in (same, second, first)] == [None, None, None]


def _release(number: int, version: str) -> Release:
    images = {"api": Image(version=version, digest=f"sha256:{'0' * 64}")}
    content: dict[str, Any] = {"plan": "p", "plan_id": "p", "by": "ann", "at": MOMENT}
    return Release(stack="stage", day=date(2026, 1, 2), number=number, commit="c" * 40, images=images, **content)

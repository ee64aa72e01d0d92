"""Cockpit's logs of containers: data sources, tokens, LogQL, ranges, added lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scaleway.cockpit.v1 import CockpitV1RegionalAPI

from localcloud.api.cockpit.logql import LogQLError, parse
from tests.api.conftest import Sdk
from tests.support.local_scaleway import HTTP, Client, Server
from tests.support.seed import ORGANIZATION

CONTAINERS = "/containers/v1/regions/fr-par"
COCKPIT = "/cockpit/v1/regions/fr-par"
SECOND = 1_000_000_000
T = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z, in nanoseconds."""


class Logs:
    """A container with added log lines, and a client that queries its project's logs."""

    def __init__(self, api: Client, project: str = ORGANIZATION) -> None:
        self.api = api
        namespace = api.create(f"{CONTAINERS}/namespaces", name="snu-local", project_id=project)
        self.container = api.create(
            f"{CONTAINERS}/containers", namespace_id=namespace["id"], name="api", image="registry/api:1"
        )
        self.id = self.container["id"]
        query = f"origin=scaleway&types=logs&project_id={project}"
        (self.source,) = api("GET", f"{COCKPIT}/data-sources?{query}")["data_sources"]
        self.token = api.create(
            f"{COCKPIT}/tokens", name="reader", project_id=project, token_scopes=["read_only_logs"]
        )["secret_key"]

    def add(self, *lines: dict[str, Any], id: str = "") -> None:
        self.api("POST", f"/_local/containers/{id or self.id}/logs", {"lines": list(lines)})

    def ask(self, path: str = "query_range", token: str | None = None, url: str = "", **query: Any) -> httpx.Response:
        query = {"query": f'{{resource_id="{self.id}"}}', "start": T, "end": T + 3_600 * SECOND, **query}
        headers = {"X-Token": self.token if token is None else token}
        url = f"{url or self.source['url']}/loki/api/v1/{path}"
        return HTTP.get(url, params={name: it for name, it in query.items() if it is not None}, headers=headers)

    def result(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.ask(**query)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert document["status"] == "success"
        assert document["data"]["resultType"] == "streams"
        assert document["data"]["stats"] == {}
        return list(document["data"]["result"])

    def messages(self, **query: Any) -> list[str]:
        streams = self.result(**query)
        return [json.loads(line)["message"] for stream in streams for _, line in stream["values"]]


@pytest.fixture
def logs(api: Client) -> Logs:
    return Logs(api)


def at(offset: int, text: str, **values: Any) -> dict[str, Any]:
    """A line ``offset`` nanoseconds after T."""
    return {"text": text, "time": T + offset, **values}


# Data sources


def test_every_project_has_a_data_source_of_the_products_logs(sdk: Sdk, api: Client, server: Server) -> None:
    cockpit = CockpitV1RegionalAPI(sdk.client)
    (own,) = cockpit.list_data_sources_all(origin="scaleway", types=["logs"])
    assert own.name == "Scaleway Logs"
    assert own.url == f"{server.url}{urlsplit(own.url).path}"
    assert cockpit.get_data_source(data_source_id=own.id) == own
    assert [source.id for source in cockpit.list_data_sources_all()] == [own.id]
    project = api.create("/account/v3/projects", name="other")["id"]
    (other,) = cockpit.list_data_sources_all(origin="scaleway", project_id=project)
    elsewhere = api("GET", "/cockpit/v1/regions/nl-ams/data-sources?origin=scaleway")["data_sources"]
    assert len({own.id, other.id, *(source["id"] for source in elsewhere)}) == 4


def test_scaleways_data_source_cannot_be_changed_or_deleted(logs: Logs) -> None:
    path = f"{COCKPIT}/data-sources/{logs.source['id']}"
    assert "Scaleway's own" in logs.api.refused("DELETE", path, None, "data_source_id")
    logs.api.refused("PATCH", path, {"retention_days": 30}, "data_source_id")
    assert "cockpit.data_source" not in logs.api("GET", "/_local/resources")


def test_scaleways_data_source_is_deleted_with_its_project(api: Client) -> None:
    project = api.create("/account/v3/projects", name="short")["id"]
    (source,) = api("GET", f"{COCKPIT}/data-sources?project_id={project}")["data_sources"]
    api("DELETE", f"/account/v3/projects/{project}", status=204)
    api("GET", f"{COCKPIT}/data-sources/{source['id']}", status=404)
    assert HTTP.get(f"{source['url']}/loki/api/v1/labels").status_code == 404


def test_a_projects_own_data_source_is_empty(logs: Logs) -> None:
    made = logs.api.create(f"{COCKPIT}/data-sources", name="own", type="logs")
    logs.add(at(0, "a"))
    assert logs.result(url=made["url"]) == []
    metrics = logs.api.create(f"{COCKPIT}/data-sources", name="own", type="metrics")
    assert logs.ask(url=metrics["url"]).status_code == 501


# Who may ask


def test_a_query_needs_a_token_for_these_logs(logs: Logs) -> None:
    project = logs.api.create("/account/v3/projects", name="other")["id"]

    def token(project_id: str, *scopes: str) -> str:
        made = logs.api.create(f"{COCKPIT}/tokens", name="t", project_id=project_id, token_scopes=list(scopes))
        return str(made["secret_key"])

    writer, stranger = token(ORGANIZATION, "write_only_logs", "read_only_metrics"), token(project, "read_only_logs")
    statuses = [logs.ask(token=it).status_code for it in ("", "nonsense", writer, stranger, logs.token)]
    assert statuses == [401, 401, 403, 403, 200]
    assert logs.ask(token="").headers["content-type"].startswith("text/plain")


def test_a_deleted_token_is_rejected(logs: Logs) -> None:
    (token,) = logs.api("GET", f"{COCKPIT}/tokens")["tokens"]
    logs.api("DELETE", f"{COCKPIT}/tokens/{token['id']}", status=204)
    assert logs.ask().status_code == 401


def test_tokens_are_not_logged(logs: Logs, server: Server) -> None:
    assert logs.ask().status_code == 200
    assert logs.token not in server.log


# Lines


def test_lines_have_cockpits_format(logs: Logs) -> None:
    logs.add(at(5, "it crashes", stream="stderr", instance="1-1-1"))
    (stream,) = logs.result()
    name = urlsplit(logs.container["public_endpoint"]).netloc.partition(".")[0]
    assert stream["stream"] == {
        "project_id": ORGANIZATION,
        "region": "fr-par",
        "resource_id": logs.id,
        "resource_name": name,
        "resource_type": "serverless_container",
    }
    ((time, line),) = stream["values"]
    assert time == str(T + 5)
    assert json.loads(line) == {"resource_instance": f"{name}-1-1-1", "message": "it crashes", "stream": "stderr"}


def test_a_query_includes_its_start_but_not_its_end(logs: Logs) -> None:
    logs.add(*(at(offset, str(offset)) for offset in (-1, 0, 1, 9, 10, 11)))
    assert logs.messages(start=T, end=T + 10, direction="forward") == ["0", "1", "9"]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (str(T), str(T + SECOND)),
        ("1700000000", "1700000001"),
        ("1700000000.0", "1700000001.000"),
        ("2023-11-14T22:13:20Z", "2023-11-14T23:13:21.000000000+01:00"),
    ],
)
def test_all_of_lokis_time_formats_are_accepted(logs: Logs, start: str, end: str) -> None:
    logs.add(at(-1, "before"), at(0, "first"), at(SECOND - 1, "last"), at(SECOND, "after"))
    assert logs.messages(start=start, end=end, direction="forward") == ["first", "last"]


def test_the_default_range_is_the_last_hour(logs: Logs) -> None:
    logs.add({"text": "now"}, {"text": "long ago", "time": "2023-11-14T22:13:20Z"})
    assert logs.messages(start=None, end=None) == ["now"]


def test_the_limit_keeps_the_first_lines_in_the_direction(logs: Logs) -> None:
    logs.add(*(at(number, str(number)) for number in range(150)))
    assert logs.messages(limit=2) == ["149", "148"]
    assert logs.messages(limit=2, direction="forward") == ["0", "1"]
    assert len(logs.messages()) == 100


def test_the_limit_applies_to_all_streams_together(logs: Logs) -> None:
    other = Logs(logs.api, logs.api.create("/account/v3/projects", name="other")["id"])
    namespace = logs.container["namespace_id"]
    second = logs.api.create(f"{CONTAINERS}/containers", namespace_id=namespace, name="app", image="registry/app:1")
    logs.add(at(0, "a"), at(2, "c"), at(4, "e"))
    logs.add(at(1, "b"), at(3, "d"), id=second["id"])
    other.add(at(0, "of another project"))
    streams = logs.result(query='{resource_type="serverless_container"}', limit=3, direction="forward")
    found = {it["stream"]["resource_id"]: [json.loads(text)["message"] for _, text in it["values"]] for it in streams}
    assert found == {logs.id: ["a", "c"], second["id"]: ["b"]}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    offsets=st.lists(st.integers(0, 1_000), max_size=60, unique=True),
    limit=st.integers(1, 20),
    forward=st.booleans(),
)
def test_paging_from_the_last_line_returns_every_line_once(
    logs: Logs, offsets: list[int], limit: int, forward: bool
) -> None:
    logs.api("POST", "/_local/reset")
    logs = Logs(logs.api)
    if offsets:
        logs.add(*(at(offset, str(offset)) for offset in offsets))
    start, end, seen = T, T + 1_001, []
    direction = "forward" if forward else "backward"
    while page := logs.messages(start=start, end=end, limit=limit, direction=direction):
        seen += [int(text) for text in page]
        start, end = (T + seen[-1] + 1, end) if forward else (start, T + seen[-1])
        if start >= end:
            break
    assert seen == sorted(offsets, reverse=not forward)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("{A}", ["a fatal é", "a warning"]),
        ('{A} |= "fatal"', ["a fatal é"]),
        ('{A} != "fatal"', ["a warning"]),
        ("{A} |= `é`", ["a fatal é"]),
        ('{A} |~ "f.tal|x"', ["a fatal é"]),
        ('{A} !~ "f.tal" |= "warn"', ["a warning"]),
        ('{A} |= "fatal" |= "warning"', []),
        (r'{A} |= "\"stream\":\"stdout\""', ["a warning"]),
        (r'{A} |~ "\\bwarn"', ["a warning"]),
        (r"{A} |~ `\bwarn`", ["a warning"]),
        ('{A, resource_type=~"serverless_.*"}', ["a fatal é", "a warning"]),
        ('{A, resource_type=~"container"}', []),
        ('{A, region!="fr-par"}', []),
        ('{A, region!~"nl-.+", absent=""}', ["a fatal é", "a warning"]),
    ],
)
def test_queries_select_streams_and_filter_lines(logs: Logs, query: str, found: list[str]) -> None:
    logs.add(at(0, "a fatal é"), at(1, "a warning", stream="stdout"))
    query = query.replace("A", f'resource_id="{logs.id}"', 1)
    assert logs.messages(query=query, direction="forward") == found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "line 1, col 1: syntax error: unexpected $end, expecting {"),
        ("{", "line 1, col 2: syntax error: unexpected $end, expecting a label"),
        ('{a="b"', "unexpected $end, expecting ,"),
        ("{a=b}", "line 1, col 4: syntax error: unexpected b, expecting a string"),
        ('{a="b"} |=', "expecting a string"),
        ('{a="b"}\n |= x', "line 2, col 5"),
        ('{a="b"} "c"', "expecting a line filter"),
        ('{a="b"} | json', "does not implement the stage | json"),
        ('{a="b"} |> "<_>"', "the pattern filter |>"),
        ('{a="b"} |= "c" or "d"', "or after a line filter"),
        ('sum(rate({a="b"}[5m]))', "does not implement metric queries (sum)"),
        ("{}", "empty-compatible value"),
        ('{a=~".*"}', "empty-compatible value"),
        ('{a="b"} |~ "("', "error parsing regexp"),
        ('{a="b"} |~ "(?=x)"', "unsupported Perl syntax: `(?=`"),
        (r'{a="b"} |~ "\d"', r"invalid char escape \d"),
    ],
)
def test_invalid_and_unsupported_queries_are_rejected(logs: Logs, query: str, expected: str) -> None:
    answer = logs.ask(query=query)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert expected in answer.text


@given(st.text(alphabet='{}=~!|", \\`abc\n(', max_size=30))
def test_any_string_is_parsed_or_rejected(text: str) -> None:
    with suppress(LogQLError):
        parse(text)


@given(st.text())
def test_a_quoted_string_filters_for_exactly_that_string(text: str) -> None:
    quoted = json.dumps(text, ensure_ascii=False)
    query = parse(f'{{a="b"}} |= {quoted}')
    assert query.filters[0].value == text


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"limit": 5_001}, "max_entries_limit_per_query (5001 > 5000)"),
        ({"limit": 0}, "limit must be a positive value"),
        ({"limit": "many"}, "limit must be a positive value"),
        ({"limit": "9" * 5_000}, "limit must be a positive value"),
        ({"direction": "sideways"}, "invalid direction 'sideways'"),
        ({"start": T, "end": T}, "end timestamp must not be before or equal to start time"),
        ({"start": "yesterday"}, "could not parse start 'yesterday'"),
        ({"end": "9" * 30}, "could not parse end"),
        ({"since": "1h"}, "does not implement the parameter since"),
        ({"interval": "1m"}, "does not implement the parameter interval"),
    ],
)
def test_parameters_are_checked(logs: Logs, parameters: dict[str, Any], expected: str) -> None:
    answer = logs.ask(**parameters)
    assert answer.status_code == 400
    assert expected in answer.text


def test_labels_and_their_values_are_listed(logs: Logs) -> None:
    assert logs.ask("labels").json()["data"] == [
        "project_id",
        "region",
        "resource_id",
        "resource_name",
        "resource_type",
    ]
    assert logs.ask("label/resource_id/values").json() == {"status": "success", "data": [logs.id]}
    assert logs.ask("push").status_code == 501


def test_faults_apply_to_queries(logs: Logs) -> None:
    fault = {"fault": "server_error", "status": 503, "match": {"path": "/cockpit/data-sources/*"}, "times": 1}
    logs.api("POST", "/_local/faults", fault)
    assert [logs.ask().status_code for _ in range(2)] == [503, 200]


# Lines that are added


def test_added_lines_are_the_containers_logs(logs: Logs) -> None:
    logs.add({"text": "second"}, at(0, "first", stream="stdout", instance="1-1"))
    answer = HTTP.get(f"{logs.api.url}/_local/containers/{logs.id}/logs?tail=5")
    first, second = (json.loads(line) for line in answer.text.splitlines())
    assert first == {"time": "2023-11-14T22:13:20.000000000Z", "instance": "1-1", "stream": "stdout", "text": "first"}
    assert (second["text"], second["stream"], second["instance"]) == ("second", "stderr", "added")


def test_added_lines_are_followed(logs: Logs, until: Callable[[Callable[[], bool]], None]) -> None:
    logs.add({"text": "before"})
    with HTTP.stream("GET", f"{logs.api.url}/_local/containers/{logs.id}/logs?follow=true") as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["text"] == "before"
        logs.add({"text": "after"})
        assert json.loads(next(lines))["text"] == "after"


def test_invalid_lines_are_rejected_together(logs: Logs) -> None:
    path = f"/_local/containers/{logs.id}/logs"
    logs.api.refused("POST", path, {"lines": [{"text": "good"}, {"text": "bad", "time": "noon"}]}, "lines[1].time")
    logs.api.refused("POST", path, {"lines": [{"text": "bad", "stream": "stdin"}]}, "lines[0].stream")
    logs.api.refused("POST", path, {"lines": [{"text": ""}, {"stream": "stderr"}]}, "lines[1].text")
    logs.api("POST", "/_local/containers/nobody/logs", {"lines": []}, status=404)
    assert logs.api("GET", path, status=409)["message"].startswith("no container processes are running")


def test_a_reset_removes_added_lines(logs: Logs) -> None:
    logs.add({"text": "gone"})
    logs.api("POST", "/_local/reset")
    logs.api("GET", f"/_local/containers/{logs.id}/logs", status=409)

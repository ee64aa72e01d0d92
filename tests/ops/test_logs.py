"""Reading logs from Loki: paging, following, errors, and how lines are displayed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.api.cockpit.logql import parse
from ops.commands import logs as command
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.logs import pages
from ops.logs.access import LogsAccess
from ops.logs.follow import LATEST_SECONDS, Follower
from ops.logs.lines import LogLine, message_pattern
from ops.logs.loki import MAX_ENTRIES, SECOND, Entry, LogQuery, Loki, LokiError, TooLargeError, quoted
from ops.logs.pages import PageReader

T = 1_700_000_000 * SECOND
LABELS = {"resource_type": "serverless_container", "resource_id": "c", "resource_name": "api"}
QUERY = LogQuery.of("serverless_container", ("c",))
ACCESS = LogsAccess("https://logs.test/x", "hush-hush", "the secret s", "Do something.")


def entry(offset: int, text: str, **labels: str) -> Entry:
    return Entry(T + offset, {**LABELS, **labels}, text)


class FakeLoki(Loki):
    """Answers like Loki, from a list of entries. Sorts those of one nanosecond at random."""

    def __init__(self, entries: list[Entry] | None = None, *, max_bytes: int = 10**9) -> None:
        self.entries = entries or []
        self.clock = T
        self.queries: list[tuple[str, int]] = []
        self.failures: list[Exception] = []
        self._max_bytes = max_bytes

    def now(self) -> int:
        return self.clock

    def query(
        self, query: LogQuery, start: int, end: int, limit: int, *, forward: bool = True
    ) -> tuple[list[Entry], int]:
        assert 0 < limit <= MAX_ENTRIES
        self.queries.append((str(query), limit))
        if self.failures:
            raise self.failures.pop(0)
        parsed = parse(str(query))
        found = [
            each
            for each in self.entries
            if start <= each.time < end and parsed.selects(each.labels) and parsed.accepts(each.text)
        ]
        random.shuffle(found)
        found.sort(key=lambda each: each.time, reverse=not forward)
        size = sum(len(each.text) for each in found[:limit])
        if size > self._max_bytes:
            raise TooLargeError("too large", 200, ExitCode.FAILED)
        return found[:limit], size


def identities(entries: list[Entry]) -> Counter[tuple[int, str, str]]:
    return Counter((each.time, each.labels["resource_id"], each.text) for each in entries)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_ENTRIES", 7)
    monkeypatch.setattr(pages, "_FIRST_PAGE", 3)


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("ops.logs.loki.time.sleep", found.append)
    return found


# --- paging -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forward", [True, False])
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.text('ab"\\\n\u00e9\u202e', max_size=4), st.sampled_from("cd")), unique=True
    )
)
@settings(deadline=None, max_examples=150)
def test_every_line_is_read_exactly_once(forward: bool, items: list[tuple[int, str, str]]) -> None:
    entries = [entry(offset, text, resource_id=id) for offset, text, id in items]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "MAX_ENTRIES", 7)
        patch.setattr(pages, "_FIRST_PAGE", 3)
        gaps: list[int] = []
        reader = PageReader(FakeLoki(entries), lambda _moment, count: gaps.append(count))
        query = LogQuery.of("serverless_container", ("c", "d"))
        read = [each for page in reader.read(query, T, T + 100, forward=forward) for each in page]
    assert not gaps or any(not text.isprintable() for _, text, _ in items)
    if not gaps:
        assert identities(read) == identities(entries)
    assert [each.time for each in read] == sorted((each.time for each in read), reverse=not forward)


@pytest.mark.usefixtures("small_pages")
def test_identical_lines_beyond_a_page_are_reported_and_all_others_are_read() -> None:
    entries = [entry(1, "same")] * 20 + [entry(1, f"other {number}") for number in range(20)] + [entry(2, "later")]
    gaps: list[tuple[int, int]] = []
    reader = PageReader(FakeLoki(entries), lambda moment, count: gaps.append((moment, count)))
    read = identities([each for page in reader.read(QUERY, T, T + 100) for each in page])
    assert gaps == [(T + 1, 7)]
    assert read[T + 1, "c", "same"] == 7
    assert {key: count for key, count in read.items() if key[2] != "same"} == identities(entries[20:])


def test_pages_shrink_to_the_length_of_lines_and_grow_again() -> None:
    entries = [entry(number, "x" * 1_000_000) for number in range(30)]
    entries += [entry(100 + number, "short") for number in range(9_000)]
    loki = FakeLoki(entries, max_bytes=10_000_000)
    read = [each for page in PageReader(loki).read(QUERY, T, T + 10**6) for each in page]
    assert identities(read) == identities(entries)
    limits = [limit for _, limit in loki.queries]
    assert min(limits) < 10
    assert limits[-1] == MAX_ENTRIES


def test_a_line_that_never_fits_is_an_error() -> None:
    reader = PageReader(FakeLoki([entry(0, "x" * 100)], max_bytes=10))
    with pytest.raises(TooLargeError):
        list(reader.read(QUERY, T, T + 1))


@pytest.mark.parametrize(("count", "expected"), [(0, []), (2, ["3", "4"]), (9, ["0", "1", "2", "3", "4"])])
def test_the_last_lines(count: int, expected: list[str]) -> None:
    reader = PageReader(FakeLoki([entry(number, str(number)) for number in range(5)]))
    assert [each.text for each in reader.last(QUERY, T, T + 100, count)] == expected


@pytest.mark.usefixtures("small_pages")
def test_the_last_lines_of_one_instance() -> None:
    reader = PageReader(FakeLoki([entry(number, str(number % 10)) for number in range(100)]))
    last = reader.last(QUERY, T, T + 100, 3, lambda each: each.text == "7")
    assert [each.time - T for each in last] == [77, 87, 97]


# --- following --------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, LATEST_SECONDS), st.sampled_from("abc")), min_size=1, max_size=60
    )
)
@settings(deadline=None, max_examples=150)
def test_following_prints_every_line_once_however_late_it_arrives(lines: list[tuple[int, int, str]]) -> None:
    loki = FakeLoki()
    follower = Follower(PageReader(loki), T, T)
    printed: list[Entry] = []
    for second in range(60 + LATEST_SECONDS + 15):
        loki.clock = T + second * SECOND
        # Identical lines are all printed.
        loki.entries += [entry(at * SECOND, text) for at, delay, text in lines if at + delay == second]
        printed += [each for page in follower.poll(QUERY) for each in page]
    assert identities(printed) == identities(loki.entries)
    assert len(printed) == len(lines)


def test_following_after_a_failure_skips_nothing_and_memory_is_bounded() -> None:
    loki = FakeLoki()
    follower = Follower(PageReader(loki), T, T)
    printed: list[Entry] = []
    for second in range(600):
        loki.clock = T + second * SECOND
        loki.entries += [entry(second * SECOND + number, f"{second}.{number}") for number in range(5)]
        if 200 <= second < 300:
            loki.failures = [LokiError("down", 503, ExitCode.FAILED)]
            with pytest.raises(LokiError):
                list(follower.poll(QUERY))
        else:
            printed += [each for page in follower.poll(QUERY) for each in page]
        assert len(follower._seen) < 1_000
    assert identities(printed) == identities(loki.entries)


class Source:
    """A container that is replaced, so that its id changes."""

    missing = ""

    def __init__(self) -> None:
        self.ids = ["c"]

    def query(self, _filters: Any, _since: Any, /) -> LogQuery | None:
        return LogQuery.of("serverless_container", tuple(self.ids)) if self.ids else None

    def accepts(self, _line: LogLine, /) -> bool:
        return True


def test_following_continues_through_a_deployment_and_an_outage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loki, source, waits = FakeLoki(), Source(), list[float]()

    def during(step: int) -> None:
        loki.clock = T + step * SECOND
        if step == 2:
            loki.entries.append(entry(2 * SECOND, "old instance"))
        if step == 3:
            loki.failures = [LokiError("Loki returned 429", 429, ExitCode.FAILED, retry_after=7)]
        if step == 4:
            loki.failures = [LokiError("Loki returned 500", 500, ExitCode.FAILED)]
        if step == 5:
            source.ids = []
        if step == 6:
            source.ids = ["d"]
            loki.entries.append(entry(6 * SECOND, "new instance", resource_id="d"))
        if step == 9:
            raise KeyboardInterrupt

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        during(len(waits))

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr(command, "_LOOKUP_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        command._follow(Follower(PageReader(loki), T, T), source, QUERY, [], command.LinePrinter())
    said = capsys.readouterr()
    assert [line.rpartition(" - - ")[2] for line in said.out.splitlines()] == ["old instance", "new instance"]
    assert said.err == "warning: Loki returned 429. Retrying; no lines will be skipped.\n"
    assert waits == [1, 1, 1, 7, 4, 1, 1, 1, 1]


# --- errors -----------------------------------------------------------------------------------------------


def served(*answers: httpx.Response | Exception) -> tuple[Loki, list[httpx.Request]]:
    """Loki, giving these answers one after another."""
    requests: list[httpx.Request] = []
    left: Iterator[httpx.Response | Exception] = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        each = next(left)
        if isinstance(each, Exception):
            raise each
        return each

    return Loki(ACCESS, httpx.MockTransport(answer)), requests


def result(*values: list[str], **headers: str) -> httpx.Response:
    streams = [{"stream": LABELS, "values": [*values]}]
    return httpx.Response(
        200, json={"status": "success", "data": {"resultType": "streams", "result": streams}}, headers=headers
    )


def test_a_query_is_sent_with_the_token() -> None:
    loki, requests = served(result([str(T + 1), "b"], [str(T), "a"]))
    found, size = loki.query(QUERY, T, T + 5, 10)
    assert [each.text for each in found] == ["a", "b"]
    assert size > 0
    assert requests[0].url.path == "/x/loki/api/v1/query_range"
    assert requests[0].headers["x-token"] == "hush-hush"
    assert dict(requests[0].url.params) == {
        "query": '{resource_type="serverless_container", resource_id=~"c"}',
        "start": str(T),
        "end": str(T + 5),
        "limit": "10",
        "direction": "forward",
    }


def test_temporary_errors_are_retried(slept: list[float]) -> None:
    loki, requests = served(
        httpx.Response(429, headers={"retry-after": "1"}), httpx.ConnectError("x"), httpx.Response(503), result()
    )
    assert loki.query(QUERY, T, T + 5, 10)[0] == []
    assert len(requests) == 4
    assert slept == [1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        (httpx.Response(401), "the token in the secret s is not valid (401). Do something.", ExitCode.ENVIRONMENT),
        (httpx.Response(403), "may belong to another project (403). Do something.", ExitCode.ENVIRONMENT),
        (httpx.Response(400, text="parse error\n"), "Loki returned 400: parse error", ExitCode.USAGE),
        (httpx.Response(200, text="<html>"), "logs.test did not return Loki's JSON", ExitCode.FAILED),
        (httpx.Response(200, json={"data": {}}), "Check the URL in the secret s", ExitCode.FAILED),
        (httpx.Response(404, text="none"), "Loki returned 404: none", ExitCode.FAILED),
    ],
)
def test_other_errors_are_not(answer: httpx.Response, message: str, code: ExitCode) -> None:
    loki, requests = served(answer)
    with pytest.raises(LokiError) as raised:
        loki.query(QUERY, T, T + 5, 10)
    assert message in str(raised.value)
    assert "hush" not in f"{raised.value} {ACCESS!r}"
    assert raised.value.code is code
    assert len(requests) == 1


def test_lokis_own_limit_of_a_responses_size_makes_pages_smaller() -> None:
    refused = httpx.Response(500, text="rpc error: code = ResourceExhausted: received message larger than max")
    loki, requests = served(refused, refused, result([str(T), "a"]))
    (page,) = PageReader(loki).read(QUERY, T, T + 5)
    assert [each.text for each in page] == ["a"]
    assert [request.url.params["limit"] for request in requests] == ["500", "125", "31"]


def test_the_servers_clock_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.logs.loki.time.time_ns", lambda: T)
    loki, _ = served(result(date="Tue, 14 Nov 2023 23:13:20 GMT"), result(date="Tue, 14 Nov 2023 22:13:19 GMT"))
    loki.query(QUERY, T, T + 5, 10)
    assert loki.now() == T + 3_600 * SECOND
    loki.query(QUERY, T, T + 5, 10)
    assert loki.now() == T


# --- lines ------------------------------------------------------------------------------------------------


def wrapped(message: Any, **more: str) -> str:
    return json.dumps({"resource_instance": "api-1-1-1", "message": message, "stream": "stdout", **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wrapped("it listens"), "2023-11-14T22:13:20.001Z 1-1-1 stdout it listens"),
        (wrapped("a\x1b[2Jb\nc\u202ed"), r"2023-11-14T22:13:20.001Z 1-1-1 stdout a\u001b[2Jb\u000ac\u202ed"),
        (wrapped({"level": "info"}), '2023-11-14T22:13:20.001Z 1-1-1 stdout {"level": "info"}'),
        ("no JSON", "2023-11-14T22:13:20.001Z - - no JSON"),
        ("[1]", "2023-11-14T22:13:20.001Z - - [1]"),
        (wrapped("x" * 1_000_000), f"2023-11-14T22:13:20.001Z 1-1-1 stdout {'x' * 1_000_000}"),
    ],
    ids=["plain", "controls", "object", "text", "list", "1 MB"],
)
def test_a_line_for_people(text: str, expected: str) -> None:
    assert LogLine.of(entry(1_999_999, text)).text == expected


def test_a_line_as_json() -> None:
    line = LogLine.of(entry(1, wrapped("a\nb")))
    assert "\n" not in line.json
    assert json.loads(line.json) == {
        "schema": "snu.log-line/1",
        "time": "2023-11-14T22:13:20.000000001Z",
        "resourceId": "c",
        "instance": "1-1-1",
        "stream": "stdout",
        "message": "a\nb",
    }


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("^GET", "GET /", True),
        ("^ET", "GET /", False),
        ("500$", "status=500", True),
        ("500$", "500 ms", False),
        ("^a$", "a", True),
        (r"a\$", "cost: a$", True),
        (r"a\$", "a", False),
        ('"level":"error"', '{"level":"error"}', True),
        ('["e]', '"', True),
        ("a|b", "b", True),
        ("^a|^b", "b", True),
        ("^a|b$", "cb", True),
        ("^a|^b", "cb", False),
        ("^(?:a|b)$", "b", True),
        ("out", "it listens", False),
        ("instance|message|x", "it listens", False),
        ("[a]", "hello", False),
        ('"', "hello", False),
        ("hello.*out", "hello", False),
        ("hello[^a]*out", "hello", False),
        ("hello[^a]*out", "hello out", True),
        ('a[^"]c', 'a"c', False),
        ("a[^b]c", 'a"c', True),
        ("a.c", 'a"c', True),
        ("a.c", "a\tc", True),
        (r"a\tc", "a\tc", True),
        (r"a\\c", r"a\c", True),
        (r"a\\tc", "a\tc", False),
        ("(?i)HELLO", "hello", True),
        ("(?i)^HELLO$", "hello", True),
        (".*listens", "it listens", True),
        ("^.*listens", "it listens", True),
        (".*out", "it listens", False),
        ("[]a]b", "]b", True),
        ("", "", True),
        ("^$", "", True),
        ("^$", "a", False),
    ],
)
def test_a_pattern_applies_to_the_message(pattern: str, message: str, matches: bool) -> None:
    query = parse(str(QUERY.filtered(f"|~ {json.dumps(message_pattern(pattern))}")))
    envelope = {"resource_instance": "x", "message": message, "stream": "stdout"}
    assert query.accepts(json.dumps(envelope, separators=(",", ":"))) == matches
    assert query.accepts(json.dumps(envelope)) == matches


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("panic", "panic: index out of range", True),
        ("index", "panic: index out of range", True),
        ("^panic", "panic: index out of range", True),
        ("index|x", "panic: index out of range", True),
        ("[a]", "panic", True),
        ("it", "panic", False),
    ],
)
def test_a_pattern_applies_to_a_line_that_is_not_a_json_object(pattern: str, line: str, matches: bool) -> None:
    assert parse(str(QUERY.filtered(f"|~ {json.dumps(message_pattern(pattern))}"))).accepts(line) == matches


def test_a_pattern_with_any_text_is_applied_quickly_to_a_long_line() -> None:
    query = parse(str(QUERY.filtered(f"|~ {json.dumps(message_pattern('.*missing'))}")))
    assert not query.accepts(wrapped("x" * 1_000_000))


@given(st.text())
def test_any_text_can_be_a_literal_filter(text: str) -> None:
    if text.isprintable():
        assert parse(str(QUERY.filtered(f"|= {quoted(text)}"))).accepts(f"<{text}>")


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31T12:00:00", "-2h", "2026-13-01T00:00:00Z"])
def test_a_bad_time(text: str) -> None:
    with pytest.raises(OpsError, match="expected a duration such as 2h, or a time with a time zone") as raised:
        command._since(text)
    assert raised.value.code is ExitCode.USAGE


def test_a_time() -> None:
    assert command._since("2026-01-31T12:00:00Z") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    ago = command._since("2h")
    assert ago is not None
    assert 7_199 < (datetime.now(UTC) - ago).total_seconds() < 7_201

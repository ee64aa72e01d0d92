"""What the displays write, as text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import pytest

from ops.engines.base import EngineEvent
from ops.operation_record import OperationRecord
from ops.report.base import Display
from ops.report.factory import display_for
from ops.report.plain import PlainDisplay
from ops.report.summary import cancel_lines
from tests.ops.events import APP, CONTAINER, STACK, UNKNOWN, diagnostic, step, summary


def shown(events: Iterable[EngineEvent], *, preview: bool, all_properties: bool = False) -> str:
    stream = io.StringIO()
    display = PlainDisplay(stream, "Title", preview=preview, all_properties=all_properties)
    display.record.clock = lambda: display.record.started
    with display:
        for event in events:
            display.on_event(event)
    display.finish()
    return stream.getvalue().removeprefix("Title\n")


UNCHANGED_STACK = step("same", STACK, {}, {})


def test_a_preview_is_a_tree_of_changes_with_their_properties() -> None:
    update = step(
        "update",
        CONTAINER,
        {"memoryLimitBytes": 1024.0, "environmentVariables": {"A": "1", "B": "2"}, "args": ["x", "y"]},
        {"memoryLimitBytes": 2048.0, "environmentVariables": {"A": "1", "C": UNKNOWN}, "args": ["x", "z"]},
        detailedDiff={
            "memoryLimitBytes": {"diffKind": "update", "inputDiff": True},
            "environmentVariables": {"diffKind": "update", "inputDiff": True},
            "args[1]": {"diffKind": "update", "inputDiff": True},
        },
    )
    events = [*UNCHANGED_STACK, *step("same", APP, {}, {}), *update, summary(update=1, same=2)]
    assert shown(events, preview=True) == (
        "snu-local  pulumi:pulumi:Stack\n"
        "└─ api  snu:index:ContainerApp\n"
        "   └─ ~ api-container  scaleway:containers:Container  update\n"
        '         ~ args[1]: "y" → "z"\n'
        '         - environmentVariables.B: "2"\n'
        "         + environmentVariables.C: output<string>\n"
        "         ~ memoryLimitBytes: 1024 → 2048\n"
        "To do: 1 to update, 2 resources unchanged (0.0s)\n"
    )


def test_without_a_detailed_diff_the_changed_keys_are_compared() -> None:
    update = step("update", CONTAINER, {"a": 1, "b": 1}, {"a": 2, "b": 2}, diffs=["b"])
    assert "~ b: 1 → 2" in (text := shown([*update, summary(update=1)], preview=True))
    assert " a: " not in text


@pytest.mark.parametrize(
    "secret", ["[secret]", {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "c"}]
)
def test_a_changed_secret_is_named_and_never_shown(secret: object) -> None:
    values = {"secretEnvironmentVariables": {"KEY": secret}}
    update = step(
        "update",
        CONTAINER,
        values,
        values,
        detailedDiff={"secretEnvironmentVariables.KEY": {"diffKind": "update", "inputDiff": True}},
    )
    text = shown([*update, summary(update=1)], preview=True)
    assert "~ secretEnvironmentVariables.KEY: [secret] → [secret]" in text


def test_a_replacement_is_one_line_that_says_why() -> None:
    diff = {"name": {"diffKind": "update-replace", "inputDiff": True}}
    old, new = {"name": "a"}, {"name": "b"}
    events = [
        *step("create-replacement", CONTAINER, old, new, detailedDiff=diff, keys=["name"]),
        *step("replace", CONTAINER, old, new, detailedDiff=diff, keys=["name"]),
        *step("delete-replaced", CONTAINER, old, None),
        summary(replace=1),
    ]
    assert shown(events, preview=True) == (
        "+- api-container  scaleway:containers:Container  replace  because of name\n"
        '   ~ name: "a" → "b"  (replaces the resource)\n'
        "To do: 1 to replace (0.0s)\n"
    )


def test_properties_of_new_resources_are_listed_when_asked_for() -> None:
    events = [*step("create", CONTAINER, None, {"name": "api", "tags": ["a", True]}), summary(create=1)]
    assert "name" not in shown(events, preview=True)
    assert '   + name: "api"\n   + tags: ["a", true]\n' in shown(events, preview=True, all_properties=True)


def test_a_change_of_protection_is_shown() -> None:
    update = step("update", CONTAINER, {"a": 1}, {"a": 2}, old_state={"protect": True})
    assert "~ protect: true → false" in shown([*update, summary(update=1)], preview=True)


def test_changed_outputs_of_the_stack_are_shown() -> None:
    events = [
        *step("same", STACK, {}, {}, old_state={"outputs": {"url": "a"}}, new_state={"outputs": {"url": "b"}}),
        summary(same=1),
    ]
    assert '~ output url: "a" → "b"' in shown(events, preview=True)


def test_an_update_is_one_line_for_each_operation_that_has_ended() -> None:
    events = [
        *UNCHANGED_STACK,
        *step("create", APP, None, {}),
        *step("update", CONTAINER, {"a": 1}, {"a": 2}),
        summary(create=1, update=1, same=1),
    ]
    assert shown(events, preview=False) == (
        "+  created api  snu:index:ContainerApp (0.0s)\n"
        "~  updated api-container  scaleway:containers:Container (0.0s)\n"
        "     ~ a: 1 → 2\n"
        "Done: 1 created, 1 updated, 1 resource unchanged (0.0s)\n"
    )


def test_a_failure_names_the_resource_and_the_message() -> None:
    events = [
        *step("create", CONTAINER, None, {}, end="failed"),
        diagnostic("error", "<{%reset%}>quota exceeded\nask for more<{%reset%}>", CONTAINER),
        summary("failed"),
    ]
    assert shown(events, preview=False) == (
        "+  failed to create api-container  scaleway:containers:Container (0.0s)\n"
        "error: api-container: quota exceeded\n"
        "  ask for more\n"
        "Failed: nothing was changed (0.0s)\n"
    )


def test_what_a_program_says_that_was_stopped_after_a_failure_is_left_aside() -> None:
    said = ["Traceback (most recent call last):", 'File "exec", line 1, in <module>', "KeyboardInterrupt"]
    events = [
        *step("create", CONTAINER, None, {}, end="failed"),
        diagnostic("error", "quota exceeded", CONTAINER),
        *(diagnostic("info#err", line) for line in said),
        summary("failed"),
    ]
    text = shown(events, preview=False)
    assert "quota exceeded" in text
    assert "Traceback" not in text
    own = shown([diagnostic("info#err", "the program's own words"), summary("failed")], preview=False)
    assert "the program's own words" in own


def test_a_cancelled_update_names_what_it_waits_for() -> None:
    record = OperationRecord(clock=lambda: 0.0)
    for event in step("create", CONTAINER, None, {}, end="running"):
        record.add(event)
    assert [line.plain for line in cancel_lines(record, preview=False)] == [
        "Cancelling: waiting for 1 operation in progress:",
        "  creating api-container (0.0s)",
        "Press Ctrl-C again to stop immediately; operations in progress will remain pending in the state.",
    ]
    nothing = ["Cancelling: no further operations will start."]
    assert [line.plain for line in cancel_lines(record, preview=True)] == nothing
    assert [line.plain for line in cancel_lines(OperationRecord(), preview=False)] == nothing


def test_no_change_is_said_in_one_line() -> None:
    assert shown([*UNCHANGED_STACK, summary(same=26)], preview=True) == "No change: 26 resources unchanged (0.0s)\n"


def test_a_refresh_shows_what_it_found() -> None:
    begun = step("refresh", CONTAINER, {"a": 1}, {"a": 1}, end="running")
    found = step("update", CONTAINER, {"a": 1}, {"a": 2})[1:]
    text = shown([*begun, *found, summary(update=1)], preview=False)
    assert text.startswith("~  updated api-container")


def test_debug_ephemeral_and_repeated_messages_are_left_out() -> None:
    once = diagnostic("warning", "beware")
    hidden = {"diagnosticEvent": {"severity": "info", "message": "passing", "ephemeral": True}}
    text = shown([once, once, diagnostic("debug", "noise"), hidden, summary(same=1)], preview=True)
    assert text.startswith("warning: beware\nNo change")


def test_a_failed_build_is_told_with_the_end_of_what_docker_said() -> None:
    image = "urn:pulumi:local::snu::snu:index:AppImage$docker:index/image:Image::api-image"
    lines = [f"line {number}" for number in range(40)]
    said = [
        "Starting Docker build",
        "digest: sha256:1\n[1/2] RUN npm ci",
        "\n".join(lines),
        "digest: sha256:1\n[1/2] RUN npm ci\nerror: exit code: 1",
    ]
    about = {"severity": "info", "urn": image, "ephemeral": True}
    passing = [{"diagnosticEvent": {**about, "message": each}} for each in said]
    failed = [*passing, diagnostic("error", "exit code: 1", image), summary(same=1)]
    told = ["error: api-image: exit code: 1; Docker's last output:", *(f"  {line}" for line in lines[-14:])]
    assert shown(failed, preview=False).startswith("\n".join([*told, "  [1/2] RUN npm ci\n"]))
    assert "line" not in shown([*passing, diagnostic("error", "exit code: 1", CONTAINER)], preview=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(display: Display, events: Iterable[EngineEvent]) -> None:
    with display:
        for event in events:
            display.on_event(event)
    display.finish()


def test_a_terminal_gets_the_same_tree_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    events = [*UNCHANGED_STACK, *step("update", CONTAINER, {"a": "[x]"}, {"a": "2"}), summary(update=1)]
    stream = Terminal()
    run(display_for(stream, "Title", preview=True), events)
    final = stream.getvalue()[stream.getvalue().rindex("\x1b[2K") :]
    assert "\x1b[33m" in final
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", final)
    assert "~ api-container  scaleway:containers:Container  update" in plain
    assert '~ a: "[x]" → "2"' in plain


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")])
def test_no_escape_codes_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    stream = Terminal()
    run(display_for(stream, "Title", preview=True), [*step("create", CONTAINER, None, {}), summary(create=1)])
    assert "\x1b" not in stream.getvalue()


def test_what_only_repeats_that_it_failed_is_left_out() -> None:
    gone = diagnostic("error", "Resource monitor has terminated, shutting down")
    failed = step("create", CONTAINER, None, {}, end="failed")
    shown_once = shown([*failed, diagnostic("error", "refused", CONTAINER), gone, summary("failed")], preview=False)
    assert "refused" in shown_once
    assert "Resource monitor" not in shown_once
    assert "Resource monitor" in shown([gone, summary("failed")], preview=False)


def test_cancelled_is_said_once() -> None:
    text = shown([diagnostic("error", "update canceled"), summary("canceled", create=1)], preview=False)
    assert text == "Cancelled: 1 created (0.0s)\n"


def test_what_a_hook_reports_is_shown_at_once_and_only_once() -> None:
    update = step("update", CONTAINER, {"a": 1}, {"a": 2})
    events = [update[0], diagnostic("info", "running migrate", CONTAINER), *update[1:], summary(update=1)]
    assert shown(events, preview=False) == (
        "api-container: running migrate\n~  updated api-container  scaleway:containers:Container (0.0s)\n"
        "     ~ a: 1 → 2\nDone: 1 updated (0.0s)\n"
    )
    assert shown(events, preview=True).endswith("api-container: running migrate\nTo do: 1 to update (0.0s)\n")


@pytest.mark.parametrize(
    ("when", "error", "shown_as"),
    [
        ("after", "failed to connect to all addresses; last error: UNKNOWN: Connection refused", "was changed but not"),
        (
            "before",
            'rpc error: desc = "dial tcp 127.0.0.1:1: connect: connection refused"',
            "was not changed",
        ),
    ],
)
def test_a_hook_of_a_program_that_has_failed(when: str, error: str, shown_as: str) -> None:
    text = shown(
        [
            diagnostic("error", "container local-api is in error: no such image"),
            diagnostic("error", f'{when} hook "app-ready" failed: {error}', CONTAINER),
            summary("failed"),
        ],
        preview=False,
    )
    assert f"error: api-container: {shown_as}" in text
    assert "because the program failed before the hook app-ready could run" in text
    assert "refused" not in text


def test_an_interrupted_update_names_the_operations_whose_result_is_unknown() -> None:
    component = step("create", APP, None, {}, end="running")
    finished, running = (
        step("update", CONTAINER, {"a": 1}, {"a": 2}),
        step("delete", CONTAINER, {}, None, end="running"),
    )
    text = shown([*component, *finished, *running], preview=False)
    assert text.endswith("Stopped before it was complete: 1 updated (0.0s)\n  deleting api-container: result unknown\n")
    cancelled = shown([*running, summary("canceled")], preview=False)
    assert cancelled == "Cancelled: no operation was completed (0.0s)\n  deleting api-container: result unknown\n"


OLD, NEW = (f"rg.fr-par.scw.cloud/snu-ci/api@sha256:{digit * 64}" for digit in "1a")


def test_a_new_image_is_shown_by_its_versions_and_the_new_digest() -> None:
    update = step("update", CONTAINER, {"image": OLD}, {"image": NEW}, diffs=["image"])
    assert "~ image: api 111111 → aaaaaa\n" in shown([*update, summary(update=1)], preview=True)
    outputs = [
        {"outputs": {"images": {"api": {"version": version, "digest": image.partition("@")[2]}}}}
        for version, image in (("v1", OLD), ("v2", NEW))
    ]
    stack = step("same", STACK, {}, {}, old_state=outputs[0], new_state=outputs[1])
    assert "~ image: api v1 → v2 (aaaaaa)\n" in shown([*stack, *update, summary(update=1)], preview=True)


def test_a_terminal_shows_the_steps_of_an_update_and_no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    events = [*UNCHANGED_STACK, *step("update", CONTAINER, {"a": 1}, {"a": 2}), summary(update=1)]
    run(display_for(stream, "Title", preview=False), events)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "~  updated api-container  scaleway:containers:Container (0.0s)" in plain
    assert "~ a: 1 → 2" in plain
    assert "Container  update" not in plain

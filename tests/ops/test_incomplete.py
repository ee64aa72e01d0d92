"""Incomplete checks: one line for each cause, in the headline and in the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.commands.drift import _code
from ops.drift.check import NoStateError, StateUnavailableError
from ops.drift.findings import StackDrift
from ops.drift.report import headline
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.findings import Finding, FindingKind
from ops.operation_record import Diagnostic
from ops.report.causes import cause_of, few, merged, skipped_lines
from ops.stacks import Stack
from ops.state import backend_lookup
from ops.state.backend import backend_of

_FINDING = Finding(FindingKind.CHANGED, "scaleway:containers:Container", "api-container", "fr-par/1", "fr-par")


def test_one_cause_is_one_line_whatever_it_is_about() -> None:
    problems = {
        "ci": "ci: no key.",
        "foundation-ci": "foundation-ci: no key.",
        "local": "No local Scaleway answers (Pulumi.local.yaml).\nStart it.",
        "foundation-local": "No local Scaleway answers (Pulumi.foundation-local.yaml).\nStart it.",
        "stage": "the database answers\x1b[31m 500",
    }
    assert [line.plain for line in skipped_lines(problems)] == [
        "Skipped ci, foundation-ci: no key.",
        "Skipped local, foundation-local: No local Scaleway answers (Pulumi.local.yaml). Start it.",
        r"Skipped stage: the database answers\u001b[31m 500",
    ]


def test_few_of_many_names() -> None:
    assert few(["a", "b"]) == "a, b"
    assert few(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_resources_that_fail_for_one_cause_are_one_error() -> None:
    def denied(name: str) -> Diagnostic:
        request = f'Get "http://127.0.0.1:1/containers/{name}"'
        return Diagnostic("error", f"scaleway-sdk-go: {request}: 403 Forbidden", f"urn:pulumi:a::b::c:d:E::{name}")

    other = Diagnostic("error", "scaleway-sdk-go: 404 Not Found", "urn:pulumi:a::b::c:d:E::z")
    said = [Diagnostic("warning", "w"), denied("b"), other, denied("a"), Diagnostic("error", "w")]
    together = Diagnostic("error", "2 resources (a, b): 403 Forbidden")
    assert merged(said) == [said[0], together, other, said[-1]]


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            "sdk-v2/provider2.go:572: sdk.helper_schema: unexpected waiting container error: scaleway-sdk-go: waiting "
            "for Container failed: scaleway-sdk-go: http error 503 Service Unavailable: down: provider=scaleway@1.53.0",
            "http error 503 Service Unavailable: down",
        ),
        (
            "Preview failed: refreshing urn:pulumi:local::snu::a:b:C::n: 1 error occurred:\n"
            "\t* scaleway-sdk-go: waiting for Domain failed: scaleway-sdk-go: http error 503 Service Unavailable: down",
            "http error 503 Service Unavailable: down",
        ),
        (
            'scaleway-sdk-go: error executing request: Get "http://127.0.0.1:1/containers/v1/x": EOF',
            "error executing request: EOF",
        ),
        ("GET /containers/v1/regions/fr-par/containers/1: no response (4 attempts)", "no response (4 attempts)"),
        ("something else", "something else"),
    ],
)
def test_both_engines_words_for_one_cause(message: str, cause: str) -> None:
    assert cause_of(message) == cause


def test_no_drift_is_reported_only_if_all_was_checked() -> None:
    assert headline(StackDrift("a", 3)) == "no drift"
    assert headline(StackDrift("a", 0, problems=("x",))) == "not checked"
    assert headline(StackDrift("a", 3, problems=("x",))) == "partly unchecked"
    assert headline(StackDrift("a", 3, (_FINDING,), problems=("x",))) == "1 changed, partly unchecked"


def test_the_status_of_drift() -> None:
    clean, drifted = StackDrift("a", 3), StackDrift("a", 3, (_FINDING,))
    unread = StackDrift("a", 0, problems=("x",), code=ExitCode.LOCKED)
    unreachable = {"b": StateUnavailableError("no key", ExitCode.ENVIRONMENT)}
    absent = {"c": NoStateError("c has no state", ExitCode.FAILED)}
    assert _code([clean], {}, ExitCode.OK) == ExitCode.OK
    assert _code([clean], absent, ExitCode.OK) == ExitCode.OK
    assert _code([drifted], absent, ExitCode.OK) == ExitCode.DRIFT
    assert _code([clean], unreachable, ExitCode.OK) == ExitCode.INCOMPLETE
    assert _code([drifted], unreachable | absent, ExitCode.OK) == ExitCode.INCOMPLETE
    assert _code([drifted, unread], unreachable, ExitCode.OK) == ExitCode.LOCKED
    assert _code([], unreachable, ExitCode.OK) == ExitCode.ENVIRONMENT
    assert _code([], absent, ExitCode.OK) == ExitCode.FAILED


def test_a_folder_is_no_backend_of_a_real_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As set in a shell by `local env`: that backend is empty, but the stack's is not."""
    monkeypatch.setattr(backend_lookup, "find_document", lambda *_: None)
    environment = {"name": "production", "foundation": "foundation-production"}
    stack = Stack(
        tmp_path, "production", {"snu:blueprint": "environment", "snu:environment": environment}, "passphrase"
    )
    given = {"SCW_ACCESS_KEY": "SCWXXXXXXXXXXXXXXXXX", "SCW_SECRET_KEY": "x", "PULUMI_CONFIG_PASSPHRASE": "x"}
    with pytest.raises(OpsError, match=r"is a folder on this machine.*Unset it for production") as refused:
        backend_lookup.variables_of(stack, backend_of(stack), {**given, "PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    assert refused.value.code is ExitCode.ENVIRONMENT
    assert backend_lookup.variables_of(stack, backend_of(stack), {**given, "PULUMI_BACKEND_URL": "s3://a-bucket"}) == {}

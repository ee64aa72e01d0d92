"""The adapter to the Pulumi CLI, on a CLI that is a small script."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ops.engines.base import EngineError, Operation
from ops.engines.pulumi_cli import PulumiCli
from tests.support.environment import clean_environment
from tests.support.pulumi_cli import needs_pulumi

_SCRIPT = """#!/bin/sh
echo "$@" >>calls
case "$1 $2" in
"stack init") touch made; exit 0 ;;
"stack output") cat outputs.json; exit 0 ;;
esac
if [ ! -e made ]; then
    echo "error: no stack named 's' found" >&2
    exit 255
fi
while [ "$1" != --event-log ]; do shift; done
[ -e events ] && cat events >"$2"
[ -e document ] && cat document
[ -e stderr ] && cat stderr >&2
exit "$(cat status)"
"""


class Cli:
    """A folder with a fake ``pulumi`` that plays back what the test has put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin/pulumi").write_text(_SCRIPT)
        (folder / "bin/pulumi").chmod(0o755)
        (folder / "made").touch()
        self.put(status="0")
        self.events: list[dict[str, Any]] = []

    def put(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def operation(self, *, refresh: bool = False) -> Operation:
        return Operation(self.folder, "s", os.environ, self.events.append, parallel=4, refresh=refresh)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    fake = Cli(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return fake


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


SUMMARY = {"summaryEvent": {"resourceChanges": {"same": 2, "create": 1}}}


def test_events_counts_and_the_document_are_handed_on(cli: Cli) -> None:
    cli.put(events=lines({"preludeEvent": {"config": {}}}, SUMMARY), document='{"changeSummary": {"same": 2}}')
    result = PulumiCli().preview(cli.operation(refresh=True))
    assert result.ok
    assert result.changes == {"same": 2, "create": 1}
    assert result.document == {"changeSummary": {"same": 2}}
    assert cli.events == [{"preludeEvent": {"config": {}}}, SUMMARY]
    before, _, after = cli.calls[0].partition(" --client 127.0.0.1:")
    assert before == "preview --json --refresh=true"
    assert " --stack s --non-interactive --parallel 4 --event-log " in after


def test_a_stack_that_does_not_exist_is_made_without_selecting_it(cli: Cli) -> None:
    (cli.folder / "made").unlink()
    cli.put(events=lines(SUMMARY))
    assert PulumiCli().up(cli.operation()).ok
    assert [call.split(" --")[0] for call in cli.calls] == ["up", "stack init s", "up"]
    assert len({call.partition(" --client ")[2].split()[0] for call in cli.calls if call.startswith("up")}) == 1
    assert "--no-select" in cli.calls[1]


def test_a_failure_without_events_is_the_clis_own_message(cli: Cli) -> None:
    cli.put(status="255", stderr="error: the stack is currently locked by 1 lock(s)\n")
    with pytest.raises(EngineError, match=r"^the stack is currently locked"):
        PulumiCli().up(cli.operation())


def test_a_failure_that_events_explain_is_a_result(cli: Cli) -> None:
    cli.put(status="255", events=lines({"diagnosticEvent": {"severity": "error", "message": "quota"}}, SUMMARY))
    assert not PulumiCli().destroy(cli.operation()).ok
    assert "--client" not in cli.calls[0]


_PASSWORD = "hunter2secret"
_ADDRESS = f"postgres://someone:{_PASSWORD}@127.0.0.1:9/state"


@pytest.fixture
def cli_with_secrets(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("PULUMI_BACKEND_URL", _ADDRESS)
    monkeypatch.setenv("SCW_SECRET_KEY", "11111111-fake-secret-key")
    return cli


@pytest.mark.parametrize("makes", [False, True])
def test_the_clis_message_has_no_secret(cli_with_secrets: Cli, makes: bool) -> None:
    """Also where it cannot make the stack."""
    cli = cli_with_secrets
    cli.put(status="255", stderr=f'error: unable to open state database "{_ADDRESS}": refused\n')
    if makes:
        (cli.folder / "made").unlink()
        script = cli.folder / "bin/pulumi"
        script.write_text(_SCRIPT.replace("touch made; exit 0", "cat stderr >&2; exit 1"))
    with pytest.raises(EngineError) as failed:
        PulumiCli().up(cli.operation())
    assert str(failed.value) == 'unable to open state database "postgres://[secret]@127.0.0.1:9/state": refused'


def test_events_and_document_have_no_secret(cli_with_secrets: Cli) -> None:
    cli = cli_with_secrets
    said = {"severity": "info", "message": f"{_ADDRESS} with 11111111-fake-secret-key"}
    cli.put(events=lines({"diagnosticEvent": said}, SUMMARY), document=json.dumps({"diagnostics": [said]}))
    result = PulumiCli().preview(cli.operation())
    masked = {"severity": "info", "message": "postgres://[secret]@127.0.0.1:9/state with [secret]"}
    assert result.document == {"diagnostics": [masked]}
    assert cli.events == [{"diagnosticEvent": masked}, SUMMARY]


@needs_pulumi
def test_the_real_clis_message_has_no_password(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: yaml\n")
    environ = clean_environment(PULUMI_BACKEND_URL=_ADDRESS, PULUMI_HOME=str(tmp_path / "home"))
    with pytest.raises(EngineError, match="unable to open state database") as failed:
        PulumiCli().refresh(Operation(tmp_path, "s", environ))
    assert _PASSWORD not in str(failed.value)

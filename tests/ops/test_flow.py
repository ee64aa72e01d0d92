"""Whole runs of the command on a local Scaleway."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.exit_codes import ExitCode
from tests.lab.project import Project
from tests.support.environment import ROOT, clean_environment
from tests.support.programs import needs
from tests.support.pulumi_cli import Cli, needs_pulumi
from tests.support.stack_yaml import stack_yaml

STACKS = ("foundation-local", "local")


@pytest.fixture(params=["embedded", pytest.param("pulumi", marks=needs_pulumi)])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def running(project: Project) -> Project:
    """A project whose local Scaleway runs and whose stacks do not exist yet."""
    project.start_cloud()
    return project


def control(project: Project, method: str, name: str, **body: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{project.api_url}/_local/{name}",
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers=project.control_headers,
    )
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def snu(project: Project, engine: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = str(project.directory / ".pulumi-home")
    return project.snu(*arguments, "--engine", engine, PULUMI_HOME=home)


def bring_up(project: Project, engine: str) -> None:
    for stack in STACKS:
        ended = snu(project, engine, "up", stack, "--yes", "--skip-preview", "--check-urls")
        assert ended.returncode == ExitCode.OK, ended.stdout + ended.stderr
        if stack == "foundation-local":
            assert "`scripts/snu keys store foundation-local` creates" in ended.stdout
            stored = project.snu("keys", "store", stack)
            assert stored.returncode == ExitCode.OK, stored.stdout + stored.stderr


def test_up_change_error_and_destroy(running: Project, engine: str) -> None:
    project = running
    first = snu(project, engine, "preview", "foundation-local", "--expect-no-changes")
    assert first.returncode == ExitCode.CHANGES, first.stdout + first.stderr
    bring_up(project, engine)

    for stack in STACKS:
        again = snu(project, engine, "preview", stack, "--expect-no-changes")
        assert again.returncode == ExitCode.OK, again.stdout + again.stderr
        assert "No change" in again.stdout
        assert "deprecat" not in again.stdout.lower()
        assert "keys store" not in again.stdout

    project.change("local", lambda config: config["snu:apps"]["antivirus"].update(port=8090))
    document = json.loads(snu(project, engine, "preview", "local", "--json").stdout)
    assert document["changeSummary"] == {"same": 27, "update": 1}
    (step,) = [step for step in document["steps"] if step["op"] == "update"]
    assert step["urn"].endswith("::antivirus-container")
    assert list(step["detailedDiff"]) == ["port"]
    changed = snu(project, engine, "up", "local", "--yes")
    assert changed.returncode == ExitCode.OK, changed.stdout + changed.stderr
    assert "~ port: 8089 → 8090" in changed.stdout
    assert f"http://antivirus.local.snu.localhost:{project.port}" in changed.stdout

    containers = control(project, "GET", "resources")["containers.container"]
    (admin,) = [container for container in containers if container["name"] == "local-admin"]
    broken = {"status": "error", "error_message": "the image's port does not answer"}
    control(project, "POST", "status", kind="containers.container", id=admin["id"], **broken)
    failed = snu(project, engine, "up", "local", "--yes")
    assert failed.returncode == ExitCode.CONTAINERS
    assert "container local-admin is in error: the image's port does not answer" in failed.stdout  # by the program
    assert "Container local-admin is in error: the image's port does not answer" in failed.stderr

    control(project, "POST", "faults", fault="container_error", message="it exited", match={"name": "local-admin"})
    project.change("local", lambda config: config["snu:images"]["admin"].update(digest=f"sha256:{'1' * 64}"))
    failed = snu(project, engine, "up", "local", "--yes")
    assert failed.returncode == ExitCode.CONTAINERS, failed.stdout + failed.stderr
    assert "warning: admin: container local-admin is in error: the image's port does not answer" in failed.stdout
    assert 'after hook "admin-ready" failed: container local-admin is in error: it exited' in failed.stdout
    assert "To show its log: scripts/snu logs admin --stack local" in failed.stdout
    control(project, "DELETE", "faults")
    project.change("local", lambda config: config["snu:images"]["admin"].update(digest=f"sha256:{'2' * 64}"))
    fixed = snu(project, engine, "up", "local", "--yes")
    assert fixed.returncode == ExitCode.OK, fixed.stdout + fixed.stderr

    outputs = json.loads(snu(project, engine, "outputs", "foundation-local", "--json").stdout)
    assert outputs["logsToken"] == "[secret]"

    for stack in reversed(STACKS):
        gone = snu(project, engine, "destroy", stack, "--yes")
        assert gone.returncode == ExitCode.OK, gone.stdout + gone.stderr
    assert control(project, "GET", "resources?seed=false") == {}


def test_ctrl_c_ends_what_runs_and_says_so(project: Project, engine: str) -> None:
    project.start_cloud(transitions=3)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "ops", "up", "foundation-local", "--yes", "--skip-preview"),
            *("--engine", engine, "-C", str(project.directory)),
        ],
        env=clean_environment(PULUMI_HOME=str(project.directory / ".pulumi-home"), PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    seen = ""
    while "created" not in seen:
        seen = process.stdout.readline()
        assert seen, process.communicate()
    while not _has_pending(project.directory / ".local/state/.pulumi/stacks/snu/foundation-local.json"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CANCELLED, output + errors
    assert "Cancelled" in output
    assert "Traceback" not in output + errors
    control(project, "POST", "transitions", seconds=0)
    resumed = snu(project, engine, "up", "foundation-local", "--yes", "--skip-preview")
    assert resumed.returncode == ExitCode.OK, resumed.stdout + resumed.stderr


def _has_pending(state: Path) -> bool:
    """Whether operations are under way; the file may be half written when it is read."""
    with suppress(FileNotFoundError, ValueError):
        return bool(json.loads(state.read_text())["checkpoint"]["latest"].get("pending_operations"))
    return False


def test_a_preview_as_markdown(running: Project, engine: str) -> None:
    project = running
    printed = snu(project, engine, "preview", "foundation-local", "--markdown", "-")
    assert printed.returncode == ExitCode.OK, printed.stdout + printed.stderr
    assert printed.stdout.startswith("### Preview of `foundation-local`: 41 to create, ")
    assert "- `local-secrets-secret` · `scaleway:secrets:Secret`\n" in printed.stdout
    assert "\nCost: +" in printed.stdout
    file = project.directory / "preview.md"
    both = snu(project, engine, "preview", "foundation-local", "--markdown", str(file))
    assert "To do: 41 to create" in both.stdout
    assert file.read_text() == printed.stdout
    nowhere = str(project.directory / "missing/preview.md")
    refused(project, *("preview", "foundation-local", "--markdown", nowhere), code=ExitCode.USAGE, says="be written")
    twice = ("preview", "foundation-local", "--markdown", "-", "--json")
    refused(project, *twice, code=ExitCode.USAGE, says="one of them")


@needs("pulumi")
def test_another_version_of_the_cli_than_the_required_one(running: Project) -> None:
    file = running.directory / "Pulumi.yaml"
    text, count = re.subn(r"(?m)^requiredPulumiVersion: .*$", 'requiredPulumiVersion: "<3.0.0"', file.read_text())
    assert count == 1
    file.write_text(text)
    home = str(running.directory / ".pulumi-home")
    asked = ("preview", "foundation-local", "--engine", "pulumi")
    refused(running, *asked, code=ExitCode.FAILED, says='does not satisfy the version range "<3.0.0"', PULUMI_HOME=home)


def refused(project: Project, *arguments: str, code: ExitCode, says: str, **environment: str) -> None:
    ended = project.snu(*arguments, **environment)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_the_user_can_mend_is_said_in_a_sentence(project: Project) -> None:
    refused(project, "preview", "nope", code=ExitCode.USAGE, says="There is no stack 'nope'")
    refused(project, "preview", code=ExitCode.USAGE, says="Missing argument")
    refused(project, "previw", "local", code=ExitCode.USAGE, says="No such command")
    refused(project, "up", "local", "--engine", "terraform", code=ExitCode.USAGE, says="'terraform'")
    refused(project, "preview", "local", code=ExitCode.LOCAL_CLOUD, says="snu local start")
    refused(project, "preview", "stage", "--engine", "embedded", code=ExitCode.ENGINE, says="only the local Scaleway")
    refused(project, "preview", "stage", code=ExitCode.ENGINE, says="Install it", PATH="/nowhere")


def test_images_that_pulumi_is_to_build_are_not_for_the_embedded_engine(project: Project) -> None:
    stack = yaml.safe_load(project.stack_file("local").read_text())
    stack["config"]["snu:images"]["app"] = "build"
    project.stack_file("local").write_text(stack_yaml(stack))
    for command in ("preview", "up"):
        asked = (command, "local", "--engine", "embedded")
        way_out = "Build them with `scripts/snu images build local`, or use --engine pulumi."
        refused(project, *asked, code=ExitCode.ENGINE, says=f"specifies `build` for app. {way_out}")


def test_a_stack_on_the_real_scaleway_needs_a_key_to_learn_where_its_state_is(project: Project) -> None:
    folder = project.directory / "bin"
    folder.mkdir()
    (folder / "pulumi").touch(0o755)
    for given in ({}, {"PULUMI_BACKEND_URL": f"file://{folder}"}):
        refused(
            project,
            *("preview", "stage"),
            code=ExitCode.ENVIRONMENT,
            says="Set SCW_ACCESS_KEY and SCW_SECRET_KEY",
            **({"PATH": str(folder)} | given),
        )


def test_status_shows_the_named_environments(project: Project) -> None:
    shown = project.snu("status", "local")
    assert (shown.returncode, shown.stdout) == (ExitCode.OK, "local  nothing runs yet\n")
    both = project.snu("status", "local", "stage")
    assert both.returncode == ExitCode.INCOMPLETE
    assert "local  nothing runs yet\n" in both.stdout
    assert "Skipped stage: no Scaleway API key." in both.stdout
    refused(project, "status", "nowhere", code=ExitCode.USAGE, says="There is no stack 'nowhere'")
    says = "foundation-local is not an environment. To show its outputs: scripts/snu outputs foundation-local"
    refused(project, "status", "foundation-local", code=ExitCode.USAGE, says=says)


def test_wrong_settings_are_refused_all_at_once(project: Project) -> None:
    project.edit("local", "port: 8089", "port: 8089000\n      colour: red")
    ended = project.snu("preview", "local")
    assert ended.returncode == ExitCode.SETTINGS
    assert "8089000" in ended.stderr
    assert "colour" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_stack_file_with_flaws_is_refused_by_every_command(project: Project) -> None:
    project.edit(
        "local", 'CLE: "true"\n        STAGING: "true"\n        FOLDER_API: api', "SINCE: 2026-11-26\n        ON: x"
    )
    line = 1 + project.stack_file("local").read_text().partition("SINCE")[0].count("\n")
    for command in (
        ("preview", "local"),
        ("up", "local", "--yes"),
        ("cost", "local"),
    ):
        refused(
            project,
            *command,
            code=ExitCode.SETTINGS,
            says=f"Pulumi.local.yaml:{line}: snu:apps.api.variables.SINCE: found `2026-11-26` without quotes, which "
            'some YAML readers treat as a date; write "2026-11-26"\n'
            f"Pulumi.local.yaml:{line + 1}: snu:apps.api.variables.ON: ",
        )


@needs_pulumi
def test_plain_pulumi_checks_the_stack_s_file_too(project: Project) -> None:
    """Settings are refused before the program asks for anything: no local Scaleway is needed."""
    cli = Cli(project.directory, project.directory / "home", project.backend_url)
    (project.directory / ".local/state").mkdir(parents=True)
    assert cli.run("stack", "init", "local").returncode == 0
    file, other = project.stack_file("local"), project.directory / "other.yaml"
    clean = file.read_text()

    def says(*arguments: str) -> str:
        ended = cli.run("preview", "--stack", "local", *arguments)
        assert ended.returncode != 0
        return ended.stdout

    def refused_at(*changes: tuple[str, str, str]) -> None:
        text, messages = clean, []
        for old, new, message in changes:
            text = text.replace(old, new, 1)
            messages.append(f"Pulumi.local.yaml:{1 + _line_breaks(clean.partition(old)[0])}: {message}")
        file.write_text(text)
        found = says()
        assert [message for message in messages if message not in found] == [], found
        assert "Traceback" not in found

    refused_at(
        ("region: fr-par", "region: fr-xyz", "scaleway:region: found `fr-xyz`"),
        (
            "foundation: foundation-local",
            "foundation: nowhere",
            "snu:environment.foundation: found `nowhere`, but Pulumi.nowhere.yaml",
        ),
    )
    refused_at(
        ("timeout: 60", "timeout: 0x3c", "snu:apps.api.timeout: found `0x3c` without quotes"),
        ("APP_NAME: admin", "APP_NAME: 2026-11-26", "snu:apps.admin.variables.APP_NAME: found `2026-11-26` without"),
    )
    other.write_text(clean.replace("minScale: 1", "minScale: 0"))
    passed = "unknown stack"  # the foundation, which was never brought up
    assert passed in says("--config-file", str(other))
    file.unlink()
    assert passed in says("--config-file", str(other))


def _line_breaks(text: str) -> int:
    return text.count("\n")


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (("preview", "--details"), {"PYTHONIOENCODING": "latin-1"}),
        (("up", "--yes", "--skip-preview"), {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ],
    ids=["latin-1", "C"],
)
def test_a_terminal_s_encoding_stops_no_command(
    running: Project, command: tuple[str, ...], environment: dict[str, str]
) -> None:
    running.edit("foundation-local", "The SNU platform on", "日本 → é on")
    name, *options = command
    ended = subprocess.run(
        # A process of its own, as the encoding is set when Python starts.
        [
            f"{sys.prefix}/bin/python",
            "-P",
            "-m",
            "ops",
            name,
            "foundation-local",
            *options,
            "--engine",
            "embedded",
            "-C",
            str(running.directory),
        ],
        cwd=running.directory,
        env=clean_environment(PYTHONPATH=str(ROOT), **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    assert ended.returncode == ExitCode.OK, ended.stdout + ended.stderr
    assert ended.stderr == b""
    assert (b"??" in ended.stdout) is (name == "preview")


def test_nobody_there_to_ask(running: Project) -> None:
    refused(running, "up", "foundation-local", code=ExitCode.USAGE, says="--yes")
    assert control(running, "GET", "resources?seed=false") == {}


def test_a_damaged_state_is_left_as_it_is(running: Project) -> None:
    state = running.directory / ".local/state/.pulumi/stacks/snu/local.json"
    state.parent.mkdir(parents=True)
    state.write_text("{ not json")
    refused(running, "preview", "local", "--engine", "embedded", code=ExitCode.FAILED, says="is damaged")
    assert state.read_text() == "{ not json"

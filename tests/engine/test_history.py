"""Update records, and states in every kind of backend, shared with the real CLI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.request import Outcome, Request
from pulumi_state import stack_reader
from pulumi_state.errors import PulumiError
from pulumi_state.history import agent
from pulumi_state.process import Process
from pulumi_state.state_file import StateFile
from pulumi_state.store import layout
from tests.support import embedded
from tests.support.buckets import KEYS, bucket, object_storage
from tests.support.environment import clean_environment
from tests.support.postgres import database, postgres_server
from tests.support.programs import needs

__all__ = ["bucket", "database", "object_storage", "postgres_server"]

PROGRAM = 'import pulumi\npulumi.export("shown", pulumi.Config().require("word"))\n'
needs_cli = needs("pulumi", "pulumi-language-python")


@pytest.fixture(params=["folder", "bucket", "database"])
def backend_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        (tmp_path / "state").mkdir()
        return f"file://{tmp_path}/state"
    found = request.getfixturevalue(request.param)
    url: str = found.url() if request.param == "bucket" else found.url
    return url


class Stack:
    """A small stack without cloud resources, on either engine."""

    def __init__(self, folder: Path, backend_url: str) -> None:
        self.folder = folder
        self.backend_url = backend_url
        self.environ = {"PULUMI_CONFIG_PASSPHRASE": "fake", **KEYS}
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text("name: small\nruntime: {name: python, options: {virtualenv: .venv}}\n")
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "__main__.py").write_text(PROGRAM)
        self.configure("one")

    def configure(self, word: str) -> None:
        self.write({"small:word": word, "other": {"a": [1]}})

    def write(self, config: dict[str, Any], **more: str) -> None:
        # The embedded engine wants a local Scaleway's address, although the program asks it for nothing.
        document = {"config": {**config, "scaleway:apiUrl": "http://127.0.0.1:1"}, **more}
        (self.folder / "Pulumi.dev.yaml").write_text(json.dumps(document))

    @property
    def file(self) -> StateFile:
        return StateFile(self.backend_url, "small", "dev", self.environ)

    def up(self) -> Outcome:
        return embedded.up(Request(self.folder, "dev", self.backend_url, self.environ))

    def outputs(self) -> dict[str, Any]:
        return stack_reader.outputs(StateFile(self.backend_url, "small", "dev", self.environ), self.environ)

    def history(self) -> list[dict[str, Any]]:
        """The newest first."""
        entries = self.file.store.entries(layout.history("small", "dev"))
        items = [self.file.store.read(each.key) for each in entries if each.key.endswith(".history.json")]
        return [json.loads(item.content) for item in reversed(items) if item]

    def cli(self, *arguments: str) -> str:
        ended = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=clean_environment(
                PULUMI_HOME=str(self.folder / ".home"),
                PULUMI_BACKEND_URL=self.backend_url,
                PULUMI_SKIP_UPDATE_CHECK="true",
                PATH=os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)]),
                **self.environ,
            ),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture
def stack(tmp_path: Path, backend_url: str) -> Stack:
    return Stack(tmp_path / "project", backend_url)


def test_each_update_leaves_a_record_and_a_copy_of_the_state(stack: Stack) -> None:
    assert stack.up().ok
    stack.configure("two")
    assert stack.up().ok
    assert stack.outputs() == {"shown": "two"}
    latest, first = stack.history()
    assert (first["kind"], first["result"], first["resourceChanges"]) == ("update", "succeeded", {"create": 1})
    assert (latest["config"]["small:word"], first["config"]["small:word"]) == ("two", "one")
    assert first["config"]["small:other"] == {"a": [1]}
    assert first["environment"]["exec.agent"] == agent(stack.environ)
    assert first["startTime"] <= first["endTime"] <= latest["endTime"]
    copies = [
        each.key
        for each in stack.file.store.entries(layout.history("small", "dev"))
        if each.key.endswith(".checkpoint.json")
    ]
    found = [stack.file.store.read(key) for key in copies]
    assert ['"one"' in item.content.decode() for item in found if item] == [True, False]


def test_a_failed_update_is_on_record_and_a_preview_is_not(stack: Stack) -> None:
    (stack.folder / "__main__.py").write_text("raise SystemExit(1)\n")
    assert not stack.up().ok
    embedded.preview(Request(stack.folder, "dev", stack.backend_url, stack.environ))
    assert [each["result"] for each in stack.history()] == ["failed"]


def test_a_lock_is_seen_and_respected(stack: Stack) -> None:
    stack.up()
    with stack.file.locked():
        (lock,) = stack.file.locks()
        assert lock.process == Process.current()
        with pytest.raises(PulumiError, match=rf"locked by .* \(pid {os.getpid()}\)"):
            stack.up()
    assert stack.file.locks() == []


def test_secure_values_stay_encrypted(stack: Stack) -> None:
    stack.up()
    checkpoint = stack.file.read()
    assert checkpoint is not None
    assert checkpoint.salt is not None
    from pulumi_state.passphrase import Crypter

    secure = Crypter.open("fake", checkpoint.salt).encrypt_text("hush-hush")
    stack.write({"small:word": {"secure": secure}}, encryptionsalt=checkpoint.salt)
    assert stack.up().ok
    (latest, _) = stack.history()
    assert latest["config"]["small:word"] == {"secure": secure}


@pytest.mark.parametrize(("environ", "who"), [({"GITHUB_ACTOR": "ann"}, "snu/ann@github"), ({}, "snu/")])
def test_the_author_of_an_update(environ: dict[str, str], who: str) -> None:
    assert agent(environ).startswith(who)


@needs_cli
def test_both_engines_share_state_and_history(stack: Stack) -> None:
    stack.cli("stack", "init", "dev", "--no-select")
    assert stack.up().ok
    assert json.loads(stack.cli("stack", "output", "--json", "--stack", "dev")) == {"shown": "one"}
    stack.cli("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "dev")
    stack.configure("two")
    stack.cli("up", "--yes", "--skip-preview", "--stack", "dev", "--exec-agent", "snu/cli")
    assert stack.outputs() == {"shown": "two"}
    assert stack.up().ok
    shown = json.loads(stack.cli("stack", "history", "--json", "--stack", "dev"))
    assert [each["environment"]["exec.kind"] for each in shown] == ["embedded", "cli", "cli", "embedded"]
    assert {each["result"] for each in shown} == {"succeeded"}
    assert stack.history()[1]["environment"]["exec.agent"] == "snu/cli"
    assert "embedded" in stack.cli("stack", "history", "--stack", "dev")

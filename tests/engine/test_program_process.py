"""The process that serves a program, with an engine of the test in the place of Pulumi's."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from ops.engines.base import EngineError, Operation, Result
from ops.engines.program.confine import landlock_version
from ops.engines.program.process import Program
from ops.engines.pulumi_cli import PulumiCli
from tests.support.environment import ROOT, clean_environment
from tests.support.fake_engine import FakeEngine
from tests.support.processes import is_running, wait_until_ended

_GIVE_UP_SECONDS = 60.0
_FORBIDDEN = (
    "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN",
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PYTHONPATH",
    "SCW_SECRET_KEY",
    "SNU_PLAN_SIGNING_KEY",
)
_PARENT = """
import os, sys, time
from pathlib import Path
from ops.engines.program.process import Program

with Program(Path(sys.argv[1]), os.environ) as program:
    print(program.address, program._process.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    return folder


def write(project: Path, program: str) -> None:
    (project / "__main__.py").write_text(textwrap.dedent(program))


# --- LanguageRuntime ------------------------------------------------------------------------------------------------


def test_a_program_runs_with_its_configuration_in_the_main_thread(project: Path) -> None:
    write(
        project,
        """
        import os, sys, threading
        import pulumi
        pulumi.ComponentResource("my:module:Thing", "thing")
        pulumi.export("is_main", threading.current_thread() is threading.main_thread())
        pulumi.export("secret", pulumi.Config().require_secret("key"))
        pulumi.export("folder", os.getcwd())
        pulumi.export("organization", pulumi.get_organization())
        pulumi.export("dry_run", pulumi.runtime.is_dry_run())
        pulumi.export("command", [name for name in sys.modules if name in ("ops", "engine", "pulumi_state")])
        """,
    )
    engine = FakeEngine()
    with Program(project, os.environ) as program:
        response = engine.run(project, program.address, key="hidden")
    assert (response.error, response.bail) == ("", False)
    assert engine.registered == ["pulumi:pulumi:Stack", "my:module:Thing"]
    secret = engine.outputs.pop("secret")
    assert "hidden" not in repr(secret) or type(secret).__name__ == "Secret"
    assert engine.outputs == {
        "is_main": True,
        "folder": str(project),
        "organization": "organization",
        "dry_run": True,
        "command": [],
    }


def test_no_key_token_or_password_reaches_the_program(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _FORBIDDEN:
        monkeypatch.setenv(name, "leaked-value")
    write(project, "import os\nfor item in os.environ.items():\n    print(*item)\n")
    with Program(project, os.environ) as program:
        FakeEngine().run(project, program.address)
        printed = dict(line.split(" ", 1) for _, line in program.output(ended=True))
    assert printed["PATH"] == os.environ["PATH"]
    assert set(_FORBIDDEN) & printed.keys() == set()
    assert "leaked-value" not in printed.values()


def test_a_program_that_fails_shows_its_own_lines_only(project: Path) -> None:
    write(project, "def wrong():\n    raise ValueError('so it is')\nwrong()\n")
    engine = FakeEngine()
    with Program(project, os.environ) as program:
        assert engine.run(project, program.address).bail
        assert list(program.output(ended=True)) == []
    (error,) = engine.errors
    frames = [line for line in error.splitlines() if line.startswith("  File ")]
    assert frames == [
        f'  File "{project}/__main__.py", line {line}, in {name}' for line, name in ((3, "<module>"), (2, "wrong"))
    ]
    assert error.endswith("ValueError: so it is\n")


def test_a_syntax_error_names_the_file_and_the_line(project: Path) -> None:
    write(project, "import pulumi\nthis wrong\n")
    engine = FakeEngine()
    with Program(project, os.environ) as program:
        assert engine.run(project, program.address).bail
    (error,) = engine.errors
    assert [line for line in error.splitlines() if line.startswith("  File ")] == [
        f'  File "{project}/__main__.py", line 2'
    ]


@pytest.mark.parametrize(
    ("source", "error", "bail"),
    [
        ("import pulumi\nraise pulumi.RunError('no such app')", "", True),
        ("import sys\nsys.exit(0)", "", False),
        ("import sys\nsys.exit(3)", "the program exited with status 3", False),
    ],
)
def test_how_a_program_ends_is_what_the_engine_gets(project: Path, source: str, error: str, bail: bool) -> None:
    write(project, source)
    engine = FakeEngine()
    with Program(project, os.environ) as program:
        response = engine.run(project, program.address)
    assert (response.error, response.bail) == (error, bail)
    assert engine.errors == (["no such app"] if bail else [])


def test_a_folder_without_a_program(project: Path) -> None:
    engine = FakeEngine()
    with Program(project, os.environ) as program:
        assert engine.run(project, program.address).bail
    assert engine.errors == [f"{project} contains no program: __main__.py does not exist"]


def test_another_program_than_the_project_s_is_refused(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, f"open({str(tmp_path / 'ran')!r}, 'w')")
    for directory, main in ((other, "."), (project, "../other"), (project, "prog.py")):
        with Program(project, os.environ) as program:
            response = FakeEngine().run(directory, program.address, main=main)
        assert response.error.startswith(f"this process serves the program in {project}, not ")
    assert not (tmp_path / "ran").exists()


def test_a_program_runs_once(project: Path) -> None:
    write(project, "")
    with Program(project, os.environ) as program:
        FakeEngine().run(project, program.address)
        with pytest.raises(grpc.RpcError, match="the program has already been run"):
            FakeEngine().run(project, program.address)


# --- the process ----------------------------------------------------------------------------------------------------


_STARTS = """
    import subprocess
    print(subprocess.Popen(["sleep", "600"]).pid)
    print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
    print(subprocess.Popen(["sleep", "600"], process_group=0).pid)
    # as daemons do
    print(subprocess.check_output(["setsid", "--fork", "sh", "-c", "echo $$; exec sleep 600 >&-"], text=True), end="")
"""


def test_it_ends_with_the_block_and_takes_along_what_the_program_started(project: Path) -> None:
    """Processes that have left its session and its group, too."""
    write(project, _STARTS)
    with Program(project, os.environ) as program:
        FakeEngine().run(project, program.address)
        children = [int(line) for _, line in program.output(ended=True)]
        assert len(children) == 4
        assert all(map(is_running, children))
        assert program.exit_status() is None
    for child in children:
        wait_until_ended(child)
    assert program.exit_status() is not None


_READS = """
    import os, signal
    from pathlib import Path
    for folder in Path("/proc").iterdir():
        for name in ("environ", "mem", "maps"):
            if folder.name.isdecimal() and int(folder.name) != os.getpid():
                try:
                    if (folder / name).open("rb").read(100_000):  # there is nothing in those of the kernel
                        print("read", folder / name)
                except OSError:
                    pass
    try:
        os.kill(os.getppid(), signal.SIGWINCH)
        print("signalled")
    except PermissionError:
        pass
    Path("folder").mkdir()
    Path("file").touch()
    Path("file").rename("folder/file")
    print(os.environ.get("HOME"), Path("/proc/self/environ").read_bytes().count(b"HOME="))
"""


@pytest.mark.skipif(landlock_version() < 6, reason="needs Landlock, as of Linux 6.12")
def test_it_reads_no_key_of_another_process(project: Path) -> None:
    """Which the command, the shell that has started it, and the Pulumi CLI have in their environment."""
    write(project, _READS)
    with Program(project, os.environ) as program:
        assert FakeEngine().run(project, program.address).error == ""
        assert [line for _, line in program.output(ended=True)] == [f"{os.environ['HOME']} 1"]


@pytest.mark.parametrize("runs", [False, True])
def test_it_ends_when_its_parent_is_killed(project: Path, runs: bool) -> None:
    write(project, "import pathlib, time\npathlib.Path('runs').touch()\ntime.sleep(600)\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(project)],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    address, pid = parent.stdout.readline().split()
    caller = None
    if runs:
        caller = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path; from tests.support.fake_engine import FakeEngine\n"
                "FakeEngine().run(Path(sys.argv[1]), sys.argv[2])",
                str(project),
                address,
            ],
            cwd=ROOT,
            env=clean_environment(),
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while not (project / "runs").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert os.getsid(int(pid)) == int(pid), "Ctrl-C on the terminal must not reach it"
    parent.kill()
    parent.communicate()
    wait_until_ended(int(pid))
    if caller is not None:
        assert caller.wait(_GIVE_UP_SECONDS) != 0


def test_a_worker_that_cannot_start_says_why(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        pytest.raises(EngineError, match=r"^the program's process did not start$"),
        Program(project, os.environ) as program,
    ):
        assert program.address


# --- through the adapter --------------------------------------------------------------------------------------------


def run(project: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> tuple[Result, list[dict[str, Any]]]:
    folder = project / "bin"
    folder.mkdir()
    pulumi = folder / "pulumi"
    pulumi.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.support.fake_engine "$@"\n')
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    write(project, program)
    events: list[dict[str, Any]] = []
    result = PulumiCli().preview(Operation(project, "dev", os.environ, events.append))
    return result, events


def test_what_a_program_prints_comes_as_events_before_the_summary(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three', end='')\n"
    result, events = run(project, monkeypatch, program)
    assert result.ok
    shown = [each["diagnosticEvent"] for each in events[1:-1]]
    assert sorted((each["severity"], each["message"]) for each in shown) == [
        ("info", "one"),
        ("info", "three"),
        ("info#err", "two"),
    ]
    assert "preludeEvent" in events[0]
    assert "summaryEvent" in events[-1]
    assert result.document is not None
    assert result.document["diagnostics"][0]["message"] == "mine"
    assert {"message": "two\n", "severity": "info#err"} in result.document["diagnostics"]


def test_a_program_that_ends_its_process(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, events = run(project, monkeypatch, "import os\nos._exit(7)\n")
    assert not result.ok
    errors = [each["diagnosticEvent"]["message"] for each in events if "diagnosticEvent" in each]
    assert errors == ["the program exited with status 7"]

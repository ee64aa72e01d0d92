"""Python processes that start in a hundredth of the time: forked from one that has the imports behind it.

In the tests `sys.executable` is a program that takes the interpreter's place. The command `snu`, the Pulumi program,
the evaluator of `snu diff`, the local Scaleway and its object storage run in processes of their own, with their own
environment, folder, session and standard streams, forked from servers of this test run. Signals and exit statuses are
passed on. Anything else is run by the real interpreter. `REAL_PYTHON` is for tests of the process itself: kills,
process groups, terminals.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.forks import derived_keys

ROOT = Path(__file__).resolve().parents[3]
REAL_PYTHON = sys.executable
_VARIABLE = "SNU_TEST_PYTHON"
"""Where the workers of a test run find the program."""

_MODULES = (
    "account",
    "containers",
    "databases",
    "domain",
    "iam",
    "job",
    "observability",
    "registry",
    "secrets",
)
"""What the program uses of the provider's package."""
_SERVERS = {
    "program": (
        "pulumi",
        *(f"pulumiverse_scaleway.{module}" for module in _MODULES),
        *("pydantic.main", "pydantic.types", "yaml", "infra.program"),
    ),
    "snu": (
        *("ops.*", "engine.*", "localcloud.api.*", "localcloud.server", "pulumi_state.*", "policy.*", "infra.settings"),
        # What these import when it is first used.
        *("httpx", "httpcore", "h11", "anyio._backends._asyncio", "certifi", "encodings.idna"),
        *("boto3.session", "grpc._utilities", "typer._adapters", "typer._click.decorators", "typer._click._textwrap"),
    ),
    "diff": (
        *("pulumi", "pulumi_state.schema", "ops.program.placeholders"),
        *(f"pulumiverse_scaleway.{module}" for module in _MODULES),
    ),
    "storage": ("moto.moto_server.werkzeug_app", "moto.s3.responses", "werkzeug.serving"),
}
"""What each server imports before its first fork. A Pulumi program has its own packages `infra` and `scaleway_facts`,
often copies of ours."""
_TARGETS = {
    "ops.engines.program.language_runtime": "program",
    "ops": "snu",
    "ops.program.evaluator": "diff",
    "localcloud": "snu",
    "localcloud.api.object_storage_server": "storage",
}
"""Script or module: the server that it is forked from."""
_MEASURING = b"COVERAGE_"
"""Variables that make Python measure coverage, also where the command allows few variables."""


def use() -> None:
    """Let this process start Python by the program, where a run of tests has made one."""
    if _VARIABLE in os.environ:
        sys.executable = os.environ[_VARIABLE]
        derived_keys.keep(Path(sys.executable).parents[1])


def forked_for(process: int) -> int | None:
    """The process that was forked for one that runs the program; None where it is none, or was not answered yet."""
    note = Path(os.environ.get(_VARIABLE, REAL_PYTHON)).parents[1] / f"process-{process}"
    return int(note.read_text()) if note.exists() else None


@contextmanager
def fork_servers() -> Iterator[None]:
    """The servers for a run of tests; they end with it, however it ends, and so does what they have forked."""
    with tempfile.TemporaryDirectory(prefix="snu-forks-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        client = _write_client(folder)
        servers = [
            subprocess.Popen(
                [REAL_PYTHON, "-m", "tests.support.forks.server", str(folder / server), str(client), *modules],
                cwd=ROOT,
                # gRPC reads it when it is imported; the program's process is to have it.
                env=os.environ | {"GRPC_VERBOSITY": "NONE"},
                stdin=subprocess.PIPE,
            )
            for server, modules in _SERVERS.items()
        ]
        os.environ[_VARIABLE] = str(client)
        try:
            yield
        finally:
            del os.environ[_VARIABLE]
            for process in servers:
                process.communicate()  # a server ends when its standard input does


def _write_client(folder: Path) -> Path:
    """The program, beside the other programs of the virtual environment: they are looked for where Python is."""
    programs = folder / "bin"
    programs.mkdir()
    for path in Path(REAL_PYTHON).parent.iterdir():
        if not path.name.startswith("python"):
            (programs / path.name).symlink_to(path)
    client = programs / "python"
    source = Path(__file__).with_name("client.py").read_text()
    kept = {name: value for name, value in os.environb.items() if name.startswith(_MEASURING)}
    call = f"main({REAL_PYTHON!r}, {str(folder)!r}, {_TARGETS!r}, {kept!r})"
    client.write_text(f"#!{REAL_PYTHON} -IS\n{source}\n\n{call}\n")
    client.chmod(0o700)
    return client

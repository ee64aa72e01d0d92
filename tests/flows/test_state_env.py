"""``snu state env``: what a shell gets for plain `pulumi`, and that plain `pulumi` works with it."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.exit_codes import ExitCode
from tests.lab.lab import Lab, Run
from tests.support.environment import ROOT, clean_environment
from tests.support.programs import PULUMI, needs
from tests.support.seed import ORGANIZATION
from tests.support.stack_yaml import stack_yaml

FOUNDATION, ENVIRONMENT = "foundation-local", "local"
_SECRETS = "/secret-manager/v1beta1/regions/fr-par/secrets"
_AWKWARD = 'it\'s $(touch made) `x` "y" \\ é\n z'
"""A value that a shell must not interpret."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab.running(tmp_path / "project") as made:
        yield made


def change(lab: Lab, stack: str, **changes: Any) -> None:
    """Change keys of a stack's file, and remove its salt, which belongs to the public passphrase."""
    path = lab.project.stack_file(stack)
    document = yaml.safe_load(path.read_text())
    document.pop("encryptionsalt", None)
    document["config"] |= {f"snu:{key}": value for key, value in changes.items()}
    path.write_text(stack_yaml(document))


def evaluated(lab: Lab, stack: str, script: str, **environment: str) -> Run:
    """Run a script in a shell that has evaluated the command's output."""
    command = f'{sys.executable} -m ops state env {stack} -C "{lab.project.directory}"'
    return subprocess.run(
        ["bash", "-euc", f'variables="$({command})"; eval "$variables"; {script}'],
        cwd=lab.project.directory,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def variables(run: Run) -> Mapping[str, str]:
    assert run.returncode == 0, run.stderr
    return dict(line.split("=", 1) for line in run.stdout.split("\0") if "=" in line)


def store_document(lab: Lab, **content: str) -> None:
    """Store a backend document for the environment."""
    secret = lab.ask("POST", _SECRETS, {"name": "snu-local-state", "project_id": ORGANIZATION})
    lab.write_secret(secret["id"], json.dumps(content).encode())


def test_a_local_stack_needs_nothing_and_holds_no_secret(lab: Lab) -> None:
    found = evaluated(lab, ENVIRONMENT, "env -0", PULUMI_BACKEND_URL="s3://stage", PULUMI_CONFIG_PASSPHRASE="of-stage")
    assert variables(found)["PULUMI_BACKEND_URL"] == lab.project.backend_url
    assert variables(found)["PULUMI_CONFIG_PASSPHRASE"] == "local-not-a-secret"
    assert found.stderr == ""


def test_a_database_with_a_certificate_that_is_opened_per_run(lab: Lab) -> None:
    """Values are quoted; what the command cannot do for plain `pulumi` is said; nothing is opened."""
    change(lab, ENVIRONMENT, state={"backend": "foundation"})
    url = "postgres://somebody:hush-hush@db.example.test/state?sslmode=verify-full"
    store_document(
        lab, backendUrl=url, passphrase=_AWKWARD, certificate="-----BEGIN CERTIFICATE-----", openInstance="fr-par/1"
    )
    before = lab.journal()
    found = evaluated(lab, ENVIRONMENT, "env -0", PULUMI_BACKEND_URL="file://elsewhere")
    shell = variables(found)
    assert shell["PULUMI_BACKEND_URL"] == url
    assert shell["PULUMI_CONFIG_PASSPHRASE"] == _AWKWARD
    assert Path(shell["PGSSLROOTCERT"]).read_text() == "-----BEGIN CERTIFICATE-----"
    assert not (lab.project.directory / "made").exists()
    assert "The database instance fr-par/1 accepts connections only from the networks in its settings" in found.stderr
    assert "Secrets are now in this shell's environment (PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE)" in found.stderr
    assert "hush-hush" not in found.stderr
    assert "touch" not in found.stderr
    assert lab.journal() == before
    gone = evaluated(lab, ENVIRONMENT, f'eval "$({sys.executable} -m ops state env local --unset -C .)"; env -0')
    assert not variables(gone).keys() & {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PGSSLROOTCERT"}


def test_without_a_document_nothing_is_printed(lab: Lab) -> None:
    change(lab, ENVIRONMENT, state={"backend": "foundation"})
    run = lab.project.snu(
        "state", "env", ENVIRONMENT, PULUMI_BACKEND_URL="s3://elsewhere", PULUMI_CONFIG_PASSPHRASE="fake-passphrase"
    )
    assert (run.returncode, run.stdout) == (ExitCode.ENVIRONMENT, "")
    assert "The backend of local is unknown" in run.stderr


def test_a_terminal_gets_the_command_to_run(tmp_path: Path) -> None:
    primary, terminal = pty.openpty()
    try:
        run = subprocess.run(
            [sys.executable, "-m", "ops", "state", "env", "local", "-C", str(ROOT)],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(terminal)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):  # nothing was written
        os.read(primary, 1024)
    os.close(primary)
    assert run.returncode == ExitCode.USAGE
    assert 'eval "$(scripts/snu state env local)"' in run.stderr


@needs(*PULUMI)
def test_plain_pulumi_on_a_state_in_a_bucket(lab: Lab, tmp_path: Path) -> None:
    secret = {"initial": {"secret": "snu-local", "project": "default"}}
    environments = {ENVIRONMENT: {"database": {"kind": "bucket"}, "secret": secret}}
    change(lab, FOUNDATION, state={"backend": "bucket"}, environments=environments)
    change(lab, ENVIRONMENT, state={"backend": "foundation"})
    for words in (("bootstrap", FOUNDATION), ("up", ENVIRONMENT, "--skip-preview")):
        run = lab.project.snu(*words, "--engine", "embedded", "--yes")
        assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    home = {
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    script = (
        "pulumi stack select local --non-interactive; "
        "pulumi preview --expect-no-changes --non-interactive; "
        "pulumi stack output namespaceId --non-interactive"
    )
    plain = evaluated(lab, ENVIRONMENT, script, **home)
    assert plain.returncode == 0, plain.stdout + plain.stderr
    # Pulumi.yaml's own backend is a folder, where the program refuses a stack of the real Scaleway.
    (lab.project.directory / ".local/state").mkdir(exist_ok=True)
    environment = clean_environment(**home, PULUMI_CONFIG_PASSPHRASE="fake-passphrase")
    refused = None
    for command in ("stack init stage", "preview --stack stage"):
        refused = subprocess.run(
            ["pulumi", *command.split(), "--non-interactive"],
            cwd=lab.project.directory,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert refused is not None
    assert refused.returncode != 0
    assert "stage is on the real Scaleway, but Pulumi's backend is the folder file://.local/state" in (
        refused.stdout + refused.stderr
    )

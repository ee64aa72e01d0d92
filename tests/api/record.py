"""``python -m tests.api.record [CLIENT …]``: records the requests of real clients and the structure of responses.

The clients are those on PATH: ``sdk`` (in the development environment), ``pulumi`` (the CLI with its Scaleway
plugin) and ``terraform`` (with a development override for its Scaleway provider, named by TF_CLI_CONFIG_FILE).
Requests are sent one after the other. Two recordings of the SDK or of Terraform are the same; Pulumi's may have
independent resources in another order, as its program registers them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.api.client_sdk import run_sdk
from tests.api.recording import FOLDER, written
from tests.lab.project import copy_project
from tests.support.environment import clean_environment
from tests.support.local_scaleway import HTTP, Server
from tests.support.pulumi_cli import Cli, Run
from tests.support.seed import OWNER_SECRET_KEY, provider_variables

TERRAFORM = Path(__file__).parent / "contract" / "clients" / "terraform"


def run_pulumi(url: str, folder: Path) -> None:
    """The stacks foundation-local and local: up, refresh, an update, destroy."""
    project = copy_project(folder / "project")
    port = url.rpartition(":")[2]
    for path in project.directory.glob("Pulumi.*local.yaml"):
        path.write_text(path.read_text().replace(f":{project.port}", f":{port}"))
    state = folder / "state"
    state.mkdir()
    cli = Cli(project.directory, folder / "home", f"file://{state}")
    stacks = ("foundation-local", "local")
    for stack in stacks:
        cli.init(stack)
        _well(cli.up(stack, "--parallel", "1"))
        if stack == stacks[0]:
            _fill_alerts_secret(url, cli.outputs(stack)["alertsSecretIds"]["local"])
    for stack in stacks:
        _well(cli.refresh(stack, "--parallel", "1"))
    project.edit("local", "port: 8089", "port: 8090")
    project.edit("foundation-local", "logRetention: 7", "logRetention: 14")
    for stack in stacks:
        _well(cli.up(stack, "--parallel", "1"))
    for stack in reversed(stacks):
        _well(cli.destroy(stack, "--parallel", "1"))


def _fill_alerts_secret(url: str, secret_id: str) -> None:
    """As `snu keys store` does; the local Scaleway of another folder is refused by `snu`."""
    region, _, bare = secret_id.partition("/")
    path = f"/secret-manager/v1beta1/regions/{region}/secrets/{bare}/versions"
    HTTP.post(url + path, json={"data": "e30="}, headers={"X-Auth-Token": OWNER_SECRET_KEY}).raise_for_status()


def _well(run: Run) -> None:
    if not run.ok:
        raise SystemExit(run.text)


def run_terraform(url: str, folder: Path) -> None:
    """A configuration of the same shape: apply, a plan that reads all, an update, destroy."""
    shutil.copy(TERRAFORM / "main.tf", folder)
    environment = clean_environment(
        **provider_variables(url),
        SCW_DEFAULT_ZONE="fr-par-1",
        SCW_CONFIG_PATH=os.devnull,
        CHECKPOINT_DISABLE="1",
    )
    common = ("-no-color", "-input=false", "-parallelism=1")
    for arguments in (
        ("apply", "-auto-approve", *common),
        ("plan", "-detailed-exitcode", *common),
        ("apply", "-auto-approve", "-var", "port=8090", *common),
        ("destroy", "-auto-approve", *common),
    ):
        ended = subprocess.run(
            ["terraform", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise SystemExit(f"terraform {arguments[0]}: {ended.stdout}{ended.stderr}")


CLIENTS: dict[str, tuple[tuple[str, ...], Callable[[str, Path], None]]] = {
    "sdk": ((), run_sdk),
    "pulumi": (("pulumi", "pulumi-resource-scaleway"), run_pulumi),
    "terraform": (("terraform", "terraform-provider-scaleway"), run_terraform),
}
"""Name → required programs, and the session."""


def record(client: str) -> Path:
    """Record one client's session."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "raw.jsonl"
        (folder / "client").mkdir()
        with Server(folder / "data", "--record", str(raw)) as server:
            CLIENTS[client][1](server.url, folder / "client")
            port = int(server.url.rpartition(":")[2])
        target = FOLDER / f"{client}.jsonl"
        with raw.open() as lines:
            target.write_text("".join(f"{line}\n" for line in written(lines, port)))
        return target


def main() -> int:
    wanted = sys.argv[1:] or list(CLIENTS)
    for client in wanted:
        if client not in CLIENTS:
            sys.stderr.write(f"{client} is none of {', '.join(CLIENTS)}\n")
            return 2
        missing = [program for program in CLIENTS[client][0] if shutil.which(program) is None]
        if missing:
            sys.stderr.write(f"{client}: not recorded, {', '.join(missing)} not on PATH\n")
            continue
        target = record(client)
        print(f"{client}: {len(target.read_text().splitlines())} requests, {target.stat().st_size // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Adoption of a stack of 21 resources and of one of 210: time and API calls, on the embedded engine.

The stack is brought up and forgotten, and Terraform's state is written as its provider would have it. Nothing differs
then, so that the adoption alone is measured.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from ops.scaleway.catalogue import KINDS
from pulumi_state.passphrase import Crypter
from pulumi_state.snapshot import ResourceState
from pulumi_state.state_file import StateFile
from pulumi_state.values import unwrap
from tests.lab.configuration import keep_apps
from tests.lab.lab import Lab
from tests.support.pulumi_cli import PASSPHRASE
from tests.support.stack_yaml import stack_yaml

STACK = "local"
_FEW, _MANY = 21, 210
_HOSTLESS = 2
_PER_APP = 3
"""Container, record and domain; an app without a host has a container only, and all are in one namespace."""
_CONTROL = re.compile(r" /_local/")
_TERRAFORM = {kind.token: kind.terraform for kind in KINDS}


@dataclass
class _Figures:
    seconds: Samples = field(default_factory=Samples)
    calls: Samples = field(default_factory=Samples)


def run(session: Session) -> None:
    """Each measurement is an adoption of one size, which is undone afterwards."""
    few_resources, many_resources = session.size(_FEW, 6), session.size(_MANY, 12)
    found = {count: _Figures() for count in (few_resources, many_resources)}
    for count, figures in found.items():
        with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder:
            _measure(Path(folder), count, session, figures)
    many, few = found[many_resources], found[few_resources]
    target = Target(many_resources / few_resources)
    print_table(
        [
            Ratio("adopt: time", many.seconds, few.seconds, target),
            Ratio("adopt: API calls", many.calls, few.calls, target, unit="", digits=0),
        ],
        str(many_resources),
        str(few_resources),
    )


def _measure(folder: Path, count: int, session: Session, figures: _Figures) -> None:
    with Lab.running(folder / "project") as lab:
        lab.up_ok("foundation-local")
        _resize(lab, count)
        lab.up_ok(STACK)
        state = folder / "terraform.tfstate"
        state.write_text(json.dumps(_as_terraform(lab, count)))
        lab.state_file(STACK).unlink()
        journal = lab.journal()
        for counts in session.turns():
            into = figures if counts else _Figures()
            before = _calls(lab)
            into.seconds.time(_snu, lab, "--from", str(state))
            into.calls.add(_calls(lab) - before)
            _snu(lab, "--undo")
        if lab.journal() != journal:
            raise SystemExit("an adoption has changed something on Scaleway")


def _resize(lab: Lab, count: int) -> None:
    """Have the stack consist of so many resources: apps with a host, two without, one namespace."""
    path = lab.project.stack_file(STACK)
    document = yaml.safe_load(path.read_text())
    model: dict[str, Any] = {**document["config"]["snu:apps"]["antivirus"], "image": "antivirus"}
    hosted = (count - 1 - _HOSTLESS) // _PER_APP
    apps = {f"app-{number}": {**model, "host": f"app-{number}.local.snu.localhost"} for number in range(hosted)}
    model.pop("host")
    apps |= {f"worker-{number}": dict(model) for number in range(_HOSTLESS)}
    keep_apps(document["config"], apps)
    path.write_text(stack_yaml(document))


def _as_terraform(lab: Lab, count: int) -> dict[str, Any]:
    checkpoint = StateFile(lab.project.backend_url, "snu", STACK).read()
    assert checkpoint is not None
    assert checkpoint.salt is not None
    snapshot = checkpoint.snapshot(Crypter.open(PASSPHRASE, checkpoint.salt))
    resources = [_resource(each) for each in snapshot.resources if each.type in _TERRAFORM]
    assert len(resources) == count, f"{len(resources)} resources, not {count}"
    return {"version": 4, "resources": resources}


def _resource(entry: ResourceState) -> dict[str, Any]:
    attributes = {re.sub(r"(?=[A-Z])", "_", name).lower(): value for name, value in unwrap(entry.outputs).items()}
    instance = {"attributes": {**attributes, "id": entry.id}}
    return {"mode": "managed", "type": _TERRAFORM[entry.type], "name": entry.name, "instances": [instance]}


def _snu(lab: Lab, *arguments: str) -> None:
    ended = lab.project.snu("adopt", STACK, "--engine", "embedded", "--yes", *arguments)
    if ended.returncode != 0:
        raise SystemExit(f"snu adopt failed:\n{ended.stdout}{ended.stderr}")


def _calls(lab: Lab) -> int:
    """Requests that the local Scaleway has answered, as its log has them."""
    lines = (lab.project.directory / ".local/test-scaleway.log").read_text().splitlines()
    return sum(1 for line in lines if not _CONTROL.search(line))

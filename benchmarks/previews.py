"""Preview environments: one changed app beside all of them, and how list and sweep grow.

Nothing is built: images are put into the local registry under their versions, as a build would leave them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Ratio, Samples, Target, print_table
from tests.flows.lab import Lab
from tests.flows.previews import APPS, PreviewLab

_FEW, _MANY = 10, 100
_REGION = "fr-par"
_ZONE = "local.snu.localhost"
_CONTAINERS = f"/containers/v1/regions/{_REGION}"
_SECRETS = f"/secret-manager/v1beta1/regions/{_REGION}/secrets"
_CONTROL = re.compile(r" /_local/")


class _Figures:
    """Seconds and API calls of the same thing."""

    def __init__(self) -> None:
        self.seconds, self.calls, self.writes = Samples(), Samples(), Samples()

    def measure(self, previews: PreviewLab, work: Callable[[], object]) -> None:
        calls, writes = _calls(previews), len(previews.lab.journal())
        self.seconds.time(work)
        self.calls.add(_calls(previews) - calls)
        self.writes.add(len(previews.lab.journal()) - writes)


def run(rounds: int) -> None:
    _changed(rounds)
    _growing(rounds)


# --- one changed app beside all -------------------------------------------------------------------------


def _changed(rounds: int) -> None:
    found = {name: _Figures() for name in ("up one", "up all", "update one", "update all")}
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder:
        previews = _prepared(Path(folder) / "project", APPS)
        try:
            for number in range(rounds + 1):
                for key, apps in (("one", APPS[:1]), ("all", APPS)):
                    branch = f"{key}-{number}"
                    for kind in ("up", "update"):
                        previews.change(*apps, text=f"{branch} {kind}")
                        figures = _Figures() if number == 0 else found[f"{kind} {key}"]
                        figures.measure(previews, partial(previews.snu, "env", "up", "--branch", branch))
                    previews.snu("env", "down", "--branch", branch)
                    for app in APPS:
                        previews.write(f"code/{app}/main.js", f"// {app}\n")
        finally:
            previews.lab.project.stop_cloud()
    rows = []
    for kind, name in (("up", "first up"), ("update", "up again")):
        one, all_ = found[f"{kind} one"], found[f"{kind} all"]
        rows += _rows(f"{name}, {len(APPS)} apps", one, all_)
    print_table(rows, "one changed", "all changed")
    print("Without builds, of which one changed app spares the others. A first up makes all containers either way.")


# --- many environments ----------------------------------------------------------------------------------


def _growing(rounds: int) -> None:
    found = {(kind, count): _Figures() for kind in ("list", "sweep", "sweep --yes") for count in (_FEW, _MANY)}
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder:
        previews = _prepared(Path(folder) / "project", APPS[:1])
        try:
            for number in range(rounds + 1):
                for count in (_FEW, _MANY):
                    _populate(previews, count)
                    for kind, words in (
                        ("list", ("list",)),
                        ("sweep", ("sweep",)),
                        ("sweep --yes", ("sweep", "--yes")),
                    ):
                        figures = _Figures() if number == 0 else found[kind, count]
                        figures.measure(previews, partial(previews.snu, "env", *words))
        finally:
            previews.lab.project.stop_cloud()
    rows = []
    for kind, target in (("list", 10.0), ("sweep", 10.0), ("sweep --yes", 10.0)):
        rows += _rows(f"env {kind}", found[kind, _MANY], found[kind, _FEW], Target(target))
    print_table(rows, f"{_MANY} of them", f"{_FEW} of them")
    print("Of one app each, all of them expired: `sweep` finds all, `sweep --yes` takes all down.")


def _populate(previews: PreviewLab, count: int) -> None:
    """One that comes up, and copies of it: of its state, and of what it has in the cloud."""
    name = previews.json("env", "up", "--branch", "model")["name"]
    previews.age(name, "2020-01-01T00:00:00+00:00")
    for number in range(count - 1):
        _copy(previews, name, f"br-copy-{number:08x}")


def _copy(previews: PreviewLab, model: str, name: str) -> None:
    lab = previews.lab
    container = previews.find("containers.container", f"{model}-api")
    body = {"name": f"{name}-api", "namespace_id": container["namespace_id"], "image": container["image"]}
    made = lab.ask("POST", f"{_CONTAINERS}/containers", body)
    host = f"api-{name}.{_ZONE}"
    target = f"{made['public_endpoint'].removeprefix('https://')}."
    record = {"name": f"api-{name}", "type": "CNAME", "data": target}
    changes = {"changes": [{"add": {"records": [record]}}]}
    (recorded,) = lab.ask("PATCH", f"/domain/v2beta1/dns-zones/{_ZONE}/records", changes)["records"]
    domain = lab.ask("POST", f"{_CONTAINERS}/domains", {"container_id": made["id"], "hostname": host})
    secret = previews.find("secret_manager.secret", f"snu-{model}")
    body = {"name": f"snu-{name}", "project_id": secret["project_id"]}
    own = lab.ask("POST", _SECRETS, body)
    data = lab.ask("GET", f"{_SECRETS}/{secret['id']}/versions/latest_enabled/access")["data"]
    lab.ask("POST", f"{_SECRETS}/{own['id']}/versions", {"data": data})
    text = lab.state_file(model).read_text().replace(model, name)
    for old, new in (
        (container, made),
        (previews.find("domain.record", f"api-{model}"), recorded),
        (previews.find("containers.domain", f"api-{model}.{_ZONE}"), domain),
        (secret, own),
    ):
        text = text.replace(old["id"], new["id"])
    lab.state_file(name).write_text(text)
    previews.document_file(name).write_text(previews.document_file(model).read_text())


# --- both -----------------------------------------------------------------------------------------------


def _prepared(folder: Path, apps: tuple[str, ...]) -> PreviewLab:
    previews = PreviewLab(Lab.at(folder), apps=apps)
    previews.lab.project.start_cloud()
    previews.prepare()
    return previews


def _calls(previews: PreviewLab) -> int:
    """Requests that the local Scaleway has answered, as its log has them."""
    lines = (previews.folder / ".local/test-scaleway.log").read_text().splitlines()
    return sum(1 for line in lines if not _CONTROL.search(line))


def _rows(name: str, upper: _Figures, lower: _Figures, target: Target | None = None) -> list[Ratio]:
    return [
        Ratio(f"{name}: time", upper.seconds, lower.seconds, target),
        Ratio(f"{name}: API calls", upper.calls, lower.calls, target, unit="", digits=0),
        *(
            [Ratio(f"{name}: of these writing", upper.writes, lower.writes, target, unit="", digits=0)]
            if lower.writes.median
            else []
        ),
    ]

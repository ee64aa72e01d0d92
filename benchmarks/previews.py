"""Preview environments: one changed app beside all of them, and how list and sweep grow.

Nothing is built: images are put into the local registry under their versions, as a build would leave them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from tests.lab.lab import Lab
from tests.lab.previews import APPS, PreviewLab

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


def run(session: Session) -> None:
    _changed(session)
    _growing(session)


# --- one changed app beside all -------------------------------------------------------------------------


def _changed(session: Session) -> None:
    found = {name: _Figures() for name in ("up one", "up all", "update one", "update all")}
    with _prepared(APPS) as previews:
        for number, counts in enumerate(session.turns()):
            for key, apps in (("one", APPS[:1]), ("all", APPS)):
                branch = f"{key}-{number}"
                for kind in ("up", "update"):
                    previews.change(*apps, text=f"{branch} {kind}")
                    figures = found[f"{kind} {key}"] if counts else _Figures()
                    figures.measure(previews, partial(previews.snu, "env", "up", "--branch", branch))
                previews.snu("env", "down", "--branch", branch)
                for app in APPS:
                    previews.write(f"code/{app}/main.js", f"// {app}\n")
    rows = []
    for kind, name in (("up", "first up"), ("update", "up again")):
        one, all_ = found[f"{kind} one"], found[f"{kind} all"]
        rows += _rows(f"{name}, {len(APPS)} apps", one, all_)
    print_table(rows, "one changed", "all changed")
    print("Without builds, of which one changed app spares the others. A first up makes all containers either way.")


# --- many environments ----------------------------------------------------------------------------------


def _growing(session: Session) -> None:
    few, many = session.size(_FEW, 1), session.size(_MANY, 2)
    found = {(kind, count): _Figures() for kind in ("list", "sweep", "sweep --yes") for count in (few, many)}
    with _prepared(APPS[:1]) as previews:
        for counts in session.turns():
            for count in (few, many):
                _populate(previews, count)
                for kind, words in (
                    ("list", ("list",)),
                    ("sweep", ("sweep",)),
                    ("sweep --yes", ("sweep", "--yes")),
                ):
                    figures = found[kind, count] if counts else _Figures()
                    figures.measure(previews, partial(previews.snu, "env", *words))
    rows = []
    for kind in ("list", "sweep", "sweep --yes"):
        rows += _rows(f"env {kind}", found[kind, many], found[kind, few], Target(many / few))
    print_table(rows, f"{many} of them", f"{few} of them")
    print("Of one app each, all of them expired: `sweep` finds all, `sweep --yes` takes all down.")


def _populate(previews: PreviewLab, count: int) -> None:
    """One that comes up, and copies of it: of its state, and of what it has in the cloud."""
    name = previews.json("env", "up", "--branch", "model")["name"]
    previews.age(name, "2020-01-01T00:00:00+00:00")
    for number in range(count - 1):
        _copy(previews, name, f"br-copy-{number:08x}")


def _copy(previews: PreviewLab, model: str, name: str) -> None:
    lab = previews.lab
    container = lab.find("containers.container", f"{model}-api")
    body = {"name": f"{name}-api", "namespace_id": container["namespace_id"], "image": container["image"]}
    made = lab.ask("POST", f"{_CONTAINERS}/containers", body)
    host = f"api-{name}.{_ZONE}"
    target = f"{made['public_endpoint'].removeprefix('https://')}."
    record = {"name": f"api-{name}", "type": "CNAME", "data": target}
    changes = {"changes": [{"add": {"records": [record]}}]}
    (recorded,) = lab.ask("PATCH", f"/domain/v2beta1/dns-zones/{_ZONE}/records", changes)["records"]
    domain = lab.ask("POST", f"{_CONTAINERS}/domains", {"container_id": made["id"], "hostname": host})
    secret = lab.find("secret_manager.secret", f"snu-{model}")
    body = {"name": f"snu-{name}", "project_id": secret["project_id"]}
    own = lab.ask("POST", _SECRETS, body)
    data = lab.ask("GET", f"{_SECRETS}/{secret['id']}/versions/latest_enabled/access")["data"]
    lab.ask("POST", f"{_SECRETS}/{own['id']}/versions", {"data": data})
    text = lab.state_file(model).read_text().replace(model, name)
    for old, new in (
        (container, made),
        (lab.find("domain.record", f"api-{model}"), recorded),
        (lab.find("containers.domain", f"api-{model}.{_ZONE}"), domain),
        (secret, own),
    ):
        text = text.replace(old["id"], new["id"])
    lab.state_file(name).write_text(text)
    previews.document_file(name).write_text(previews.document_file(model).read_text())


# --- both -----------------------------------------------------------------------------------------------


@contextmanager
def _prepared(apps: tuple[str, ...]) -> Iterator[PreviewLab]:
    with (
        tempfile.TemporaryDirectory(prefix="snu-bench-") as folder,
        Lab.running(Path(folder) / "project") as lab,
    ):
        previews = PreviewLab(lab, apps=apps)
        previews.prepare()
        yield previews


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

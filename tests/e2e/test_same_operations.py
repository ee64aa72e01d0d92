"""For the same program and the same starting state both engines plan and do the same.

Compared are, for a preview and for an update: each resource's operations with their differences by property path
and the properties that replace; the numbers of changes; for an update also the writing requests that the local
Scaleway got. The real CLI and the real provider are the measure.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.api import seed
from localcloud.api.cloud import ORGANIZATION_ID
from tests.e2e.described import REPLACES, STACK, UPDATES, Description, Lab, changed, every_type, ref, secret
from tests.support.pulumi_cli import Run, needs_pulumi

pytestmark = [needs_pulumi, pytest.mark.xdist_group("same-operations")]

KNOWN_DIFFERENCES: dict[str, tuple[str, set[str]]] = {
    "protected removed": (
        "Both refuse and touch nothing. In an update the CLI has announced the step by then, the embedded engine has "
        "not; in a preview the embedded engine counts the refused deletion, the CLI does not.",
        {"planned summary", "done guarded"},
    ),
}
"""By case: why the engines differ, and in what. It may only shrink: what is not needed any more fails the test."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACCESS_KEY = re.compile(r"SCW[A-Z0-9]{17}")

Change = Callable[[Description], object]


def _requests(lab: Lab) -> Counter[str]:
    """The writing requests so far, without what differs between two runs anyway."""
    with urllib.request.urlopen(f"{lab.project.api_url}/_local/journal") as answer:  # noqa: S310 - loopback
        entries = json.load(answer)["entries"]
    lines = (f"{entry['method']} {entry['path']} {entry['status']}" for entry in entries)
    return Counter(_ACCESS_KEY.sub("KEY", _UUID.sub("ID", line)) for line in lines)


def _differences(real: Run, embedded: Run) -> dict[str, str]:
    """By the resource's name, what the engines do differently."""
    ours, theirs = embedded.steps_by_urn(), real.steps_by_urn()
    found = {}
    for urn in sorted(ours.keys() | theirs.keys()):
        if ours.get(urn) != theirs.get(urn):
            lines = [f"  pulumi   {step}" for step in theirs.get(urn, [])]
            lines += [f"  embedded {step}" for step in ours.get(urn, [])]
            found[urn.rpartition("::")[2]] = "\n".join([urn, *lines])
    if not found and dict(real.changes) != dict(embedded.changes):
        found["summary"] = f"pulumi {dict(real.changes)}, embedded {dict(embedded.changes)}"
    return found


def _compare(lab: Lab, before: Path, after: Description, *, ok: bool = True) -> dict[str, str]:
    """Plan and do the change with both engines, from the same state."""
    lab.load(before)
    lab.write(after)
    with lab.cloud():
        planned, planned_here = lab.cli.preview(STACK), lab.embedded.preview(STACK)
        done = lab.cli.up(STACK)
        requests = _requests(lab)
    lab.load(before)
    with lab.cloud():
        done_here = lab.embedded.up(STACK)
        requests_here = _requests(lab)
        again = lab.embedded.preview(STACK)
    assert (done.ok, done_here.ok) == (ok, ok), f"pulumi:\n{done.text}\nembedded:\n{done_here.text}"
    assert planned.ok == planned_here.ok, f"pulumi:\n{planned.text}\nembedded:\n{planned_here.text}"
    if ok:
        assert again.changed == []
    found = {f"planned {name}": text for name, text in _differences(planned, planned_here).items()}
    found |= {f"done {name}": text for name, text in _differences(done, done_here).items()}
    if requests != requests_here:
        only, only_here = dict(requests - requests_here), dict(requests_here - requests)
        found["requests"] = f"only pulumi: {only}\nonly embedded: {only_here}"
    return found


def _judge(case: str, found: dict[str, str]) -> None:
    _reason, known = KNOWN_DIFFERENCES.get(case, ("", set()))
    new = {name: text for name, text in found.items() if name not in known}
    assert not new, "\n".join(new.values())
    assert known <= found.keys(), f"no difference any more, take it out of the table: {known - found.keys()}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, pulumi_home: Path) -> Lab:
    made = Lab.make(tmp_path_factory.mktemp("same") / "project", pulumi_home)
    with made.cloud():
        pass
    made.save(made.project.directory / "empty")
    return made


@pytest.fixture(scope="module")
def standing(lab: Lab) -> Path:
    """State and cloud where a resource of each type stands, made by the real engine."""
    lab.load(lab.project.directory / "empty")
    lab.write(_base())
    with lab.cloud():
        made = lab.cli.up(STACK)
        assert made.ok, made.text
    folder = lab.project.directory / "standing"
    lab.save(folder)
    return folder


def _base() -> Description:
    """A resource of each type, and some that only serve changes of the graph and of options."""
    base = every_type()
    base.config = {"text": "first"}
    base.resources |= {
        "outer": {"type": "group"},
        "inner": {"type": "iam.Application", "parent": "outer", "args": {"name": "e2e-inner"}},
        "guarded": {"type": "iam.Application", "protect": True, "args": {"name": "e2e-guarded"}},
        "configured": {
            "type": "iam.Application",
            "args": {"name": "e2e-configured", "description": {"$config": "text"}},
        },
        "plain": {"type": "containers.Namespace", "args": {"name": "e2e-plain"}},
        "sparing": {
            "type": "registry.Namespace",
            "ignore_changes": ["description"],
            "args": {"name": "e2e-sparing", "description": "first"},
        },
    }
    return base


def _add_and_remove(program: Description) -> None:
    program.resources["added"] = {"type": "iam.Application", "args": {"name": "e2e-added"}}
    for name in ("host", "note", "privilege", "inner"):
        del program.resources[name]


def _rename_and_reparent(program: Description) -> None:
    program.rename("document", "file")
    program.opts("file", aliases=["document"])
    program.rename("outer", "outermost")
    program.opts("outermost", aliases=["outer"])
    program.opts("alerts", parent="group", aliases=[{"parent": None}])
    program.opts("container", parent=None, aliases=[{"parent": "group"}])


def _rename_without_alias(program: Description) -> None:
    program.rename("job", "work")
    program.args("work", name="e2e-work")


def _options(program: Description) -> None:
    program.opts("guarded", protect=False)
    program.opts("plain", protect=True)
    program.args("sparing", description="ignored")
    program.opts("inner", depends_on=["application"])
    program.opts("logs", replace_on_changes=["retentionDays"])
    program.args("logs", retention_days=14)
    program.opts("serverless", delete_before_replace=False)
    program.args("serverless", name="e2e-other-serverless")


def _values(program: Description) -> None:
    program.config["text"] = "second"
    program.args("text", data=secret("second text"))
    program.args("container", secret_environment_variables={"KEPT": "kept", "CHANGED": "second", "REMOVED": "removed"})
    program.args("plain", environment_variables={"FIRST": "added"}, secret_environment_variables={"FIRST": "added"})
    program.args("application", tags=None, description=None)
    program.args("job", env=None, cron=None)
    program.args("policy", application_id=ref("other-application"))
    program.args("alerts", contact_points=[{"email": "two@snu.localhost"}, {"email": "one@snu.localhost"}])
    program.outputs["more"] = "more"


def _provider_setting(program: Description) -> None:
    program.config["scaleway:zone"] = "fr-par-2"


def _protected_removed(program: Description) -> None:
    del program.resources["guarded"]


_CASES: dict[str, Change] = {
    "add and remove": _add_and_remove,
    "rename with alias and reparent": _rename_and_reparent,
    "rename without alias": _rename_without_alias,
    "options": _options,
    "values": _values,
    "provider setting": _provider_setting,
    "nothing": lambda _program: None,
}


def test_first_up(lab: Lab) -> None:
    _judge("first up", _compare(lab, lab.project.directory / "empty", _base()))


def test_destroy(lab: Lab, standing: Path) -> None:
    _judge("destroy", _compare(lab, standing, Description({"guarded": _base().resources["guarded"]})))


def test_updates_of_each_type(lab: Lab, standing: Path) -> None:
    _judge("updates", _compare(lab, standing, changed(_base(), UPDATES)))


def test_replaces_of_each_type(lab: Lab, standing: Path) -> None:
    _judge("replaces", _compare(lab, standing, changed(_base(), REPLACES)))


@pytest.mark.parametrize("case", _CASES)
def test_change(lab: Lab, standing: Path, case: str) -> None:
    after = _base()
    _CASES[case](after)
    _judge(case, _compare(lab, standing, after))


def test_refused_change(lab: Lab, standing: Path) -> None:
    after = _base()
    _protected_removed(after)
    _judge("protected removed", _compare(lab, standing, after, ok=False))


# --- generated programs -------------------------------------------------------------------------------------------

_MAYBE: st.SearchStrategy[bool] = st.booleans()
_WORDS = st.sampled_from(["", "one", "two", "a longer text: é"])
_TAGS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True)
_NAMES = [f"r{number}" for number in range(6)]


@st.composite
def _resource(draw: st.DrawFn, name: str, earlier: list[str]) -> dict[str, object]:
    """One resource; its parent and what it depends on stand before it."""
    kind = draw(st.sampled_from(["group", "iam.Application", "registry.Namespace", "containers.Namespace", "note"]))
    options: dict[str, object] = {"type": kind}
    if draw(_MAYBE) and earlier:
        options["depends_on"] = [draw(st.sampled_from(earlier))]
    unique = f"e2e-{name}-{draw(st.sampled_from('xy'))}"
    match kind:
        case "group":
            options.pop("depends_on", None)
        case "note":
            options["type"] = "domain.Record"
            data = draw(st.sampled_from(["one", "two words"]))
            options["args"] = {"dns_zone": seed.ZONE, "name": unique, "type": "TXT", "data": data, "ttl": 60}
        case "registry.Namespace":
            options["args"] = {"name": unique, "description": draw(_WORDS), "is_public": draw(_MAYBE)}
        case _:
            options["args"] = {"name": unique, "description": draw(_WORDS), "tags": draw(_TAGS)}
    if kind == "containers.Namespace":
        variables = st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"]))
        options["args"] |= {  # type: ignore[operator]
            "project_id": ORGANIZATION_ID,
            "environment_variables": draw(variables),
            "secret_environment_variables": draw(variables),
        }
    return options


@st.composite
def _program(draw: st.DrawFn) -> Description:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=3, unique=True))
    resources: dict[str, dict[str, object]] = {}
    for name in names:
        described = draw(_resource(name, list(resources)))
        groups = [other for other, earlier in resources.items() if earlier["type"] == "group"]
        if draw(_MAYBE) and groups:
            described["parent"] = draw(st.sampled_from(groups))
        resources[name] = described
    return Description(resources)


@st.composite
def _change(draw: st.DrawFn) -> tuple[Description, Description]:
    """A program and another one that shares some of its resources."""
    before, after = draw(_program()), draw(_program())
    for name in set(before.resources) & set(after.resources):
        if before.resources[name]["type"] != after.resources[name]["type"] or draw(_MAYBE):
            continue
        arguments = before.resources[name].get("args")
        if arguments is not None:
            after.resources[name]["args"] = dict(arguments)
    return before, after


@settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(programs=_change())
def test_generated_change(lab: Lab, programs: tuple[Description, Description]) -> None:
    before, after = programs
    lab.load(lab.project.directory / "empty")
    lab.write(before)
    with lab.cloud():
        made = lab.embedded.up(STACK)
        assert made.ok, made.text
    folder = lab.project.directory / "generated"
    lab.forget(folder)
    lab.save(folder)
    _judge("generated", _compare(lab, folder, after))

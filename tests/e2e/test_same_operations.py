"""For the same program and starting state both engines plan and do the same: see ``tests/lab/comparison.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.described import BAD_NAME, REPLACES, STACK, UPDATES, Description, Lab, changed, every_type, ref, secret
from tests.lab.comparison import DESTROY, UP, Operation, compare, judge
from tests.support.pulumi_cli import needs_pulumi
from tests.support.seed import ORGANIZATION, ZONE

pytestmark = [needs_pulumi, pytest.mark.xdist_group("same-operations")]

Change = Callable[[Description], object]


def _compare(
    lab: Lab,
    before: Path,
    after: Description,
    operation: Operation = UP,
    *,
    ok: bool = True,
    settles: bool = True,
) -> dict[str, str]:
    lab.write(after)
    return compare(lab, STACK, before, operation, ok=ok, settles=settles)


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
    return _kept(lab, "standing", lab.project.directory / "empty", _base())


@pytest.fixture(scope="module")
def unprotected(lab: Lab, standing: Path) -> Path:
    """The same with nothing protected."""
    program = _base()
    program.opts("guarded", protect=False)
    return _kept(lab, "unprotected", standing, program)


@pytest.fixture(scope="module")
def half_way(lab: Lab, standing: Path) -> Path:
    """A resource and its dependents were deleted in order to be replaced, and could not be created again."""
    program = _base()
    program.args("namespace", name=BAD_NAME)
    return _kept(lab, "half done", standing, program, ok=False)


def _kept(lab: Lab, name: str, before: Path, program: Description, *, ok: bool = True) -> Path:
    """What the real engine makes of it."""
    lab.load(before)
    lab.write(program)
    with lab.cloud():
        made = lab.cli.up(STACK)
        assert made.ok == ok, made.text
    folder = lab.project.directory / name
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
    program.outputs["more"] = "more"


_DEFAULT_PROBE = {"tcp": True, "interval": "10s", "timeout": "1s", "failure_threshold": 30}


def _defaults(program: Description) -> None:
    """What the platform fills in, said by the program."""
    program.args(
        "container",
        timeout=300,
        sandbox="v2",
        environment_variables={},
        secret_environment_variables=None,
        liveness_probe=_DEFAULT_PROBE,
        startup_probe=_DEFAULT_PROBE,
    )


def _left_out(program: Description) -> None:
    """The provider leaves most of it as it is."""
    for name in ("timeout", "sandbox", "environment_variables", "secret_environment_variables", "liveness_probe"):
        program.args("container", **{name: None})
    for name in ("privacy", "protocol", "port", "https_connections_only", "min_scale"):
        program.args("container", **{name: None})
    program.args("job", timeout=None)


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
    "defaults": _defaults,
    "left out": _left_out,
    "provider setting": _provider_setting,
    "nothing": lambda _program: None,
}


def test_first_up(lab: Lab) -> None:
    judge("first up", _compare(lab, lab.project.directory / "empty", _base()))


def test_all_removed(lab: Lab, standing: Path) -> None:
    judge("all removed", _compare(lab, standing, Description({"guarded": _base().resources["guarded"]})))


def test_destroy(lab: Lab, unprotected: Path) -> None:
    judge("destroy", _compare(lab, unprotected, _base(), DESTROY))


def test_destroy_with_a_protected_resource(lab: Lab, standing: Path) -> None:
    judge("protected destroyed", _compare(lab, standing, _base(), DESTROY, ok=False))


def test_updates_of_each_type(lab: Lab, standing: Path) -> None:
    judge("updates", _compare(lab, standing, changed(_base(), UPDATES)))


def test_replaces_of_each_type(lab: Lab, standing: Path) -> None:
    judge("replaces", _compare(lab, standing, changed(_base(), REPLACES)))


@pytest.mark.parametrize("case", _CASES)
def test_change(lab: Lab, standing: Path, case: str) -> None:
    after = _base()
    _CASES[case](after)
    judge(case, _compare(lab, standing, after))


def test_a_startup_probe_that_is_left_out_stays(lab: Lab, standing: Path) -> None:
    """The provider says that it is removed, each time, and sends nothing."""
    probed = _base()
    probed.args("container", startup_probe=_DEFAULT_PROBE)
    judge("startup probe", _compare(lab, _kept(lab, "probed", standing, probed), _base(), settles=False))


def test_contact_points_in_another_order_than_they_were_made(lab: Lab, standing: Path) -> None:
    """The provider compares with the order in which they are listed: it finds a change each time, and does nothing."""
    after = _base()
    after.args("alerts", contact_points=[{"email": "two@snu.localhost"}, {"email": "one@snu.localhost"}])
    judge("contact points", _compare(lab, standing, after, settles=False))


def test_refused_change(lab: Lab, standing: Path) -> None:
    after = _base()
    _protected_removed(after)
    judge("protected removed", _compare(lab, standing, after, ok=False))


@pytest.mark.parametrize("name", ["e2e-namespace", "e2e-third-namespace"])
def test_half_done_replacement(lab: Lab, half_way: Path, name: str) -> None:
    """As it was before, or with a third name."""
    after = _base()
    after.args("namespace", name=name)
    judge(f"half done, {name}", _compare(lab, half_way, after))


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
            options["args"] = {"dns_zone": ZONE, "name": unique, "type": "TXT", "data": data, "ttl": 60}
        case "registry.Namespace":
            options["args"] = {"name": unique, "description": draw(_WORDS), "is_public": draw(_MAYBE)}
        case _:
            options["args"] = {"name": unique, "description": draw(_WORDS), "tags": draw(_TAGS)}
    if kind == "containers.Namespace":
        variables = st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"]))
        options["args"] |= {  # type: ignore[operator]  # a mapping in every case
            "project_id": ORGANIZATION,
            "environment_variables": draw(variables),
            "secret_environment_variables": draw(variables),
        }
    return options


@st.composite
def _program(draw: st.DrawFn) -> Description:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=3, unique=True))
    resources: dict[str, dict[str, object]] = {}
    for name in names:
        groups = [other for other, earlier in resources.items() if earlier["type"] == "group"]
        # To depend on a group is to depend on what is below it, which can be the resource itself.
        described = draw(_resource(name, [other for other in resources if other not in groups]))
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
    lab.save(folder)
    judge("generated", _compare(lab, folder, after))

"""What each API key opens, derived from the IAM policies that the program registers for the committed foundations.

`python -m tests.support.reach` prints the table of docs/reference/keys.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from infra import naming
from infra.settings import FoundationSettings, load
from infra.settings.models import Backend
from localcloud.api import conditions
from localcloud.api.conditions import Target
from localcloud.api.permissions import PERMISSION_SETS
from ops.application_keys import KeyHolder, holders, state_application
from ops.stacks import find_stack, stack_names
from tests.support.committed_stacks import build, config_of
from tests.support.environment import ROOT
from tests.support.mocks import NOWHERE

KINDS = ("secrets", "logs", "state", "buckets", "registry", "containers")
"""What there is in each environment. Jobs and records belong to the containers; buckets are those without a policy."""
FOUNDATIONS = tuple(name for name in stack_names(ROOT) if name.startswith("foundation-") and name != "foundation-local")
OPEN_TO_PULL_REQUESTS = {"preview-ci", "previews"}
"""GitHub environments that the code of a pull request can use."""
DEFAULT_PROJECT = "default"
PREVIEWS = "previews"
_PREVIEW = "pr-12"
"""A preview environment that stands for all of them."""
_MOCK_ID = "id-of-"
_STATE_READ, _STATE_WRITTEN = {"read", "data", "schema", "write"}, {"data", "schema", "write"}


@dataclass(frozen=True)
class Grant:
    """One rule of a policy."""

    project: str
    sets: tuple[str, ...]
    condition: str

    def allows(self, product: str, secret: str | None = None) -> set[str]:
        """The actions on a product, on this secret if it is Secret Manager."""
        if not conditions.parse(self.condition)(Target("", f"/{secret}") if secret else None):
            return set()
        return {action for name in self.sets for action in PERMISSION_SETS[name].grants_on.get(product, ())}


@dataclass(frozen=True)
class Environment:
    """An environment, or all preview environments of one."""

    place: str
    """The name of its stack, or `previews`."""
    project: str
    secrets: tuple[str, ...]
    """With its own values; not the documents of its state."""
    state: str
    """The environment whose backend has its state."""
    backend: Backend


@dataclass
class Estate:
    """All foundations, as they are committed."""

    grants: dict[str, list[Grant]] = field(default_factory=dict)
    """By application."""
    environments: list[Environment] = field(default_factory=list)
    in_state: dict[str, set[str]] = field(default_factory=dict)
    """By foundation, the applications whose API keys are in its state."""
    projects: dict[str, str] = field(default_factory=dict)
    """By foundation, its project's name without `snu-`."""
    holders: dict[str, KeyHolder] = field(default_factory=dict)
    """By application, what a key of it is for."""


Reach = dict[tuple[str, str], str]
"""By place and kind: `read` or `write`, which includes reading."""


@functools.cache
def estate() -> Estate:
    found = Estate()
    for foundation in FOUNDATIONS:
        add(found, foundation, config_of(foundation))
    return found


def add(found: Estate, foundation: str, config: dict[str, str]) -> None:
    """Add a foundation with its environments."""
    settings = load(foundation, config, NOWHERE)
    assert isinstance(settings, FoundationSettings)
    resources = build(foundation, config).resources
    project = settings.project.name
    names = {
        f"{_MOCK_ID}{each.name}": str(each.inputs["name"])
        for each in resources
        if each.type == "scaleway:iam/application:Application"
    }
    for each in sorted(resources, key=lambda each: str(each.inputs.get("name", ""))):
        if each.type == "scaleway:iam/policy:Policy":
            rules = [_grants(rule, project, settings.organization_id) for rule in each.inputs["rules"]]
            found.grants[names[each.inputs["applicationId"]]] = [grant for grants in rules for grant in grants]
        if each.type == "scaleway:iam/apiKey:ApiKey":
            found.in_state.setdefault(foundation, set()).add(names[each.inputs["applicationId"]])
    found.projects[foundation] = project
    for name, environment in settings.environments.items():
        secrets: tuple[str, ...] = (naming.secret(name), naming.alerts_secret(name))
        found.environments.append(Environment(stack_of(name), project, secrets, name, environment.database))
        if settings.previews:
            secrets = (naming.secret(_PREVIEW),)
            found.environments.append(Environment(PREVIEWS, project, secrets, name, environment.database))
    for holder in holders(find_stack(ROOT, foundation), settings):
        found.holders[holder.application] = holder


def _grants(rule: dict[str, Any], project: str, organization: str) -> Iterator[Grant]:
    for id_ in rule.get("projectIds", []):
        known = {f"{_MOCK_ID}project": project, organization: DEFAULT_PROJECT, _SNU_CI: "ci"}
        yield Grant(known[id_], tuple(rule["permissionSetNames"]), rule.get("condition", ""))


_SNU_CI = "1b29c5d9-9723-400a-aa8b-0c85ae3567f7"


def stack_of(environment: str) -> str:
    """The stack that is an environment."""
    for name in stack_names(ROOT):
        identity = find_stack(ROOT, name).config.get("snu:environment")
        if isinstance(identity, dict) and identity.get("name") == environment and not name.startswith("local"):
            return name
    raise KeyError(environment)


def keys_of(application: str) -> set[str]:
    """The applications whose keys somebody with a key of this one finds, itself included."""
    known, new = set[str](), {application}
    while new:
        known |= new
        new = {found for each in new for found in _found(each)} - known
    return known


def _found(application: str) -> Iterator[str]:
    """The applications whose keys are in what a key of this one opens: state documents, states of foundations."""
    everything = estate()
    for each in everything.environments:
        if each.place == PREVIEWS:
            continue
        keeper = state_application(each.state, each.backend)
        for secret, owner in (
            (naming.environment_state_secret(each.state), keeper),
            (naming.state_reader_secret(each.state), naming.state_reader(keeper) if keeper else ""),
            (naming.alerts_secret(each.state), naming.alerts_application(each.state)),
        ):
            if owner and _opens(application, each.project, secret):
                yield owner
    for foundation, owners in everything.in_state.items():
        if _foundation_state(application, foundation):
            yield from owners


def _actions(application: str, project: str, product: str, secret: str | None = None) -> set[str]:
    grants = [grant for grant in estate().grants[application] if grant.project == project]
    return {action for grant in grants for action in grant.allows(product, secret)}


def _opens(application: str, project: str, secret: str) -> bool:
    return "access" in _actions(application, project, "secret_manager", secret)


def _foundation_state(application: str, foundation: str) -> str:
    """Its bucket in the default project has no policy; what decrypts it is in a secret there."""
    document = naming.foundation_state_secret(estate().projects[foundation])
    if not _opens(application, DEFAULT_PROJECT, document):
        return ""
    actions = _actions(application, DEFAULT_PROJECT, "object_storage")
    return "write" if "write_object" in actions else "read" if "read_object" in actions else ""


@functools.cache
def reach(application: str) -> Reach:
    """What a key of an application opens, with every other key that it finds."""
    found: Reach = {}
    for each in keys_of(application):
        for spot, access in _own_reach(each):
            if access and found.get(spot) != "write":
                found[spot] = access
    return found


def _own_reach(application: str) -> Iterator[tuple[tuple[str, str], str]]:
    for foundation in estate().projects:
        yield (foundation, "state"), _foundation_state(application, foundation)
    for each in estate().environments:
        actions = functools.partial(_actions, application, each.project)
        secrets = [actions("secret_manager", name) for name in each.secrets]
        yield (each.place, "secrets"), _access(secrets, {"access"}, {"write", "create_version"})
        yield (each.place, "logs"), "read" if _reads_logs(application, each) else ""
        yield (each.place, "state"), _state(application, each)
        yield (each.place, "buckets"), _access([actions("object_storage")], {"read_object"}, {"write_object"})
        yield (each.place, "registry"), _access([actions("registry")], {"read"}, {"write"})
        products = [actions(product) for product in ("containers", "serverless_jobs", "domain")]
        yield (each.place, "containers"), _access(products, {"read"}, {"write"})


def _reads_logs(application: str, environment: Environment) -> bool:
    """The token of a project's logs is in two secrets of each environment, and in the foundation's state."""
    (foundation,) = [name for name, project in estate().projects.items() if project == environment.project]
    secrets = [
        secret
        for each in estate().environments
        if each.project == environment.project
        for secret in (naming.logs_secret(each.state), naming.alerts_secret(each.state))
    ]
    opened = any(_opens(application, environment.project, secret) for secret in secrets)
    return opened or bool(_foundation_state(application, foundation))


def _state(application: str, environment: Environment) -> str:
    match environment.backend.kind:
        case "serverless":
            actions = _actions(application, environment.project, "serverless_sqldb")
            return _access([actions], _STATE_READ, _STATE_WRITTEN)
        case "bucket":
            keeper = naming.state_bucket_application(environment.state)  # the bucket's policy lets nobody else in
            return {keeper: "write", naming.state_reader(keeper): "read"}.get(application, "")
    return _instance_state(application, environment)


def _instance_state(application: str, environment: Environment) -> str:
    """Passwords open it: they are in two secrets, and in the state of the foundation that has made the users."""
    (foundation,) = [name for name, project in estate().projects.items() if project == environment.project]
    document = naming.environment_state_secret(environment.state)
    if _opens(application, environment.project, document) or _foundation_state(application, foundation):
        return "write"
    return "read" if _opens(application, environment.project, naming.state_reader_secret(environment.state)) else ""


def _access(actions: Iterable[set[str]], reading: set[str], writing: set[str]) -> str:
    each = list(actions)
    return (
        "write" if any(found & writing for found in each) else "read" if any(found & reading for found in each) else ""
    )


# --- the table ------------------------------------------------------------------------------------------------------


def places() -> list[str]:
    """Foundations and environments, in the order of a release."""
    found = []
    for foundation, project in estate().projects.items():
        found += [foundation, *(each.place for each in estate().environments if each.project == project)]
    return found


def table() -> str:
    """In Markdown: a row for each key and place that it reaches."""
    rows = [f"| key of | used by | reaches | {' | '.join(KINDS)} |", "|---" * (3 + len(KINDS)) + "|"]
    for application in estate().grants:
        reached, shown = reach(application), (f"`{application}`", _users(application))
        for place in places():
            cells = [reached.get((place, kind), "") for kind in KINDS]
            if any(cells):
                rows.append(f"| {' | '.join([*shown, place, *(cell or '-' for cell in cells)])} |")
                shown = ("", "")
    return "\n".join(rows) + "\n"


def _users(application: str) -> str:
    holder = estate().holders[application]
    if holder.secret:
        return f"the secret `{holder.secret}`"
    github = [*holder.github, *(f"{name} (source)" for name in holder.github_source)]
    return ", ".join(f"`{name}`" for name in github) or "people"


if __name__ == "__main__":
    print(table(), end="")

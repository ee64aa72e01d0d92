"""What each API key opens, derived from the IAM policies that the program registers for the committed foundations.

`python -m tests.support.reach` prints the tables of docs/reference/keys.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from infra import naming
from infra.settings import FoundationSettings, load
from infra.settings.models import Backend
from localcloud.api import conditions
from localcloud.api.conditions import Target
from localcloud.api.permissions import PERMISSION_SETS
from ops.application_keys import KeyHolder, holders, state_application
from ops.stacks import find_stack, stack_names
from tests.support.committed_stacks import build, config_of, edited_config
from tests.support.environment import ROOT
from tests.support.mocks import NOWHERE

KINDS = ("secrets", "logs", "state", "buckets", "registry", "containers", "jobs")
"""What there is in each environment. Records belong to the containers; buckets are those without a policy."""
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


Reach = dict[tuple[str, str], str]
"""By place and kind: `read` or `write`, which includes reading."""
Config = dict[str, Any]


class Estate:
    """Foundations with their environments, and what the keys of their applications open."""

    def __init__(self, configs: dict[str, dict[str, str]]) -> None:
        """``configs``: the foundations' settings, by stack."""
        self.grants: dict[str, list[Grant]] = {}
        """By application."""
        self.environments: list[Environment] = []
        self.in_state: dict[str, set[str]] = {}
        """By foundation, the applications whose API keys are in its state."""
        self.projects: dict[str, str] = {}
        """By foundation, its project's name without `snu-`."""
        self.holders: dict[str, KeyHolder] = {}
        """By application, what a key of it is for."""
        self._reaches: dict[str, Reach] = {}
        for foundation, config in configs.items():
            self._add(foundation, config)

    def _add(self, foundation: str, config: dict[str, str]) -> None:
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
                self.grants[names[each.inputs["applicationId"]]] = [grant for grants in rules for grant in grants]
            if each.type == "scaleway:iam/apiKey:ApiKey":
                self.in_state.setdefault(foundation, set()).add(names[each.inputs["applicationId"]])
        self.projects[foundation] = project
        for name, environment in settings.environments.items():
            secrets: tuple[str, ...] = (naming.secret(name), naming.alerts_secret(name))
            self.environments.append(Environment(stack_of(name), project, secrets, name, environment.database))
            if settings.previews:
                secrets = (naming.secret(_PREVIEW),)
                self.environments.append(Environment(PREVIEWS, project, secrets, name, environment.database))
        for holder in holders(find_stack(ROOT, foundation), settings):
            self.holders[holder.application] = holder

    # --- keys -----------------------------------------------------------------------------------------------

    def keys_of(self, application: str) -> set[str]:
        """The applications whose keys somebody with a key of this one finds, itself included."""
        known, new = set[str](), {application}
        while new:
            known |= new
            new = {found for each in new for found in self._found(each)} - known
        return known

    def _found(self, application: str) -> Iterator[str]:
        """The applications whose keys are in what a key of this one opens: secrets, and states of foundations."""
        for each in self.environments:
            if each.place == PREVIEWS:
                continue
            keeper, release = state_application(each.state, each.backend), naming.release_application(each.state)
            for secret, owner in (
                (naming.environment_state_secret(each.state), keeper),
                (naming.state_reader_secret(each.state), naming.state_reader(keeper) if keeper else ""),
                (naming.alerts_secret(each.state), naming.alerts_application(each.state)),
                (naming.release_secret(each.state), release if release in self.grants else ""),
            ):
                if owner and self._opens(application, each.project, secret):
                    yield owner
        for foundation, owners in self.in_state.items():
            if self._foundation_state(application, foundation):
                yield from owners

    def _actions(self, application: str, project: str, product: str, secret: str | None = None) -> set[str]:
        grants = [grant for grant in self.grants[application] if grant.project == project]
        return {action for grant in grants for action in grant.allows(product, secret)}

    def _opens(self, application: str, project: str, secret: str) -> bool:
        return "access" in self._actions(application, project, "secret_manager", secret)

    def _foundation_state(self, application: str, foundation: str) -> str:
        """Its bucket in the default project has no policy; what decrypts it is in a secret there."""
        document = naming.foundation_state_secret(self.projects[foundation])
        if not self._opens(application, DEFAULT_PROJECT, document):
            return ""
        actions = self._actions(application, DEFAULT_PROJECT, "object_storage")
        return "write" if "write_object" in actions else "read" if "read_object" in actions else ""

    # --- what they open -------------------------------------------------------------------------------------

    def reach(self, application: str) -> Reach:
        """What a key of an application opens, with every other key that it finds."""
        if application not in self._reaches:
            found: Reach = {}
            for each in self.keys_of(application):
                for spot, access in self._own_reach(each):
                    if access and found.get(spot) != "write":
                        found[spot] = access
            self._reaches[application] = found
        return self._reaches[application]

    def _own_reach(self, application: str) -> Iterator[tuple[tuple[str, str], str]]:
        for foundation in self.projects:
            yield (foundation, "state"), self._foundation_state(application, foundation)
        for each in self.environments:
            actions = functools.partial(self._actions, application, each.project)
            secrets = [actions("secret_manager", name) for name in each.secrets]
            yield (each.place, "secrets"), _access(secrets, {"access"}, {"write", "create_version"})
            yield (each.place, "logs"), "read" if self._reads_logs(application, each) else ""
            yield (each.place, "state"), self._state(application, each)
            yield (each.place, "buckets"), _access([actions("object_storage")], {"read_object"}, {"write_object"})
            yield (each.place, "registry"), _access([actions("registry")], {"read"}, {"write"})
            products = [actions(product) for product in ("containers", "domain")]
            yield (each.place, "containers"), _access(products, {"read"}, {"write"})
            yield (each.place, "jobs"), _access([actions("serverless_jobs")], {"read"}, {"write"})

    def _reads_logs(self, application: str, environment: Environment) -> bool:
        """The token of a project's logs is in two secrets of each environment, and in the foundation's state."""
        secrets = [
            secret
            for each in self.environments
            if each.project == environment.project
            for secret in (naming.logs_secret(each.state), naming.alerts_secret(each.state))
        ]
        opened = any(self._opens(application, environment.project, secret) for secret in secrets)
        return opened or bool(self._foundation_state(application, self._foundation_of(environment)))

    def _foundation_of(self, environment: Environment) -> str:
        (foundation,) = [name for name, project in self.projects.items() if project == environment.project]
        return foundation

    def _state(self, application: str, environment: Environment) -> str:
        match environment.backend.kind:
            case "serverless":
                actions = self._actions(application, environment.project, "serverless_sqldb")
                return _access([actions], _STATE_READ, _STATE_WRITTEN)
            case "bucket":
                keeper = naming.state_bucket_application(environment.state)  # the bucket's policy lets nobody else in
                return {keeper: "write", naming.state_reader(keeper): "read"}.get(application, "")
        return self._instance_state(application, environment)

    def _instance_state(self, application: str, environment: Environment) -> str:
        """Passwords open it: they are in two secrets, and in the state of the foundation that has made the users."""
        opens = functools.partial(self._opens, application, environment.project)
        document = naming.environment_state_secret(environment.state)
        if opens(document) or self._foundation_state(application, self._foundation_of(environment)):
            return "write"
        return "read" if opens(naming.state_reader_secret(environment.state)) else ""

    # --- the tables -----------------------------------------------------------------------------------------

    def places(self) -> list[str]:
        """Foundations and environments, in the order of a release."""
        found = []
        for foundation, project in self.projects.items():
            found += [foundation, *(each.place for each in self.environments if each.project == project)]
        return found

    def table(self, applications: Iterable[str] | None = None) -> str:
        """In Markdown: a row for each key, by default of any application, and place that it reaches."""
        rows = [f"| key of | used by | reaches | {' | '.join(KINDS)} |", "|---" * (3 + len(KINDS)) + "|"]
        for application in self.grants if applications is None else applications:
            reached, shown = self.reach(application), (f"`{application}`", self._users(application))
            for place in self.places():
                cells = [reached.get((place, kind), "") for kind in KINDS]
                if any(cells):
                    rows.append(f"| {' | '.join([*shown, place, *(cell or '-' for cell in cells)])} |")
                    shown = ("", "")
        return "\n".join(rows) + "\n"

    def _users(self, application: str) -> str:
        holder = self.holders[application]
        if holder.secret:
            return f"the secret `{holder.secret}`"
        github = [*holder.github, *(f"{name} (source)" for name in holder.github_source)]
        return ", ".join(f"`{name}`" for name in github) or "people"


@functools.cache
def estate() -> Estate:
    """All foundations, as they are committed."""
    return Estate({foundation: config_of(foundation) for foundation in FOUNDATIONS})


@functools.cache
def estate_with_release_commands() -> Estate:
    """All foundations, with a key for release commands in each environment."""
    return Estate({foundation: edited_config(foundation, enable_release_commands) for foundation in FOUNDATIONS})


def enable_release_commands(config: Config) -> None:
    """Let each environment of a foundation have a key for release commands."""
    for environment in config["snu:environments"].values():
        environment["releaseCommands"] = True


def release_applications() -> list[str]:
    """The applications that foundations only have with release commands."""
    return [each for each in estate_with_release_commands().grants if each not in estate().grants]


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


def _access(actions: Iterable[set[str]], reading: set[str], writing: set[str]) -> str:
    each = list(actions)
    return (
        "write" if any(found & writing for found in each) else "read" if any(found & reading for found in each) else ""
    )


TABLES: dict[str, Callable[[], str]] = {
    "table": lambda: estate().table(),
    "release table": lambda: estate_with_release_commands().table(release_applications()),
}
"""The tables in docs/reference/keys.md, by their marks."""


if __name__ == "__main__":
    print("\n".join(f"<!-- {mark} -->\n\n{table()}\n<!-- end -->\n" for mark, table in TABLES.items()), end="")

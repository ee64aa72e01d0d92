"""Finds in the cloud what an interrupted run began to create, and decides what becomes of it.

Serves both engines and every address: it speaks Scaleway's list calls itself, with the stack's own keys.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway import Object, connect, message, pages
from ops.stacks import Stack, provider_setting, secret_key_of
from ops.steps import name_of, short_type

if TYPE_CHECKING:
    from localcloud.engine.recover import Pending

_RETRY_SECONDS = (0.5, 1.0, 2.0)
_REGION = "/regions/{region}"
_CONTAINERS = f"/containers/v1{_REGION}"
_COCKPIT = f"/cockpit/v1{_REGION}"
_RDB_INSTANCE = f"/rdb/v1{_REGION}/instances/{{instanceId}}"
_NOTHING_TO_FIND = ("pulumi:", "docker:index/image:")
"""Types of what can be made once more without harm: an image is built and pushed under the same name again."""
_SECRETS = f"/secret-manager/v1beta1{_REGION}/secrets"


class Scope(dict[str, Any]):
    """What a resource's inputs say, as texts, with bare ids; region, project and organization are always there."""

    def __missing__(self, key: str) -> str:
        return ""


def _same_fields(pairs: Mapping[str, str]) -> Callable[[Finder, Object, Scope], bool]:
    """``pairs``: field of the answer → property that it must equal."""

    def same(_finder: Finder, found: Object, scope: Scope) -> bool:
        return all(_bare(_text(found.get(key)), name) == _text(scope[name]) for key, name in pairs.items())

    return same


@dataclass(frozen=True)
class Lookup:
    """How the objects of one type are listed, and which of them is the one that was meant."""

    path: str
    """Of the list call; ``{…}`` are a region and properties of the resource."""
    items: str
    """Key of the list in the answer; empty where the answer itself is the object."""
    same: Callable[[Finder, Object, Scope], bool]
    id: str = "{region}/{found[id]}"
    """Its id in the state."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameter of the list call → property."""
    only_once: str = ""
    """What the platform says only when the object is made: without it the object is of no use."""


def _named(path: str, items: str, same: Mapping[str, str], **more: Any) -> Lookup:
    return Lookup(path, items, _same_fields(same), **more)


_PROJECT = {"project_id": "projectId"}
_ORGANIZATION = {"organization_id": "organizationId"}
_BY_NAME = {"name": "name"}

# Paths and fields are those of Scaleway's API reference; ids are put together as pulumiverse-scaleway does.
LOOKUPS: dict[str, Lookup] = {
    "scaleway:account/project:Project": _named(
        "/account/v3/projects", "projects", _BY_NAME, id="{found[id]}", query=_ORGANIZATION
    ),
    "scaleway:containers/namespace:Namespace": _named(
        f"{_CONTAINERS}/namespaces", "namespaces", {**_BY_NAME, **_PROJECT}, query=_PROJECT
    ),
    "scaleway:containers/container:Container": _named(
        f"{_CONTAINERS}/containers",
        "containers",
        {**_BY_NAME, "namespace_id": "namespaceId"},
        query={"namespace_id": "namespaceId"},
    ),
    "scaleway:containers/domain:Domain": _named(
        f"{_CONTAINERS}/domains",
        "domains",
        {"hostname": "hostname", "container_id": "containerId"},
        query={"container_id": "containerId"},
    ),
    "scaleway:databases/serverlessDatabase:ServerlessDatabase": _named(
        f"/serverless-sqldb/v1alpha1{_REGION}/databases", "databases", {**_BY_NAME, **_PROJECT}, query=_PROJECT
    ),
    "scaleway:databases/instance:Instance": _named(
        f"/rdb/v1{_REGION}/instances", "instances", {**_BY_NAME, **_PROJECT}, query=_PROJECT
    ),
    "scaleway:databases/database:Database": _named(
        f"{_RDB_INSTANCE}/databases", "databases", _BY_NAME, id="{region}/{instanceId}/{found[name]}"
    ),
    "scaleway:databases/user:User": _named(
        f"{_RDB_INSTANCE}/users", "users", _BY_NAME, id="{region}/{instanceId}/{found[name]}"
    ),
    "scaleway:databases/privilege:Privilege": _named(
        f"{_RDB_INSTANCE}/privileges",
        "privileges",
        {"database_name": "databaseName", "user_name": "userName", "permission": "permission"},
        id="{region}/{instanceId}/{databaseName}/{userName}",
    ),
    "scaleway:domain/zone:Zone": _named(
        "/domain/v2beta1/dns-zones",
        "dns_zones",
        {"domain": "domain", "subdomain": "subdomain"},
        id="{zone}",
        query={"domain": "domain"},
    ),
    "scaleway:domain/record:Record": Lookup(
        "/domain/v2beta1/dns-zones/{dnsZone}/records",
        "records",
        lambda _finder, found, scope: _same_record(found, scope),
        id="{dnsZone}/{found[id]}",
    ),
    "scaleway:iam/application:Application": _named(
        "/iam/v1alpha1/applications", "applications", _BY_NAME, id="{found[id]}", query=_ORGANIZATION
    ),
    "scaleway:iam/policy:Policy": _named(
        "/iam/v1alpha1/policies", "policies", _BY_NAME, id="{found[id]}", query=_ORGANIZATION
    ),
    "scaleway:iam/apiKey:ApiKey": _named(
        "/iam/v1alpha1/api-keys",
        "api_keys",
        {"application_id": "applicationId", "user_id": "userId", "description": "description"},
        id="{found[access_key]}",
        query=_ORGANIZATION,
        only_once="secret key",
    ),
    "scaleway:job/definition:Definition": _named(
        f"/serverless-jobs/v1alpha2{_REGION}/job-definitions",
        "job_definitions",
        {**_BY_NAME, **_PROJECT},
        query=_PROJECT,
    ),
    "scaleway:observability/source:Source": _named(
        f"{_COCKPIT}/data-sources", "data_sources", {**_BY_NAME, **_PROJECT, "type": "type"}, query=_PROJECT
    ),
    "scaleway:observability/token:Token": _named(
        f"{_COCKPIT}/tokens", "tokens", {**_BY_NAME, **_PROJECT}, query=_PROJECT, only_once="secret key"
    ),
    "scaleway:observability/alertManager:AlertManager": Lookup(
        f"{_COCKPIT}/alert-manager",
        "",
        lambda _finder, found, _scope: found.get("alert_manager_enabled") is True,
        id="{region}/{projectId}/1",
        query=_PROJECT,
    ),
    "scaleway:registry/namespace:Namespace": _named(
        f"/registry/v1{_REGION}/namespaces", "namespaces", {**_BY_NAME, **_PROJECT}, query=_PROJECT
    ),
    "scaleway:secrets/secret:Secret": _named(
        _SECRETS, "secrets", {**_BY_NAME, **_PROJECT, "path": "path"}, query=_PROJECT
    ),
    "scaleway:secrets/version:Version": Lookup(
        f"{_SECRETS}/{{secretId}}/versions",
        "versions",
        lambda finder, found, scope: finder.same_version(found, scope),
        id="{region}/{secretId}/{found[revision]}",
    ),
}
_REMOVALS = {
    "scaleway:iam/apiKey:ApiKey": "/iam/v1alpha1/api-keys/{id}",
    "scaleway:observability/token:Token": f"{_COCKPIT}/tokens/{{id}}",
}
_GONE = frozenset({"deleting", "deleted", "destroyed", "scheduled_for_deletion"})


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _bare(value: str, name: str) -> str:
    """An id without its region; other properties as they are."""
    return value.rpartition("/")[2] if name.endswith("Id") else value


def record_name(name: str, zone: str) -> str:
    """A record's name as Scaleway has it: relative to its zone, empty for the zone itself."""
    name = name.removesuffix(".")
    return "" if name in ("@", zone) else name.removesuffix(f".{zone}")


def _same_record(found: Object, scope: Scope) -> bool:
    """Names are relative to the zone, targets absolute, as the provider sends them; TXT is answered in quotes."""
    zone, type_ = scope["dnsZone"], scope["type"]
    name = record_name(scope["name"], zone)

    def data(text: str) -> str:
        text = text.strip().strip('"')
        if type_ == "MX" and " " in text:
            text = text.partition(" ")[2]
        if type_ not in ("CNAME", "NS", "MX"):
            return text
        text = text.lower().removesuffix(".")
        return text if "." in text else f"{text}.{zone}"

    return (
        _text(found.get("type")) == type_
        and _text(found.get("name")) == name
        and data(_text(found.get("data"))) == data(_text(scope["data"]))
    )


class Finder:
    """Looks resources up. Raises OpsError when Scaleway does not say what it has; nothing was changed then."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Raises OpsError when no key is known."""
        token = secret_key_of(stack, environ)
        if not token:
            raise OpsError(
                f"{stack.name}: there is no key to ask Scaleway with. Set SCW_SECRET_KEY.", ExitCode.ENVIRONMENT
            )
        self._defaults = {
            "region": provider_setting(stack, environ, "region", "SCW_DEFAULT_REGION") or "fr-par",
            "projectId": provider_setting(stack, environ, "projectId", "SCW_DEFAULT_PROJECT_ID"),
            "organizationId": provider_setting(stack, environ, "organizationId", "SCW_DEFAULT_ORGANIZATION_ID"),
            "path": "/",
        }
        self._client = connect(stack, environ, token)

    def find(self, pending: Pending) -> list[str]:
        """Ids of the objects in the cloud that are what ``pending`` was to create."""
        return [found_id for found_id, same in self._candidates(pending) if same]

    def is_there(self, pending: Pending) -> bool:
        """Whether the list still has the object that was being deleted, whatever it is called by now.

        A read does not tell for every type: a Serverless SQL database that is gone is answered with 403.
        """
        of_its_own = "{found" in LOOKUPS[pending.type].id
        return any(found_id == pending.id and (same or of_its_own) for found_id, same in self._candidates(pending))

    def _candidates(self, pending: Pending) -> Iterator[tuple[str, bool]]:
        """Ids of the objects that are listed where ``pending`` belongs, and whether each is the one that it means."""
        lookup = LOOKUPS[pending.type]
        scope = self._scope(pending.inputs)
        if not all(scope[name] for name in lookup.query.values()):
            missing = ", ".join(sorted(name for name in lookup.query.values() if not scope[name]))
            raise OpsError(
                f"{name_of(pending.urn)} cannot be looked up: its {missing} is not known", ExitCode.ENVIRONMENT
            )
        query = {name: scope[key] for name, key in lookup.query.items()}
        for found_id, found in self._there(lookup, scope, query):
            yield found_id, lookup.same(self, found, scope) if self._matters(pending, found_id) else False

    def listed(self, type_: str, query: Mapping[str, str], **scope: str) -> Iterator[tuple[str, Object]]:
        """All objects of a type that a list call with this query gives: the id in a state, and the answer.

        ``scope``: what the call's path says beside the region.
        """
        yield from self._there(LOOKUPS[type_], Scope({**self._defaults, **scope}), query)

    def _there(self, lookup: Lookup, scope: Scope, query: Mapping[str, str]) -> Iterator[tuple[str, Object]]:
        """Without what is being deleted."""
        for found in self._listed(lookup.path.format_map(scope), lookup.items, query):
            if found.get("status") not in _GONE:
                yield lookup.id.format_map(Scope({**scope, "zone": _zone(found), "found": found})), found

    @staticmethod
    def _matters(pending: Pending, found_id: str) -> bool:
        """What is compared may cost a request: it is spared for what has another id."""
        return not pending.id or pending.id == found_id

    def remove(self, type_: str, resource_id: str) -> None:
        """Delete an object that ``find`` has given."""
        region, _, bare = resource_id.rpartition("/")
        self._call("DELETE", _REMOVALS[type_].format(region=region, id=bare))

    def same_version(self, found: Object, scope: Scope) -> bool:
        """Whether a version of a secret has the data that was to be written."""
        if found.get("status") != "enabled":
            return False
        path = f"{_SECRETS}/{{secretId}}/versions/{found['revision']}/access".format_map(scope)
        there, meant = _text(self._call("GET", path).get("data")), _text(scope["data"])
        return meant == there or meant.encode() == base64.b64decode(there)

    def _scope(self, inputs: Mapping[str, Any]) -> Scope:
        scope = Scope(self._defaults)
        for name, value in inputs.items():
            if isinstance(value, str):
                scope[name] = _bare(value, name)
                if name.endswith("Id") and "/" in value and "region" not in inputs:
                    scope["region"] = value.partition("/")[0]
        return scope

    def _listed(self, path: str, items: str, query: Mapping[str, str]) -> Iterator[Object]:
        if not items:
            try:
                yield self._call("GET", path, query)
            except _NotThereError:
                return
            return
        try:
            yield from pages(lambda page: self._call("GET", path, {**query, **page}), items)
        except _NotThereError:
            return  # what it belongs to is gone, and it with that

    def _call(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Object:
        import httpx

        said = ""
        for seconds in (0.0, *_RETRY_SECONDS):
            time.sleep(seconds)
            try:
                response = self._client.request(method, path, params=query)
            except httpx.TransportError as error:
                said = f"no answer ({type(error).__name__})"
                continue
            if response.status_code == httpx.codes.NOT_FOUND:
                if method == "DELETE":
                    return {}
                raise _NotThereError(f"{path} is not there", ExitCode.FAILED)
            if response.is_success:
                answer: Object = response.json() if response.content else {}
                return answer
            said = f"answered {response.status_code}: {message(response)}"
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS and response.status_code < 500:
                break
        raise OpsError(f"Scaleway was asked what it has, {method} {path}: {said}", ExitCode.FAILED)


class _NotThereError(OpsError):
    """404."""


def _zone(found: Object) -> str:
    return ".".join(_text(found[key]) for key in ("subdomain", "domain") if found.get(key))


# --- the plan -------------------------------------------------------------------------------------------


class Action(Enum):
    """What becomes of a pending operation."""

    ADOPT = auto()
    """It was created: the state takes it over."""
    REMOVE = auto()
    """It was created, and something of it was said only then: it is deleted, the next ``up`` makes it anew."""
    FORGET = auto()
    """It was not created, or does no harm if it was."""
    READ = auto()
    """It was being changed or deleted: the cloud says what is there."""
    DROP = auto()
    """It was deleted: it leaves the state."""
    REFUSE = auto()
    """More than one could be meant, or this type cannot be looked up."""


@dataclass(frozen=True)
class Decision:
    """One pending operation, and what is to be done about it."""

    pending: Pending
    action: Action
    ids: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        return f"{name_of(self.pending.urn)} ({short_type(self.pending.type)})"


def decide(
    pending: Pending,
    known: frozenset[str],
    find: Callable[[Pending], list[str]],
    is_there: Callable[[Pending], bool],
) -> Decision:
    """``known``: ids that the state has, so that an older object of the same name is never taken for this one."""
    if pending.operation == "deleting" and pending.type in LOOKUPS and not is_there(pending):
        return Decision(pending, Action.DROP)
    if pending.operation in ("updating", "deleting"):
        return Decision(pending, Action.READ)
    if pending.operation != "creating" or not pending.custom or pending.type.startswith(_NOTHING_TO_FIND):
        return Decision(pending, Action.FORGET)
    lookup = LOOKUPS.get(pending.type)
    if lookup is None:
        return Decision(pending, Action.REFUSE)
    ids = tuple(each for each in find(pending) if each not in known)
    if not ids:
        return Decision(pending, Action.FORGET)
    if len(ids) > 1:
        return Decision(pending, Action.REFUSE, ids)
    return Decision(pending, Action.REMOVE if lookup.only_once else Action.ADOPT, ids)

"""The catalogue of resource kinds: how each is named, listed, distinguished, identified and billed.

Recovery, adoption, drift detection, preview sweeps, image clean-up and cost estimates all query it, so one new entry
adds support for a type to all of them. Paths and fields follow Scaleway's API reference, and ids have the same form as
in pulumiverse-scaleway.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ops.scaleway.dns import same_record
from ops.scaleway.list_call import ListCall, Properties

if TYPE_CHECKING:
    from ops.scaleway.client import Client, Object


class Scope(Enum):
    """The parent of a kind's objects, which limits the scope of a listing."""

    ORGANIZATION = auto()
    PROJECT = auto()
    APPLICATION = auto()
    """An IAM application; listed by organization."""
    ZONE = auto()
    """A DNS zone."""
    RESOURCE = auto()
    """Another resource, such as a database instance or a secret."""
    SETTING = auto()
    """A setting of a project or a database instance; it always exists."""
    BUCKETS = auto()
    """Object storage, listed through the S3 API."""


class Billing(Enum):
    """What a resource is billed for."""

    NOTHING = auto()
    """Nothing, or nothing that ``snu cost`` counts."""
    CONTAINER_SCALE = auto()
    """vCPU and memory of each instance of a container."""
    JOB_RUNS = auto()
    SERVERLESS_VCPUS = auto()
    """vCPUs and storage of a Serverless SQL database."""
    NODE_HOURS = auto()
    """A database instance and its volume."""
    REGISTRY_STORAGE = auto()
    SECRET_VERSIONS = auto()
    ZONE_HOURS = auto()


_NOT_LISTED = ListCall("", "")


_NOUNS = {"scaleway:job/definition:Definition": "job"}
"""Where the type alone does not say what it is."""


@dataclass(frozen=True, eq=False)
class ResourceKind:
    """A kind of resource."""

    token: str
    """Pulumi's type token."""
    terraform: str
    """Terraform's type. Both providers share their code and use the same ids."""
    scope: Scope
    billing: Billing
    identity: tuple[str, ...]
    """Properties that distinguish a resource from all others of its kind and change only in a replacement."""
    listing: ListCall = _NOT_LISTED
    id: str = "{region}/{found[id]}"
    """Format of its id in a state: ``{found[…]}`` is a field of the object, ``{zone}`` a zone's name, ``{…}`` a
    property."""
    compared: tuple[str, ...] = ()
    """Additional properties by which recovery recognizes a resource from an interrupted creation."""
    recognize: Callable[[Client, Object, Properties], bool] | None = field(default=None, repr=False)
    """How recovery recognizes a resource whose properties do not correspond directly to API fields."""
    only_once: str = ""
    """The value that Scaleway returns only on creation; without it, the object is useless."""

    @property
    def noun(self) -> str:
        """``container``, ``serverless database``."""
        if self.token in _NOUNS:
            return _NOUNS[self.token]
        return re.sub(r"(?<!^)(?=[A-Z])", " ", self.token.rpartition(":")[2]).lower()

    @property
    def is_listed(self) -> bool:
        """Whether Scaleway's API can list this kind."""
        return bool(self.listing.path)

    @property
    def has_own_id(self) -> bool:
        """Whether Scaleway assigns the id; otherwise it is composed of names."""
        return "{found" in self.id

    def id_of(self, found: Object, properties: Mapping[str, Any]) -> str:
        """The state id of an object that was listed with these properties."""
        zone = ".".join(text(found[key]) for key in ("subdomain", "domain") if found.get(key))
        return self.id.format_map(Properties({**properties, "zone": zone, "found": found}))

    def matches(self, client: Client, found: Object, properties: Properties) -> bool:
        """Whether these properties identify a listed object. Raises ScalewayError."""
        if self.recognize is not None:
            return self.recognize(client, found, properties)
        return all(
            bare(text(found.get(snake_case(name))), name) == text(properties[name])
            for name in (*self.identity, *self.compared)
            if name not in self.listing.path_properties
        )


def text(value: object) -> str:
    """A value as a string; empty for None."""
    return "" if value is None else str(value)


def bare_id(id_: str) -> str:
    """An id without its region."""
    return id_.rpartition("/")[2]


def bare(value: str, name: str) -> str:
    """A property's value, without the region if it is an id."""
    return bare_id(value) if name.endswith("Id") else value


def snake_case(name: str) -> str:
    """A property's name as an API field: ``projectId`` → ``project_id``."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


# --- recognition ----------------------------------------------------------------------------------------


def _is_enabled(_client: Client, found: Object, _properties: Properties) -> bool:
    return found.get("alert_manager_enabled") is True


def _is_restricted(_client: Client, found: Object, _properties: Properties) -> bool:
    """Every instance has an ACL, which initially allows all addresses."""
    networks = [rule["ip"] for rule in found.get("rules") or []]
    return bool(networks) and "0.0.0.0/0" not in networks


def _has_same_content(client: Client, found: Object, properties: Properties) -> bool:
    """Whether a secret version contains the data in ``properties``."""
    if found.get("status") != "enabled":
        return False
    path = _SECRET_VERSIONS.object_at(**{**properties, "id": text(found["revision"])})
    actual, expected = text(client.get(f"{path}/access").get("data")), text(properties["data"])
    return expected == actual or expected.encode() == base64.b64decode(actual)


# --- kinds ----------------------------------------------------------------------------------------------

_REGION = "/regions/{region}"
_CONTAINERS = f"/containers/v1{_REGION}"
_COCKPIT = f"/cockpit/v1{_REGION}"
_RDB = f"/rdb/v1{_REGION}/instances"
_REGISTRY = f"/registry/v1{_REGION}"
_SECRETS = f"/secret-manager/v1beta1{_REGION}/secrets"
_SECRET_VERSIONS = ListCall(f"{_SECRETS}/{{secretId}}/versions", "versions")
_IN_PROJECT = ("name", "projectId")
_BY_PROJECT, _BY_ORGANIZATION = ("projectId",), ("organizationId",)
_BARE = "{found[id]}"
_OF_INSTANCE = "{region}/{instanceId}/{found[name]}"

PROJECT = ResourceKind(
    "scaleway:account/project:Project",
    "scaleway_account_project",
    Scope.ORGANIZATION,
    Billing.NOTHING,
    ("name",),
    ListCall("/account/v3/projects", "projects", _BY_ORGANIZATION),
    id=_BARE,
)
CONTAINER_NAMESPACE = ResourceKind(
    "scaleway:containers/namespace:Namespace",
    "scaleway_container_namespace",
    Scope.PROJECT,
    Billing.NOTHING,
    _IN_PROJECT,
    ListCall(f"{_CONTAINERS}/namespaces", "namespaces", _BY_PROJECT),
)
CONTAINER = ResourceKind(
    "scaleway:containers/container:Container",
    "scaleway_container",
    Scope.PROJECT,
    Billing.CONTAINER_SCALE,
    ("name", "namespaceId"),
    ListCall(f"{_CONTAINERS}/containers", "containers", ("namespaceId",)),
)
CONTAINER_DOMAIN = ResourceKind(
    "scaleway:containers/domain:Domain",
    "scaleway_container_domain",
    Scope.PROJECT,
    Billing.NOTHING,
    ("hostname",),
    ListCall(f"{_CONTAINERS}/domains", "domains", ("containerId",)),
    compared=("containerId",),
)
SERVERLESS_DATABASE = ResourceKind(
    "scaleway:databases/serverlessDatabase:ServerlessDatabase",
    "scaleway_sdb_sql_database",
    Scope.PROJECT,
    Billing.SERVERLESS_VCPUS,
    _IN_PROJECT,
    ListCall(f"/serverless-sqldb/v1alpha1{_REGION}/databases", "databases", _BY_PROJECT),
)
DATABASE_INSTANCE = ResourceKind(
    "scaleway:databases/instance:Instance",
    "scaleway_rdb_instance",
    Scope.PROJECT,
    Billing.NODE_HOURS,
    _IN_PROJECT,
    ListCall(_RDB, "instances", _BY_PROJECT),
)
DATABASE = ResourceKind(
    "scaleway:databases/database:Database",
    "scaleway_rdb_database",
    Scope.RESOURCE,
    Billing.NOTHING,
    ("name", "instanceId"),
    ListCall(f"{_RDB}/{{instanceId}}/databases", "databases"),
    id=_OF_INSTANCE,
)
DATABASE_USER = ResourceKind(
    "scaleway:databases/user:User",
    "scaleway_rdb_user",
    Scope.RESOURCE,
    Billing.NOTHING,
    ("name", "instanceId"),
    ListCall(f"{_RDB}/{{instanceId}}/users", "users"),
    id=_OF_INSTANCE,
)
DATABASE_PRIVILEGE = ResourceKind(
    "scaleway:databases/privilege:Privilege",
    "scaleway_rdb_privilege",
    Scope.RESOURCE,
    Billing.NOTHING,
    ("databaseName", "userName", "instanceId"),
    ListCall(f"{_RDB}/{{instanceId}}/privileges", "privileges"),
    id="{region}/{instanceId}/{databaseName}/{userName}",
    compared=("permission",),
)
DATABASE_ACL = ResourceKind(
    "scaleway:databases/acl:Acl",
    "scaleway_rdb_acl",
    Scope.SETTING,
    Billing.NOTHING,
    ("instanceId",),
    ListCall(f"{_RDB}/{{instanceId}}/acls", ""),
    id="{region}/{instanceId}",
    recognize=_is_restricted,
)
ZONE = ResourceKind(
    "scaleway:domain/zone:Zone",
    "scaleway_domain_zone",
    Scope.PROJECT,
    Billing.ZONE_HOURS,
    ("domain", "subdomain"),
    ListCall("/domain/v2beta1/dns-zones", "dns_zones", ("domain",)),
    id="{zone}",
)
RECORD = ResourceKind(
    "scaleway:domain/record:Record",
    "scaleway_domain_record",
    Scope.ZONE,
    Billing.NOTHING,
    ("dnsZone", "name", "type"),
    ListCall("/domain/v2beta1/dns-zones/{dnsZone}/records", "records"),
    id="{dnsZone}/{found[id]}",
    recognize=lambda _client, found, properties: same_record(found, properties),
)
RECORDS_OF_PROGRAM: Mapping[str, str] = {"name": "", "type": "CNAME"}
"""Limits a list of records to those that the program may have created. All other records were created by Scaleway or
manually."""
APPLICATION = ResourceKind(
    "scaleway:iam/application:Application",
    "scaleway_iam_application",
    Scope.ORGANIZATION,
    Billing.NOTHING,
    ("name",),
    ListCall("/iam/v1alpha1/applications", "applications", _BY_ORGANIZATION),
    id=_BARE,
)
POLICY = ResourceKind(
    "scaleway:iam/policy:Policy",
    "scaleway_iam_policy",
    Scope.APPLICATION,
    Billing.NOTHING,
    ("name",),
    ListCall("/iam/v1alpha1/policies", "policies", _BY_ORGANIZATION),
    id=_BARE,
)
API_KEY = ResourceKind(
    "scaleway:iam/apiKey:ApiKey",
    "scaleway_iam_api_key",
    Scope.APPLICATION,
    Billing.NOTHING,
    ("applicationId", "userId", "description"),
    ListCall("/iam/v1alpha1/api-keys", "api_keys", _BY_ORGANIZATION),
    id="{found[access_key]}",
    only_once="secret key",
)
POLICY_RULES = ListCall("/iam/v1alpha1/rules", "rules")
IAM_USERS = ListCall("/iam/v1alpha1/users", "users")
JOB_DEFINITION = ResourceKind(
    "scaleway:job/definition:Definition",
    "scaleway_job_definition",
    Scope.PROJECT,
    Billing.JOB_RUNS,
    _IN_PROJECT,
    ListCall(f"/serverless-jobs/v1alpha2{_REGION}/job-definitions", "job_definitions", _BY_PROJECT),
)
BUCKET = ResourceKind(
    "scaleway:object/bucket:Bucket",
    "scaleway_object_bucket",
    Scope.BUCKETS,
    Billing.NOTHING,
    ("name",),
)
DATA_SOURCE = ResourceKind(
    "scaleway:observability/source:Source",
    "scaleway_cockpit_source",
    Scope.PROJECT,
    Billing.NOTHING,
    ("name", "type", "projectId"),
    ListCall(f"{_COCKPIT}/data-sources", "data_sources", _BY_PROJECT),
)
COCKPIT_TOKEN = ResourceKind(
    "scaleway:observability/token:Token",
    "scaleway_cockpit_token",
    Scope.PROJECT,
    Billing.NOTHING,
    _IN_PROJECT,
    ListCall(f"{_COCKPIT}/tokens", "tokens", _BY_PROJECT),
    only_once="secret key",
)
ALERT_MANAGER = ResourceKind(
    "scaleway:observability/alertManager:AlertManager",
    "scaleway_cockpit_alert_manager",
    Scope.SETTING,
    Billing.NOTHING,
    ("projectId",),
    ListCall(f"{_COCKPIT}/alert-manager", "", _BY_PROJECT),
    id="{region}/{projectId}/1",
    recognize=_is_enabled,
)
REGISTRY_NAMESPACE = ResourceKind(
    "scaleway:registry/namespace:Namespace",
    "scaleway_registry_namespace",
    Scope.PROJECT,
    Billing.REGISTRY_STORAGE,
    _IN_PROJECT,
    ListCall(f"{_REGISTRY}/namespaces", "namespaces", _BY_PROJECT),
)
REGISTRY_IMAGES = ListCall(f"{_REGISTRY}/images", "images")
REGISTRY_TAGS = ListCall(f"{_REGISTRY}/images/{{imageId}}/tags", "tags", object_path=f"{_REGISTRY}/tags/{{id}}")
SECRET = ResourceKind(
    "scaleway:secrets/secret:Secret",
    "scaleway_secret",
    Scope.PROJECT,
    Billing.SECRET_VERSIONS,
    ("name", "path", "projectId"),
    ListCall(_SECRETS, "secrets", _BY_PROJECT),
)
SECRET_VERSION = ResourceKind(
    "scaleway:secrets/version:Version",
    "scaleway_secret_version",
    Scope.RESOURCE,
    Billing.NOTHING,
    ("secretId",),
    _SECRET_VERSIONS,
    id="{region}/{secretId}/{found[revision]}",
    recognize=_has_same_content,
)

KINDS: tuple[ResourceKind, ...] = tuple(value for value in globals().values() if isinstance(value, ResourceKind))
_BY_TOKEN = {kind.token: kind for kind in KINDS}
_BY_TERRAFORM = {kind.terraform: kind for kind in KINDS}


def kind_of(token: str) -> ResourceKind | None:
    """The kind of a Pulumi type; None if the catalogue does not contain it."""
    return _BY_TOKEN.get(token)


def kind_of_terraform(type_: str) -> ResourceKind | None:
    """The kind of a Terraform type; None if the catalogue does not contain it."""
    return _BY_TERRAFORM.get(type_)


def kinds_in(scope: Scope) -> list[ResourceKind]:
    return [kind for kind in KINDS if kind.scope is scope]

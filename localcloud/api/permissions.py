"""The platform's permission sets for the implemented products, and the actions granted by each.

Source of the names: Scaleway's documentation, "Permission sets".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import NAMESPACE_URL, uuid5


@dataclass(frozen=True)
class Permission:
    """An action (``read``, ``write``, ``access``, …) on a product. ``resource`` is used only in messages."""

    product: str
    action: str
    resource: str


ALL_PRODUCTS = "*"

_READ = frozenset({"read"})
_WRITE = frozenset({"read", "write"})


@dataclass(frozen=True)
class PermissionSet:
    name: str
    scope_type: Literal["projects", "organization"]
    grants_on: dict[str, frozenset[str]]
    """Maps products to actions."""
    description: str

    @property
    def id(self) -> str:
        """An id that is stable across restarts."""
        return str(uuid5(NAMESPACE_URL, f"permission-set/{self.name}"))

    def grants(self, permission: Permission) -> bool:
        return permission.action in self.grants_on.get(
            permission.product, self.grants_on.get(ALL_PRODUCTS, frozenset())
        )


def _product(name: str, product: str, *extra: str) -> list[PermissionSet]:
    """A product's usual pair of permission sets: ReadOnly and FullAccess; the latter also grants ``extra``."""
    return [
        PermissionSet(f"{name}ReadOnly", "projects", {product: _READ}, f"List and read {product}"),
        PermissionSet(f"{name}FullAccess", "projects", {product: _WRITE | set(extra)}, f"Full access to {product}"),
    ]


def _only(name: str, product: str, *actions: str) -> PermissionSet:
    return PermissionSet(name, "projects", {product: frozenset(actions)}, f"{' and '.join(actions)} {product}")


def _organization(name: str, grants_on: dict[str, frozenset[str]], description: str) -> PermissionSet:
    return PermissionSet(name, "organization", grants_on, description)


PERMISSION_SETS: dict[str, PermissionSet] = {
    item.name: item
    for item in [
        PermissionSet(
            "AllProductsFullAccess",
            "projects",
            {
                ALL_PRODUCTS: frozenset({"read", "write", "access", "create_version", "start"}),
                "iam": frozenset(),
                "account": frozenset(),
            },
            "Full access to all products",
        ),
        PermissionSet(
            "AllProductsReadOnly",
            "projects",
            {ALL_PRODUCTS: _READ, "iam": frozenset(), "account": frozenset()},
            "Read all products",
        ),
        *_product("Containers", "containers"),
        _only("ContainersPrivateAccess", "containers", "call"),
        *_product("ContainerRegistry", "registry"),
        *_product("DomainsDNS", "domain"),
        *_product("SecretManager", "secret_manager", "access", "create_version"),
        _only("SecretManagerSecretAccess", "secret_manager", "access"),
        _only("SecretManagerSecretCreate", "secret_manager", "create_version"),
        _only("SecretManagerSecretWrite", "secret_manager", "write", "create_version"),
        *_product("RelationalDatabases", "rdb"),
        *_product("ServerlessSQLDatabase", "serverless_sqldb"),
        _only("ServerlessSQLDatabaseDataReadWrite", "serverless_sqldb", "data"),
        _only("ServerlessSQLDatabaseReadWrite", "serverless_sqldb", "data", "schema"),
        *_product("Observability", "cockpit"),
        *_product("ServerlessJobs", "serverless_jobs", "start"),
        *_product("ObjectStorage", "object_storage"),
        _only("ObjectStorageBucketsRead", "object_storage", "read_bucket"),
        _only("ObjectStorageBucketsWrite", "object_storage", "write_bucket"),
        _only("ObjectStorageBucketsDelete", "object_storage", "delete_bucket"),
        _only("ObjectStorageObjectsRead", "object_storage", "read_object"),
        _only("ObjectStorageObjectsWrite", "object_storage", "write_object"),
        _only("ObjectStorageObjectsDelete", "object_storage", "delete_object"),
        *_product("EdgeServices", "edge_services"),
        _organization("ProjectReadOnly", {"account": _READ}, "List and read projects"),
        _organization("ProjectManager", {"account": _WRITE}, "Create, change and delete projects"),
        _organization("IAMReadOnly", {"iam": _READ}, "List and read IAM"),
        _organization("IAMManager", {"iam": _WRITE}, "Full access to IAM"),
        _organization("IAMApplicationManager", {"iam": _WRITE}, "Manage applications"),
        _organization("OrganizationReadOnly", {"account": _READ, "iam": _READ}, "Read the organization"),
        _organization("OrganizationManager", {"account": _WRITE, "iam": _WRITE}, "Manage the organization"),
        _organization("BillingReadOnly", {"billing": _READ}, "Read invoices"),
        _organization("BillingManager", {"billing": _WRITE}, "Manage billing"),
    ]
}

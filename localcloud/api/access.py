"""Authentication and authorization: keys, principals, policies, permission sets. All access decisions are made here."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.api import conditions
from localcloud.api.conditions import Condition, Target
from localcloud.api.errors import denied_authentication
from localcloud.api.permissions import PERMISSION_SETS, Permission
from localcloud.api.store import Store
from localcloud.api.timestamps import parse_timestamp

SECRET_KEYS = "vault.iam.secret_key"  # noqa: S105 - a kind, not a secret
"""Store kind that maps secret keys (the ids) to access keys."""
USERS = "iam.user"
API_KEYS = "iam.api_key"
POLICIES = "iam.policy"
RULES = "hidden.iam.rules"
"""Store kind that maps policy ids to ordered lists of rules."""


@dataclass(frozen=True)
class Scope:
    """The scope of a permission: the whole organization, some projects, or some of their resources."""

    everywhere: bool
    projects: frozenset[str] = frozenset()
    conditional: tuple[tuple[frozenset[str] | None, Condition], ...] = ()
    """Pairs of projects (None: all) and the condition that their resources must meet."""

    def covers(self, project_id: str | None, target: Target | None = None) -> bool:
        """``project_id``: None means the organization. ``target``: None for list requests."""
        if self.everywhere or project_id in self.projects:
            return True
        return any(holds(target) for projects, holds in self.conditional if projects is None or project_id in projects)

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.projects) or bool(self.conditional)


EVERYWHERE = Scope(True)


@dataclass(frozen=True)
class Principal:
    """The user or application behind a key."""

    access_key: str
    user_id: str | None
    application_id: str | None
    default_project_id: str


def authenticate(store: Store, secret_key: str | None, now: float) -> Principal:
    """The principal that a secret key belongs to. Raises 401 ``denied_authentication``."""
    if not secret_key:
        raise denied_authentication("invalid_argument")
    link = store.get(SECRET_KEYS, secret_key)
    key = store.get(API_KEYS, link["access_key"]) if link else None
    if key is None:
        raise denied_authentication("not_found")
    if key["expires_at"] and parse_timestamp(key["expires_at"]) <= now:
        raise denied_authentication("expired")
    return Principal(
        access_key=key["access_key"],
        user_id=key.get("user_id"),
        application_id=key.get("application_id"),
        default_project_id=key["default_project_id"],
    )


def scope_of(store: Store, principal: Principal, permission: Permission) -> Scope:
    """The scope in which the principal has the permission. The organization's owner has every permission."""
    if principal.user_id is not None:
        user = store.get(USERS, principal.user_id)
        if user is not None and user["type"] == "owner":
            return EVERYWHERE
    projects: set[str] = set()
    conditional = []
    for policy in store.all(POLICIES):
        if not _belongs(policy, principal):
            continue
        for rule in (store.get(RULES, policy["id"]) or {"rules": []})["rules"]:
            if any(PERMISSION_SETS[name].grants(permission) for name in rule["permission_set_names"]):
                everywhere = "organization_id" in rule
                if rule.get("condition"):
                    holds = conditions.parse(rule["condition"])
                    conditional.append((None if everywhere else frozenset(rule["project_ids"]), holds))
                elif everywhere:
                    return EVERYWHERE
                else:
                    projects.update(rule["project_ids"])
    return Scope(False, frozenset(projects), tuple(conditional))


def _belongs(policy: dict[str, object], principal: Principal) -> bool:
    if principal.application_id is not None:
        return policy.get("application_id") == principal.application_id
    return principal.user_id is not None and policy.get("user_id") == principal.user_id

"""IAM resources and their request bodies."""

from __future__ import annotations

from typing import Any

from localcloud.api.access import API_KEYS, POLICIES, RULES, USERS
from localcloud.api.collection import Collection
from localcloud.api.permissions import PERMISSION_SETS
from localcloud.api.request import ApiRequest
from localcloud.api.store import Resource
from localcloud.api.transitions import visible
from localcloud.api.validation import Array, Body, Boolean, Duration, Integer, Text, Timestamp, Uuid

NAME = Text(
    required=True,
    max_length=64,
    pattern=r"[\w .@\-]+",
    message="must contain only letters, digits, spaces, hyphens, underscores, periods and at signs",
)
TAGS = Array(of=Text(max_length=255), maximum=50)

APPLICATION = Body(name=NAME, description=Text(max_length=200), tags=TAGS)
POLICY = Body(
    name=NAME,
    description=Text(max_length=200),
    tags=TAGS,
    user_id=Uuid(),
    group_id=Uuid(),
    application_id=Uuid(),
    no_principal=Boolean(default=None),
)
RULE = Body(
    permission_set_names=Array(required=True, of=Text()),
    condition=Text(),
    project_ids=Array(default=None, of=Uuid()),
    organization_id=Uuid(),
)
API_KEY = Body(
    application_id=Uuid(),
    user_id=Uuid(),
    expires_at=Timestamp(),
    default_project_id=Uuid(),
    description=Text(max_length=200),
)
SECURITY_SETTINGS = Body(
    enforce_password_renewal=Boolean(),
    grace_period_duration=Duration(default="604800s"),
    login_attempts_before_locked=Integer(default=10),
    max_login_session_duration=Duration(default="2592000s"),
    max_api_key_expiration_duration=Duration(default="0s"),
)
"""Settings of the organization. A ``max_api_key_expiration_duration`` of 0 means no limit."""
API_KEY_CHANGE = Body(default_project_id=Uuid(), description=Text(max_length=200))

_MANAGED = {"editable": True, "deletable": True, "managed": False}


def new(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` plus the fields common to all customer-owned objects."""
    return {**values, **_MANAGED}


def _show_application(request: ApiRequest, application: Resource) -> dict[str, Any]:
    keys = sum(key.get("application_id") == application["id"] for key in request.store.all(API_KEYS))
    return {**visible(application, request.now), "nb_api_keys": keys}


def _show_policy(request: ApiRequest, policy: Resource) -> dict[str, Any]:
    rules = rules_of(request, policy["id"])
    scopes = {scope for rule in rules for scope in [rule.get("organization_id"), *rule.get("project_ids", [])] if scope}
    return {
        **visible(policy, request.now),
        "nb_rules": len(rules),
        "nb_scopes": len(scopes),
        "nb_permission_sets": len({name for rule in rules for name in rule["permission_set_names"]}),
    }


def rules_of(request: ApiRequest, policy_id: str) -> list[dict[str, Any]]:
    """A policy's rules, in the order given in the request."""
    stored = request.store.get(RULES, policy_id)
    return list(stored["rules"]) if stored else []


def permission_set(name: str) -> dict[str, Any]:
    item = PERMISSION_SETS[name]
    return {
        "id": item.id,
        "name": item.name,
        "scope_type": item.scope_type,
        "description": item.description,
        "categories": [],
    }


users = Collection(USERS, "user", "users", {"user_ids": "id"})
applications = Collection(
    "iam.application",
    "application",
    "applications",
    {"name": "name", "application_ids": "id", "tag": "tags"},
    show=_show_application,
)
policies = Collection(
    POLICIES,
    "policy",
    "policies",
    {"policy_name": "name", "application_ids": "application_id", "user_ids": "user_id", "tag": "tags"},
    show=_show_policy,
)
api_keys = Collection(
    API_KEYS,
    "api_key",
    "api_keys",
    {
        "application_id": "application_id",
        "user_id": "user_id",
        "bearer_id": "_bearer",
        "access_keys": "id",
        "access_key": "id",
        "description": "description",
    },
    show=lambda request, key: {name: value for name, value in visible(key, request.now).items() if name != "id"},
)

"""``/iam/v1alpha1``."""

from __future__ import annotations

import secrets
import string
from typing import Any
from uuid import uuid4

from localcloud.api import conditions, paging
from localcloud.api.access import API_KEYS, RULES, SECRET_KEYS
from localcloud.api.clock import duration, parse_duration, parse_timestamp
from localcloud.api.errors import already_exists, invalid, not_found
from localcloud.api.iam.schemas import (
    API_KEY,
    API_KEY_CHANGE,
    APPLICATION,
    POLICY,
    RULE,
    SECURITY_SETTINGS,
    api_keys,
    applications,
    new,
    permission_set,
    policies,
    rules_of,
    users,
)
from localcloud.api.permissions import PERMISSION_SETS
from localcloud.api.request import PROJECTS, ApiRequest
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import Resource
from localcloud.api.validation import Problems, objects

routes = Routes("/iam/v1alpha1", product="iam")

_SECURITY_SETTINGS = "hidden.iam.security_settings"
"""Kind: organization → its security settings."""
_KEY_LETTERS = string.ascii_uppercase + string.digits


@routes("GET", "/users", "user")
def list_users(call: ApiRequest) -> Answer:
    return users.list(call)


@routes("GET", "/users/{id}", "user")
def get_user(call: ApiRequest) -> Answer:
    return users.show(call, users.find(call, call.id))


@routes("GET", "/permission-sets", "permission_set")
def list_permission_sets(call: ApiRequest) -> Answer:
    items = paging.ordered([permission_set(name) for name in sorted(PERMISSION_SETS)], call.query)
    return paging.page(items, call.query, "permission_sets")


# Applications


@routes("POST", "/applications", "application")
def create_application(call: ApiRequest) -> Answer:
    values = APPLICATION.create(_in_organization(call))
    for other in applications.every(call, name=values["name"]):
        raise already_exists("application", other["id"], "an application with this name exists")
    application = applications.add(call, new({**values, "organization_id": call.organization_id}), project=None)
    return applications.show(call, application)


@routes("GET", "/applications", "application")
def list_applications(call: ApiRequest) -> Answer:
    return applications.list(call)


@routes("GET", "/applications/{id}", "application")
def get_application(call: ApiRequest) -> Answer:
    return applications.show(call, applications.find(call, call.id))


@routes("PATCH", "/applications/{id}", "application")
def update_application(call: ApiRequest) -> Answer:
    application = applications.find(call, call.id)
    return applications.show(call, applications.change(call, application, APPLICATION.update(call.body)))


@routes("DELETE", "/applications/{id}", "application")
def delete_application(call: ApiRequest) -> Answer:
    """Its keys go with it; its policies stay, without a principal."""
    application = applications.find(call, call.id)
    for key in list(api_keys.every(call, application_id=application["id"])):
        _remove_key(call, key)
    for policy in list(policies.every(call, application_id=application["id"])):
        bare = {name: value for name, value in policy.items() if name != "application_id"}
        policies.put(call, {**bare, "no_principal": True})
    applications.remove(call, application)
    return None


# Policies


@routes("POST", "/policies", "policy")
def create_policy(call: ApiRequest) -> Answer:
    body = _in_organization(call)
    problems = Problems()
    values = POLICY.create(body, problems)
    rules = _rules(call, body, problems)
    problems.raise_if_any()
    values = {name: value for name, value in values.items() if value is not None}
    _check_principal(call, values)
    for other in policies.every(call, name=values["name"]):
        raise already_exists("policy", other["id"], "a policy with this name exists")
    policy = policies.add(call, new({**values, "organization_id": call.organization_id}), project=None)
    _set_rules(call, policy["id"], rules)
    return policies.show(call, policy)


@routes("GET", "/policies", "policy")
def list_policies(call: ApiRequest) -> Answer:
    return policies.list(call)


@routes("GET", "/policies/{id}", "policy")
def get_policy(call: ApiRequest) -> Answer:
    return policies.show(call, policies.find(call, call.id))


@routes("PATCH", "/policies/{id}", "policy")
def update_policy(call: ApiRequest) -> Answer:
    policy = policies.find(call, call.id)
    changes = POLICY.update(call.body)
    if changes.keys() & _PRINCIPALS:
        _check_principal(call, changes)
        policy = {name: value for name, value in policy.items() if name not in _PRINCIPALS}
    return policies.show(call, policies.change(call, policy, changes))


@routes("DELETE", "/policies/{id}", "policy")
def delete_policy(call: ApiRequest) -> Answer:
    policy = policies.find(call, call.id)
    call.store.delete(RULES, policy["id"])
    policies.remove(call, policy)
    return None


@routes("GET", "/rules", "rule")
def list_rules(call: ApiRequest) -> Answer:
    policy = policies.find(call, call.required_argument("policy_id"))
    return paging.page(rules_of(call, policy["id"]), call.query, "rules")


@routes("PUT", "/rules", "rule")
def set_rules(call: ApiRequest) -> Answer:
    body = call.body
    policy = policies.find(call, str(body.get("policy_id")))
    problems = Problems()
    rules = _rules(call, body, problems)
    problems.raise_if_any()
    _set_rules(call, policy["id"], rules)
    policies.change(call, policy, {})
    return {"rules": rules}


# API keys


@routes("POST", "/api-keys", "api_key")
def create_api_key(call: ApiRequest) -> Answer:
    call.authorize(None)
    values = API_KEY.create(call.body)
    bearers = {name: value for name in ("application_id", "user_id") if (value := values.pop(name))}
    if len(bearers) != 1:
        raise invalid("application_id", "exactly one of application_id and user_id is needed")
    ((bearer_kind, bearer),) = bearers.items()
    (applications if bearer_kind == "application_id" else users).find(call, bearer)
    _check_expiry(call, values["expires_at"])
    project = values["default_project_id"] or call.organization_id
    if call.store.get(PROJECTS, project) is None:
        raise not_found("project", project)
    access_key = "SCW" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(17))
    secret_key = str(uuid4())
    key = add_api_key(call, access_key, secret_key, {**values, **bearers, "default_project_id": project})
    return {**api_keys.show(call, key), "secret_key": secret_key}


@routes("GET", "/api-keys", "api_key")
def list_api_keys(call: ApiRequest) -> Answer:
    return api_keys.list(call)


@routes("GET", "/api-keys/{id}", "api_key")
def get_api_key(call: ApiRequest) -> Answer:
    return api_keys.show(call, api_keys.find(call, call.id))


@routes("PATCH", "/api-keys/{id}", "api_key")
def update_api_key(call: ApiRequest) -> Answer:
    key = api_keys.find(call, call.id)
    return api_keys.show(call, api_keys.change(call, key, API_KEY_CHANGE.update(call.body)))


@routes("DELETE", "/api-keys/{id}", "api_key")
def delete_api_key(call: ApiRequest) -> Answer:
    _remove_key(call, api_keys.find(call, call.id))
    return None


def _check_expiry(call: ApiRequest, expires_at: str | None) -> None:
    longest = parse_duration(_security_settings(call)["max_api_key_expiration_duration"])
    if longest and (expires_at is None or parse_timestamp(expires_at) > call.now + longest):
        raise invalid("expires_at", f"must be given and at most {duration(longest)} ahead, as the organization demands")


# Security settings of the organization


@routes("GET", "/organizations/{id}/security-settings", "security_settings")
def get_security_settings(call: ApiRequest) -> Answer:
    _check_organization(call)
    return _security_settings(call)


@routes("PATCH", "/organizations/{id}/security-settings", "security_settings")
def update_security_settings(call: ApiRequest) -> Answer:
    _check_organization(call)
    settings = {**_security_settings(call), **SECURITY_SETTINGS.update(call.body)}
    call.store.put(_SECURITY_SETTINGS, call.organization_id, settings)
    return settings


def _check_organization(call: ApiRequest) -> None:
    call.authorize(None)
    if call.id != call.organization_id:
        raise not_found("organization", call.id)


def _security_settings(call: ApiRequest) -> dict[str, Any]:
    return call.store.get(_SECURITY_SETTINGS, call.organization_id) or SECURITY_SETTINGS.create({})


def add_api_key(call: ApiRequest, access_key: str, secret_key: str, values: dict[str, Any]) -> Resource:
    """Keep a new key, and its secret one in the vault. ``values`` has its bearer, a user or an application."""
    key = {
        "id": access_key,
        "access_key": access_key,
        "secret_key": None,
        **values,
        "creation_ip": "127.0.0.1",
        "_bearer": values.get("user_id") or values["application_id"],
    }
    call.store.put(SECRET_KEYS, secret_key, {"id": secret_key, "access_key": access_key})
    return api_keys.add(call, new(key), project=None)


def _remove_key(call: ApiRequest, key: Resource) -> None:
    for link in list(call.store.all(SECRET_KEYS)):
        if link["access_key"] == key["access_key"]:
            call.store.delete(SECRET_KEYS, link["id"])
    call.store.delete(API_KEYS, key["id"])


_PRINCIPALS = {"application_id", "user_id", "group_id", "no_principal"}


def _in_organization(call: ApiRequest) -> dict[str, Any]:
    """The request's body, once its organization is checked."""
    call.authorize(None)
    body = call.body
    if body.get("organization_id", call.organization_id) != call.organization_id:
        raise not_found("organization", str(body["organization_id"]))
    return body


def _check_principal(call: ApiRequest, values: dict[str, Any]) -> None:
    given = values.keys() & _PRINCIPALS
    if len(given) != 1:
        raise invalid("application_id", "exactly one of application_id, user_id, group_id, no_principal is needed")
    if "application_id" in given:
        applications.find(call, values["application_id"])
    elif "user_id" in given:
        users.find(call, values["user_id"])
    elif "group_id" in given:
        raise not_found("group", values["group_id"])


def _rules(call: ApiRequest, body: dict[str, Any], problems: Problems) -> list[dict[str, Any]]:
    """The rules of a body, complete. A rule of projects has no ``organization_id``, as the clients need it."""
    rules = []
    for index, given in enumerate(objects(body, "rules")):
        at = f"rules[{index}]."
        rule = RULE.create(given, problems, at)
        for name in rule.get("permission_set_names", []):
            known = PERMISSION_SETS.get(name)
            if known is None:
                problems.add(
                    f"{at}permission_set_names",
                    f"{name} is not a permission set; there are {', '.join(PERMISSION_SETS)}",
                )
            elif known.scope_type == "organization" and not rule["organization_id"]:
                problems.add(f"{at}permission_set_names", f"{name} applies to the organization, not to projects")
        condition = rule.get("condition")
        try:
            conditions.parse(condition if isinstance(condition, str) else "")
        except ValueError as error:
            problems.add(
                f"{at}condition",
                f"{error}; the local Scaleway evaluates resource.id and resource.name with == and startsWith(), and "
                "!has(resource.id), joined by ||",
            )
        if bool(rule.get("project_ids")) == bool(rule.get("organization_id")):
            problems.add(f"{at}project_ids", "exactly one of project_ids and organization_id is needed")
        elif rule["organization_id"] not in (None, call.organization_id):
            raise not_found("organization", rule["organization_id"])
        for project in rule.get("project_ids") or []:
            if call.store.get(PROJECTS, project) is None:
                raise not_found("project", project)
        by_project = bool(rule.get("project_ids"))
        rule["permission_sets_scope_type"] = "projects" if by_project else "organization"
        del rule["organization_id" if by_project else "project_ids"]
        rules.append({"id": str(uuid4()), **rule})
    return rules


def _set_rules(call: ApiRequest, policy_id: str, rules: list[dict[str, Any]]) -> None:
    call.store.put(RULES, policy_id, {"id": policy_id, "rules": rules})

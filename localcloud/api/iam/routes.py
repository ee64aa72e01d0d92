"""``/iam/v1alpha1``."""

from __future__ import annotations

import secrets
import string
from typing import Any
from uuid import uuid4

from localcloud.api import conditions, paging
from localcloud.api.access import API_KEYS, RULES, SECRET_KEYS
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
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.store import Resource
from localcloud.api.timestamps import duration, parse_duration, parse_timestamp
from localcloud.api.validation import Problems, objects

routes = Routes("/iam/v1alpha1", product="iam")

_SECURITY_SETTINGS = "hidden.iam.security_settings"
"""Store kind that maps an organization to its security settings."""
_KEY_LETTERS = string.ascii_uppercase + string.digits


@routes("GET", "/users", "user")
def list_users(request: ApiRequest) -> ResponseBody:
    return users.list(request)


@routes("GET", "/users/{id}", "user")
def get_user(request: ApiRequest) -> ResponseBody:
    return users.show(request, users.find(request, request.id))


@routes("GET", "/permission-sets", "permission_set")
def list_permission_sets(request: ApiRequest) -> ResponseBody:
    items = paging.ordered([permission_set(name) for name in sorted(PERMISSION_SETS)], request.query)
    return paging.page(items, request.query, "permission_sets")


# Applications


@routes("POST", "/applications", "application")
def create_application(request: ApiRequest) -> ResponseBody:
    values = APPLICATION.create(_in_organization(request))
    for other in applications.matching(request, name=values["name"]):
        raise already_exists("application", other["id"], "an application with this name already exists")
    application = applications.add(request, new({**values, "organization_id": request.organization_id}), project=None)
    return applications.show(request, application)


@routes("GET", "/applications", "application")
def list_applications(request: ApiRequest) -> ResponseBody:
    return applications.list(request)


@routes("GET", "/applications/{id}", "application")
def get_application(request: ApiRequest) -> ResponseBody:
    return applications.show(request, applications.find(request, request.id))


@routes("PATCH", "/applications/{id}", "application")
def update_application(request: ApiRequest) -> ResponseBody:
    application = applications.find(request, request.id)
    return applications.show(request, applications.change(request, application, APPLICATION.update(request.body)))


@routes("DELETE", "/applications/{id}", "application")
def delete_application(request: ApiRequest) -> ResponseBody:
    """Also deletes the application's API keys. Its policies remain, without a principal."""
    application = applications.find(request, request.id)
    for key in list(api_keys.matching(request, application_id=application["id"])):
        _remove_key(request, key)
    for policy in list(policies.matching(request, application_id=application["id"])):
        detached = {name: value for name, value in policy.items() if name != "application_id"}
        policies.put(request, {**detached, "no_principal": True})
    applications.remove(request, application)
    return None


# Policies


@routes("POST", "/policies", "policy")
def create_policy(request: ApiRequest) -> ResponseBody:
    body = _in_organization(request)
    problems = Problems()
    values = POLICY.create(body, problems)
    rules = _rules(request, body, problems)
    problems.raise_if_any()
    values = {name: value for name, value in values.items() if value is not None}
    _check_principal(request, values)
    for other in policies.matching(request, name=values["name"]):
        raise already_exists("policy", other["id"], "a policy with this name already exists")
    policy = policies.add(request, new({**values, "organization_id": request.organization_id}), project=None)
    _set_rules(request, policy["id"], rules)
    return policies.show(request, policy)


@routes("GET", "/policies", "policy")
def list_policies(request: ApiRequest) -> ResponseBody:
    return policies.list(request)


@routes("GET", "/policies/{id}", "policy")
def get_policy(request: ApiRequest) -> ResponseBody:
    return policies.show(request, policies.find(request, request.id))


@routes("PATCH", "/policies/{id}", "policy")
def update_policy(request: ApiRequest) -> ResponseBody:
    policy = policies.find(request, request.id)
    changes = POLICY.update(request.body)
    if changes.keys() & _PRINCIPALS:
        _check_principal(request, changes)
        policy = {name: value for name, value in policy.items() if name not in _PRINCIPALS}
    return policies.show(request, policies.change(request, policy, changes))


@routes("DELETE", "/policies/{id}", "policy")
def delete_policy(request: ApiRequest) -> ResponseBody:
    policy = policies.find(request, request.id)
    request.store.delete(RULES, policy["id"])
    policies.remove(request, policy)
    return None


@routes("GET", "/rules", "rule")
def list_rules(request: ApiRequest) -> ResponseBody:
    policy = policies.find(request, request.required_argument("policy_id"))
    return paging.page(rules_of(request, policy["id"]), request.query, "rules")


@routes("PUT", "/rules", "rule")
def set_rules(request: ApiRequest) -> ResponseBody:
    body = request.body
    policy = policies.find(request, str(body.get("policy_id")))
    problems = Problems()
    rules = _rules(request, body, problems)
    problems.raise_if_any()
    _set_rules(request, policy["id"], rules)
    policies.change(request, policy, {})
    return {"rules": rules}


# API keys


@routes("POST", "/api-keys", "api_key")
def create_api_key(request: ApiRequest) -> ResponseBody:
    request.authorize(None)
    values = API_KEY.create(request.body)
    bearers = {name: value for name in ("application_id", "user_id") if (value := values.pop(name))}
    if len(bearers) != 1:
        raise invalid("application_id", "exactly one of application_id and user_id is required")
    ((bearer_kind, bearer),) = bearers.items()
    (applications if bearer_kind == "application_id" else users).find(request, bearer)
    _check_expiry(request, values["expires_at"])
    project = values["default_project_id"] or request.organization_id
    if request.store.get(PROJECTS, project) is None:
        raise not_found("project", project)
    access_key = "SCW" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(17))
    secret_key = str(uuid4())
    key = add_api_key(request, access_key, secret_key, {**values, **bearers, "default_project_id": project})
    return {**api_keys.show(request, key), "secret_key": secret_key}


@routes("GET", "/api-keys", "api_key")
def list_api_keys(request: ApiRequest) -> ResponseBody:
    return api_keys.list(request)


@routes("GET", "/api-keys/{id}", "api_key")
def get_api_key(request: ApiRequest) -> ResponseBody:
    return api_keys.show(request, api_keys.find(request, request.id))


@routes("PATCH", "/api-keys/{id}", "api_key")
def update_api_key(request: ApiRequest) -> ResponseBody:
    key = api_keys.find(request, request.id)
    return api_keys.show(request, api_keys.change(request, key, API_KEY_CHANGE.update(request.body)))


@routes("DELETE", "/api-keys/{id}", "api_key")
def delete_api_key(request: ApiRequest) -> ResponseBody:
    _remove_key(request, api_keys.find(request, request.id))
    return None


def _check_expiry(request: ApiRequest, expires_at: str | None) -> None:
    longest = parse_duration(_security_settings(request)["max_api_key_expiration_duration"])
    if longest and (expires_at is None or parse_timestamp(expires_at) > request.now + longest):
        raise invalid(
            "expires_at",
            f"is required and must be at most {duration(longest)} in the future: the organization limits the "
            "lifetime of API keys",
        )


# Security settings of the organization


@routes("GET", "/organizations/{id}/security-settings", "security_settings")
def get_security_settings(request: ApiRequest) -> ResponseBody:
    _check_organization(request)
    return _security_settings(request)


@routes("PATCH", "/organizations/{id}/security-settings", "security_settings")
def update_security_settings(request: ApiRequest) -> ResponseBody:
    _check_organization(request)
    settings = {**_security_settings(request), **SECURITY_SETTINGS.update(request.body)}
    request.store.put(_SECURITY_SETTINGS, request.organization_id, settings)
    return settings


def _check_organization(request: ApiRequest) -> None:
    request.authorize(None)
    if request.id != request.organization_id:
        raise not_found("organization", request.id)


def _security_settings(request: ApiRequest) -> dict[str, Any]:
    return request.store.get(_SECURITY_SETTINGS, request.organization_id) or SECURITY_SETTINGS.create({})


def add_api_key(request: ApiRequest, access_key: str, secret_key: str, values: dict[str, Any]) -> Resource:
    """Store a new API key, with its secret key in the vault. ``values`` includes the bearer: a user or application."""
    key = {
        "id": access_key,
        "access_key": access_key,
        "secret_key": None,
        **values,
        "creation_ip": "127.0.0.1",
        "_bearer": values.get("user_id") or values["application_id"],
    }
    request.store.put(SECRET_KEYS, secret_key, {"id": secret_key, "access_key": access_key})
    return api_keys.add(request, new(key), project=None)


def _remove_key(request: ApiRequest, key: Resource) -> None:
    for link in list(request.store.all(SECRET_KEYS)):
        if link["access_key"] == key["access_key"]:
            request.store.delete(SECRET_KEYS, link["id"])
    request.store.delete(API_KEYS, key["id"])


_PRINCIPALS = {"application_id", "user_id", "group_id", "no_principal"}


def _in_organization(request: ApiRequest) -> dict[str, Any]:
    """Check the organization in the request body, and return the body."""
    request.authorize(None)
    body = request.body
    if body.get("organization_id", request.organization_id) != request.organization_id:
        raise not_found("organization", str(body["organization_id"]))
    return body


def _check_principal(request: ApiRequest, values: dict[str, Any]) -> None:
    principals = values.keys() & _PRINCIPALS
    if len(principals) != 1:
        raise invalid("application_id", "exactly one of application_id, user_id, group_id, no_principal is required")
    if "application_id" in principals:
        applications.find(request, values["application_id"])
    elif "user_id" in principals:
        users.find(request, values["user_id"])
    elif "group_id" in principals:
        raise not_found("group", values["group_id"])


def _rules(request: ApiRequest, body: dict[str, Any], problems: Problems) -> list[dict[str, Any]]:
    """All fields of the rules in a body. Rules for projects have no ``organization_id``, as clients expect."""
    rules = []
    for index, item in enumerate(objects(body, "rules")):
        prefix = f"rules[{index}]."
        rule = RULE.create(item, problems, prefix)
        for name in rule.get("permission_set_names", []):
            known = PERMISSION_SETS.get(name)
            if known is None:
                problems.add(
                    f"{prefix}permission_set_names",
                    f"{name} is not a permission set; expected one of {', '.join(PERMISSION_SETS)}",
                )
            elif known.scope_type == "organization" and not rule["organization_id"]:
                problems.add(f"{prefix}permission_set_names", f"{name} applies to the organization, not to projects")
        condition = rule.get("condition")
        try:
            conditions.parse(condition if isinstance(condition, str) else "")
        except ValueError as error:
            problems.add(
                f"{prefix}condition",
                f"{error}; the local Scaleway supports resource.id and resource.name with == and startsWith(), and "
                "!has(resource.id), joined by ||",
            )
        if bool(rule.get("project_ids")) == bool(rule.get("organization_id")):
            problems.add(f"{prefix}project_ids", "exactly one of project_ids and organization_id is required")
        elif rule["organization_id"] not in (None, request.organization_id):
            raise not_found("organization", rule["organization_id"])
        for project in rule.get("project_ids") or []:
            if request.store.get(PROJECTS, project) is None:
                raise not_found("project", project)
        by_project = bool(rule.get("project_ids"))
        rule["permission_sets_scope_type"] = "projects" if by_project else "organization"
        del rule["organization_id" if by_project else "project_ids"]
        rules.append({"id": str(uuid4()), **rule})
    return rules


def _set_rules(request: ApiRequest, policy_id: str, rules: list[dict[str, Any]]) -> None:
    request.store.put(RULES, policy_id, {"id": policy_id, "rules": rules})

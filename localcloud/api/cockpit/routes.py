"""``/cockpit/v1``. Only product logs can be read (see ``loki``). Pushed data is not stored."""

from __future__ import annotations

import secrets as random
from typing import Any

from localcloud.api import paging
from localcloud.api.cockpit.data_sources import DEFAULT_RETENTION, url
from localcloud.api.cockpit.schemas import (
    CONTACT_POINT,
    PROJECT,
    SOURCE,
    SOURCE_CHANGE,
    TOKEN,
    TOKEN_SECRETS,
    contact_points,
    sources,
    tokens,
)
from localcloud.api.errors import already_exists, invalid, not_found
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.store import HIDDEN_PREFIX, Resource

routes = Routes("/cockpit/v1/regions/{region}", product="cockpit")
global_routes = Routes("/cockpit/v1", product="cockpit")

_ALERT_MANAGERS = f"{HIDDEN_PREFIX}cockpit.alert_manager"
"""Store kind that maps ``<region>/<project>`` to the state of the alert manager, which every project has and cannot
delete."""


@routes("POST", "/data-sources", "data_source")
def create_source(request: ApiRequest) -> ResponseBody:
    values = SOURCE.create(request.body)
    project = request.project(values["project_id"])
    values |= {
        "project_id": project,
        "region": request.region,
        "origin": "custom",
        "synchronized_with_grafana": False,
        "retention_days": values["retention_days"] or DEFAULT_RETENTION[values["type"]],
        "current_month_usage": 0,
    }
    source = sources.add(request, values, project=project)
    source = {**source, "url": url(request.cloud, source["id"])}
    sources.put(request, source)
    return sources.show(request, source)


@routes("GET", "/data-sources", "data_source")
def list_sources(request: ApiRequest) -> ResponseBody:
    return sources.list(request)


@routes("GET", "/data-sources/{id}", "data_source")
def get_source(request: ApiRequest) -> ResponseBody:
    return sources.show(request, sources.find(request, request.id))


@routes("PATCH", "/data-sources/{id}", "data_source")
def update_source(request: ApiRequest) -> ResponseBody:
    return sources.show(request, sources.change(request, _own_source(request), SOURCE_CHANGE.update(request.body)))


@routes("DELETE", "/data-sources/{id}", "data_source")
def delete_source(request: ApiRequest) -> ResponseBody:
    sources.remove(request, _own_source(request))
    return None


@routes("POST", "/tokens", "token")
def create_token(request: ApiRequest) -> ResponseBody:
    values = TOKEN.create(request.body)
    project = request.project(values["project_id"])
    scopes = values.pop("token_scopes") or ["write_only_metrics", "write_only_logs"]
    values |= {"project_id": project, "region": request.region, "scopes": scopes, "secret_key": None}
    token = tokens.add(request, values, project=project)
    secret_key = random.token_urlsafe(32)
    request.store.put(TOKEN_SECRETS, token["id"], {"id": token["id"], "secret_key": secret_key})
    return {**tokens.show(request, token), "secret_key": secret_key}


@routes("GET", "/tokens", "token")
def list_tokens(request: ApiRequest) -> ResponseBody:
    return tokens.list(request)


@routes("GET", "/tokens/{id}", "token")
def get_token(request: ApiRequest) -> ResponseBody:
    return tokens.show(request, tokens.find(request, request.id))


@routes("DELETE", "/tokens/{id}", "token")
def delete_token(request: ApiRequest) -> ResponseBody:
    token = tokens.find(request, request.id)
    request.store.delete(TOKEN_SECRETS, token["id"])
    tokens.remove(request, token)
    return None


# Alert manager


@routes("GET", "/alert-manager", "alert_manager")
def get_alert_manager(request: ApiRequest) -> ResponseBody:
    return _alert_manager(request, request.project(request.argument("project_id")))


@routes("POST", "/alert-manager/enable", "alert_manager")
def enable_alert_manager(request: ApiRequest) -> ResponseBody:
    return _set_alert_manager(request, enabled=True)


@routes("POST", "/alert-manager/disable", "alert_manager")
def disable_alert_manager(request: ApiRequest) -> ResponseBody:
    return _set_alert_manager(request, enabled=False, managed=False, rules=[])


@routes("POST", "/alert-manager/managed-alerts/enable", "alert_manager")
def enable_managed_alerts(request: ApiRequest) -> ResponseBody:
    return _set_alert_manager(request, managed=True)


@routes("POST", "/alert-manager/managed-alerts/disable", "alert_manager")
def disable_managed_alerts(request: ApiRequest) -> ResponseBody:
    return _set_alert_manager(request, managed=False)


@routes("POST", "/alert-manager/enable-alert-rules", "alert_manager")
def enable_alert_rules(request: ApiRequest) -> ResponseBody:
    state = _state(request, _project(request))
    enabled = _rule_ids(request)
    _set_alert_manager(request, rules=sorted({*state["rules"], *enabled}))
    return {"enabled_rule_ids": enabled}


@routes("POST", "/alert-manager/disable-alert-rules", "alert_manager")
def disable_alert_rules(request: ApiRequest) -> ResponseBody:
    state = _state(request, _project(request))
    disabled = _rule_ids(request) or state["rules"]
    _set_alert_manager(request, rules=[rule for rule in state["rules"] if rule not in disabled])
    return {"disabled_rule_ids": disabled}


@routes("GET", "/alerts", "alert")
def list_alerts(request: ApiRequest) -> ResponseBody:
    """The enabled preconfigured alerts."""
    project = request.project(request.argument("project_id"))
    alerts = [
        {
            "region": request.region,
            "preconfigured": True,
            "name": rule,
            "rule": "",
            "duration": "",
            "rule_status": "enabled",
            "state": "inactive",
            "annotations": {},
            "preconfigured_data": {"preconfigured_rule_id": rule, "display_name": rule},
        }
        for rule in _state(request, project)["rules"]
    ]
    return paging.page(alerts, request.query, "alerts")


@routes("POST", "/alert-manager/contact-points", "contact_point")
def create_contact_point(request: ApiRequest) -> ResponseBody:
    values = CONTACT_POINT.create(request.body)
    project = request.project(values.pop("project_id"))
    if not _state(request, project)["enabled"]:
        raise invalid("project_id", "the project's alert manager is not enabled")
    for other in contact_points.matching(request, _project=project, _region=request.region, email=values["email"]):
        raise already_exists("contact_point", other["id"], "a contact point with this address already exists")
    point = contact_points.add(request, {**values, "region": request.region}, project=project)
    return contact_points.show(request, point)


@routes("GET", "/alert-manager/contact-points", "contact_point")
def list_contact_points(request: ApiRequest) -> ResponseBody:
    response = contact_points.list(request)
    return {**response, "has_additional_contact_points": False, "has_additional_receivers": False}


@routes("PATCH", "/alert-manager/contact-points", "contact_point")
def update_contact_point(request: ApiRequest) -> ResponseBody:
    values = CONTACT_POINT.create(request.body)
    point = _contact_point(request, values)
    changes = {"send_resolved_notifications": values["send_resolved_notifications"]}
    return contact_points.show(request, contact_points.change(request, point, changes))


@routes("POST", "/alert-manager/contact-points/delete", "contact_point")
def delete_contact_point(request: ApiRequest) -> ResponseBody:
    contact_points.remove(request, _contact_point(request, CONTACT_POINT.create(request.body)))
    return None


@global_routes("GET", "/grafana", "grafana")
def get_grafana(request: ApiRequest) -> ResponseBody:
    project = request.project(request.argument("project_id"))
    return {"grafana_url": f"https://{project}.dashboard.cockpit.localhost"}


def _own_source(request: ApiRequest) -> Resource:
    """The data source to change, which must be one of the project's own."""
    source = sources.find(request, request.id)
    if source["origin"] != "custom":
        raise invalid("data_source_id", "is Scaleway's own data source, which cannot be changed or deleted")
    return source


def _contact_point(request: ApiRequest, values: dict[str, Any]) -> Resource:
    project = request.project(values["project_id"])
    for point in contact_points.matching(request, _project=project, _region=request.region, email=values["email"]):
        return point
    raise not_found("contact_point", project)


def _rule_ids(request: ApiRequest) -> list[str]:
    rule_ids = request.body.get("rule_ids") or []
    if not isinstance(rule_ids, list) or not all(isinstance(rule, str) for rule in rule_ids):
        raise invalid("rule_ids", "must be a list of strings")
    return rule_ids


def _project(request: ApiRequest) -> str:
    """The project in the request body."""
    return request.project(PROJECT.create(request.body)["project_id"])


def _state(request: ApiRequest, project: str) -> Resource:
    state = request.store.get(_ALERT_MANAGERS, f"{request.region}/{project}")
    return state or {"enabled": False, "managed": False, "rules": []}


def _set_alert_manager(request: ApiRequest, **changes: Any) -> dict[str, Any]:
    project = _project(request)
    request.store.put(_ALERT_MANAGERS, f"{request.region}/{project}", {**_state(request, project), **changes})
    return _alert_manager(request, project)


def _alert_manager(request: ApiRequest, project: str) -> dict[str, Any]:
    state = _state(request, project)
    url = f"https://{project}.alertmanager.cockpit.{request.region}.localhost"
    return {
        "alert_manager_enabled": state["enabled"],
        "alert_manager_url": url if state["enabled"] else None,
        "managed_alerts_enabled": state["managed"],
        "region": request.region,
    }

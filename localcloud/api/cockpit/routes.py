"""``/cockpit/v1``. Of what is observed only the products' logs can be read (``loki``); what is pushed is not kept."""

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
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import HIDDEN_PREFIX, Resource

routes = Routes("/cockpit/v1/regions/{region}", product="cockpit")
global_routes = Routes("/cockpit/v1", product="cockpit")

_ALERT_MANAGERS = f"{HIDDEN_PREFIX}cockpit.alert_manager"
"""Kind: ``<region>/<project>`` → whether it is enabled. Each project has one, so it is not a resource to delete."""


@routes("POST", "/data-sources", "data_source")
def create_source(call: ApiRequest) -> Answer:
    values = SOURCE.create(call.body)
    project = call.project(values["project_id"])
    values |= {
        "project_id": project,
        "region": call.region,
        "origin": "custom",
        "synchronized_with_grafana": False,
        "retention_days": values["retention_days"] or DEFAULT_RETENTION[values["type"]],
        "current_month_usage": 0,
    }
    source = sources.add(call, values, project=project)
    source = {**source, "url": url(call.cloud, source["id"])}
    sources.put(call, source)
    return sources.show(call, source)


@routes("GET", "/data-sources", "data_source")
def list_sources(call: ApiRequest) -> Answer:
    return sources.list(call)


@routes("GET", "/data-sources/{id}", "data_source")
def get_source(call: ApiRequest) -> Answer:
    return sources.show(call, sources.find(call, call.id))


@routes("PATCH", "/data-sources/{id}", "data_source")
def update_source(call: ApiRequest) -> Answer:
    return sources.show(call, sources.change(call, _own_source(call), SOURCE_CHANGE.update(call.body)))


@routes("DELETE", "/data-sources/{id}", "data_source")
def delete_source(call: ApiRequest) -> Answer:
    sources.remove(call, _own_source(call))
    return None


@routes("POST", "/tokens", "token")
def create_token(call: ApiRequest) -> Answer:
    values = TOKEN.create(call.body)
    project = call.project(values["project_id"])
    scopes = values.pop("token_scopes") or ["write_only_metrics", "write_only_logs"]
    values |= {"project_id": project, "region": call.region, "scopes": scopes, "secret_key": None}
    token = tokens.add(call, values, project=project)
    secret_key = random.token_urlsafe(32)
    call.store.put(TOKEN_SECRETS, token["id"], {"id": token["id"], "secret_key": secret_key})
    return {**tokens.show(call, token), "secret_key": secret_key}


@routes("GET", "/tokens", "token")
def list_tokens(call: ApiRequest) -> Answer:
    return tokens.list(call)


@routes("GET", "/tokens/{id}", "token")
def get_token(call: ApiRequest) -> Answer:
    return tokens.show(call, tokens.find(call, call.id))


@routes("DELETE", "/tokens/{id}", "token")
def delete_token(call: ApiRequest) -> Answer:
    token = tokens.find(call, call.id)
    call.store.delete(TOKEN_SECRETS, token["id"])
    tokens.remove(call, token)
    return None


# Alert manager


@routes("GET", "/alert-manager", "alert_manager")
def get_alert_manager(call: ApiRequest) -> Answer:
    return _alert_manager(call, call.project(call.argument("project_id")))


@routes("POST", "/alert-manager/enable", "alert_manager")
def enable_alert_manager(call: ApiRequest) -> Answer:
    return _set_alert_manager(call, enabled=True)


@routes("POST", "/alert-manager/disable", "alert_manager")
def disable_alert_manager(call: ApiRequest) -> Answer:
    return _set_alert_manager(call, enabled=False, managed=False, rules=[])


@routes("POST", "/alert-manager/managed-alerts/enable", "alert_manager")
def enable_managed_alerts(call: ApiRequest) -> Answer:
    return _set_alert_manager(call, managed=True)


@routes("POST", "/alert-manager/managed-alerts/disable", "alert_manager")
def disable_managed_alerts(call: ApiRequest) -> Answer:
    return _set_alert_manager(call, managed=False)


@routes("POST", "/alert-manager/enable-alert-rules", "alert_manager")
def enable_alert_rules(call: ApiRequest) -> Answer:
    state = _state(call, _project(call))
    wanted = _rule_ids(call)
    _set_alert_manager(call, rules=sorted({*state["rules"], *wanted}))
    return {"enabled_rule_ids": wanted}


@routes("POST", "/alert-manager/disable-alert-rules", "alert_manager")
def disable_alert_rules(call: ApiRequest) -> Answer:
    state = _state(call, _project(call))
    unwanted = _rule_ids(call) or state["rules"]
    _set_alert_manager(call, rules=[rule for rule in state["rules"] if rule not in unwanted])
    return {"disabled_rule_ids": unwanted}


@routes("GET", "/alerts", "alert")
def list_alerts(call: ApiRequest) -> Answer:
    """The preconfigured alerts that are enabled."""
    project = call.project(call.argument("project_id"))
    alerts = [
        {
            "region": call.region,
            "preconfigured": True,
            "name": rule,
            "rule": "",
            "duration": "",
            "rule_status": "enabled",
            "state": "inactive",
            "annotations": {},
            "preconfigured_data": {"preconfigured_rule_id": rule, "display_name": rule},
        }
        for rule in _state(call, project)["rules"]
    ]
    return paging.page(alerts, call.query, "alerts")


@routes("POST", "/alert-manager/contact-points", "contact_point")
def create_contact_point(call: ApiRequest) -> Answer:
    values = CONTACT_POINT.create(call.body)
    project = call.project(values.pop("project_id"))
    if not _state(call, project)["enabled"]:
        raise invalid("project_id", "the alert manager of the project is not enabled")
    for other in contact_points.every(call, _project=project, _region=call.region, email=values["email"]):
        raise already_exists("contact_point", other["id"], "the address is a contact point already")
    point = contact_points.add(call, {**values, "region": call.region}, project=project)
    return contact_points.show(call, point)


@routes("GET", "/alert-manager/contact-points", "contact_point")
def list_contact_points(call: ApiRequest) -> Answer:
    answer = contact_points.list(call)
    return {**answer, "has_additional_contact_points": False, "has_additional_receivers": False}


@routes("PATCH", "/alert-manager/contact-points", "contact_point")
def update_contact_point(call: ApiRequest) -> Answer:
    values = CONTACT_POINT.create(call.body)
    point = _contact_point(call, values)
    changes = {"send_resolved_notifications": values["send_resolved_notifications"]}
    return contact_points.show(call, contact_points.change(call, point, changes))


@routes("POST", "/alert-manager/contact-points/delete", "contact_point")
def delete_contact_point(call: ApiRequest) -> Answer:
    contact_points.remove(call, _contact_point(call, CONTACT_POINT.create(call.body)))
    return None


@global_routes("GET", "/grafana", "grafana")
def get_grafana(call: ApiRequest) -> Answer:
    project = call.project(call.argument("project_id"))
    return {"grafana_url": f"https://{project}.dashboard.cockpit.localhost"}


def _own_source(call: ApiRequest) -> Resource:
    """The data source of a request that changes it: one that the project made."""
    source = sources.find(call, call.id)
    if source["origin"] != "custom":
        raise invalid("data_source_id", "is of Scaleway's own data source, which cannot be changed or deleted")
    return source


def _contact_point(call: ApiRequest, values: dict[str, Any]) -> Resource:
    project = call.project(values["project_id"])
    for point in contact_points.every(call, _project=project, _region=call.region, email=values["email"]):
        return point
    raise not_found("contact_point", project)


def _rule_ids(call: ApiRequest) -> list[str]:
    wanted = call.body.get("rule_ids") or []
    if not isinstance(wanted, list) or not all(isinstance(rule, str) for rule in wanted):
        raise invalid("rule_ids", "must be a list of strings")
    return wanted


def _project(call: ApiRequest) -> str:
    """The project that the request's body names."""
    return call.project(PROJECT.create(call.body)["project_id"])


def _state(call: ApiRequest, project: str) -> Resource:
    kept = call.store.get(_ALERT_MANAGERS, f"{call.region}/{project}")
    return kept or {"enabled": False, "managed": False, "rules": []}


def _set_alert_manager(call: ApiRequest, **changes: Any) -> dict[str, Any]:
    project = _project(call)
    call.store.put(_ALERT_MANAGERS, f"{call.region}/{project}", {**_state(call, project), **changes})
    return _alert_manager(call, project)


def _alert_manager(call: ApiRequest, project: str) -> dict[str, Any]:
    state = _state(call, project)
    url = f"https://{project}.alertmanager.cockpit.{call.region}.localhost"
    return {
        "alert_manager_enabled": state["enabled"],
        "alert_manager_url": url if state["enabled"] else None,
        "managed_alerts_enabled": state["managed"],
        "region": call.region,
    }

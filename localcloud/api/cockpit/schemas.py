"""Data sources, tokens and contact points, and their request bodies."""

from __future__ import annotations

from localcloud.api.cockpit.data_sources import SOURCES, scaleway_sources
from localcloud.api.collection import Collection
from localcloud.api.store import VAULT_PREFIX
from localcloud.api.validation import Array, Body, Boolean, EnumField, Integer, Nested, Text, Uuid
from scaleway_facts.limits import LOG_RETENTION_DAYS

TOKEN_SECRETS = f"{VAULT_PREFIX}cockpit.token"

SCOPES = (
    *(f"{verb}_{kind}" for kind in ("metrics", "logs", "traces") for verb in ("read_only", "write_only")),
    "full_access_metrics_rules",
    "full_access_logs_rules",
    "full_access_alert_manager",
)

sources = Collection(
    SOURCES,
    "data_source",
    "data_sources",
    {"project_id": "project_id", "origin": "origin", "types": "type", "name": "name"},
    derived=lambda request: scaleway_sources(request.cloud, request.region or ""),
)
tokens = Collection("cockpit.token", "token", "tokens", {"project_id": "project_id", "token_scopes": "scopes"})
contact_points = Collection(
    "cockpit.contact_point", "contact_point", "contact_points", {"project_id": "_project"},
    show=lambda _request, point: {name: point[name] for name in ("email", "region", "send_resolved_notifications")},
)  # fmt: skip

SOURCE = Body(
    project_id=Uuid(),
    name=Text(required=True, max_length=255),
    type=EnumField(values=("metrics", "logs", "traces"), required=True),
    retention_days=Integer.within(LOG_RETENTION_DAYS),
)
SOURCE_CHANGE = Body(name=Text(max_length=255), retention_days=Integer.within(LOG_RETENTION_DAYS))
TOKEN = Body(
    project_id=Uuid(),
    name=Text(required=True, max_length=255),
    token_scopes=Array(of=EnumField(values=SCOPES)),
)
CONTACT_POINT = Body(
    project_id=Uuid(),
    email=Nested(
        required=True,
        body=Body(to=Text(required=True, pattern=r"[^@\s]+@[^@\s]+", message="must be an e-mail address")),
    ),
    send_resolved_notifications=Boolean(default=True),
)
PROJECT = Body(project_id=Uuid())

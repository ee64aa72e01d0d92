"""Observability (Cockpit), ``/cockpit/v1``."""

from __future__ import annotations

from engine.errors import EngineError
from engine.provider.client import Client
from engine.provider.fields import Field
from engine.provider.resource import CREATED_AT, PROJECT, UPDATED_AT, Object, ResourceType, SecretKeyResource
from pulumi_state.values import PropertyMap, unwrap


class Source(ResourceType):
    """A data source: metrics, logs or traces."""

    token = "scaleway:observability/source:Source"  # noqa: S105 - a type token
    path = "/cockpit/v1/regions/{region}/data-sources"
    fields = (
        Field("name"),
        Field("type"),
        Field("retentionDays"),
        Field("url", sent=False),
        Field("pushUrl", sent=False),
        Field("origin", sent=False),
        Field("synchronizedWithGrafana", sent=False),
        PROJECT,
        CREATED_AT,
        UPDATED_AT,
    )

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        push = {
            "metrics": "/api/v1/push",
            "logs": "/loki/api/v1/push",
            "traces": "/otlp/v1/traces",
        }
        url = response.get("url")
        push_url = f"{url}{push.get(response.get('type', ''), '')}" if url else None
        return super().outputs(client, resource_id, {**response, "push_url": push_url}, given)


_SCOPES = {
    "queryLogs": "read_only_logs",
    "queryMetrics": "read_only_metrics",
    "queryTraces": "read_only_traces",
    "setupAlerts": "full_access_alert_manager",
    "setupLogsRules": "full_access_logs_rules",
    "setupMetricsRules": "full_access_metrics_rules",
    "writeLogs": "write_only_logs",
    "writeMetrics": "write_only_metrics",
    "writeTraces": "write_only_traces",
}
_DEFAULT_SCOPES = {"writeLogs", "writeMetrics"}


def _write_scopes(scopes: PropertyMap) -> list[str]:
    return [api for name, api in _SCOPES.items() if scopes.get(name, name in _DEFAULT_SCOPES)]


def _read_scopes(scopes: list[str]) -> PropertyMap:
    return {name: api in scopes for name, api in _SCOPES.items()}


def _normal_scopes(scopes: PropertyMap) -> PropertyMap:
    return _read_scopes(_write_scopes(scopes))


def _same_scopes(old: PropertyMap, new: PropertyMap) -> bool:
    return _write_scopes(old) == _write_scopes(new)


class Token(SecretKeyResource):
    """A token for data sources."""

    token = "scaleway:observability/token:Token"  # noqa: S105 - a type token
    path = "/cockpit/v1/regions/{region}/tokens"
    fields = (
        Field("name"),
        Field("scopes", read=_read_scopes, equal=_same_scopes, normal=_normal_scopes, sent=False, computed=True),
        Field("secretKey", sent=False, answered=False),
        PROJECT,
        CREATED_AT,
        UPDATED_AT,
    )

    def body(self, client: Client, news: PropertyMap) -> Object:
        scopes = _write_scopes(unwrap(news.get("scopes")) or {})
        return {**super().body(client, news), "token_scopes": scopes}


class AlertManager(ResourceType):
    """A project's alert manager: whether alerting is enabled, and the contact points."""

    token = "scaleway:observability/alertManager:AlertManager"  # noqa: S105 - a type token
    path = "/cockpit/v1/regions/{region}/alert-manager"
    fields = (
        Field("contactPoints"),
        Field("alertManagerUrl", sent=False),
        PROJECT,
    )

    def _path(self, client: Client, resource_id: str) -> str:
        return self.path.format(region=resource_id.partition("/")[0])

    @staticmethod
    def _emails(properties: PropertyMap) -> list[str]:
        return [point["email"] for point in unwrap(properties.get("contactPoints")) or []]

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        region = self.region(client, news)
        project_id = str(unwrap(news.get("projectId")) or client.project_id)
        resource_id = f"{region}/{project_id}/1"
        await client.post(f"{self._path(client, resource_id)}/enable", {"project_id": project_id})
        await self._add(client, resource_id, project_id, self._emails(news))
        return resource_id, self.outputs(
            client, resource_id, await self.fetch(client, resource_id, {"projectId": project_id}), news
        )

    async def _add(self, client: Client, resource_id: str, project_id: str, emails: list[str]) -> None:
        for email in emails:
            await client.post(
                f"{self._path(client, resource_id)}/contact-points",
                {"project_id": project_id, "email": {"to": email}, "send_resolved_notifications": True},
            )

    async def _remove(self, client: Client, resource_id: str, project_id: str, emails: list[str]) -> None:
        for email in emails:
            await client.post(
                f"{self._path(client, resource_id)}/contact-points/delete",
                {"project_id": project_id, "email": {"to": email}},
            )

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        project_id = str(olds["projectId"])
        old, new = self._emails(olds), self._emails(news)
        await self._remove(client, resource_id, project_id, [email for email in old if email not in new])
        await self._add(client, resource_id, project_id, [email for email in new if email not in old])
        return self.outputs(client, resource_id, await self.fetch(client, resource_id, olds), news)

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        project_id = str(unwrap(outputs["projectId"]))
        path = self._path(client, resource_id)
        response: Object = await client.get(path, project_id=project_id)
        points = (await client.get(f"{path}/contact-points", project_id=project_id))["contact_points"]
        listed = [{"email": point["email"]["to"]} for point in points if point.get("email")]
        return {**response, "contact_points": listed, "project_id": project_id}

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        """Delete the contact points that actually exist, since an earlier deletion may have been interrupted."""
        project_id = str(outputs["projectId"])
        current = await self.fetch(client, resource_id, outputs)
        await self._remove(client, resource_id, project_id, [point["email"] for point in current["contact_points"]])
        await client.post(f"{self._path(client, resource_id)}/disable", {"project_id": project_id})


async def get_source(client: Client, arguments: PropertyMap) -> PropertyMap:
    """Implement ``scaleway:observability/getSource:getSource``: return the first matching data source.

    Raises EngineError if no data source matches.
    """
    plain = unwrap(arguments)
    region = plain.get("region") or client.region
    project_id = plain.get("projectId") or client.project_id
    filters = {"types": plain.get("type"), "origin": plain.get("origin")}
    query = {"project_id": str(project_id), **{key: str(value) for key, value in filters.items() if value}}
    sources = (await client.get(Source.path.format(region=region), **query))["data_sources"]
    name = plain.get("name")
    matching = [source for source in sources if name in (None, source["name"])]
    if not matching:
        raise EngineError(f"project {project_id} has no data source with the requested {', '.join(plain)}")
    source = matching[0]
    return {
        "id": f"{region}/{source['id']}",
        "name": source["name"],
        "type": source["type"],
        "origin": source["origin"],
        "url": source["url"],
        "pushUrl": "",
        "retentionDays": source["retention_days"],
        "synchronizedWithGrafana": source["synchronized_with_grafana"],
        "createdAt": source.get("created_at") or "",
        "updatedAt": source.get("updated_at") or "",
        "region": region,
        "projectId": project_id,
    }


TYPES = (Source(), Token(), AlertManager())

"""Loki's HTTP API for querying logs, ``<data source's url>/loki/api/v1/…``.

Clients send a Cockpit token in the ``X-Token`` header. As in Loki, responses are JSON and errors are plain text.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from secrets import compare_digest
from typing import Any

from localcloud.api.asgi import Receive, Scope, Send
from localcloud.api.cloud import Cloud
from localcloud.api.cockpit import data_sources
from localcloud.api.cockpit.log_streams import LogStream, streams_of
from localcloud.api.cockpit.range_query import QueryError, parse_range
from localcloud.api.cockpit.schemas import TOKEN_SECRETS, tokens
from localcloud.api.errors import EngineError, origin
from localcloud.api.logs.reader import LogReader
from localcloud.api.store import Resource
from localcloud.api.timestamps import parse_nanotime

_PATH = re.compile(rf"{data_sources.PATH}([^/]+)(/.*)?")
_VALUES = re.compile(r"/loki/api/v1/label/([^/]+)/values")
_SCOPE = "read_only_logs"


class _RequestError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def is_loki_path(path: str) -> bool:
    """Whether a path belongs to a data source."""
    return _PATH.fullmatch(path) is not None


class Loki:
    """Serves all data sources of one ``Cloud``."""

    def __init__(self, cloud: Cloud, logs: LogReader) -> None:
        self._cloud = cloud
        self._logs = logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Handle a request. Returns the status and, for errors, the reason to log."""
        status, reason, content_type = 200, "", b"application/json; charset=UTF-8"
        try:
            body = json.dumps(await self._handle(scope), ensure_ascii=False, separators=(",", ":"))
        except (_RequestError, QueryError, EngineError) as error:
            reason = body = str(error)
            status = error.status if isinstance(error, _RequestError) else 400 if isinstance(error, QueryError) else 500
        except Exception as error:
            status, reason, body = 500, origin(error), "internal error"
        if reason:
            content_type = b"text/plain; charset=utf-8"
        content = body.encode()
        headers = [(b"content-type", content_type), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return status, reason.partition("\n")[0]

    async def _handle(self, scope: Scope) -> dict[str, Any]:
        if self._cloud.store.sweep(self._cloud.now()):
            self._cloud.store.commit()
        match = _PATH.fullmatch(scope["path"])
        assert match is not None
        source = data_sources.find(self._cloud, match[1])
        if source is None:
            raise _RequestError(404, "no such data source")
        token = dict(scope["headers"]).get(b"x-token", b"")
        self._authorize(token, source)
        path = match[2] or "/"
        if source["type"] != "logs" or scope["method"] != "GET":
            raise self._unsupported(scope["method"], source, path)
        streams = list(streams_of(self._cloud, source))
        if path == "/loki/api/v1/query_range":
            return {"status": "success", "data": await self._query_range(streams, scope["query_string"])}
        if path == "/loki/api/v1/labels":
            return {"status": "success", "data": sorted({name for stream in streams for name in stream.labels})}
        if values := _VALUES.fullmatch(path):
            label_values = {stream.labels[values[1]] for stream in streams if values[1] in stream.labels}
            return {"status": "success", "data": sorted(label_values)}
        raise self._unsupported(scope["method"], source, path)

    def _authorize(self, secret: bytes, source: Resource) -> None:
        """Raises 401 for an unknown token, and 403 for a token without access to these logs."""
        store = self._cloud.store
        for stored in store.all(TOKEN_SECRETS):
            if compare_digest(stored["secret_key"].encode(), secret):
                token = store.get(tokens.kind, stored["id"])
                break
        else:
            token = None
        if token is None:
            raise _RequestError(401, "unauthorized: X-Token must be the secret key of a Cockpit token")
        if (token["project_id"], token["region"]) != (source["project_id"], source["region"]):
            raise _RequestError(403, "forbidden: the token and the data source belong to different projects or regions")
        if _SCOPE not in token["scopes"]:
            raise _RequestError(403, f"forbidden: the token lacks the scope {_SCOPE}")

    @staticmethod
    def _unsupported(method: str, source: Resource, path: str) -> _RequestError:
        kind = source["type"]
        return _RequestError(
            501, f"the local Scaleway does not implement {method} {path} for data sources of type {kind}"
        )

    async def _query_range(self, streams: list[LogStream], query_string: bytes) -> dict[str, Any]:
        range_query = parse_range(query_string, self._cloud.now())
        selected = {stream.container_id: stream for stream in streams if range_query.query.selects(stream.labels)}
        lines_by_id = await self._logs.between(selected, range_query.start, range_query.end)
        lines = [(line.time, id, line) for id, lines in lines_by_id.items() for line in lines]
        lines.sort(key=lambda item: item[0], reverse=not range_query.forward)
        texts = ((time, id, selected[id].text(line)) for time, id, line in lines)
        accepted = (item for item in texts if range_query.query.accepts(item[2]))
        values: dict[str, list[list[str]]] = {}
        for time, id, text in islice(accepted, range_query.limit):
            values.setdefault(id, []).append([str(parse_nanotime(time)), text])
        return {
            "resultType": "streams",
            "result": [{"stream": selected[id].labels, "values": items} for id, items in values.items()],
            "stats": {},
        }

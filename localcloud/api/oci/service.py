"""Handles registry requests: endpoint, access, handler, response."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import parse_qs

from localcloud.api.asgi import ClientDisconnected, Receive, Scope, Send
from localcloud.api.cloud import Cloud
from localcloud.api.errors import origin
from localcloud.api.oci import blob_routes, listing_routes, manifest_routes, paths, removal, upload_routes
from localcloud.api.oci.access import PULL, PUSH, authenticate_request, open_repository
from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.bodies import HttpRequest, HttpResponse
from localcloud.api.oci.errors import OciError, unauthorized, unsupported
from localcloud.api.oci.requests import Handler, RegistryContext, RegistryRequest
from localcloud.api.oci.uploads import Uploads
from localcloud.api.permissions import Permission
from localcloud.api.timestamps import timestamp

_HANDLERS: dict[str, dict[str, tuple[Permission, Handler]]] = {
    "uploads": {"POST": (PUSH, upload_routes.begin)},
    "upload": {
        "GET": (PUSH, upload_routes.status),
        "PATCH": (PUSH, upload_routes.add),
        "PUT": (PUSH, upload_routes.finish),
        "DELETE": (PUSH, upload_routes.cancel),
    },
    "blob": {
        "GET": (PULL, blob_routes.get),
        "HEAD": (PULL, blob_routes.get),
        "DELETE": (PUSH, blob_routes.delete),
    },
    "manifest": {
        "GET": (PULL, manifest_routes.get),
        "HEAD": (PULL, manifest_routes.get),
        "PUT": (PUSH, manifest_routes.put),
        "DELETE": (PUSH, manifest_routes.delete),
    },
    "tags": {"GET": (PULL, listing_routes.tags)},
    "referrers": {"GET": (PULL, listing_routes.referrers)},
}


class Registry:
    """Serves the images of one ``Cloud``; their files are in ``folder``."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        blobs = Blobs(folder)
        self._context = RegistryContext(cloud, blobs, Uploads(blobs))
        removal.sweep(cloud.store, blobs, cloud.now())

    def collect(self) -> None:
        """Remove files that the last committed change left unused."""
        removal.collect(self._context.cloud.store, self._context.blobs)

    def clear(self) -> None:
        """Remove all files. The caller must clear the store."""
        self._context.uploads.clear()
        self._context.blobs.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Handle a request below ``/v2/``. Returns the status and, for errors, the reason to log."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        request = HttpRequest(scope["method"], scope["path"], query, dict(scope["headers"]), receive)
        store = self._context.cloud.store
        reason = ""
        try:
            response = await self._handle(request)
            self._commit(request, response)
        except ClientDisconnected:
            return 499, "the client disconnected"
        except OciError as error:
            store.rollback()
            response = HttpResponse(error.status, {"Content-Type": "application/json", **error.headers}, error.body)
            reason = error.reason
        except sqlite3.Error as error:
            store.rollback()
            failed = OciError(503, "UNSUPPORTED", "the local Scaleway cannot write its state")
            response, reason = HttpResponse(503, {"Content-Type": "application/json"}, failed.body), str(error)
        except Exception as error:
            store.rollback()
            failed = OciError(500, "UNSUPPORTED", "internal error")
            response, reason = HttpResponse(500, {"Content-Type": "application/json"}, failed.body), origin(error)
        await response.send(send, with_body=request.method != "HEAD")
        return response.status, reason

    async def _handle(self, request: HttpRequest) -> HttpResponse:
        cloud = self._context.cloud
        if cloud.store.sweep(cloud.now()):
            cloud.store.commit()
        target = paths.parse(request.path)
        principal = authenticate_request(cloud, request)
        if target.endpoint == "ping":
            if principal is None:
                raise unauthorized()
            return HttpResponse(200, {"Content-Type": "application/json"}, b"{}")
        methods = _HANDLERS[target.endpoint]
        if request.method not in methods:
            raise unsupported("the endpoint does not support this method", Allow=", ".join(methods))
        permission, handler = methods[request.method]
        repository = open_repository(cloud, principal, target.name, permission)
        return await handler(RegistryRequest(self._context, request, principal, repository, target.name, target.values))

    def _commit(self, request: HttpRequest, response: HttpResponse) -> None:
        """Commit the handler's changes, with a journal entry unless the request is part of an upload."""
        if request.method in ("GET", "HEAD"):
            return
        cloud = self._context.cloud
        is_partial = response.status == 202 and "/blobs/uploads/" in request.path
        entry = None if is_partial else (timestamp(cloud.now()), request.method, request.path, response.status)
        cloud.store.commit(entry)
        self.collect()

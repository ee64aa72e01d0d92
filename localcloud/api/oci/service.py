"""A request's way: endpoint, access, handler, answer."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import parse_qs

from localcloud.api.asgi import Receive, Scope, Send
from localcloud.api.clock import timestamp
from localcloud.api.cloud import Cloud
from localcloud.api.errors import origin
from localcloud.api.oci import blob_routes, endpoints, listing_routes, manifest_routes, removal, upload_routes
from localcloud.api.oci.access import PULL, PUSH, open_repository, principal_of
from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.bodies import ClientDisconnected, Reply, Request
from localcloud.api.oci.errors import OciError, unauthorized, unsupported
from localcloud.api.oci.requests import Handler, RegistryRequest, Site
from localcloud.api.oci.uploads import Uploads
from localcloud.api.permissions import Permission

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
    """One instance serves the images of one ``Cloud``; their bytes lie in ``folder``."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        blobs = Blobs(folder)
        self._site = Site(cloud, blobs, Uploads(blobs))
        removal.sweep(cloud.store, blobs, cloud.now())

    def collect(self) -> None:
        """Remove the files of what the last written change made superfluous."""
        removal.collect(self._site.cloud.store, self._site.blobs)

    def clear(self) -> None:
        """Remove all files; the store is emptied by whoever calls this."""
        self._site.uploads.clear()
        self._site.blobs.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Answer a request below ``/v2/``; gives the status and, for the log, why it is an error."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        request = Request(scope["method"], scope["path"], query, dict(scope["headers"]), receive)
        store = self._site.cloud.store
        reason = ""
        try:
            reply = await self._answer(request)
            self._write(request, reply)
        except ClientDisconnected:
            return 499, "the client went away"
        except OciError as error:
            store.rollback()
            reply = Reply(error.status, {"Content-Type": "application/json", **error.headers}, error.body)
            reason = error.reason
        except sqlite3.Error as error:
            store.rollback()
            failed = OciError(503, "UNSUPPORTED", "the local Scaleway cannot write its state")
            reply, reason = Reply(503, {"Content-Type": "application/json"}, failed.body), str(error)
        except Exception as error:
            store.rollback()
            failed = OciError(500, "UNSUPPORTED", "internal error")
            reply, reason = Reply(500, {"Content-Type": "application/json"}, failed.body), origin(error)
        await reply.send(send, with_body=request.method != "HEAD")
        return reply.status, reason

    async def _answer(self, request: Request) -> Reply:
        cloud = self._site.cloud
        if cloud.store.sweep(cloud.now()):
            cloud.store.commit()
        target = endpoints.find(request.path)
        principal = principal_of(cloud, request)
        if target.endpoint == "ping":
            if principal is None:
                raise unauthorized()
            return Reply(200, {"Content-Type": "application/json"}, b"{}")
        methods = _HANDLERS[target.endpoint]
        if request.method not in methods:
            raise unsupported("the endpoint does not have this method", Allow=", ".join(methods))
        permission, handler = methods[request.method]
        repository = open_repository(cloud, principal, target.name, permission)
        return await handler(RegistryRequest(self._site, request, principal, repository, target.name, target.values))

    def _write(self, request: Request, reply: Reply) -> None:
        """Write what the handler changed, with an entry of the journal for what is not a part of an upload."""
        if request.method in ("GET", "HEAD"):
            return
        cloud = self._site.cloud
        is_partial = reply.status == 202 and "/blobs/uploads/" in request.path
        entry = None if is_partial else (timestamp(cloud.now()), request.method, request.path, reply.status)
        cloud.store.commit(entry)
        self.collect()

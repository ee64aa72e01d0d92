"""Error responses defined by the spec ("Error Codes"): ``{"errors": [{"code", "message", "detail"}]}``."""

from __future__ import annotations

import json
from typing import Any


class OciError(Exception):
    """An error response."""

    def __init__(
        self, status: int, code: str, message: str, detail: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}
        self._error = {"code": code, "message": message, **({"detail": detail} if detail is not None else {})}

    @property
    def body(self) -> bytes:
        return json.dumps({"errors": [self._error]}, separators=(",", ":")).encode()

    @property
    def reason(self) -> str:
        """One line for the log, without the detail, which may quote the request."""
        return f"{self.code}; {self}"


def blob_unknown(digest: str) -> OciError:
    return OciError(404, "BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest})


def upload_unknown() -> OciError:
    return OciError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")


def digest_invalid(detail: Any) -> OciError:
    return OciError(400, "DIGEST_INVALID", "provided digest did not match uploaded content", detail)


def size_invalid(detail: Any) -> OciError:
    return OciError(400, "SIZE_INVALID", "provided length did not match content length", detail)


def manifest_unknown(reference: str) -> OciError:
    return OciError(404, "MANIFEST_UNKNOWN", "manifest unknown to registry", {"reference": reference})


def manifest_invalid(detail: Any, status: int = 400) -> OciError:
    return OciError(status, "MANIFEST_INVALID", "manifest invalid", detail)


def manifest_blob_unknown(digest: str) -> OciError:
    message = "manifest references a manifest or blob unknown to registry"
    return OciError(404, "MANIFEST_BLOB_UNKNOWN", message, {"digest": digest})


def name_invalid(name: str) -> OciError:
    return OciError(400, "NAME_INVALID", "invalid repository name", {"name": name})


def name_unknown(name: str) -> OciError:
    return OciError(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": name})


def unauthorized() -> OciError:
    """A 401 with a challenge, which clients need before they send credentials (RFC 7617)."""
    challenge = {"WWW-Authenticate": 'Basic realm="registry of the local Scaleway"'}
    return OciError(401, "UNAUTHORIZED", "authentication required", headers=challenge)


def denied(product: str, action: str) -> OciError:
    message = f"insufficient permissions: {action} {product}"
    return OciError(403, "DENIED", message, {"resource": product, "action": action})


def unsupported(message: str, status: int = 405, **headers: str) -> OciError:
    return OciError(status, "UNSUPPORTED", message, headers=headers)

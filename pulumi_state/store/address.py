"""Backend addresses without credentials, for messages and for comparing backends."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

_UNREADABLE = "an invalid address"
_FILE = "file://"
_DEFAULT_TABLE = "pulumi_state"
_DEFAULT_PORT = 5432


def address_of(backend_url: str) -> str:
    """Return a backend's address with only its identifying parts, such as a bucket's endpoint or a database's table.

    An invalid address is not returned, since it may contain a password.
    """
    if backend_url.startswith(_FILE):
        return f"{_FILE}{folder_of(backend_url)}"
    try:
        url = urlsplit(backend_url)
        host, port = url.hostname or "", url.port
        options = dict(parse_qsl(url.query))
    except ValueError:
        return _UNREADABLE
    if url.scheme == "s3":
        bucket = "/".join(filter(None, (url.netloc.rpartition("@")[2], url.path.strip("/"))))
        kept = {"endpoint": endpoint_of(options["endpoint"])} if options.get("endpoint") else {}
        return _with_query(f"s3://{bucket}", kept)
    if url.scheme in ("postgres", "postgresql"):
        kept = {key: options[key] for key in ("table", "search_path") if options.get(key)}
        if kept.get("table") == _DEFAULT_TABLE:
            del kept["table"]
        host = f"[{host}]" if ":" in host else host
        kept_port = "" if port in (None, _DEFAULT_PORT) else f":{port}"
        return _with_query(f"postgres://{host}{kept_port}{url.path}", kept)
    return f"{url.scheme}://{host}" if url.scheme else _UNREADABLE


def folder_of(backend_url: str) -> Path:
    """Return the folder of a ``file://`` address, resolving relative paths against the working directory."""
    return Path(backend_url.removeprefix(_FILE)).expanduser().absolute()


def endpoint_of(endpoint: str) -> str:
    """Return an S3 endpoint with its scheme, which defaults to HTTPS."""
    return (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")


def _with_query(address: str, options: dict[str, str]) -> str:
    return f"{address}?{urlencode(options, safe=':/')}" if options else address

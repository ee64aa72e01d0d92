"""A backend's address without its login: for messages, and to tell whether two addresses mean the same place."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

_UNREADABLE = "an address that cannot be read"
_FILE = "file://"
_DEFAULT_TABLE = "pulumi_state"
_DEFAULT_PORT = 5432


def address_of(backend_url: str) -> str:
    """Where a backend is, as far as it tells places apart: of a bucket its endpoint, of a database its table.

    What is no address is not repeated.
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
        place = "/".join(filter(None, (url.netloc.rpartition("@")[2], url.path.strip("/"))))
        shown = {"endpoint": endpoint_of(options["endpoint"])} if options.get("endpoint") else {}
        return _with(f"s3://{place}", shown)
    if url.scheme in ("postgres", "postgresql"):
        shown = {key: options[key] for key in ("table", "search_path") if options.get(key)}
        if shown.get("table") == _DEFAULT_TABLE:
            del shown["table"]
        host = f"[{host}]" if ":" in host else host
        shown_port = "" if port in (None, _DEFAULT_PORT) else f":{port}"
        return _with(f"postgres://{host}{shown_port}{url.path}", shown)
    return f"{url.scheme}://{host}" if url.scheme else _UNREADABLE


def folder_of(backend_url: str) -> Path:
    """The folder of a ``file://`` address; a relative one belongs to the working directory."""
    return Path(backend_url.removeprefix(_FILE)).expanduser().absolute()


def endpoint_of(endpoint: str) -> str:
    """An S3 endpoint with its scheme, which is HTTPS where none is given."""
    return (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")


def _with(address: str, options: dict[str, str]) -> str:
    return f"{address}?{urlencode(options, safe=':/')}" if options else address

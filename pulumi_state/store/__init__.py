"""Backends that store the state of stacks in Pulumi's own layout: a folder, a bucket or a PostgreSQL database.

These stores contain the states, locks, ledgers and backups of both engines. This package is independent of Pulumi's
engine, Scaleway's API and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from pulumi_state.store.address import address_of, folder_of
from pulumi_state.store.chain import Chain
from pulumi_state.store.store import ABSENT, ConflictError, Entry, Item, MissingError, Store, StoreError
from pulumi_state.variables import ROOT_CERTIFICATE

__all__ = [
    "ABSENT",
    "Chain",
    "ConflictError",
    "Entry",
    "Item",
    "MissingError",
    "Store",
    "StoreError",
    "address_of",
    "open_store",
]

_SCHEMES = "file://<folder>, s3://<bucket>?endpoint=…&region=…, postgres://<user>:<password>@<host>/<database>"


def open_store(backend_url: str, environ: Mapping[str, str]) -> Store:
    """Open the store at a backend's address, in the format of ``PULUMI_BACKEND_URL``.

    Bucket keys and a database's CA certificates come from ``environ``. Raises StoreError if the address type is unknown
    or access is denied.
    """
    try:
        url = urlsplit(backend_url)
        _ = url.port
    except ValueError:
        raise StoreError(f"invalid backend address; expected {_SCHEMES}") from None
    match url.scheme:
        case "file":
            from pulumi_state.store.folder import FolderStore

            return FolderStore(folder_of(backend_url))
        case "s3":
            from pulumi_state.store.bucket import BucketStore

            return BucketStore(url, environ, address_of(backend_url))
        case "postgres" | "postgresql":
            from pulumi_state.store.postgres import PostgresStore

            return PostgresStore(url, address_of(backend_url), environ.get(ROOT_CERTIFICATE, ""))
    raise StoreError(f"unknown backend type {url.scheme or '(none)'}://; expected {_SCHEMES}")

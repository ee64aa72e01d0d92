"""Where stacks' state is kept: a folder, a bucket or a PostgreSQL database, in Pulumi's own layout.

Knows nothing of Pulumi's engine, of Scaleway's API or of the command; both engines' states, locks, ledgers and
backups lie in such stores.
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
    """The store of a backend's address, as ``PULUMI_BACKEND_URL`` holds it; keys of buckets and the
    certificates of databases come from ``environ``.

    Raises StoreError when the address is of no known kind, or the store lets nobody in.
    """
    try:
        url = urlsplit(backend_url)
        _ = url.port
    except ValueError:
        raise StoreError(f"a backend's address cannot be read; allowed: {_SCHEMES}") from None
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
    raise StoreError(f"a backend of the kind {url.scheme or 'without a name'}://; allowed: {_SCHEMES}")

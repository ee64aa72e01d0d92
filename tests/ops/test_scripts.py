"""The scripts themselves: from where they can be called, and which certificates an installation trusts."""

from __future__ import annotations

import datetime
import hashlib
import io
import ipaddress
import os
import shutil
import ssl
import subprocess
import sysconfig
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ops.exit_codes import ExitCode
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON

_WHEEL = "tiny-1.0-py3-none-any.whl"
_LOCKS = ("requirements.txt", "requirements-deploy.txt", "requirements-dev.txt", "requirements-local.txt")
_PROJECT = """\
[project]
name = "some-project"
version = "1"
[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"
[tool.uv.build-backend]
module-root = ""
"""
_NOW = datetime.datetime.now(datetime.UTC)


def test_a_link_to_the_command_works_from_any_folder(tmp_path: Path) -> None:
    link = tmp_path / "snu"
    link.symlink_to(ROOT / "scripts/snu")
    ended = subprocess.run(
        [link, "up", "nowhere"], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
    )
    assert ended.returncode == ExitCode.USAGE, ended.stderr
    assert "nowhere" in ended.stderr


def _installed_snu(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command that `scripts/bootstrap` installs; it knows the checkout from its installation alone."""
    environment = {key: value for key, value in clean_environment().items() if key != "PYTHONPATH"}
    command = [str(Path(REAL_PYTHON).with_name("snu")), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_installed_command_works_on_the_enclosing_project(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    ended = _installed_snu(below, "preview", "nowhere")
    assert ended.returncode == ExitCode.USAGE, ended.stderr
    assert f"{tmp_path} has no file Pulumi.nowhere.yaml" in ended.stderr


def test_the_installed_command_works_on_its_checkout_elsewhere(tmp_path: Path) -> None:
    ended = _installed_snu(tmp_path, "preview", "nowhere")
    assert ended.returncode == ExitCode.USAGE, ended.stderr
    assert f"{ROOT} has no file Pulumi.nowhere.yaml" in ended.stderr


@pytest.mark.parametrize(
    ("refuses", "says"),
    [
        ("sys.version_info", "bootstrap: Python 3.11 or newer is needed; found: Python 3.9.2."),
        ("venv, ensurepip", "lacks the modules venv and ensurepip. On Debian and Ubuntu: apt-get install python3-venv"),
    ],
)
def test_a_python_that_cannot_make_the_environment_is_named(tmp_path: Path, refuses: str, says: str) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/bootstrap", tmp_path / "scripts")
    for name in _LOCKS:
        (tmp_path / name).touch()
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *--version*) echo Python 3.9.2 ;; *"{refuses}"*) exit 1 ;; esac\n')
    python.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(python)}
    ended = subprocess.run([tmp_path / "scripts/bootstrap"], env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert not (tmp_path / ".venv").exists()


@dataclass(frozen=True)
class Index:
    """A package index behind a certificate of its own authority; it has one package."""

    url: str
    certificate: Path
    lock: str
    """Of that package."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("index")
    wheel = _wheel()
    pages = {
        "/simple/tiny/": (f'<a href="/{_WHEEL}">{_WHEEL}</a>'.encode(), "text/html"),
        f"/{_WHEEL}": (wheel, "application/octet-stream"),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content, kind = pages.get(self.path, (b"", "text/html"))
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _certificates(folder)
    context.load_cert_chain(folder / "server.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lock = f"tiny==1.0 --hash=sha256:{hashlib.sha256(wheel).hexdigest()}\n"
    yield Index(f"https://127.0.0.1:{server.server_port}/simple/", folder / "authority.pem", lock)
    server.shutdown()
    server.server_close()


def _wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        about = "tiny-1.0.dist-info"
        wheel.writestr("tiny.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", f"tiny.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return content.getvalue()


def _certificates(folder: Path) -> None:
    """Make an authority's certificate, and one for this machine with its key."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a company")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "its package index")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    for name, owner, owners_key, extension in (
        ("authority", issuer, authority, x509.BasicConstraints(ca=True, path_length=None)),
        ("server", subject, key, address),
    ):
        made = (
            x509.CertificateBuilder(issuer, owner, owners_key.public_key(), x509.random_serial_number())
            .not_valid_before(_NOW - datetime.timedelta(days=1))
            .not_valid_after(_NOW + datetime.timedelta(days=1))
            .add_extension(extension, critical=name == "authority")
            .sign(authority, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture
def checkout(tmp_path: Path, index: Index) -> Path:
    """With an environment that has uv and lacks the packages."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/bootstrap", tmp_path / "scripts")
    for name in _LOCKS:
        (tmp_path / name).write_text(index.lock)
    (tmp_path / "pyproject.toml").write_text(_PROJECT)
    (tmp_path / "some_project").mkdir()
    (tmp_path / "some_project/__init__.py").touch()
    subprocess.run([REAL_PYTHON, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    (tmp_path / ".venv/bin/uv").symlink_to(Path(REAL_PYTHON).with_name("uv"))
    return tmp_path


def _bootstrap(checkout: Path, index: Index, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME")}
    # pip is the tests' own: only its settings are asked for.
    kept |= {"PYTHONPATH": sysconfig.get_path("purelib"), "PIP_CONFIG_FILE": os.devnull}
    kept |= {"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(checkout / "cache"), "UV_HTTP_RETRIES": "0"}
    return subprocess.run([checkout / "scripts/bootstrap"], env=kept | dict(settings), capture_output=True, text=True)


def test_the_certificates_that_pip_trusts_are_trusted(checkout: Path, index: Index) -> None:
    refused = _bootstrap(checkout, index, {})
    assert refused.returncode != 0
    assert "invalid peer certificate" in refused.stderr
    (checkout / "pip.conf").write_text(f"[global]\ncert = {index.certificate}\n")
    for settings in (
        {"PIP_CERT": str(index.certificate)},
        {"PIP_CERT": str(index.certificate), "SSL_CERT_FILE": "/nowhere"},
        {"REQUESTS_CA_BUNDLE": str(index.certificate)},
        {"SSL_CERT_FILE": str(index.certificate)},
        {"PIP_CONFIG_FILE": str(checkout / "pip.conf")},
    ):
        (checkout / ".venv/.bootstrap").unlink(missing_ok=True)
        shutil.rmtree(checkout / "cache", ignore_errors=True)
        for installed in (checkout / ".venv").glob("lib/*/site-packages/tiny*"):
            shutil.rmtree(installed) if installed.is_dir() else installed.unlink()
        ended = _bootstrap(checkout, index, settings)
        assert ended.returncode == 0, f"{settings}: {ended.stderr}"
        assert list((checkout / ".venv").glob("lib/*/site-packages/tiny.py")), settings

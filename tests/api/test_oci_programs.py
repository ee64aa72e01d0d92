"""skopeo and Docker push to and pull from the OCI registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_scaleway import Client, Server
from tests.support.oci import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    REGISTRY,
    Oci,
    digest_of,
    encode,
    files,
    make_namespace,
)
from tests.support.programs import needs, skip_without
from tests.support.seed import OWNER_SECRET_KEY

KEY = f"nologin:{OWNER_SECRET_KEY}"

needs_skopeo = needs("skopeo")
needs_docker = needs("docker", "dockerd")


@pytest.fixture
def host(server: Server, api: Client) -> str:
    """The registry's address, with two namespaces and one that is public."""
    make_namespace(api)
    make_namespace(api, "snu-production")
    make_namespace(api, "open", is_public=True)
    return f"localhost:{server.url.rpartition(':')[2]}"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An OCI layout with one image (tag v1) and an index of two (tag all)."""
    folder = tmp_path / "layout"
    (folder / "blobs" / "sha256").mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = digest_of(content)
        (folder / "blobs" / "sha256" / digest.partition(":")[2]).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def image(name: str, architecture: str) -> dict[str, Any]:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            content = name.encode() * 10_000
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        raw = archive.getvalue()
        diff = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff]}}
        parts = {
            "config": put(encode(config), OCI_CONFIG),
            "layers": [put(gzip.compress(raw, mtime=0), OCI_LAYER)],
        }
        return put(encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **parts}), OCI_MANIFEST)

    one, other = image("one", "amd64"), image("other", "arm64")
    index_type = "application/vnd.oci.image.index.v1+json"
    platforms = [
        {**item, "platform": {"os": "linux", "architecture": name}} for item, name in ((one, "amd64"), (other, "arm64"))
    ]
    both = put(encode({"schemaVersion": 2, "mediaType": index_type, "manifests": platforms}), index_type)
    name = "org.opencontainers.image.ref.name"
    listed = [{**one, "annotations": {name: "v1"}}, {**both, "annotations": {name: "all"}}]
    (folder / "index.json").write_bytes(encode({"schemaVersion": 2, "manifests": listed}))
    (folder / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
    return folder


def blobs_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "blobs" / "sha256").iterdir()}


class Skopeo:
    """Run skopeo with the owner's key or ``key``, over plain HTTP and without the user's configuration."""

    def __init__(self, home: Path, key: str = KEY) -> None:
        self._home = home
        self._key = key

    def __call__(self, command: str, *arguments: str, fails: str | None = None) -> str:
        sides = ("src-", "dest-") if command == "copy" else ("",)
        options = [option for side in sides for option in (f"--{side}tls-verify=false", f"--{side}creds={self._key}")]
        result = subprocess.run(
            ["skopeo", "--insecure-policy", command, *options, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self._home)},
        )
        if fails is None:
            assert result.returncode == 0, result.stderr
        else:
            assert result.returncode != 0
            assert fails in result.stderr
        return result.stdout


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    return Skopeo(tmp_path)


@needs_skopeo
def test_skopeo_pulls_what_it_pushed(skopeo: Skopeo, host: str, layout: Path, tmp_path: Path) -> None:
    skopeo("copy", "--all", f"oci:{layout}:all", f"docker://{host}/snu-ci/deep/api:all")
    skopeo("copy", "--all", f"docker://{host}/snu-ci/deep/api:all", f"oci:{tmp_path / 'pulled'}:all")
    assert blobs_in(tmp_path / "pulled") == blobs_in(layout)


@needs_skopeo
def test_skopeo_copies_by_digest_between_repositories(
    skopeo: Skopeo, server: Server, api: Client, host: str, layout: Path
) -> None:
    """As in a promotion: layers are mounted, not uploaded again."""
    skopeo("copy", f"oci:{layout}:v1", f"docker://{host}/snu-ci/api:v1")
    digest = json.loads(skopeo("inspect", f"docker://{host}/snu-ci/api:v1"))["Digest"]
    before = len(server.log)
    skopeo("copy", f"docker://{host}/snu-ci/api@{digest}", f"docker://{host}/snu-production/api:v1")
    assert "POST /v2/snu-production/api/blobs/uploads/ 201" in server.log[before:]
    assert json.loads(skopeo("inspect", f"docker://{host}/snu-production/api:v1"))["Digest"] == digest
    sizes = {image["size"] for image in api("GET", f"{REGISTRY}/images")["images"]}
    assert len(sizes) == 1


@needs_skopeo
@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_skopeo_lists_inspects_and_deletes(
    skopeo: Skopeo, server: Server, api: Client, host: str, layout: Path, form: str
) -> None:
    image = f"docker://{host}/snu-ci/api"
    for tag in ("v1", "v2"):
        skopeo("copy", "--format", form, f"oci:{layout}:v1", f"{image}:{tag}")
    assert json.loads(skopeo("list-tags", image))["Tags"] == ["v1", "v2"]
    inspected = json.loads(skopeo("inspect", f"{image}:v1"))
    (shown,) = api("GET", f"{REGISTRY}/images")["images"]
    tags = api("GET", f"{REGISTRY}/images/{shown['id']}/tags")["tags"]
    assert {tag["digest"] for tag in tags} == {inspected["Digest"]}
    skopeo("delete", f"{image}:v1")
    assert api("GET", f"{REGISTRY}/images/{shown['id']}")["tags"] == []
    assert files(server) == set()


@needs_skopeo
def test_skopeo_and_access(tmp_path: Path, skopeo: Skopeo, host: str, layout: Path) -> None:
    skopeo("copy", f"oci:{layout}:v1", f"docker://{host}/open/api:v1")
    skopeo("copy", f"oci:{layout}:v1", f"docker://{host}/snu-ci/api:v1")
    stranger = Skopeo(tmp_path, "nologin:10ca1000-0000-4000-8000-00000000dead")
    stranger("inspect", f"docker://{host}/snu-ci/api:v1", fails="unauthorized")
    stranger("copy", f"oci:{layout}:v1", f"docker://{host}/snu-ci/api:v2", fails="unauthorized")
    skopeo("copy", f"oci:{layout}:v1", f"docker://{host}/unknown/api:v1", fails="name unknown")
    skopeo("inspect", f"docker://{host}/snu-ci/api:v9", fails="manifest unknown")
    command = ["skopeo", "inspect", "--no-creds", "--tls-verify=false"]
    public, private = (
        subprocess.run([*command, f"docker://{host}/{name}:v1"], capture_output=True, check=False, timeout=60)
        for name in ("open/api", "snu-ci/api")
    )
    assert public.returncode == 0, public.stderr
    assert private.returncode != 0


@dataclass
class Docker:
    """A client of a Docker daemon for the tests."""

    socket: Path
    config: Path

    def __call__(self, *arguments: str, fails: str | None = None, text: str | None = None) -> str:
        result = subprocess.run(
            ["docker", "--host", f"unix://{self.socket}", "--config", str(self.config), *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if fails is None:
            assert result.returncode == 0, result.stderr
        else:
            assert result.returncode != 0
            assert fails in result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """Without a container network: no test runs a container."""
    folder = tmp_path_factory.mktemp("docker")
    docker = Docker(folder / "socket", folder / "config")
    options = {"data-root": "root", "exec-root": "exec", "pidfile": "pid"}
    places = [argument for option, name in options.items() for argument in (f"--{option}", str(folder / name))]
    quiet = ["--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["dockerd", "--host", f"unix://{docker.socket}", *places, *quiet], stdout=output, stderr=output
        )
    try:
        _wait_for(docker, process, log)
        yield docker
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_for(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    """Skip if the kernel does not allow a Docker daemon."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if docker.socket.exists():
            docker("version")
            return
        time.sleep(0.1)
    last = log.read_text().splitlines()[-1:]
    skip_without("dockerd", f"it does not run here: {last}")


@pytest.fixture
def tiny(daemon: Docker, tmp_path: Path) -> str:
    """An image with one file."""
    archive = tmp_path / "tiny.tar"
    (tmp_path / "hello").write_text("hello" * 1_000)
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "hello", "hello")
    daemon("import", str(archive), "tiny:v1")
    return "tiny:v1"


@needs_docker
def test_docker_pushes_mounts_and_pulls(daemon: Docker, server: Server, api: Client, host: str, tiny: str) -> None:
    image = daemon("image", "inspect", "--format", "{{.Id}}", tiny)
    daemon("login", f"{host}/snu-ci", "-u", "nologin", "--password-stdin", text=OWNER_SECRET_KEY)
    names = [f"{host}/{namespace}/api:v1" for namespace in ("snu-ci", "snu-production")]
    for name in names:
        daemon("tag", tiny, name)
    daemon("push", names[0])
    before = len(server.log)
    daemon("push", names[1])
    assert "POST /v2/snu-production/api/blobs/uploads/ 201" in server.log[before:]
    (digest,) = {
        tag["digest"]
        for shown in api("GET", f"{REGISTRY}/images")["images"]
        for tag in api("GET", f"{REGISTRY}/images/{shown['id']}/tags")["tags"]
    }
    daemon("rmi", "--force", tiny, *names)
    daemon("pull", f"{host}/snu-production/api@{digest}")
    daemon("pull", names[0])
    assert daemon("image", "inspect", "--format", "{{.Id}}", names[0]) == image
    daemon("rmi", "--force", image.strip())
    daemon("logout", host)


@needs_docker
def test_docker_and_access(daemon: Docker, host: str, tiny: str) -> None:
    wrong = "10ca1000-0000-4000-8000-00000000dead"
    daemon("login", host, "-u", "nologin", "--password-stdin", text=wrong, fails="401 Unauthorized")
    daemon("tag", tiny, f"{host}/snu-ci/api:v1")
    daemon("push", f"{host}/snu-ci/api:v1", fails="no basic auth credentials")
    daemon("login", host, "-u", "nologin", "--password-stdin", text=OWNER_SECRET_KEY)
    daemon("tag", tiny, f"{host}/unknown/api:v1")
    daemon("push", f"{host}/unknown/api:v1", fails="name unknown")
    daemon("pull", f"{host}/snu-ci/none:v1", fails="manifest unknown")
    daemon("logout", host)


@needs_docker
@needs_skopeo
def test_docker_pulls_what_skopeo_pushed(
    daemon: Docker, skopeo: Skopeo, server: Server, host: str, layout: Path
) -> None:
    skopeo("copy", "--all", f"oci:{layout}:all", f"docker://{host}/snu-ci/api:all")
    daemon("login", host, "-u", "nologin", "--password-stdin", text=OWNER_SECRET_KEY)
    daemon("pull", f"{host}/snu-ci/api:all")
    oci = Oci(server.url)
    digest = oci("HEAD", "snu-ci/api/manifests/all", status=200).headers["Docker-Content-Digest"]
    assert digest in daemon("image", "inspect", f"{host}/snu-ci/api:all")
    daemon("rmi", "--force", f"{host}/snu-ci/api:all")
    daemon("logout", host)

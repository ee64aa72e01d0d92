"""Secrets and the layer cache in `images.yaml`, with the real buildx and BuildKit, and the local registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from ops.exit_codes import ExitCode
from tests.lab.workshop import APPS, Workshop, states, workshop
from tests.support.base_images import busybox
from tests.support.buildkit import BUILDX, Client
from tests.support.docker import Engine
from tests.support.programs import needs
from tests.support.seed import OWNER_SECRET_KEY

__all__ = ["workshop"]
pytestmark = [needs("docker", BUILDX), pytest.mark.xdist_group("docker-flows")]

Builders = Callable[[str], dict[str, str]]

TOKEN, FILE = "a-token-of-quartz", "first line of quartz\nsecond line of quartz\n"
COMMON = "quartz"
"""What all secrets contain; it cannot be part of a digest."""
STRANGER = "10ca1000-0000-4000-8000-00000000dead"
_BUILD = """FROM scratch AS build
COPY api/busybox api/run /bin/
SHELL ["/bin/busybox", "sh", "-c"]
RUN --mount=type=secret,id=token,required=true --mount=type=secret,id=file,required=true \\
    /bin/busybox mkdir /out && cd /run/secrets && /bin/busybox cat token file && \\
    /bin/busybox sha256sum token file >/out/sums && /bin/busybox cat /proc/sys/kernel/random/uuid >/out/id
FROM scratch
COPY --from=build /out /out
COPY api/main.js /srv/main.js
ARG VERSION
ENV VERSION=$VERSION
"""
"""Each time the step with secrets runs, it writes another id."""


@pytest.fixture
def client(docker_engine: Engine, tmp_path: Path) -> Client:
    client = Client(docker_engine, tmp_path / "docker")
    client.configure({})
    return client


@pytest.fixture
def builders(client: Client) -> Iterator[Builders]:
    """Starts a builder: the environment variables that select it."""
    with ExitStack() as stack:
        yield lambda name: {**stack.enter_context(client.builder(name)), "TOKEN": TOKEN}


@pytest.fixture
def registry(workshop: Workshop) -> str:
    """The local registry's address. The apps need no base image, and `api` needs two secrets."""
    for name in APPS:
        workshop.write(f"code/{name}/Dockerfile", f"FROM scratch\nCOPY {name}/main.js /srv/main.js\n")
    workshop.write("code/api/Dockerfile", _BUILD)
    (workshop.folder / "code/api/busybox").write_bytes(busybox())
    (workshop.folder / "code/api/busybox").chmod(0o755)
    workshop.write("code/api/run", str(uuid4()))  # an engine may have the layers of an earlier run
    workshop.write(".local/secret", FILE)
    return f"localhost:{workshop.lab.project.port}"


def describe(workshop: Workshop, **cache: str) -> None:
    images: dict[str, Any] = {name: {"folder": f"code/{name}"} for name in APPS}
    images["api"]["secrets"] = [{"id": "token", "env": "TOKEN"}, {"id": "file", "file": ".local/secret"}]
    workshop.write("images.yaml", yaml.safe_dump({"workspace": "code", "images": images, "cache": cache}))


def files(workshop: Workshop, stack: str = "local") -> dict[str, str]:
    """The files of the image of `api`."""
    image = f"localhost:{workshop.lab.project.port}/snu-local/api:{workshop.built(stack)['api']['version']}"
    container: Any = workshop.engine.client.containers.create(image, command=["/none"])
    try:
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as archive:
            found = {name: archive.extractfile(name) for name in ("out/sums", "out/id")}
            return {name: str(file.read(), "utf-8") for name, file in found.items() if file is not None}
    finally:
        container.remove()


def cached(workshop: Workshop) -> dict[str, str]:
    """The digest of each tag in the cache's repository."""
    images = "/registry/v1/regions/fr-par/images"
    return {
        tag["name"]: tag["digest"]
        for image in workshop.lab.ask("GET", images)["images"]
        if image["name"] == "cache"
        for tag in workshop.lab.ask("GET", f"{images}/{image['id']}/tags")["tags"]
    }


def remove_tags(workshop: Workshop, name: str) -> None:
    """So that the next build does not find the image."""
    images = "/registry/v1/regions/fr-par/images"
    for image in workshop.lab.ask("GET", images)["images"]:
        if image["name"] == name:
            workshop.lab.ask("DELETE", f"{images}/{image['id']}")


def log(workshop: Workshop) -> str:
    return (workshop.folder / ".local/builds/api.log").read_text()


def leaks(workshop: Workshop) -> list[str]:
    """The files of the local registry, as they are or uncompressed, that contain a secret."""
    found = []
    for path in (workshop.folder / ".local/scaleway").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        with suppress(OSError, EOFError, zlib.error):
            content += gzip.decompress(content)
        if COMMON.encode() in content:
            found.append(str(path))
    return found


def test_only_the_step_that_mounts_a_secret_sees_it(workshop: Workshop, client: Client, registry: str) -> None:
    """With Docker's own builder."""
    describe(workshop)
    missing = workshop.snu("images", "build", "local", environ=client.environ)
    assert missing.returncode == ExitCode.ENVIRONMENT
    assert "api: token: the variable TOKEN is not set" in missing.stderr
    run = workshop.build(environ=client.environ | {"TOKEN": TOKEN})
    sums = {hashlib.sha256(each.encode()).hexdigest() for each in (TOKEN, FILE)}
    assert {line.split()[0] for line in files(workshop)["out/sums"].splitlines()} == sums
    image = workshop.engine.client.images.get(f"{registry}/snu-local/api:{workshop.built()['api']['version']}")
    shown = run.stdout + run.stderr + log(workshop) + repr(image.attrs) + repr(image.history())
    assert log(workshop).count("[secret]") == 3
    assert COMMON not in shown
    assert COMMON.encode() not in b"".join(image.save())
    assert leaks(workshop) == []


def test_another_machine_takes_layers_from_the_registry(
    workshop: Workshop, client: Client, builders: Builders, registry: str
) -> None:
    client.configure({registry: OWNER_SECRET_KEY})
    describe(workshop, **{"from": f"{registry}/snu-local/cache", "to": f"{registry}/snu-local/cache"})
    first = workshop.build(environ=builders("first"))
    assert "layer cache" not in first.stderr
    assert cached(workshop).keys() == {*APPS}
    assert leaks(workshop) == []
    built = files(workshop)

    second = builders("second")
    workshop.write("code/api/main.js", "// api, changed\n")
    run = workshop.build(environ=second)
    assert {line for line in states(run) if line.endswith("building")} == {"api: building"}
    assert files(workshop) == built, "the step with secrets has not run again"

    # A preview's branch reads the cache, but what it builds is not for others.
    before = cached(workshop)
    workshop.add_preview("pr-7")
    workshop.write("code/api/main.js", "// api of the branch\n")
    workshop.build("pr-7", environ=second)
    assert files(workshop, "pr-7") == built
    assert "importing cache manifest" in log(workshop)
    assert "exporting cache" not in log(workshop)
    assert cached(workshop) == before


@pytest.mark.parametrize("reason", ["401 Unauthorized", "connection refused"])
def test_images_are_built_without_a_cache_that_cannot_be_used(
    reason: str, workshop: Workshop, client: Client, builders: Builders, registry: str
) -> None:
    client.configure({registry: STRANGER})
    repository = f"{registry if reason.startswith('401') else '127.0.0.1:1'}/snu-local/cache"
    describe(workshop, **{"from": repository, "to": repository})
    run = workshop.build(environ=builders("first"))
    for result in ("read", "written"):
        (told,) = [
            line
            for line in run.stderr.splitlines()
            if line.startswith(f"warning: api: the layer cache was not {result}")
        ]
        assert told.endswith(reason)
    assert cached(workshop) == {}


def test_dockers_own_builder_writes_the_cache_if_its_image_store_can(
    workshop: Workshop, client: Client, registry: str
) -> None:
    client.configure({registry: OWNER_SECRET_KEY})
    describe(workshop, to=f"{registry}/snu-local/cache")
    run = workshop.build(environ=client.environ | {"TOKEN": TOKEN})
    assert "api: done" in states(run)
    status = workshop.engine.client.info()["DriverStatus"] or []
    writes = ["driver-type", "io.containerd.snapshotter.v1"] in status
    assert cached(workshop).keys() == ({*APPS} if writes else set())
    assert ("The layer cache will not be written" in run.stderr) is not writes


def test_an_image_is_one_manifest_with_the_same_digest_in_every_build(
    workshop: Workshop, client: Client, registry: str
) -> None:
    """An attestation, which Docker 29 adds by default, contains the time of the build."""
    describe(workshop)
    digests = []
    for _ in range(2):
        workshop.build(environ=client.environ | {"TOKEN": TOKEN})
        digests.append(workshop.built()["app"]["digest"])
        remove_tags(workshop, "app")
    assert len({*digests}) == 1

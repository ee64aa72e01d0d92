"""Copies of images between registries: requests, verification and failures."""

from __future__ import annotations

import random
import re
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug import Request, Response

from infra.settings import Image
from ops.images.copy import Copier, CopyStatistics
from ops.images.registry import Registries, RegistryError, Repository
from tests.support.fake_server import FakeServer, json_response
from tests.support.local_scaleway import Server
from tests.support.oci import OCI_MANIFEST, Oci, digest_of, index, make_namespace, manifest
from tests.support.seed import OWNER_SECRET_KEY

KEY = "key-of-the-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("copy") / "data") as running:
        for name in ("snu-ci", "snu-stage"):
            make_namespace(running.client(), name)
        yield running


@dataclass
class Pair:
    """One image name in two registries of a local Scaleway."""

    source: Repository
    target: Repository
    oci: Oci
    name: str

    @classmethod
    def of(cls, server: Server, *, one_registry: bool = False) -> Pair:
        """Two names of this machine are two registries, between which nothing can be mounted."""
        port = server.url.rpartition(":")[2]
        hosts = ("localhost", "localhost") if one_registry else ("127.0.0.1", "localhost")
        name = f"app-{uuid4().hex[:8]}"
        source, target = (
            Repository(f"{host}:{port}/{namespace}/{name}", OWNER_SECRET_KEY)
            for host, namespace in zip(hosts, ("snu-ci", "snu-stage"), strict=True)
        )
        return cls(source, target, Oci(server.url), f"snu-ci/{name}")

    def push(self, tag: str, *layers: bytes) -> Image:
        return Image(version=tag, digest=digest_of(self.oci.push(self.name, tag, *layers)))

    def copy(self, image: Image) -> CopyStatistics:
        return Copier(self.source, self.target, sleep=lambda _seconds: None).copy(image)


def layer(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_only_missing_blobs_are_sent(server: Server) -> None:
    pair = Pair.of(server)
    first = pair.push("1", layer(100_000, 1), layer(50_000, 2))
    copied = pair.copy(first)
    assert 150_000 < copied.sent < 152_000
    assert copied.mounted == 0
    assert pair.copy(first) == CopyStatistics(0, 0)
    second = pair.push("2", layer(100_000, 1), layer(3_000, 3))
    assert 3_000 < pair.copy(second).sent < 5_000
    for image in (first, second):
        assert pair.target.digest_of(image.version) == image.digest


def test_blobs_are_mounted_within_one_registry(server: Server) -> None:
    pair = Pair.of(server, one_registry=True)
    copied = pair.copy(pair.push("1", layer(100_000)))
    assert copied.mounted > 100_000
    assert copied.sent < 2_000  # the manifest under its digest and its tag


def test_an_index_is_copied_with_its_children(server: Server) -> None:
    pair = Pair.of(server)
    parts = [pair.oci.push(pair.name, f"part-{each}", layer(1_000, each)) for each in range(2)]
    inner = index(parts[1])
    pair.oci.push_manifest(pair.name, digest_of(inner), inner)
    outer = encode_index(parts[0], inner)
    pair.oci.push_manifest(pair.name, "all", outer)
    pair.copy(Image(version="all", digest=digest_of(outer)))
    for content in (*parts, inner, outer):
        found = pair.target.manifest(digest_of(content))
        assert found is not None
        assert found.content == content


def encode_index(first: bytes, second: bytes) -> bytes:
    return index(first, second, annotations={"order": "kept", "a": "later"})


def test_a_tag_of_another_image_is_not_moved(server: Server) -> None:
    pair = Pair.of(server)
    running, same_version = pair.push("7", layer(10, 1)), pair.push("7b", layer(10, 2))
    pair.copy(running)
    rebuilt = Image(version="7", digest=same_version.digest)
    pair.copy(rebuilt)
    pair.copy(rebuilt)
    assert pair.target.digest_of("7") == running.digest
    assert pair.target.digest_of(f"7-{rebuilt.digest[7:19]}") == rebuilt.digest


def test_an_image_missing_in_the_source(server: Server) -> None:
    pair = Pair.of(server)
    digest = f"sha256:{'0' * 64}"
    with pytest.raises(RegistryError, match=f"snu-ci/{pair.source.path.partition('/')[2]} does not have {digest}"):
        pair.copy(Image(version="1", digest=digest))
    assert pair.target.digest_of("1") is None


def test_a_wrong_key_is_not_printed(server: Server) -> None:
    pair = Pair.of(server)
    image = pair.push("1", b"x")
    source = Repository(pair.source.name, "11111111-1111-4111-8111-111111111111")
    with pytest.raises(RegistryError, match="status 401") as found:
        Copier(source, pair.target).copy(image)
    assert "11111111" not in str(found.value)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_graph_of_images_arrives_byte_for_byte(server: Server, data: st.DataObject) -> None:
    """Shared layers and manifests, indexes of indexes, and parts that exist already."""
    pair = Pair.of(server, one_registry=data.draw(st.booleans()))
    layers = data.draw(st.lists(st.binary(max_size=40), min_size=1, max_size=5, unique=True))
    made: list[bytes] = []
    for number in range(data.draw(st.integers(1, 4))):
        chosen = data.draw(st.lists(st.sampled_from(layers), max_size=4))
        made.append(pair.oci.push(pair.name, f"m{number}", *chosen, annotations={"number": str(number)}))
    for _ in range(data.draw(st.integers(0, 3))):
        chosen = data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=4))
        content = index(*chosen)
        pair.oci.push_manifest(pair.name, digest_of(content), content)
        made.append(content)
    for content in data.draw(st.lists(st.sampled_from(made), max_size=2)):
        pair.copy(Image(version=f"early-{digest_of(content)[7:19]}", digest=digest_of(content)))
    top = made[-1]
    pair.copy(Image(version="top", digest=digest_of(top)))
    found = pair.target.manifest("top")
    assert found is not None
    assert found.content == top
    assert pair.copy(Image(version="top", digest=digest_of(top))) == CopyStatistics(0, 0)


# --- a registry on a bad day ----------------------------------------------------------------------------


class Stub(FakeServer):
    """An in-memory registry with one repository, `app`, and configurable faults."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.break_reads = 0
        """So many reads of blobs end in the middle."""
        self.break_writes = 0
        """So many writes of blobs are cut off."""
        self.wrong_reads = 0
        """So many reads of blobs give other bytes."""
        self.lies = False
        """Answers for every manifest that was written another one."""
        self.wants_tokens = False
        """Takes no key itself, but a token that its own token service gives for one, to read or to write."""
        self.tokens: list[str] = []
        """Scopes of the tokens that were given."""
        self.refuses_mounts = False
        """Answers 401 to who wants a blob from another repository, as one does whose key may not read there."""
        self.keys: list[str | None] = []
        self.expect_request("/token").respond_with_handler(self._give_token)
        for method in ("GET", "HEAD"):
            self._serve("blobs/.+", method, self._read_blob)
            self._serve("manifests/.+", method, self._read_manifest)
        self._serve("blobs/uploads/", "POST", self._begin_upload)
        self._serve("blobs/uploads/.+", "PUT", self._write_blob)
        self._serve("manifests/.+", "PUT", self._write_manifest)

    @property
    def repository(self) -> Repository:
        return Repository(f"localhost:{self.port}/snu/app", KEY)

    def add(self, *layers: bytes) -> Image:
        content = manifest(*layers)
        self.blobs |= {digest_of(blob): blob for blob in (*layers, b"{}")}
        self.manifests[digest_of(content)] = content
        return Image(version="1", digest=digest_of(content))

    def application(self, request: Request) -> Response:
        """The library reads all of a request before its handlers see it: what is cut off is cut off here."""
        if request.method == "PUT" and "/uploads/" in request.path and self.break_writes:
            self.break_writes -= 1
            request.stream.read((request.content_length or 0) // 2)
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        return super().application(request)

    def _serve(self, path: str, method: str, answer: Callable[[Request], Response]) -> None:
        """To those who may."""

        def guarded(request: Request) -> Response:
            action = "pull" if request.method in ("GET", "HEAD") else "push,pull"
            given = request.headers.get("Authorization", "")
            if not self.wants_tokens or (given.startswith("Bearer ") and given.endswith(action)):
                return answer(request)
            realm = f'Bearer realm="http://localhost:{self.port}/token",service="s",scope="repository:snu/app:{action}"'
            return Response(status=401, headers={"WWW-Authenticate": realm})

        self.expect_request(re.compile(f"/v2/snu/app/{path}$"), method).respond_with_handler(guarded)

    def _give_token(self, request: Request) -> Response:
        assert request.headers["Authorization"] == f"Basic {b64encode(f'nologin:{KEY}'.encode()).decode()}"
        scope = request.args["scope"]
        self.tokens.append(scope)
        return json_response(200, {"token": scope})

    def _read_blob(self, request: Request) -> Response:
        content = self.blobs.get(_reference(request))
        if content is not None and request.method == "GET" and self.break_reads:
            self.break_reads -= 1
            half = Response(content[: len(content) // 2])
            half.headers["Content-Length"] = str(len(content))
            return half
        if content is not None and request.method == "GET" and self.wrong_reads:
            self.wrong_reads -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        return _content(content)

    def _read_manifest(self, request: Request) -> Response:
        content = self.manifests.get(_reference(request))
        if content is not None and request.method == "GET" and self.lies:
            content = manifest(b"another")
        return _content(content)

    def _begin_upload(self, request: Request) -> Response:
        self.keys.append(request.headers.get("Authorization"))
        if self.refuses_mounts and "mount" in request.args:
            return Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return Response(status=202, headers={"Location": "/v2/snu/app/blobs/uploads/1?state=x"})

    def _write_blob(self, request: Request) -> Response:
        content = request.get_data()
        self.blobs[digest_of(content)] = content
        return Response(status=201 if digest_of(content) == request.args["digest"] else 400)

    def _write_manifest(self, request: Request) -> Response:
        self.manifests[_reference(request)] = request.get_data()
        return Response(status=201)


def _reference(request: Request) -> str:
    return request.path.rpartition("/")[2]


def _content(content: bytes | None) -> Response:
    if content is None:
        return Response(status=404)
    return Response(content, headers={"Docker-Content-Digest": digest_of(content)}, content_type=OCI_MANIFEST)


@pytest.fixture
def stubs() -> Iterator[tuple[Stub, Stub]]:
    with Stub() as source, Stub() as target:
        yield source, target


def copy(source: Stub, target: Stub, image: Image) -> CopyStatistics:
    return Copier(source.repository, target.repository, sleep=lambda _seconds: None).copy(image)


@pytest.mark.parametrize("fault", ["break_reads", "break_writes", "wrong_reads"])
def test_interrupted_requests_are_retried(stubs: tuple[Stub, Stub], fault: str) -> None:
    source, target = stubs
    image = source.add(layer(600_000))
    failing = target if fault == "break_writes" else source
    setattr(failing, fault, 2)
    copy(source, target, image)
    assert getattr(failing, fault) == 0
    assert source.blobs.items() <= target.blobs.items()
    assert target.manifests["1"] == source.manifests[image.digest]


def test_a_failed_copy_can_be_resumed(stubs: tuple[Stub, Stub]) -> None:
    source, target = stubs
    image = source.add(layer(400_000, 1), layer(300_000, 2))
    target.blobs[digest_of(layer(400_000, 1))] = layer(400_000, 1)
    source.break_reads = 99
    with pytest.raises(RegistryError, match=r"interrupted 4 times"):
        copy(source, target, image)
    assert target.manifests == {}
    source.break_reads = 0
    assert copy(source, target, image).sent < 302_000


def test_a_source_with_wrong_content_is_named(stubs: tuple[Stub, Stub]) -> None:
    source, target = stubs
    image = source.add(layer(1_000))
    source.wrong_reads = 99
    with pytest.raises(RegistryError, match=f"localhost:{source.port}/snu/app returned wrong content for blob sha256:"):
        copy(source, target, image)
    assert target.manifests == {}


def test_a_target_with_a_wrong_digest_is_rejected(stubs: tuple[Stub, Stub]) -> None:
    source, target = stubs
    image = source.add(layer(1_000))
    target.lies = True
    with pytest.raises(RegistryError, match=f"localhost:{target.port}/snu/app returned a manifest for {image.digest}"):
        copy(source, target, image)


def test_an_invalid_manifest_is_named(stubs: tuple[Stub, Stub]) -> None:
    source, target = stubs
    content = b'{"config": [1], "layers": 7}'
    source.manifests[digest_of(content)] = content
    with pytest.raises(RegistryError, match="has an invalid config"):
        copy(source, target, Image(version="1", digest=digest_of(content)))


def test_the_key_is_sent_only_to_the_registry(stubs: tuple[Stub, Stub]) -> None:
    source, target = stubs
    copy(source, target, source.add(b"x"))
    assert {*target.keys} == {None}


def test_tokens_are_requested_for_each_scope(stubs: tuple[Stub, Stub]) -> None:
    """As in Scaleway's registry; the first token is for reading, and is not sufficient for writing."""
    source, target = stubs
    source.wants_tokens = target.wants_tokens = True
    image = source.add(layer(10_000))
    target.manifests["0"] = source.manifests[image.digest]
    repository = target.repository
    assert repository.digest_of("0") == image.digest
    Copier(source.repository, repository).copy(image)
    assert target.manifests["1"] == source.manifests[image.digest]
    assert {*source.tokens} == {"repository:snu/app:pull"}
    assert {*target.tokens} == {"repository:snu/app:pull", "repository:snu/app:push,pull"}


def test_a_blob_that_cannot_be_mounted_is_uploaded() -> None:
    with Stub() as registry:
        registry.refuses_mounts = True
        source = Repository(f"localhost:{registry.port}/snu/source", KEY)
        assert registry.repository.begin_upload(digest_of(b"x"), source) is not None
        assert len(registry.keys) == 3  # without a key, with it, and without the mount


def test_an_unreachable_registry() -> None:
    from ops.errors import OpsError

    with pytest.raises(OpsError, match=r"localhost:9/snu/api:1 cannot be looked up in the registry"):
        Registries(KEY).digest_of("localhost:9/snu/api", "1")

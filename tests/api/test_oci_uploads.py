"""Uploads in any chunks give the same blob; any change of a byte is found (property-based)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.local_scaleway import Client, Server
from tests.support.oci import Oci, digest_of, make_namespace, uploads

SETTINGS = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAME = "snu-ci/api"

contents = st.binary(max_size=3_000).flatmap(lambda seed: st.sampled_from([seed, seed * 97]))


def pieces(content: bytes, cuts: list[float]) -> list[bytes]:
    places = sorted({0, len(content), *(int(cut * len(content)) for cut in cuts)})
    return [content[start:end] for start, end in pairwise(places)]


@SETTINGS
@given(content=contents, cuts=st.lists(st.floats(0, 1), max_size=8), data=st.data())
def test_any_split_into_chunks_yields_the_same_blob(
    server: Server, api: Client, content: bytes, cuts: list[float], data: st.DataObject
) -> None:
    api("POST", "/_local/reset")
    make_namespace(api)
    oci, digest = Oci(server.url), digest_of(content)
    path, sent = oci.upload(NAME), 0
    chunks = pieces(content, cuts)
    with_put = data.draw(st.booleans(), "the last chunk comes with PUT")
    last = chunks.pop() if chunks and with_put else b""
    for chunk in chunks:
        headers = {"Content-Range": f"{sent}-{sent + len(chunk) - 1}"} if data.draw(st.booleans(), "range") else {}
        body: bytes | Iterator[bytes] = iter([chunk]) if data.draw(st.booleans(), "unknown length") else chunk
        answer = oci("PATCH", path, status=202, content=body, headers=headers)
        sent += len(chunk)
        assert answer.headers["Range"] == f"0-{sent - 1}"
        path = answer.headers["Location"]
    oci("PUT", f"{path}?digest={digest}", status=201, content=last)
    assert oci.pull(NAME, digest) == content
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(content)), st.integers(0, len(content))), "part"))
    if start < end:
        part = oci("GET", f"{NAME}/blobs/{digest}", status=206, headers={"Range": f"bytes={start}-{end - 1}"})
        assert part.content == content[start:end]
    assert uploads(server) == []


@SETTINGS
@given(content=st.binary(min_size=1, max_size=500), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_changed_byte_is_detected(server: Server, api: Client, content: bytes, place: float, flip: int) -> None:
    api("POST", "/_local/reset")
    make_namespace(api)
    oci, digest = Oci(server.url), digest_of(content)
    changed = bytearray(content)
    changed[int(place * len(content))] ^= flip
    oci("PUT", f"{oci.upload(NAME)}?digest={digest}", status=400, code="DIGEST_INVALID", content=bytes(changed))
    oci("HEAD", f"{NAME}/blobs/{digest}", status=404)
    assert uploads(server) == []

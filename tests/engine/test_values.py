"""Property values survive every encoding, and secrets stay out of sight."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Events
from engine.plugin import NO_DIFF
from pulumi_state.errors import UnsupportedError
from pulumi_state.passphrase import Crypter
from pulumi_state.snapshot import ResourceState, resource_from_json, resource_to_json
from pulumi_state.values import (
    SECRET_SIGNATURE,
    SIGNATURE_KEY,
    UNKNOWN,
    UNKNOWN_TEXT,
    Secret,
    carry_secrets,
    contains_secret,
    contains_unknown,
    from_checkpoint,
    from_struct,
    make_secret,
    redact,
    to_checkpoint,
    to_struct,
    unwrap,
)

KEYS = st.text(max_size=8).filter(lambda key: key != SIGNATURE_KEY)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer()),
    st.text().filter(lambda text: text != UNKNOWN_TEXT),
)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3))
)
VALUES = st.recursive(
    st.one_of(SCALARS, st.just(UNKNOWN), PLAIN.map(Secret)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
)
KNOWN = st.recursive(
    st.one_of(SCALARS, PLAIN.map(Secret)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_protobuf_round_trip(properties: dict[str, Any]) -> None:
    sent = to_struct(properties).SerializeToString()
    received = struct_pb2.Struct.FromString(sent)
    assert from_struct(received) == properties


@given(st.dictionaries(KEYS, KNOWN, max_size=4))
def test_checkpoint_round_trip(properties: dict[str, Any]) -> None:
    crypter = Crypter(bytes(32), "")
    text = json.dumps(to_checkpoint(properties, lambda value: crypter.encrypt("urn", value)))
    assert from_checkpoint(json.loads(text), lambda ciphertext: crypter.decrypt("urn", ciphertext)) == properties


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_unwrap_and_redact_leave_no_secret(properties: dict[str, Any]) -> None:
    assert not contains_secret(unwrap(properties))
    assert not contains_secret(redact(properties))
    assert not contains_unknown(redact(properties))
    json.dumps(redact(properties))


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_carrying_secrets_changes_no_value_and_never_nests(outputs: dict[str, Any], inputs: dict[str, Any]) -> None:
    carried = carry_secrets(outputs, inputs)
    assert unwrap(carried) == unwrap(outputs)
    for key, value in carried.items():
        if isinstance(value, Secret):
            assert not contains_secret(value.value)
        elif not isinstance(value, dict):
            assert not (key in inputs and contains_secret(inputs[key]))


def test_a_secret_within_a_secret_is_one_secret() -> None:
    inner = {SIGNATURE_KEY: SECRET_SIGNATURE, "value": "s"}
    struct = struct_pb2.Struct()
    struct.update({"a": {SIGNATURE_KEY: SECRET_SIGNATURE, "value": {"b": inner}}})
    assert from_struct(struct) == {"a": Secret({"b": "s"})}
    assert make_secret(Secret("s")) == Secret("s")
    assert make_secret([Secret("s")]) == Secret(["s"])


def test_secrets_hide_from_repr_and_events() -> None:
    word = "tr0ub4dor"
    resource = ResourceState(
        urn="urn:pulumi:dev::p::a:b:C::n",
        type="a:b:C",
        custom=True,
        inputs={"key": Secret(word), "map": {"key": Secret({"deep": word})}},
        outputs={"list": [Secret(word)], "unknown": UNKNOWN},
    )
    events: list[Any] = []
    shown = Events(events.append, preview=True)
    shown.step_started("update", resource, resource, NO_DIFF)
    shown.step_done("update", resource, resource, NO_DIFF)
    shown.step_failed("update", resource, None, NO_DIFF)
    assert word not in repr(resource) + f"{resource.inputs}" + json.dumps(events)
    assert events[0]["resourcePreEvent"]["metadata"]["new"]["inputs"] == {"key": "[secret]", "map": {"key": "[secret]"}}
    assert events[0]["resourcePreEvent"]["planning"] is True


def test_a_resource_keeps_fields_that_the_engine_does_not_know() -> None:
    crypter = Crypter(bytes(32), "")
    encoded = {
        "urn": "urn:pulumi:dev::p::a:b:C::n",
        "custom": True,
        "type": "a:b:C",
        "id": "1",
        "inputs": {"s": {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": crypter.encrypt("urn", "x")}},
        "viewOf": "another",
    }
    resource = resource_from_json(json.loads(json.dumps(encoded)), crypter)
    assert resource.inputs == {"s": Secret("x")}
    again = resource_to_json(resource, crypter)
    assert again["viewOf"] == "another"
    assert again.keys() == encoded.keys()


def test_the_same_secret_keeps_its_ciphertext_and_others_do_not_share_it() -> None:
    crypter = Crypter(bytes(32), "")
    first = crypter.encrypt("a", "x")
    assert crypter.encrypt("a", "x") == first
    assert crypter.encrypt("b", "x") != first
    fresh = Crypter(bytes(32), "")
    fresh.decrypt("a", first)
    assert fresh.encrypt("a", "x") == first


@pytest.mark.parametrize(
    ("signature", "named"),
    [
        ("c44067f5952c0a294b673a41bacd8c17", "assets"),
        ("0def7320c3a5731c473e5ecbe6d01bc7", "archives"),
        ("5cf8f73096256a8f31e491e813e4eb8e", "resource references"),
        ("d0e6a833031e9bbcd3f4e8bde6ca49a4", "output values"),
        ("something-new", "something-new"),
    ],
)
def test_special_values_are_refused_by_name(signature: str, named: str) -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": {SIGNATURE_KEY: signature}})
    with pytest.raises(UnsupportedError, match=named):
        from_struct(struct)
    with pytest.raises(UnsupportedError, match=named):
        from_checkpoint({SIGNATURE_KEY: signature}, lambda text: text)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300, -0.0])
def test_odd_numbers(number: float) -> None:
    struct = struct_pb2.Struct()
    struct.fields["n"].number_value = number
    value = from_struct(struct)["n"]
    assert to_struct({"n": value}).fields["n"].number_value == number or number != number

"""Property values and their three encodings: protobuf for programs, and JSON for checkpoints and events.

A value is a JSON value (``None``, ``bool``, a number, ``str``, a list, or a map with string keys), a ``Secret`` that
wraps a value, or ``UNKNOWN``. The signatures are from Pulumi's ``sdk/go/common/resource/properties.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pulumi_state.errors import UnsupportedError

if TYPE_CHECKING:
    from google.protobuf import struct_pb2

SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a public type tag
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
REDACTED: Final = "[secret]"

_REFUSED_SIGNATURES: Final = {
    "c44067f5952c0a294b673a41bacd8c17": "assets",
    "0def7320c3a5731c473e5ecbe6d01bc7": "archives",
    "5cf8f73096256a8f31e491e813e4eb8e": "resource references as property values",
    "d0e6a833031e9bbcd3f4e8bde6ca49a4": "output values with dependencies",
}

Value = Any
PropertyMap = dict[str, Value]


class _Unknown:
    """A value that only the update can determine; ``UNKNOWN`` is the only instance."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _memo: object) -> _Unknown:
        return self


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is encrypted when stored and redacted when displayed."""

    value: Value

    def __repr__(self) -> str:
        """Return a redacted representation."""
        return "Secret([secret])"


def make_secret(value: Value) -> Value:
    """Wrap a value as a single secret, unwrapping any secrets inside."""
    return value if isinstance(value, Secret) else Secret(unwrap(value))


def _map_value(value: Value, leaf: Callable[[Value], Value]) -> Value:
    """Rebuild lists and maps, applying ``leaf`` to everything else, including secrets."""
    if isinstance(value, dict):
        return {key: _map_value(item, leaf) for key, item in value.items()}
    if isinstance(value, list):
        return [_map_value(item, leaf) for item in value]
    return leaf(value)


def unwrap(value: Value) -> Value:
    """Remove secret wrappers at every depth."""
    return _map_value(value, lambda item: unwrap(item.value) if isinstance(item, Secret) else item)


def redact(value: Value) -> Value:
    """Encode a value for events: secrets as ``[secret]``, unknown values as Pulumi's placeholder."""

    def leaf(item: Value) -> Value:
        if isinstance(item, Secret):
            return REDACTED
        return UNKNOWN_TEXT if item is UNKNOWN else item

    return _map_value(value, leaf)


def _walk(value: Value) -> Iterator[Value]:
    yield value
    if isinstance(value, Secret):
        yield from _walk(value.value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)


def contains_unknown(value: Value) -> bool:
    """Return whether a value is or contains ``UNKNOWN``."""
    return any(item is UNKNOWN for item in _walk(value))


def contains_secret(value: Value) -> bool:
    """Return whether a value is or contains a ``Secret``."""
    return any(isinstance(item, Secret) for item in _walk(value))


def carry_secrets(outputs: PropertyMap, inputs: PropertyMap) -> PropertyMap:
    """Mark outputs as secret if the inputs of the same name are secret; maps are handled key by key."""
    carried = dict(outputs)
    for key, given in inputs.items():
        if key not in carried:
            continue
        if isinstance(given, dict) and isinstance(carried[key], dict):
            carried[key] = carry_secrets(carried[key], given)
        elif contains_secret(given):
            carried[key] = make_secret(carried[key])
    return carried


# --- protobuf -----------------------------------------------------------------------------------------


def from_struct(struct: struct_pb2.Struct) -> PropertyMap:
    """Decode a property map sent by a program.

    Raises UnsupportedError for assets, archives, resource references and output values.
    """
    return {key: _from_value(struct.fields[key]) for key in sorted(struct.fields)}


def _from_value(value: struct_pb2.Value) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if SIGNATURE_KEY in fields:
            return _from_signed(fields)
        return from_struct(value.struct_value)
    return None


def _from_signed(fields: Mapping[str, struct_pb2.Value]) -> Value:
    signature = fields[SIGNATURE_KEY].string_value
    if signature == SECRET_SIGNATURE:
        return make_secret(_from_value(fields["value"]))
    raise UnsupportedError(_REFUSED_SIGNATURES.get(signature, f"values with the signature {signature}"))


def to_struct(properties: PropertyMap) -> struct_pb2.Struct:
    """Encode a property map for a program. Raises TypeError if a value is not a property value."""
    from google.protobuf import struct_pb2  # slow to import, and rarely needed

    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(target: struct_pb2.Value, value: Value) -> None:
    if value is None:
        target.null_value = 0  # type: ignore[assignment]  # NULL_VALUE
    elif value is UNKNOWN:
        target.string_value = UNKNOWN_TEXT
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, Secret):
        target.struct_value.fields[SIGNATURE_KEY].string_value = SECRET_SIGNATURE
        _fill(target.struct_value.fields["value"], value.value)
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _fill(target.struct_value.fields[key], item)
    elif isinstance(value, list):
        target.list_value.SetInParent()
        for item in value:
            _fill(target.list_value.values.add(), item)
    else:
        raise TypeError(f"{type(value).__name__} is not a property value")


# --- checkpoint ---------------------------------------------------------------------------------------


def to_checkpoint(value: Value, encrypt: Callable[[Value], str]) -> Value:
    """Encode a value for a checkpoint; ``encrypt`` returns a secret's ciphertext."""

    def leaf(item: Value) -> Value:
        if isinstance(item, Secret):
            return {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": encrypt(item.value)}
        return UNKNOWN_TEXT if item is UNKNOWN else item

    return _map_value(value, leaf)


def from_checkpoint(value: Value, decrypt: Callable[[str], Value]) -> Value:
    """Decode a checkpoint's value. Raises UnsupportedError, like ``from_struct``, and any error from ``decrypt``."""
    if isinstance(value, list):
        return [from_checkpoint(item, decrypt) for item in value]
    if isinstance(value, dict):
        signature = value.get(SIGNATURE_KEY)
        if signature == SECRET_SIGNATURE:
            return make_secret(from_checkpoint(decrypt(value["ciphertext"]), decrypt))
        if signature is not None:
            raise UnsupportedError(_REFUSED_SIGNATURES.get(signature, f"values with the signature {signature}"))
        return {key: from_checkpoint(item, decrypt) for key, item in value.items()}
    return UNKNOWN if value == UNKNOWN_TEXT else value

"""``/key-manager/v1alpha1``. Encryption is real (AES-256-GCM); a ciphertext says which rotation it was made with."""

from __future__ import annotations

import base64
import binascii
import secrets as random
from typing import Any

from localcloud.api.call import Call
from localcloud.api.clock import timestamp
from localcloud.api.collection import Collection
from localcloud.api.errors import already_exists, invalid, precondition_failed
from localcloud.api.fields import Array, Body, Boolean, Duration, Nested, Text, Timestamp, Uuid, Word
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import VAULT_PREFIX, Resource

routes = Routes("/key-manager/v1alpha1/regions/{region}/keys", product="key_manager")

MATERIAL = f"{VAULT_PREFIX}key_manager.material"
"""Kind: key id → the key's bytes of each rotation, base64, oldest first."""

MAX_PLAINTEXT_BYTES = 65_535
_NONCE_BYTES = 12
_HEADER_BYTES = 4
"""In front of a ciphertext: the number of the rotation."""

keys = Collection(
    "key_manager.key",
    "key",
    "keys",
    {"project_id": "project_id", "name": "name", "tags": "tags"},
)

_ROTATION = Nested(
    body=Body(
        rotation_period=Duration(required=True, least=24 * 3_600, most=3_650 * 24 * 3_600),
        next_rotation_at=Timestamp(),
    )
)
KEY = Body(
    project_id=Uuid(),
    name=Text(required=True, longest=255),
    usage=Nested(
        required=True,
        body=Body(symmetric_encryption=Word(words=("aes_256_gcm",), required=True)),
    ),
    description=Text(),
    tags=Array(of=Text(longest=255)),
    rotation_policy=_ROTATION,
    unprotected=Boolean(),
    origin=Word(words=("scaleway_kms",), default="scaleway_kms"),
)
KEY_CHANGE = Body(
    name=Text(longest=255),
    description=Text(),
    tags=KEY.fields["tags"],
    rotation_policy=_ROTATION,
)
ENCRYPT = Body(plaintext=Text(required=True, longest=200_000), associated_data=Text(default=None))
DECRYPT = Body(ciphertext=Text(required=True, longest=200_000), associated_data=Text(default=None))
DATA_KEY = Body(algorithm=Word(words=("aes_256_gcm",), default="aes_256_gcm"), without_plaintext=Boolean())


@routes("POST", "", "key")
def create_key(call: Call) -> Answer:
    values = KEY.create(call.body)
    project = call.project(values["project_id"])
    for other in keys.every(call, name=values["name"], _project=project, _region=call.region):
        raise already_exists("key", other["id"], "a key with this name exists in the project")
    policy = values["rotation_policy"]
    values |= {
        "project_id": project,
        "region": call.region,
        "state": "enabled",
        "protected": not values.pop("unprotected"),
        "locked": False,
        "rotation_count": 1,
        "rotated_at": timestamp(call.now),
        "rotation_policy": policy and {"next_rotation_at": None, **policy},
        "deletion_requested_at": None,
        "protection_level": "software",
    }
    key = keys.add(call, values, project=project)
    call.store.put(MATERIAL, key["id"], {"id": key["id"], "rotations": [_fresh()]})
    return keys.show(call, key)


@routes("GET", "", "key")
def list_keys(call: Call) -> Answer:
    if call.argument("scheduled_for_deletion") == "true":
        return {"keys": [], "total_count": 0}
    return keys.list(call)


@routes("GET", "/{id}", "key")
def get_key(call: Call) -> Answer:
    return keys.show(call, keys.find(call, call.id))


@routes("PATCH", "/{id}", "key")
def update_key(call: Call) -> Answer:
    key = keys.find(call, call.id)
    changes = KEY_CHANGE.update(call.body)
    if "rotation_policy" in changes:
        changes["rotation_policy"] = {"next_rotation_at": None, **changes["rotation_policy"]}
    return keys.show(call, keys.change(call, key, changes))


@routes("DELETE", "/{id}", "key")
def delete_key(call: Call) -> Answer:
    key = keys.find(call, call.id)
    if key["protected"]:
        raise precondition_failed("protected_resource", "cannot delete a protected key")
    call.store.delete(MATERIAL, key["id"])
    keys.remove(call, key)
    return None


@routes("POST", "/{id}/protect", "key")
def protect_key(call: Call) -> Answer:
    return keys.show(call, keys.change(call, keys.find(call, call.id), {"protected": True}))


@routes("POST", "/{id}/unprotect", "key")
def unprotect_key(call: Call) -> Answer:
    return keys.show(call, keys.change(call, keys.find(call, call.id), {"protected": False}))


@routes("POST", "/{id}/enable", "key")
def enable_key(call: Call) -> Answer:
    return keys.show(call, keys.change(call, keys.find(call, call.id), {"state": "enabled"}))


@routes("POST", "/{id}/disable", "key")
def disable_key(call: Call) -> Answer:
    return keys.show(call, keys.change(call, keys.find(call, call.id), {"state": "disabled"}))


@routes("POST", "/{id}/rotate", "key")
def rotate_key(call: Call) -> Answer:
    key = _usable(call)
    rotations = [*_rotations(call, key), _fresh()]
    call.store.put(MATERIAL, key["id"], {"id": key["id"], "rotations": rotations})
    changes = {"rotation_count": len(rotations), "rotated_at": timestamp(call.now)}
    return keys.show(call, keys.change(call, key, changes))


@routes("POST", "/{id}/encrypt", "key", action="encrypt")
def encrypt(call: Call) -> Answer:
    key = _usable(call)
    values = ENCRYPT.create(call.body)
    plaintext = _decoded("plaintext", values["plaintext"])
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise invalid("plaintext", f"must be at most {MAX_PLAINTEXT_BYTES} bytes")
    sealed = _seal(_rotations(call, key), plaintext, _associated(values))
    return {"key_id": key["id"], "ciphertext": base64.b64encode(sealed).decode()}


@routes("POST", "/{id}/decrypt", "key", action="decrypt")
def decrypt(call: Call) -> Answer:
    """A ciphertext of an older rotation is answered anew with the latest one, as the platform does."""
    key = _usable(call)
    values = DECRYPT.create(call.body)
    rotations, associated = _rotations(call, key), _associated(values)
    rotation, plaintext = _open(rotations, _decoded("ciphertext", values["ciphertext"]), associated)
    renewed = None
    if rotation != len(rotations):
        renewed = base64.b64encode(_seal(rotations, plaintext, associated)).decode()
    return {"key_id": key["id"], "plaintext": base64.b64encode(plaintext).decode(), "ciphertext": renewed}


@routes("POST", "/{id}/generate-data-key", "key", action="encrypt")
def generate_data_key(call: Call) -> Answer:
    key = _usable(call)
    values = DATA_KEY.create(call.body)
    data_key = random.token_bytes(32)
    return {
        "key_id": key["id"],
        "algorithm": values["algorithm"],
        "ciphertext": base64.b64encode(_seal(_rotations(call, key), data_key, b"")).decode(),
        "plaintext": None if values["without_plaintext"] else base64.b64encode(data_key).decode(),
        "created_at": timestamp(call.now),
    }


def _usable(call: Call) -> Resource:
    key = keys.find(call, call.id)
    if key["state"] != "enabled":
        raise precondition_failed("resource_not_usable", "the key is disabled")
    return key


def _rotations(call: Call, key: Resource) -> list[str]:
    material = call.store.get(MATERIAL, key["id"])
    assert material is not None
    return list(material["rotations"])


def _fresh() -> str:
    return base64.b64encode(random.token_bytes(32)).decode()


def _associated(values: dict[str, Any]) -> bytes:
    return _decoded("associated_data", values["associated_data"] or "")


def _decoded(name: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(name, "must be base64") from error


def _seal(rotations: list[str], plaintext: bytes, associated: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # imported late: it slows the start

    nonce = random.token_bytes(_NONCE_BYTES)
    header = len(rotations).to_bytes(_HEADER_BYTES, "big")
    return header + nonce + AESGCM(base64.b64decode(rotations[-1])).encrypt(nonce, plaintext, associated)


def _open(rotations: list[str], sealed: bytes, associated: bytes) -> tuple[int, bytes]:
    """The number of the rotation and the plaintext. Raises 400 if this key or this data did not make it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    rotation = int.from_bytes(sealed[:_HEADER_BYTES], "big")
    nonce, body = sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES], sealed[_HEADER_BYTES + _NONCE_BYTES :]
    if not 1 <= rotation <= len(rotations) or len(nonce) != _NONCE_BYTES:
        raise invalid("ciphertext", "was not made with this key")
    try:
        return rotation, AESGCM(base64.b64decode(rotations[rotation - 1])).decrypt(nonce, body, associated)
    except InvalidTag as error:
        raise invalid("ciphertext", "was not made with this key and this associated data") from error

"""A stack's resources as in Pulumi's checkpoints (ResourceV3 in ``sdk/go/common/apitype/core.go``)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pulumi_state import urn as urns
from pulumi_state.passphrase import Crypter
from pulumi_state.values import PropertyMap, carry_secrets, from_checkpoint, make_secret, redact, to_checkpoint, unwrap

HOOKS_FEATURE = "hooks"
"""The feature of a checkpoint in which a resource has hooks (``pkg/resource/stack/deployment.go``)."""
SUPPORTED_FEATURES = (HOOKS_FEATURE,)
SUPPORTED_VERSIONS = (3, 4)
"""Versions of checkpoints. The CLI writes version 4, with features, for a state that older CLIs cannot read."""
_HOOKS = "resourceHooks"


def checkpoint_format(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the version and features of a checkpoint with these encoded resources."""
    if any(resource.get(_HOOKS) for resource in resources):
        return {"version": 4, "features": [HOOKS_FEATURE]}
    return {"version": 3}


def now() -> str:
    """Return the current UTC time in Pulumi's format (RFC 3339)."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@dataclass(eq=False)
class ResourceState:
    """A resource. Compared by identity, since a resource and its replacement have the same URN."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: PropertyMap = field(default_factory=dict)
    outputs: PropertyMap = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    """``<provider's URN>::<provider's id>``; empty for components and providers."""
    protect: bool = False
    external: bool = False
    """Whether the resource is only read and not managed, like a stack reference."""
    delete: bool = False
    """Whether the resource was replaced by another one with the same URN and is pending deletion."""
    pending_replacement: bool = False
    """Whether the resource was deleted and its replacement has not been created yet."""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    additional_secret_outputs: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    hooks: dict[str, list[str]] = field(default_factory=dict)
    """Names of the program's hooks by kind, such as ``AfterCreate``."""
    init_errors: list[str] = field(default_factory=list)
    created: str = ""
    modified: str = ""
    source_position: str = ""
    other: dict[str, Any] = field(default_factory=dict)
    """Fields that the embedded engine does not use, preserved as they were read."""

    @property
    def provider_urn(self) -> str:
        """The provider's URN; empty for components and providers."""
        return self.provider.rpartition("::")[0]

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return urns.name_of(self.urn)

    def with_secrets(self, outputs: PropertyMap) -> PropertyMap:
        """Mark as secret the outputs whose inputs are secret and those in ``additional_secret_outputs``."""
        marked = carry_secrets(outputs, self.inputs)
        named = (key for key in self.additional_secret_outputs if key in marked)
        return marked | {key: make_secret(unwrap(marked[key])) for key in named}

    def copy(self, **changes: Any) -> ResourceState:
        """Return a shallow copy with changes to some fields."""
        return replace(self, **changes)

    def references(self) -> set[str]:
        """Return the URNs that must exist while this resource does: its provider, parent and dependencies."""
        references = {self.provider_urn, self.parent, *self.dependencies}
        for dependencies in self.property_dependencies.values():
            references.update(dependencies)
        return references - {""}


# Attribute, key in the checkpoint, and the default value, which is omitted from the checkpoint.
_FIELDS: tuple[tuple[str, str, Any], ...] = (
    ("delete", "delete", False),
    ("id", "id", ""),
    ("type", "type", None),
    ("inputs", "inputs", {}),
    ("outputs", "outputs", {}),
    ("parent", "parent", ""),
    ("protect", "protect", False),
    ("external", "external", False),
    ("dependencies", "dependencies", []),
    ("init_errors", "initErrors", []),
    ("provider", "provider", ""),
    ("property_dependencies", "propertyDependencies", {}),
    ("pending_replacement", "pendingReplacement", False),
    ("additional_secret_outputs", "additionalSecretOutputs", []),
    ("created", "created", ""),
    ("modified", "modified", ""),
    ("source_position", "sourcePosition", ""),
    ("ignore_changes", "ignoreChanges", []),
    ("hooks", _HOOKS, {}),
)
_KNOWN_KEYS = {"urn", "custom", *(key for _, key, _ in _FIELDS)}


def resource_to_json(resource: ResourceState, crypter: Crypter) -> dict[str, Any]:
    """Encode a resource for a checkpoint and encrypt its secrets."""
    encoded: dict[str, Any] = {"urn": resource.urn, "custom": resource.custom}
    for attribute, key, default in _FIELDS:
        value = getattr(resource, attribute)
        if value == default:
            continue
        if attribute in ("inputs", "outputs"):
            value = to_checkpoint(value, lambda item: crypter.encrypt(resource.urn, item))
        encoded[key] = value
    return encoded | resource.other


def resource_from_json(encoded: dict[str, Any], crypter: Crypter) -> ResourceState:
    """Decode a checkpoint's resource and decrypt its secrets.

    Raises KeyError or TypeError if it is malformed and StateError if a secret cannot be decrypted.
    """
    resource = ResourceState(urn=encoded["urn"], type=encoded["type"], custom=encoded["custom"])
    for attribute, key, _default in _FIELDS:
        if key not in encoded:
            continue
        value = encoded[key]
        if attribute in ("inputs", "outputs"):
            if not isinstance(value, dict):
                raise TypeError(f"{key} of {resource.urn} is not a map")
            value = from_checkpoint(value, lambda item: crypter.decrypt(resource.urn, item))
        setattr(resource, attribute, value)
    resource.other = {key: value for key, value in encoded.items() if key not in _KNOWN_KEYS}
    return resource


def resource_to_event(resource: ResourceState | None) -> dict[str, Any] | None:
    """Encode a resource for engine events (``StepEventStateMetadata``), without secrets."""
    if resource is None:
        return None
    metadata: dict[str, Any] = {
        "type": resource.type,
        "urn": resource.urn,
        "id": resource.id,
        "parent": resource.parent,
        "inputs": redact(resource.inputs),
        "outputs": redact(resource.outputs),
        "provider": resource.provider,
    }
    for flag in ("custom", "delete", "protect", "external"):
        if getattr(resource, flag):
            metadata[flag] = True
    if resource.init_errors:
        metadata["initErrors"] = resource.init_errors
    return metadata


@dataclass
class PendingOperation:
    """A started operation with an unknown outcome: ``creating``, ``updating`` or ``deleting``."""

    resource: ResourceState
    type: str


@dataclass
class Snapshot:
    """A stack's pending operations and resources, each resource after the ones it refers to."""

    resources: list[ResourceState] = field(default_factory=list)
    pending_operations: list[PendingOperation] = field(default_factory=list)

    def by_urn(self) -> dict[str, ResourceState]:
        """Return the current resources, without replaced resources that are pending deletion."""
        return {resource.urn: resource for resource in self.resources if not resource.delete}

    def stack_outputs(self) -> PropertyMap:
        """Return the stack's outputs; empty if it has none."""
        for resource in self.resources:
            if resource.type == urns.ROOT_STACK_TYPE:
                return resource.outputs
        return {}


class SnapshotEncoder:
    """Encodes successive snapshots of a changing stack, encoding unchanged resources only once."""

    def __init__(self, crypter: Crypter) -> None:
        """Encrypt secrets with ``crypter``."""
        self._crypter = crypter
        self._encoded: dict[int, tuple[ResourceState, str]] = {}

    def forget(self, resource: ResourceState) -> None:
        """Discard the cached encoding of a resource that was changed in place."""
        self._encoded.pop(id(resource), None)

    def _resource(self, resource: ResourceState) -> str:
        cached = self._encoded.get(id(resource))
        if cached is None or cached[0] is not resource:
            text = json.dumps(resource_to_json(resource, self._crypter), ensure_ascii=False)
            cached = self._encoded[id(resource)] = (resource, text)
        return cached[1]

    def encode(self, stack: str, resources: Collection[ResourceState], pending: Collection[PendingOperation]) -> str:
        """Return the checkpoint file's content; ``stack`` is the full name, ``organization/<project>/<stack>``."""
        listed = ",\n".join(self._resource(resource) for resource in resources)
        operations = ",\n".join(
            f'{{"resource": {self._resource(operation.resource)}, "type": {json.dumps(operation.type)}}}'
            for operation in pending
        )
        provider = json.dumps({"type": "passphrase", "state": {"salt": self._crypter.salt}})
        manifest = json.dumps({"time": now(), "magic": "", "version": ""})
        latest = f'"manifest": {manifest}, "secrets_providers": {provider}'
        if listed:
            latest += f',\n"resources": [\n{listed}\n]'
        if operations:
            latest += f',\n"pending_operations": [\n{operations}\n]'
        hooks = [{_HOOKS: resource.hooks} for resource in (*resources, *(each.resource for each in pending))]
        document_format = json.dumps(checkpoint_format(hooks)).removesuffix("}")
        return (
            f'{document_format}, "checkpoint": {{"stack": {json.dumps(stack)}, '
            f'"latest": {{{latest},\n"metadata": {{}}}}}}}}\n'
        )

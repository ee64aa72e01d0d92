"""Resource registrations decoded from the SDK's requests. Raises UnsupportedError for unsupported features."""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.message import Message

from pulumi_state import urn as urns
from pulumi_state.aliases import Alias
from pulumi_state.errors import UnsupportedError
from pulumi_state.protocol import alias_pb2, resource_pb2
from pulumi_state.provider import ProviderRequest
from pulumi_state.values import PropertyMap, from_struct

_UNSUPPORTED = {
    "remote": "remote components",
    "importId": "the import_ resource option",
    "customTimeouts": "the custom_timeouts resource option",
    "retainOnDelete": "the retain_on_delete resource option",
    "deletedWith": "the deleted_with resource option",
    "replaceOnChanges": "the replace_on_changes resource option",
    "replace_with": "the replace_with resource option",
    "replacement_trigger": "the replacement_trigger resource option",
    "transforms": "resource transforms",
    "hideDiffs": "the hide_diffs resource option",
    "state_migrations": "state migrations",
    "packageRef": "parameterized packages",
    "pluginChecksums": "plugin checksums",
    "provider": "explicit providers",
    "providers": "explicit providers",
}


@dataclass(frozen=True)
class Goal:
    """The desired state of a resource, as registered by the program."""

    type: str
    name: str
    custom: bool
    inputs: PropertyMap
    parent: str = ""
    protect: bool | None = None
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: ProviderRequest | None = None
    delete_before_replace: bool | None = None
    ignore_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    hooks: dict[str, list[str]] = field(default_factory=dict)
    """Names of the hooks to call, by kind: ``BeforeCreate``, ``AfterCreate``, …, as in the state."""
    source_position: str = ""


def provider_request(
    type_or_token: str, request: resource_pb2.RegisterResourceRequest | resource_pb2.ResourceInvokeRequest
) -> ProviderRequest:
    return ProviderRequest(type_or_token.split(":", 1)[0], request.version, request.pluginDownloadURL)


def _is_set(request: resource_pb2.RegisterResourceRequest, name: str) -> bool:
    """Return whether the request sets a field; False if this SDK version does not have the field."""
    value = getattr(request, name, None)
    return bool(value.ByteSize()) if isinstance(value, Message) else bool(value)


def goal_from(request: resource_pb2.RegisterResourceRequest) -> Goal:
    """Decode a registration. Raises UnsupportedError if it uses a feature that the embedded engine does not support."""
    for name, feature in _UNSUPPORTED.items():
        if _is_set(request, name):
            raise UnsupportedError(f"{feature} (requested by {request.name})")
    if request.custom and urns.is_provider_type(urns.qualified_type(f"::::{request.type}")):
        raise UnsupportedError(f"explicit providers (requested by {request.name})")
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs={key: value for key, value in from_struct(request.object).items() if value is not None},
        parent=request.parent,
        protect=request.protect if request.HasField("protect") else None,
        dependencies=sorted(request.dependencies),
        property_dependencies={key: sorted(value.urns) for key, value in sorted(request.propertyDependencies.items())},
        provider=provider_request(request.type, request) if request.custom else None,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=list(request.ignoreChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        hooks=_hooks(request),
        aliases=[*map(_alias, request.aliases), *(Alias(urn=urn) for urn in request.aliasURNs)],
        source_position=_source_position(request),
    )


def _hooks(request: resource_pb2.RegisterResourceRequest) -> dict[str, list[str]]:
    bindings = request.hooks
    if bindings.on_error:
        raise UnsupportedError(f"error hooks (requested by {request.name})")
    kinds = {
        "BeforeCreate": bindings.before_create,
        "AfterCreate": bindings.after_create,
        "BeforeUpdate": bindings.before_update,
        "AfterUpdate": bindings.after_update,
        "BeforeDelete": bindings.before_delete,
        "AfterDelete": bindings.after_delete,
    }
    return {kind: list(names) for kind, names in kinds.items() if names}


def _alias(alias: alias_pb2.Alias) -> Alias:
    if alias.WhichOneof("alias") == "urn":
        return Alias(urn=alias.urn)
    spec = alias.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


def _source_position(request: resource_pb2.RegisterResourceRequest) -> str:
    position = request.sourcePosition
    return f"{position.uri}#{position.line}" if position.uri else ""

"""What a program registers, read from the requests of its SDK; what the engine does not do is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message

from localcloud.engine import urn as urns
from localcloud.engine.errors import UnsupportedError
from localcloud.engine.protocol import alias_pb2, resource_pb2
from localcloud.engine.values import PropertyMap, from_struct, make_secret

_REFUSED = {
    "remote": "remote components",
    "importId": "the resource option import_",
    "customTimeouts": "the resource option custom_timeouts",
    "retainOnDelete": "the resource option retain_on_delete",
    "deletedWith": "the resource option deleted_with",
    "replace_with": "the resource option replace_with",
    "replacement_trigger": "the resource option replacement_trigger",
    "transforms": "resource transforms",
    "hooks": "resource hooks",
    "hideDiffs": "the resource option hide_diffs",
    "state_migrations": "state migrations",
    "packageRef": "parameterized packages",
    "pluginChecksums": "plugin checksums",
    "provider": "explicit providers",
    "providers": "explicit providers",
}


@dataclass(frozen=True)
class ProviderRequest:
    """Which provider serves a resource: the package's default one, in the version that the SDK names."""

    package: str
    version: str = ""
    download_url: str = ""

    @property
    def name(self) -> str:
        """The default provider's name, as Pulumi makes it (``pkg/resource/deploy/providers/provider.go``)."""
        name = "default"
        if self.version:
            name += "_" + self.version.replace(".", "_")
        if self.download_url:
            name += "_" + _qualified_name(self.download_url)
        return name


def _qualified_name(url: str) -> str:
    """Pulumi's ``tokens.IntoQName``."""
    return "/".join(re.sub(r"[^a-zA-Z0-9_.-]", "_", part) for part in url.split("/") if part)


@dataclass(frozen=True)
class Alias:
    """A former identity; what is empty is as it is now."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(frozen=True)
class Goal:
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
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    source_position: str = ""


def provider_request(
    type_or_token: str, request: resource_pb2.RegisterResourceRequest | resource_pb2.ResourceInvokeRequest
) -> ProviderRequest:
    return ProviderRequest(type_or_token.split(":", 1)[0], request.version, request.pluginDownloadURL)


def _is_set(request: resource_pb2.RegisterResourceRequest, name: str) -> bool:
    """Whether a field says anything; an optional one that says ``false`` does not, nor one that the SDK lacks."""
    value = getattr(request, name, None)
    return bool(value.ByteSize()) if isinstance(value, Message) else bool(value)


def goal_from(request: resource_pb2.RegisterResourceRequest) -> Goal:
    """Raises UnsupportedError for what the embedded engine does not do."""
    for name, feature in _REFUSED.items():
        if _is_set(request, name):
            raise UnsupportedError(f"{feature} (asked for by {request.name})")
    if request.custom and urns.qualified_type(f"::::{request.type}").startswith("pulumi:providers:"):
        raise UnsupportedError(f"explicit providers (asked for by {request.name})")
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
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        aliases=[*map(_alias, request.aliases), *(Alias(urn=urn) for urn in request.aliasURNs)],
        source_position=_source_position(request),
    )


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


class Aliases:
    """Finds the former URNs of resources, as ``generateAliases`` of Pulumi's step generator does."""

    def __init__(self, stack: str, project: str) -> None:
        self._stack = stack
        self._project = project
        self._former: dict[str, str] = {}
        """Former URN by today's, for resources that were found under an alias."""
        self._heirs: dict[str, str] = {}
        """The reverse."""

    def use(self, urn: str, former: str) -> None:
        """The resource was found under an alias."""
        self._former[urn] = former
        self._heirs[former] = urn

    def used(self) -> set[str]:
        """Former URNs of what was found under an alias."""
        return set(self._heirs)

    def heir_of(self, former: str) -> str | None:
        """The URN of the resource that was found under this alias."""
        return self._heirs.get(former)

    def of(self, goal: Goal) -> list[str]:
        found = [self._collapse(goal, alias) for alias in goal.aliases]
        former_parent = self._former.get(goal.parent)
        if former_parent:
            inherited = [self._inherited(goal.type, goal.name, goal.parent, former_parent)]
            for alias in found:
                inherited.append(self._inherited(urns.type_of(alias), urns.name_of(alias), goal.parent, former_parent))
            found += inherited
        return list(dict.fromkeys(found))

    def _collapse(self, goal: Goal, alias: Alias) -> str:
        if alias.urn:
            return alias.urn
        parent = self._former.get(alias.parent, alias.parent) if alias.parent else goal.parent
        if alias.no_parent:
            parent = ""
        return urns.new_urn(
            alias.stack or self._stack,
            alias.project or self._project,
            parent,
            alias.type or goal.type,
            alias.name or goal.name,
        )

    def _inherited(self, type_: str, name: str, parent: str, former_parent: str) -> str:
        parent_name = urns.name_of(parent)
        if name.startswith(parent_name):
            name = urns.name_of(former_parent) + name.removeprefix(parent_name)
        return urns.new_urn(self._stack, self._project, former_parent, type_, name)


SECRET_SETTINGS = {"scaleway": frozenset({"accessKey", "secretKey"})}
"""Settings that the package's schema declares secret."""


def package_config(package: str, config: Mapping[str, str]) -> dict[str, str]:
    """The configuration of a package's default provider: ``scaleway:region`` gives ``region``."""
    prefix = f"{package}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def provider_inputs(request: ProviderRequest, config: Mapping[str, str]) -> PropertyMap:
    """What the default provider of a package is configured with, as Pulumi keeps it in states."""
    inputs: PropertyMap = {
        key: make_secret(value) if key in SECRET_SETTINGS.get(request.package, ()) else value
        for key, value in package_config(request.package, config).items()
    }
    if request.version:
        inputs["version"] = request.version
    if request.download_url:
        inputs["__internal"] = {"pluginDownloadURL": request.download_url}
    return inputs

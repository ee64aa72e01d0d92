"""Default providers of packages, as Pulumi names them and stores them in the state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pulumi_state.values import PropertyMap, make_secret


@dataclass(frozen=True)
class ProviderRequest:
    """The provider requested by a resource: its package's default provider, in the version specified by the SDK."""

    package: str
    version: str = ""
    download_url: str = ""

    @property
    def name(self) -> str:
        """The default provider's name, built as in Pulumi (``pkg/resource/deploy/providers/provider.go``)."""
        name = "default"
        if self.version:
            name += "_" + self.version.replace(".", "_")
        if self.download_url:
            name += "_" + _qualified_name(self.download_url)
        return name


def _qualified_name(url: str) -> str:
    """Convert a URL to a qualified name, as Pulumi's ``tokens.IntoQName`` does."""
    return "/".join(re.sub(r"[^a-zA-Z0-9_.-]", "_", part) for part in url.split("/") if part)


SECRET_SETTINGS = {"scaleway": frozenset({"accessKey", "secretKey"})}
"""Settings declared as secret in the schema, by package."""


def package_config(package: str, config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of a package's default provider: ``scaleway:region`` becomes ``region``."""
    prefix = f"{package}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def provider_inputs(request: ProviderRequest, config: Mapping[str, str]) -> PropertyMap:
    """Return the inputs of a package's default provider as stored by Pulumi in the state."""
    inputs: PropertyMap = {
        key: make_secret(value) if key in SECRET_SETTINGS.get(request.package, ()) else value
        for key, value in package_config(request.package, config).items()
    }
    if request.version:
        inputs["version"] = request.version
    if request.download_url:
        inputs["__internal"] = {"pluginDownloadURL": request.download_url}
    return inputs

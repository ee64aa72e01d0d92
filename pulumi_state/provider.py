"""Default providers of packages, as Pulumi names them and keeps them in states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pulumi_state.values import PropertyMap, make_secret


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

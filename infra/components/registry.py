"""A registry namespace for container images."""

from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import registry

from .component import Component


class RegistryArgs(TypedDict):
    """Arguments of `Registry`."""

    namespace_name: pulumi.Input[str]
    """Name of the namespace; unique in the region across all organizations."""
    project_id: NotRequired[pulumi.Input[str] | None]
    """Project of the namespace. Default: the provider's project."""


class Registry(Component):
    """A private registry namespace.

    Children:

    - `<name>-namespace`: the registry namespace
    """

    endpoint: pulumi.Output[str]
    """Prefix of image references, without a trailing slash."""

    _former_type = "snu:registry:Registry"

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        namespace = registry.Namespace(
            f"{name}-namespace",
            name=args["namespace_name"],
            description=f"Images of {name}",
            is_public=False,
            project_id=args.get("project_id"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.endpoint = namespace.endpoint
        self.register_outputs({"endpoint": self.endpoint})

"""The registry namespace for an environment's images."""

from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import registry


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """Arguments of `Registry`."""

    namespace: str
    """Name of the namespace; unique in the region across all organizations."""
    project_id: pulumi.Input[str]
    """Project of the namespace."""


class Registry(pulumi.ComponentResource):
    """A private registry namespace (`snu:registry:Registry`).

    Children:

    - `<name>-namespace`: the registry namespace
    """

    endpoint: pulumi.Output[str]
    """Prefix of image references, without a trailing slash."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:registry:Registry", name, None, opts)
        namespace = registry.Namespace(
            f"{name}-namespace",
            name=args.namespace,
            description=f"Images of {name}",
            is_public=False,
            project_id=args.project_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.endpoint = namespace.endpoint
        self.register_outputs({"endpoint": self.endpoint})

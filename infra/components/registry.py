"""Where an environment's images are kept."""

from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import registry


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """What a `Registry` is made from."""

    namespace: str
    """Name of the namespace, unique in the region across all organizations."""
    project_id: pulumi.Input[str]
    """The project that it belongs to."""


class Registry(pulumi.ComponentResource):
    """`snu:registry:Registry`, produces:

    - `<name>-namespace`: a private registry namespace
    """

    endpoint: pulumi.Output[str]
    """What an image's reference starts with, without a final slash."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
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

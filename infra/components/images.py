"""An image that Pulumi builds and pushes with Docker."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_docker

from . import defaults
from .component import Component


class AppImageArgs(TypedDict):
    """Arguments of `AppImage`."""

    repository: pulumi.Input[str]
    """Registry, namespace and name of the image: `rg.example.test/snu-ci/api`."""
    tag: pulumi.Input[str]
    """Tag of the image."""
    context: pulumi.Input[str]
    """Folder of the build context. It is stored in the state, so it should be relative to the program's folder."""
    dockerfile: NotRequired[pulumi.Input[str] | None]
    """Path of the Dockerfile. Default: `Dockerfile` in the context."""
    arguments: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Build arguments."""
    platform: NotRequired[pulumi.Input[str]]
    """Platform of the image. Default: `linux/amd64`, the only platform that Scaleway supports."""
    network: NotRequired[pulumi.Input[str] | None]
    """Network of the build. Default: Docker's."""
    registry_password: NotRequired[pulumi.Input[str] | None]
    """Secret key for pushing. Default: Docker's stored credentials."""


class AppImage(Component):
    """An image built from a folder and pushed to a registry.

    Children:

    - `<name>-image`: the image

    The image is rebuilt only when its tag or another argument changes. Deleting the component keeps the image in the
    registry.
    """

    reference: pulumi.Output[str]
    """Reference to the pushed image, including its digest."""
    digest: pulumi.Output[str]
    """Digest of the manifest."""

    _former_type = "snu:images:AppImage"

    def __init__(self, name: str, args: AppImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        repository = pulumi.Output.from_input(args["repository"])
        image = pulumi_docker.Image(
            f"{name}-image",
            image_name=pulumi.Output.concat(repository, ":", args["tag"]),
            build=pulumi_docker.DockerBuildArgs(
                context=args["context"],
                dockerfile=args.get("dockerfile"),
                args=args.get("arguments", {}),
                platform=args.get("platform", defaults.PLATFORM),
                network=args.get("network"),
            ),
            registry=_registry(repository, args.get("registry_password")),
            # The plugin never deletes images, and its delete operation fails if Docker is not running.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.reference = image.repo_digest
        self.digest = image.repo_digest.apply(lambda reference: reference.rpartition("@")[2])
        self.register_outputs({"reference": self.reference, "digest": self.digest})


def _registry(repository: pulumi.Output[str], password: pulumi.Input[str] | None) -> pulumi_docker.RegistryArgs | None:
    if password is None:
        return None
    return pulumi_docker.RegistryArgs(
        server=repository.apply(lambda repository: repository.partition("/")[0]),
        username="nologin",
        password=pulumi.Output.secret(password),
    )

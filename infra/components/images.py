"""An image that Pulumi builds and pushes with Docker."""

import os
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker

from infra.images.working_copy import WorkingCopy
from infra.settings.images import PLATFORM


@dataclass(frozen=True, kw_only=True)
class AppImageArgs:
    """Arguments of `AppImage`."""

    image: str
    """Name of the image in `images.yaml` and in the registry."""
    sources: WorkingCopy
    """Working copy with `images.yaml` and the source files."""
    contexts: Path
    """Folder for the build contexts, one per version."""
    registry_endpoint: pulumi.Input[str]
    """Registry and namespace to push to: `rg.example.test/snu-ci`."""
    registry_password: pulumi.Input[str] | None = None
    """Secret key for pushing. Default: Docker's stored credentials."""


class AppImage(pulumi.ComponentResource):
    """An image built from `images.yaml` and pushed to a registry (`snu:images:AppImage`).

    Children:

    - `<name>-image`: the image, tagged with its version

    The image is rebuilt only when its version changes. Deleting the component keeps the image in the registry.
    """

    version: str
    """Version of the image: a hash of its sources, also used as its tag."""
    reference: pulumi.Output[str]
    """Reference to the pushed image, including its digest."""
    digest: pulumi.Output[str]
    """Digest of the manifest."""

    def __init__(self, name: str, args: AppImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children.

        Raises `infra.images.errors.ImageSourceError` if the sources do not match `images.yaml`.
        """
        super().__init__("snu:images:AppImage", name, None, opts)
        inputs, folder = args.sources.keep_context(args.image, args.contexts)
        # The Docker plugin runs in the project folder, as does the program. The path is an input stored in the state,
        # so it must be the same on every machine.
        context = Path(os.path.relpath(folder.resolve()))
        self.version = inputs.version
        endpoint = pulumi.Output.from_input(args.registry_endpoint)
        image = pulumi_docker.Image(
            f"{name}-image",
            image_name=endpoint.apply(lambda registry: f"{registry}/{args.image}:{inputs.version}"),
            build=pulumi_docker.DockerBuildArgs(
                context=context.as_posix(),
                dockerfile=(context / inputs.dockerfile).as_posix(),
                args={**inputs.arguments, "VERSION": inputs.version},
                platform=PLATFORM,
                network=args.sources.sources.network,
            ),
            registry=_registry(endpoint, args.registry_password),
            # The plugin never deletes images, and its delete operation fails if Docker is not running.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.reference = image.repo_digest
        self.digest = image.repo_digest.apply(lambda reference: reference.rpartition("@")[2])
        self.register_outputs({"version": self.version, "reference": self.reference})


def _registry(endpoint: pulumi.Output[str], password: pulumi.Input[str] | None) -> pulumi_docker.RegistryArgs | None:
    if password is None:
        return None
    return pulumi_docker.RegistryArgs(
        server=endpoint.apply(lambda registry: registry.partition("/")[0]),
        username="nologin",
        password=pulumi.Output.secret(password),
    )

"""An image that Pulumi builds with Docker."""

import os
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker

from infra.images.working_copy import WorkingCopy
from infra.settings.images import PLATFORM


@dataclass(frozen=True, kw_only=True)
class AppImageArgs:
    """What an `AppImage` is made from."""

    image: str
    """The image's name in `images.yaml` and in the registry."""
    sources: WorkingCopy
    """Where it is described, with the files."""
    contexts: Path
    """The folder that gets a folder for each version, with what it is built from."""
    registry_endpoint: pulumi.Input[str]
    """The registry that it is pushed to, with its namespace: `rg.example.test/snu-ci`."""
    registry_password: pulumi.Input[str] | None = None
    """The key to push with; Docker's own login where it is not given."""


class AppImage(pulumi.ComponentResource):
    """`snu:images:AppImage`, produces:

    - `<name>-image`: the image, built and pushed under its version

    Its inputs are those of its version: as long as they are the same, nothing is built. Deleting it leaves the image
    in the registry.
    """

    version: str
    """The version, which follows from the sources; its tag in the registry."""
    reference: pulumi.Output[str]
    """The pushed image, by digest."""
    digest: pulumi.Output[str]
    """The digest of its manifest."""

    def __init__(self, name: str, args: AppImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Raises `infra.images.errors.ImageSourceError` where its sources are not as `images.yaml` says."""
        super().__init__("snu:images:AppImage", name, None, opts)
        inputs, folder = args.sources.keep_context(args.image, args.contexts)
        # Docker's plugin runs in the project's folder, as the program does. The path is an input, kept in the state:
        # it has to be the same on every machine.
        context = Path(os.path.relpath(folder.resolve()))
        self.version = inputs.version
        endpoint = pulumi.Output.from_input(args.registry_endpoint)
        image = pulumi_docker.Image(
            f"{name}-image",
            image_name=endpoint.apply(lambda found: f"{found}/{args.image}:{inputs.version}"),
            build=pulumi_docker.DockerBuildArgs(
                context=context.as_posix(),
                dockerfile=(context / inputs.dockerfile).as_posix(),
                args={**inputs.arguments, "VERSION": inputs.version},
                platform=PLATFORM,
                network=args.sources.sources.network,
            ),
            registry=_registry(endpoint, args.registry_password),
            # The plugin deletes nothing: asked to, it would only fail where Docker does not run.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.reference = image.repo_digest
        self.digest = image.repo_digest.apply(lambda found: found.rpartition("@")[2])
        self.register_outputs({"version": self.version, "reference": self.reference})


def _registry(endpoint: pulumi.Output[str], password: pulumi.Input[str] | None) -> pulumi_docker.RegistryArgs | None:
    if password is None:
        return None
    return pulumi_docker.RegistryArgs(
        server=endpoint.apply(lambda found: found.partition("/")[0]),
        username="nologin",
        password=pulumi.Output.secret(password),
    )

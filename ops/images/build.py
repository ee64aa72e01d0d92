"""Determines which of a stack's images must be built, and builds them in parallel."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from gitrepo import GitError
from infra.images.context import write_context
from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs
from infra.settings import Image
from ops.images.docker import BuildError, BuildKitOptions, BuildOptions, Docker
from ops.images.stack_images import StackImages

if TYPE_CHECKING:
    from infra.images.working_copy import WorkingCopy

OnState = Callable[[str, str, str], None]
"""Called with the image's name, its state (such as ``pushing``) and a line of detail."""


class ImageOrigin(Enum):
    """The origin of an image."""

    REGISTRY = "in the registry"
    UNCHANGED = "unchanged by this branch"
    BUILT = "built"


@dataclass(frozen=True)
class SelectedImage:
    """An image selected for a stack to run."""

    name: str
    image: Image
    origin: ImageOrigin


@dataclass(frozen=True)
class ImageSelection:
    """The images that a stack needs, divided into existing and missing ones."""

    existing: list[SelectedImage]
    missing: list[Inputs]


def choose(environment: StackImages, copy: WorkingCopy, parent: StackImages | None, base: str | None) -> ImageSelection:
    """Look up each of the stack's images that `images.yaml` describes.

    A preview environment reuses its ``parent``'s images if its branch has not changed them since the tree ``base``.
    Raises OpsError if the registry cannot be read, and ImageSourceError if sources are missing.
    """
    existing: list[SelectedImage] = []
    missing: list[Inputs] = []
    for name in sorted(environment.settings.images.keys() & copy.sources.images.keys()):
        inputs = copy.inputs(name)
        digest = environment.digest_of(name, inputs.version)
        if digest is not None:
            existing.append(SelectedImage(name, Image(version=inputs.version, digest=digest), ImageOrigin.REGISTRY))
        elif parent is not None and name in parent.running and _is_unchanged(copy, inputs, base):
            existing.append(SelectedImage(name, parent.running[name], ImageOrigin.UNCHANGED))
        else:
            missing.append(inputs)
    return ImageSelection(existing, missing)


def _is_unchanged(copy: WorkingCopy, inputs: Inputs, base: str | None) -> bool:
    if base is None:
        return False
    try:
        return copy.versions.inputs(inputs.name, base).version == inputs.version
    except ImageSourceError:
        return False


@dataclass
class ImageBuilder:
    """Builds missing images for one environment."""

    docker: Docker
    environment: StackImages
    copy: WorkingCopy
    logs: Path
    """Folder for the build logs."""
    labels: Mapping[str, str]
    buildkit: Mapping[str, BuildKitOptions] = field(default_factory=dict)
    """Options by image; images without an entry are built by Docker's default builder."""

    def build(
        self, missing: list[Inputs], *, parallel: int, on_state: OnState
    ) -> tuple[list[SelectedImage], dict[str, str]]:
        """Returns the pushed images, and the reasons for failures by name. A failure does not stop other builds."""
        built: list[SelectedImage] = []
        failed: dict[str, str] = {}
        with ThreadPoolExecutor(parallel) as pool:
            futures = {pool.submit(self._build, inputs, on_state): inputs.name for inputs in missing}
            try:
                for done in as_completed(futures):
                    name = futures[done]
                    try:
                        built.append(done.result())
                    except (BuildError, ImageSourceError, GitError, OSError) as error:
                        failed[name] = str(error)
                        on_state(name, "failed", "")
            except KeyboardInterrupt:
                self.docker.stop()
                pool.shutdown(cancel_futures=True)
                raise
        return sorted(built, key=lambda each: each.name), failed

    def log(self, name: str) -> Path:
        """The file with the output of an image's latest build."""
        return self.logs / f"{name}.log"

    def _build(self, inputs: Inputs, on_state: OnState) -> SelectedImage:
        name = inputs.name
        reference = f"{self.environment.registry}/{name}:{inputs.version}"
        on_state(name, "building", "")
        with tempfile.TemporaryDirectory(prefix=f"snu-{name}-") as folder:
            context = Path(folder)
            write_context(self.copy.repository, inputs, context)
            options = BuildOptions(
                context=context,
                dockerfile=context / inputs.dockerfile,
                reference=reference,
                arguments={**inputs.arguments, "VERSION": inputs.version},
                labels={**self.labels, "org.opencontainers.image.version": inputs.version},
                network=self.copy.sources.network,
                log=self.log(name),
                buildkit=self.buildkit.get(name),
            )
            self.docker.build(options, lambda line: on_state(name, "building", line))
        on_state(name, "pushing", "")
        self.docker.push(reference, self.environment.secret_key, lambda line: on_state(name, "pushing", line))
        digest = self.environment.digest_of(name, inputs.version)
        if digest is None:
            raise BuildError(f"{reference} was pushed, but the registry does not list it")
        on_state(name, "done", digest)
        return SelectedImage(name, Image(version=inputs.version, digest=digest), ImageOrigin.BUILT)

"""Which images of a stack are to be built, and building them side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from gitrepo import GitError
from infra.images.context import write_context
from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs
from infra.settings import Image
from ops.images.docker import BuildError, BuildOptions, Docker
from ops.images.stack_images import StackImages

if TYPE_CHECKING:
    from infra.images.working_copy import WorkingCopy

OnState = Callable[[str, str, str], None]
"""Gets the image's name, what is done with it, and a line about that."""


class ImageOrigin(Enum):
    """Where an image comes from."""

    REGISTRY = "in the registry"
    UNCHANGED = "unchanged by this branch"
    BUILT = "built"


@dataclass(frozen=True)
class SelectedImage:
    """The image that a stack is to run."""

    name: str
    image: Image
    origin: ImageOrigin


@dataclass(frozen=True)
class ImageSelection:
    """What a stack's images are to be: those that are there, and those that are missing."""

    there: list[SelectedImage]
    missing: list[Inputs]


def choose(environment: StackImages, copy: WorkingCopy, parent: StackImages | None, base: str | None) -> ImageSelection:
    """Ask the registry for each image that the stack runs and that `images.yaml` describes.

    A preview environment takes from its ``parent`` what its branch has not changed since the tree ``base``. Raises
    OpsError when the registry does not say, and ImageSourceError when something of the sources is missing.
    """
    there: list[SelectedImage] = []
    missing: list[Inputs] = []
    for name in sorted(environment.settings.images.keys() & copy.sources.images.keys()):
        inputs = copy.inputs(name)
        digest = environment.digest_of(name, inputs.version)
        if digest is not None:
            there.append(SelectedImage(name, Image(version=inputs.version, digest=digest), ImageOrigin.REGISTRY))
        elif parent is not None and name in parent.running and _is_unchanged(copy, inputs, base):
            there.append(SelectedImage(name, parent.running[name], ImageOrigin.UNCHANGED))
        else:
            missing.append(inputs)
    return ImageSelection(there, missing)


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
    """The folder for what each build says."""
    labels: Mapping[str, str]

    def build(
        self, missing: list[Inputs], *, parallel: int, on_state: OnState
    ) -> tuple[list[SelectedImage], dict[str, str]]:
        """What was built and pushed, and by name why the others were not. One failure leaves the others alone."""
        built: list[SelectedImage] = []
        failed: dict[str, str] = {}
        with ThreadPoolExecutor(parallel) as pool:
            under_way = {pool.submit(self._build, inputs, on_state): inputs.name for inputs in missing}
            try:
                for done in as_completed(under_way):
                    name = under_way[done]
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

    def _build(self, inputs: Inputs, on_state: OnState) -> SelectedImage:
        name = inputs.name
        reference = f"{self.environment.registry}/{name}:{inputs.version}"
        on_state(name, "building", "")
        with tempfile.TemporaryDirectory(prefix=f"snu-{name}-") as folder:
            context = Path(folder)
            write_context(self.copy.repository, inputs, context)
            recipe = BuildOptions(
                context=context,
                dockerfile=context / inputs.dockerfile,
                reference=reference,
                arguments={**inputs.arguments, "VERSION": inputs.version},
                labels={**self.labels, "org.opencontainers.image.version": inputs.version},
                network=self.copy.sources.network,
                log=self.logs / f"{name}.log",
            )
            self.docker.build(recipe, lambda line: on_state(name, "building", line))
        on_state(name, "pushing", "")
        self.docker.push(reference, self.environment.secret_key, lambda line: on_state(name, "pushing", line))
        digest = self.environment.digest_of(name, inputs.version)
        if digest is None:
            raise BuildError(f"{reference} was pushed, and the registry does not have it")
        on_state(name, "done", digest)
        return SelectedImage(name, Image(version=inputs.version, digest=digest), ImageOrigin.BUILT)

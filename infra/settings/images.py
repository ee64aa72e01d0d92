"""What a repository's images are built from, as `images.yaml` says it: `docs/how-to/images.md` explains it."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from infra.settings import limits
from infra.settings.models import Settings

IMAGES_FILE = "images.yaml"
"""Stands in the root of the repository."""
PLATFORM = "linux/amd64"
"""The only one that Serverless Containers run."""


def _inside(path: str) -> str:
    parts = path.split("/")
    if path != "." and ({"", ".", ".."} & {*parts} or "\\" in path or "\0" in path):
        raise PydanticCustomError("source_path", "not allowed")
    return path


SourcePath = Annotated[
    str,
    AfterValidator(_inside),
    limits.Allowed("a path inside the repository, relative to its root, with `/` and without `..`"),
]
ArgumentName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    limits.Allowed("letters, digits and `_`, no leading digit"),
]


class ImageSource(Settings):
    """What one image is built from."""

    folder: SourcePath = Field(
        description="The app's folder. If it is a package of the workspace, the packages of the workspace that it "
        "depends on belong to the image as well, and its part of the lock file."
    )
    dockerfile: SourcePath | None = Field(
        default=None, description="The Dockerfile; `<folder>/Dockerfile` if not given."
    )
    include: list[SourcePath] = Field(
        default=[], description="Further files and folders that it is built from, inside `workspace`."
    )
    arguments: dict[ArgumentName, str] = Field(
        default={},
        description="Build arguments, never secrets: they stay readable in the image. `VERSION`, the image's version, "
        "is given by `snu`.",
    )


class ImageSources(Settings):
    """The file `images.yaml`: what the repository's images are built from."""

    namespace: ClassVar[str] = ""

    workspace: SourcePath = Field(
        default=".",
        description="The folder that images are built in: Docker's context. If it has a package.json with "
        "`workspaces`, these are the shared packages.",
    )
    network: Literal["host"] | None = Field(
        default=None,
        description="`host`: builds use the machine's own network, for where containers reach no package index.",
    )
    images: Annotated[dict[limits.Name, ImageSource], limits.Allowed("at least one image")] = Field(
        min_length=1, description="The images, by the name that they have in `snu:images`."
    )

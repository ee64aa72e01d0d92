"""The settings in `images.yaml`: the sources of each image. See `docs/how-to/images.md`."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from infra.settings import limits
from infra.settings.models import Settings

IMAGES_FILE = "images.yaml"
"""Path of the file, relative to the repository root."""


def _inside(path: str) -> str:
    parts = path.split("/")
    if path != "." and ({"", ".", ".."} & {*parts} or "\\" in path or "\0" in path):
        raise PydanticCustomError("source_path", "not allowed")
    return path


SourcePath = Annotated[
    str,
    AfterValidator(_inside),
    limits.Allowed("a path inside the repository, relative to its root, with `/` as the separator and no `..`"),
]
ArgumentName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    limits.Allowed("letters, digits and `_`, not starting with a digit"),
]


class ImageSource(Settings):
    """The source files of an image."""

    folder: SourcePath = Field(
        description="The app's folder. If the app is a workspace package, the image also includes the workspace "
        "packages that the app depends on, and the app's part of the lock file."
    )
    dockerfile: SourcePath | None = Field(default=None, description="The Dockerfile. Default: `<folder>/Dockerfile`.")
    include: list[SourcePath] = Field(
        default=[], description="Additional files and folders to include, inside `workspace`."
    )
    arguments: dict[ArgumentName, str] = Field(
        default={},
        description="Build arguments. Never put secrets here: they remain readable in the image. `snu` sets `VERSION` "
        "to the image's version.",
    )


class ImageSources(Settings):
    """The file `images.yaml`: the source files of the repository's images."""

    namespace: ClassVar[str] = ""

    workspace: SourcePath = Field(
        default=".",
        description="The root of Docker's build contexts. If it contains a package.json with `workspaces`, these are "
        "the workspace packages.",
    )
    network: Literal["host"] | None = Field(
        default=None,
        description="`host`: builds use the machine's network, for machines on which containers cannot reach a package "
        "index.",
    )
    images: Annotated[dict[limits.Name, ImageSource], limits.Allowed("at least one image")] = Field(
        min_length=1, description="The images, by their key in `snu:images`."
    )

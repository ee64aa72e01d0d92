"""The settings in `images.yaml`: the sources of each image. See `docs/how-to/images.md`."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
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


Repository = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$"),
    limits.Allowed("a registry and a repository without a tag, such as `rg.fr-par.scw.cloud/snu-ci/cache`"),
]


class BuildSecret(Settings):
    """A secret that only the build's `RUN --mount=type=secret,id=…` steps can read. It is not stored in the image."""

    id: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$"),
        limits.Allowed("letters, digits, `_`, `.` and `-`"),
    ] = Field(description="The `id` of the mount in the Dockerfile.")
    env: ArgumentName | None = Field(
        default=None,
        description="The environment variable that contains the secret. Variables for deployments (`SCW_…`, `AWS_…`, "
        "`PULUMI_…`, `SNU_…`, `SLACK_…`, `GITHUB_…`, `GH_…`, `ACTIONS_…`, `RUNNER_…`) are rejected.",
    )
    file: SourcePath | None = Field(
        default=None, description="The file that contains the secret; usually one that Git ignores."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise PydanticCustomError("build_secret", "expected either `env` or `file`")
        return self


class BuildCache(Settings):
    """Registry repositories that builds read layers from and write them to. The tag is the image's name."""

    read: Repository | None = Field(default=None, alias="from", description="Repository to read from.")
    write: Repository | None = Field(
        default=None, alias="to", description="Repository to write to, with the layers of all stages (`mode=max`)."
    )


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
    secrets: list[Annotated[BuildSecret, limits.Allowed("an object with `id` and either `env` or `file`")]] = Field(
        default=[], description="Secrets for the build, which requires BuildKit. They are not part of the version."
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
    cache: BuildCache = Field(
        default=BuildCache(),
        description="Layer cache in a registry, which requires BuildKit. Default: only Docker's own.",
    )
    images: Annotated[dict[limits.Name, ImageSource], limits.Allowed("at least one image")] = Field(
        min_length=1, description="The images, by their key in `snu:images`."
    )

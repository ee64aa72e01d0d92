"""Builds the images that an environment's registry lacks, and writes all digests into its configuration."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitrepo import GitError, Repository
from infra.images.errors import ImageSourceError
from infra.settings import Image, SettingsError
from infra.settings.built import built_file, write_built
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.build import ImageBuilder, ImageOrigin, SelectedImage, choose
from ops.images.buildkit import buildkit_options, cache_problems
from ops.images.docker import Docker
from ops.images.stack_images import StackImages, stack_of
from ops.process_environment import process_environment
from ops.report.builds import build_display
from ops.report.factory import printer_for, warn
from ops.report.text import Line, counted, short
from ops.stacks import project_dir

if TYPE_CHECKING:
    from infra.images.inputs import Inputs
    from infra.images.working_copy import WorkingCopy

_CANNOT_WRITE_CACHE = (
    "The layer cache will not be written: Docker's default builder can write it only with the containerd image store. "
    "Enable that store, or create another builder with `docker buildx create --use`."
)
_MAIN_BRANCHES = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main")


def build(directory: Path | None, stack: str, repository: Path | None, *, base: str | None, parallel: int) -> ExitCode:
    """Build and push the missing images, and write each image's version and digest into the configuration."""
    project = project_dir(directory)
    environ = process_environment()
    environment = StackImages.find(project, stack, environ)
    settings = environment.settings
    if settings.promote_from is not None:
        raise OpsError(
            f"{stack} does not build images: they are promoted from {settings.promote_from}. Run "
            f"`scripts/snu promote {settings.promote_from} {stack}`. Nothing was built or changed.",
            ExitCode.USAGE,
        )
    parent = settings.environment.preview_of
    with sources_readable():
        copy = working_copy(repository or project)
        choice = choose(
            environment,
            copy,
            stack_of(project, parent, environ) if parent else None,
            _branched_from(copy.repository, base) if parent else None,
        )
    chosen = choice.existing
    failed: dict[str, str] = {}
    if choice.missing:
        built, failed = build_missing(environment, copy, choice.missing, parallel, _unchanged(stack))
        chosen = [*chosen, *built]
    printer_for(sys.stdout).print(_chosen_lines(sorted(chosen, key=lambda each: each.name), environment.running))
    if failed:
        raise not_built(failed, _unchanged(stack))
    return _write(project, stack, chosen)


def build_missing(
    environment: StackImages, copy: WorkingCopy, missing: list[Inputs], parallel: int, unchanged: str
) -> tuple[list[SelectedImage], dict[str, str]]:
    """Build and push images while showing progress; returns the built images, and the reasons for failures by name.

    ``unchanged``: the part of the Ctrl-C message that states what was not changed. Raises OpsError on Ctrl-C or if
    Docker is not available.
    """
    environ = process_environment()
    buildkit = buildkit_options(
        [each.name for each in missing],
        copy.sources,
        copy.repository.root,
        environ,
        # A preview's branch could write layers that builds of other environments would then use.
        writes_cache=environment.settings.environment.preview_of is None,
    )
    docker = Docker.connect(environ)
    if buildkit:
        docker.require_buildkit(buildkit)
    if any(options.cache_to for options in buildkit.values()) and not docker.can_write_cache():
        buildkit = {name: replace(options, cache_to="") for name, options in buildkit.items()}
        warn(_CANNOT_WRITE_CACHE, sys.stderr)
    builder = ImageBuilder(
        docker=docker,
        environment=environment,
        copy=copy,
        logs=environment.stack.project_dir / ".local" / "builds",
        labels=_labels(copy),
        buildkit=buildkit,
    )
    try:
        with build_display(sys.stdout) as on_state:
            built, failed = builder.build(missing, parallel=parallel, on_state=on_state)
    except KeyboardInterrupt:
        raise OpsError(f"Cancelled. {unchanged}", ExitCode.CANCELLED) from None
    for name in sorted(buildkit.keys() & {each.name for each in built}):
        with builder.log(name).open(encoding="utf-8") as output:
            for problem in cache_problems(output):
                warn(f"{name}: {problem}", sys.stderr)
    return built, failed


def not_built(failed: dict[str, str], unchanged: str) -> OpsError:
    """An error with the reason for each image that was not built."""
    reasons = "".join(f"\n  {name}: {reason}" for name, reason in sorted(failed.items()))
    return OpsError(
        f"{counted(len(failed), 'image was', 'images were')} not built:{reasons}\n{unchanged}", ExitCode.FAILED
    )


def _unchanged(stack: str) -> str:
    return (
        f"The configuration of {stack} was not changed. Images that were built are in the registry and will not be "
        "rebuilt."
    )


def _write(project: Path, stack: str, chosen: list[SelectedImage]) -> ExitCode:
    if not chosen:
        print(f"{stack} runs no images from images.yaml. Nothing was changed.")
        return ExitCode.OK
    file = built_file(project, stack)
    try:
        write_built(project, stack, {each.name: each.image.model_dump() for each in chosen})
    except OSError as error:
        raise OpsError(f"{file} cannot be written: {error.strerror}", ExitCode.FAILED) from error
    print(f"Wrote {file.relative_to(project)}. Commands for {stack} now use this file.")
    return ExitCode.OK


def _chosen_lines(chosen: list[SelectedImage], running: dict[str, Image]) -> Iterator[Line]:
    width = max((len(each.name) for each in chosen), default=0)
    for each in chosen:
        style = "bold green" if each.origin is ImageOrigin.BUILT else "green"
        yield Line.of(
            (f"  {each.name:<{width}}", "bold"),
            f"  {short(each.image.version)}  ",
            (short(each.image.digest), "dim"),
            "  ",
            (each.origin.value, style),
            (", already running" if running.get(each.name) == each.image else "", "dim"),
        )


def _labels(copy: WorkingCopy) -> dict[str, str]:
    """A label that contains the commit; no label if there are uncommitted changes."""
    commit = copy.state.commit
    return {"org.opencontainers.image.revision": commit} if commit and not copy.state.changed else {}


def _branched_from(repository: Repository, base: str | None) -> str | None:
    """Tree of the merge base with the main branch; None if there is no main branch or no common ancestor.

    Raises OpsError if `base` is not a commit, and ShallowError if the clone lacks history.
    """
    names = [base] if base else _MAIN_BRANCHES
    for name in names:
        commit = repository.commit(name)
        if commit is not None:
            merge_base = repository.merge_base("HEAD", commit)
            return repository.tree(merge_base) if merge_base else None
    if base:
        raise OpsError(f"{base} is not a commit in {repository.root}", ExitCode.USAGE)
    return None


def working_copy(folder: Path) -> WorkingCopy:
    from infra.images.working_copy import WorkingCopy

    return WorkingCopy(folder)


@contextmanager
def sources_readable() -> Iterator[None]:
    """Turns errors from `images.yaml`, the files that it names and the repository into an OpsError."""
    try:
        yield
    except (SettingsError, ImageSourceError, GitError) as error:
        raise OpsError(f"{error}\nNothing was built or changed.", ExitCode.SETTINGS) from error

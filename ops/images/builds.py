"""Builds the images of an environment that its registry lacks, and writes them into its configuration."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gitrepo import GitError, Repository
from infra.images.errors import ImageSourceError
from infra.settings import Image, SettingsError
from infra.settings.built import built_file, write_built
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.build import ImageBuilder, ImageOrigin, SelectedImage, choose
from ops.images.docker import Docker
from ops.images.stack_images import StackImages, stack_of
from ops.process_environment import process_environment
from ops.report.builds import build_display
from ops.report.factory import printer_for
from ops.report.text import Line, counted, short
from ops.stacks import project_dir

if TYPE_CHECKING:
    from infra.images.inputs import Inputs
    from infra.images.working_copy import WorkingCopy

_MAIN_BRANCHES = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main")


def build(directory: Path | None, stack: str, repository: Path | None, *, base: str | None, parallel: int) -> ExitCode:
    """Build and push what the registry lacks, and write version and digest of each image into the configuration."""
    project = project_dir(directory)
    environ = process_environment()
    environment = StackImages.find(project, stack, environ)
    settings = environment.settings
    if settings.promote_from is not None:
        raise OpsError(
            f"{stack} never builds: it takes its images from {settings.promote_from}. Nothing was built or changed.",
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
    chosen = choice.there
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
    """Build and push for an environment, and show it; what was built, and by name why the others were not.

    ``unchanged``: what is said to be as it was. Raises OpsError where there is no Docker, and after Ctrl-C.
    """
    builder = ImageBuilder(
        docker=Docker.connect(process_environment()),
        environment=environment,
        copy=copy,
        logs=environment.stack.project_dir / ".local" / "builds",
        labels=_labels(copy),
    )
    try:
        with build_display(sys.stdout) as on_state:
            return builder.build(missing, parallel=parallel, on_state=on_state)
    except KeyboardInterrupt:
        raise OpsError(f"Stopped. {unchanged}", ExitCode.CANCELLED) from None


def not_built(failed: dict[str, str], unchanged: str) -> OpsError:
    """The error that names each image that was not built, and why."""
    reasons = "".join(f"\n  {name}: {reason}" for name, reason in sorted(failed.items()))
    return OpsError(
        f"{counted(len(failed), 'image was', 'images were')} not built:{reasons}\n{unchanged}", ExitCode.FAILED
    )


def _unchanged(stack: str) -> str:
    return (
        f"The configuration of {stack} was not changed. What was built is in the registry, and will not be built again."
    )


def _write(project: Path, stack: str, chosen: list[SelectedImage]) -> ExitCode:
    if not chosen:
        print(f"{stack} runs no image that images.yaml describes; nothing was changed.")
        return ExitCode.OK
    file = built_file(project, stack)
    try:
        write_built(project, stack, {each.name: each.image.model_dump() for each in chosen})
    except OSError as error:
        raise OpsError(f"{file} cannot be written: {error.strerror}", ExitCode.FAILED) from error
    print(f"Written to {file.relative_to(project)}, which every command on {stack} reads from now on.")
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
            (", runs already" if running.get(each.name) == each.image else "", "dim"),
        )


def _labels(copy: WorkingCopy) -> dict[str, str]:
    """The commit of what is built; nothing where files differ from it."""
    commit = copy.state.commit
    return {"org.opencontainers.image.revision": commit} if commit and not copy.state.changed else {}


def _branched_from(repository: Repository, base: str | None) -> str | None:
    """The tree of the commit that the branch left the main branch at; None where the two have none in common.

    Raises OpsError when `base` is no commit, ShallowError when the clone has not enough of the history.
    """
    names = [base] if base else _MAIN_BRANCHES
    for name in names:
        commit = repository.commit(name)
        if commit is not None:
            merge_base = repository.merge_base("HEAD", commit)
            return repository.tree(merge_base) if merge_base else None
    if base:
        raise OpsError(f"{base} is no commit of {repository.root}", ExitCode.USAGE)
    return None


def working_copy(folder: Path) -> WorkingCopy:
    from infra.images.working_copy import WorkingCopy

    return WorkingCopy(folder)


@contextmanager
def sources_readable() -> Iterator[None]:
    """Raises OpsError for what is wrong with `images.yaml`, what it names, or the repository."""
    try:
        yield
    except (SettingsError, ImageSourceError, GitError) as error:
        raise OpsError(f"{error}\nNothing was built or changed.", ExitCode.SETTINGS) from error

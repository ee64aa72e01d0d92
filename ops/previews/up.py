"""Brings a preview environment up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.settings import EnvironmentSettings, Image
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images import builds
from ops.previews import comment
from ops.previews import metadata as abouts
from ops.previews.cloud import Cloud
from ops.previews.comment import CommentBody
from ops.previews.down import end_held, finish_held
from ops.previews.eligibility import NotEligibleError, PreviewRequest
from ops.previews.metadata import PreviewMetadata
from ops.previews.parent import Parent
from ops.previews.stack import PreviewStack, write_file
from ops.session import Options
from ops.stacks import find_stack, settings_of

_PURPOSE = "snu env up"


@dataclass(frozen=True)
class ImageBuild:
    """What the images are built from."""

    repository: Path | None
    base: str | None
    parallel: int


@dataclass(frozen=True)
class PreviewResult:
    """An environment that is up."""

    name: str
    urls: dict[str, str]
    images: dict[str, Image]


def bring_up(
    parent: Parent, cloud: Cloud, wanted: PreviewRequest, engine: EngineChoice, build: ImageBuild, options: Options
) -> PreviewResult:
    """Build its images, bring it up, look at its containers, and say on the pull request how it is.

    Raises NotEligibleError if the pull request was closed or lost its label meanwhile: the environment is down again.
    Raises OpsError if something went wrong: the environment is as far up as it came.
    """
    stack = _opened(parent, wanted, engine)
    with stack.session.locked(_PURPOSE, options):
        # Again: a down that was waited for has removed the file.
        write_file(parent, wanted.name)
        if reason := wanted.objection(parent.template, parent.rules):
            raise NotEligibleError(f"{reason} Nothing was made.")
        _refuse_another(parent, wanted)
        with _told(parent, cloud, wanted, stack):
            about = PreviewMetadata.now(wanted.branch, wanted.pull_request, wanted.repository)
            abouts.write(parent.store, parent.project, wanted.name, about)
            stack.mend()
            builds.build(parent.project_dir, wanted.name, build.repository, base=build.base, parallel=build.parallel)
            stack.up(options)
            if reason := wanted.objection(parent.template, parent.rules):
                _take_back(stack, cloud, wanted, options, reason)
        up = _up(stack)
        _comment(wanted, lambda: _report(cloud, stack, "up").markdown())
    return up


def _opened(parent: Parent, wanted: PreviewRequest, engine: EngineChoice) -> PreviewStack:
    """Raises OpsError, which is said on the pull request too: what it brings may be what is refused."""
    try:
        return PreviewStack.open(parent, wanted.name, engine, validate=True)
    except OpsError as error:
        problem = comment.without_secrets(parent, wanted.name, str(error))
        report = CommentBody(wanted.name, "failed", urls={}, versions={}, containers={}, problem=problem)
        _comment(wanted, report.markdown, after=error)
        raise


def _refuse_another(parent: Parent, wanted: PreviewRequest) -> None:
    """Two branches whose hashes are the same: one in four thousand million."""
    known = abouts.read(parent.store, parent.project, wanted.name)
    if known is not None and wanted.pull_request is None and known.branch != wanted.branch:
        raise OpsError(
            f"{wanted.name} is the environment of the branch {known.branch!r}. Give {wanted.branch!r} another name.",
            ExitCode.USAGE,
        )


@contextmanager
def _told(parent: Parent, cloud: Cloud, wanted: PreviewRequest, stack: PreviewStack) -> Iterator[None]:
    """What goes wrong in the block is said on the pull request too."""
    try:
        yield
    except NotEligibleError:
        raise
    except OpsError as error:
        problem = comment.without_secrets(parent, wanted.name, str(error))
        _comment(wanted, lambda: _report(cloud, stack, "failed", problem).markdown(), after=error)
        raise


def _take_back(stack: PreviewStack, cloud: Cloud, wanted: PreviewRequest, options: Options, reason: str) -> None:
    end_held(stack, options)
    finish_held(stack, cloud)
    _comment(wanted, lambda: comment.gone(wanted.name, f"While it came up, this changed: {reason}"))
    raise NotEligibleError(f"{reason} {wanted.name} was taken down again.")


def _comment(wanted: PreviewRequest, text: Callable[[], str], after: OpsError | None = None) -> None:
    """Raises OpsError when it cannot be written, ``after`` which error that is.

    The environment itself is what it is.
    """
    if wanted.github is None or wanted.pull_request is None:
        return
    try:
        written = comment.write(wanted.github, wanted.pull_request, wanted.name, text())
    except OpsError as error:
        said = f"{after}\n" if after else f"{wanted.name} is as shown above. "
        raise OpsError(f"{said}The comment was not written: {error}", after.code if after else error.code) from None
    print(f"Comment on {wanted.repository}#{wanted.pull_request} {written.outcome}: {written.url}")


def _up(stack: PreviewStack) -> PreviewResult:
    state = stack.state
    urls = state.outputs.get("urls") if state else None
    return PreviewResult(stack.name, {str(app): str(url) for app, url in (urls or {}).items()}, _images(stack))


def _images(stack: PreviewStack) -> dict[str, Image]:
    """By app, as the stack's files name them now."""
    settings = settings_of(find_stack(stack.parent.project_dir, stack.name))
    if not isinstance(settings, EnvironmentSettings):
        return {}
    named = {app: each.image or app for app, each in settings.apps.items()}
    return {app: settings.pinned[name] for app, name in named.items() if name in settings.pinned}


def _report(cloud: Cloud, stack: PreviewStack, status: str, problem: str = "") -> CommentBody:
    return CommentBody(
        name=stack.name,
        status=status,
        urls=_up(stack).urls,
        versions={app: image.version for app, image in _images(stack).items()},
        containers=comment.containers_by_app(stack.name, cloud.look().of(stack.name)),
        problem=problem,
    )

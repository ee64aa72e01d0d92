"""Brings a preview environment up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.settings import EnvironmentSettings, Image
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images import builds
from ops.previews import comment, deployment, metadata
from ops.previews.cloud import Cloud
from ops.previews.comment import CommentBody
from ops.previews.deployment import DeploymentState
from ops.previews.down import destroy_locked, forget_locked
from ops.previews.eligibility import NotEligibleError, PreviewRequest
from ops.previews.metadata import PreviewMetadata
from ops.previews.parent import Parent
from ops.previews.stack import PreviewStack, UpdateError, write_file
from ops.session import Options
from ops.stacks import find_stack, settings_of

_PURPOSE = "snu env up"


@dataclass(frozen=True)
class ImageBuild:
    """Options for building the images."""

    repository: Path | None
    base: str | None
    parallel: int


@dataclass(frozen=True)
class PreviewResult:
    """A preview environment that is up."""

    name: str
    urls: dict[str, str]
    images: dict[str, Image]


def bring_up(
    parent: Parent,
    cloud: Cloud,
    request: PreviewRequest,
    engine: EngineChoice,
    build: ImageBuild,
    options: Options,
    link_to: str | None = None,
) -> PreviewResult:
    """Build the environment's images, bring it up, check its containers, and report it on the pull request.

    ``link_to``: the app whose URL the deployment on GitHub shows; by default the first app with a URL.
    Raises NotEligibleError if the pull request is closed or loses its label while the environment is being brought up;
    the environment is then taken down again. Raises OpsError on failure, leaving the environment partially up.
    """
    stack = _opened(parent, request, engine)
    with stack.session.locked(_PURPOSE, options):
        # Write it again: the run that held the lock may have been an `env down`, which removes the file.
        write_file(parent, request.name)
        if reason := request.objection(parent.template, parent.rules):
            raise NotEligibleError(f"{reason} Nothing was created.")
        _require_own(parent, request)
        deployment.report(request, DeploymentState.IN_PROGRESS)
        with _commented(parent, cloud, request, stack):
            current = PreviewMetadata.now(request.branch, request.pull_request, request.repository)
            metadata.write(parent.store, parent.project, request.name, current)
            stack.recover()
            stack.warn_of_missing_keys()
            builds.build(parent.project_dir, request.name, build.repository, base=build.base, parallel=build.parallel)
            stack.up(options)
            if reason := request.objection(parent.template, parent.rules):
                _take_down(stack, cloud, request, options, reason)
        result = _result(stack)
        deployment.report(request, DeploymentState.SUCCESS, _address(result, link_to))
        _comment(request, lambda: _report(cloud, stack, "up").markdown())
    return result


def _opened(parent: Parent, request: PreviewRequest, engine: EngineChoice) -> PreviewStack:
    """Raises OpsError, and also posts the error on the pull request, whose own files may be the cause."""
    try:
        return PreviewStack.open(parent, request.name, engine, validate=True)
    except OpsError as error:
        problem = comment.redacted(parent, request.name, str(error))
        report = CommentBody(request.name, "failed", urls={}, versions={}, containers={}, problem=problem)
        _comment(request, report.markdown, after=error)
        raise


def _require_own(parent: Parent, request: PreviewRequest) -> None:
    """Raises OpsError if another branch already uses this name; hashes collide in 1 of 2³² cases."""
    known = metadata.read(parent.store, parent.project, request.name)
    if known is not None and request.pull_request is None and known.branch != request.branch:
        raise OpsError(
            f"{request.name} is already used by the branch {known.branch!r}. Rename the branch {request.branch!r}.",
            ExitCode.USAGE,
        )


@contextmanager
def _commented(parent: Parent, cloud: Cloud, request: PreviewRequest, stack: PreviewStack) -> Iterator[None]:
    """In addition to propagating errors raised in the block, post them on the pull request."""
    try:
        yield
    except NotEligibleError:
        raise
    except OpsError as error:
        shown = [*error.shown, str(error)] if isinstance(error, UpdateError) else [str(error)]
        problem = comment.redacted(parent, request.name, "\n".join(shown))
        deployment.report(request, DeploymentState.FAILURE)
        _comment(request, lambda: _report(cloud, stack, "failed", problem).markdown(), after=error)
        raise


def _take_down(stack: PreviewStack, cloud: Cloud, request: PreviewRequest, options: Options, reason: str) -> None:
    destroy_locked(stack, cloud, options)
    forget_locked(stack, cloud)
    if request.github is not None:
        deployment.end(request.github, request.name)
    _comment(request, lambda: comment.taken_down(request.name, reason))
    raise NotEligibleError(f"{reason} {request.name} was taken down again.")


def _comment(request: PreviewRequest, text: Callable[[], str], after: OpsError | None = None) -> None:
    """Write the comment. If that fails, raises OpsError with a message that includes ``after``, if given."""
    if request.github is None or request.pull_request is None:
        return
    try:
        written = comment.write(request.github, request.pull_request, request.name, text())
    except OpsError as error:
        prefix = f"{after}\n" if after else f"{request.name}: only the last step failed. "
        message = f"{prefix}The comment on the pull request was not written: {error}"
        raise OpsError(message, after.code if after else error.code) from None
    print(f"Comment on {request.repository}#{request.pull_request} {written.outcome}: {written.url}")


def _result(stack: PreviewStack) -> PreviewResult:
    state = stack.state
    urls = state.outputs.get("urls") if state else None
    return PreviewResult(stack.name, {str(app): str(url) for app, url in (urls or {}).items()}, _images(stack))


def _address(result: PreviewResult, app: str | None) -> str:
    """The URL of an app, or of the first app that has one; empty if there is none."""
    if app is not None and app not in result.urls:
        sys.stderr.write(
            f"warning: the deployment on GitHub has no link: {app} is not an app with a URL. Apps with a URL: "
            f"{', '.join(result.urls) or 'none'}.\n"
        )
    return result.urls.get(app, "") if app is not None else next(iter(result.urls.values()), "")


def _images(stack: PreviewStack) -> dict[str, Image]:
    """Images by app, read from the stack's files."""
    settings = settings_of(find_stack(stack.parent.project_dir, stack.name))
    if not isinstance(settings, EnvironmentSettings):
        return {}
    named = {app: each.image or app for app, each in settings.apps.items()}
    return {app: settings.pinned[name] for app, name in named.items() if name in settings.pinned}


def _report(cloud: Cloud, stack: PreviewStack, status: str, problem: str = "") -> CommentBody:
    return CommentBody(
        name=stack.name,
        status=status,
        urls=_result(stack).urls,
        versions={app: image.version for app, image in _images(stack).items()},
        containers=comment.containers_by_app(stack.name, cloud.list_objects().of(stack.name)),
        problem=problem,
    )

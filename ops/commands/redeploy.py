"""``snu redeploy``: redeploys an app's containers."""

from __future__ import annotations

from ops.confirm import confirm
from ops.containers import Api, Container, containers_of
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.protection import unknown_name
from ops.readiness import require_ready
from ops.scaleway.client import concurrent_map
from ops.session import Options, Session
from pulumi_state.errors import PulumiError


def redeploy(session: Session, apps: list[str], options: Options) -> ExitCode:
    """Redeploy the apps' containers with their current image and variables, and wait until they are ready.

    Raises OpsError if the state has no such app, Scaleway rejects the deployment, or a container does not become ready.
    """
    stack = session.stack
    with session.locked("snu redeploy", options):
        session.require_complete()
        containers = _chosen(session, apps)
        if not options.yes:
            confirm(f"Redeploy {', '.join(each.app for each in containers)} of {stack.name}?")
        api = Api(stack, session.environ)
        problems = [problem for problem in concurrent_map(api.redeploy, containers) if problem]
        if problems:
            raise OpsError("\n".join(problems), ExitCode.CONTAINERS)
        require_ready(session, containers, options.wait_seconds, check_urls=options.check_urls)
    return ExitCode.OK


def _chosen(session: Session, apps: list[str]) -> list[Container]:
    try:
        checkpoint = session.state.read()
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from error
    by_app = {each.app: each for each in containers_of(checkpoint.latest if checkpoint else {})}
    for app in apps:
        if app not in by_app:
            raise OpsError(unknown_name(app, session.stack.name, by_app), ExitCode.USAGE)
    return [by_app[app] for app in dict.fromkeys(apps)]

"""Records a release after a successful apply."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans.contents import Plan
from ops.plans.create import author_of
from ops.process_environment import process_environment
from ops.releases.release import Release
from ops.releases.tags import Releases
from ops.report.text import Line
from ops.stacks import Stack


def record_release(stack: Stack, plan: Plan) -> list[Line]:
    """Tag the applied commit if the stack's images are promoted. Returns the lines to print.

    Never raises, because the deployment has succeeded with or without a tag.
    """
    if "snu:promoteFrom" not in stack.config:
        return []
    try:
        release = _recorded(stack, plan)
    except Exception as error:
        return [
            Line.of((f"{stack.name} was deployed, but not recorded as a release: {error}", "yellow")),
            Line.of("  `scripts/snu rollback` cannot restore it. Fix the cause and deploy again."),
        ]
    return [
        Line.of(("Release ", "bold"), (release.name, "bold green"), f" at {release.commit[:12]}: {release.summary}"),
        Line.of(f"  Push it with: scripts/snu release publish {stack.name}"),
    ]


def _recorded(stack: Stack, plan: Plan) -> Release:
    if plan.dirty:
        raise OpsError("the plan contains uncommitted changes", ExitCode.USAGE)
    now = datetime.now(UTC)
    releases = Releases.of(stack.project_dir)
    # Already recorded if the apply is repeated.
    known = next((each for each in releases.all(stack.name) if each.plan_id == plan.id), None)
    return known or releases.record(
        stack.name,
        now.date(),
        _commit(stack, plan),
        images=_images(plan.config),
        plan=plan.digest,
        plan_id=plan.id,
        by=author_of(stack, process_environment()) or "unknown",
        at=now,
    )


def _commit(stack: Stack, plan: Plan) -> str:
    """The plan's commit or, if this clone lacks it, the checked-out commit, whose files ``apply`` has verified."""
    repository = git.find_repository(stack.project_dir, "releases are Git tags.")
    return repository.commit(plan.commit) or repository.commit("HEAD") or plan.commit


def _images(config: dict[str, Any]) -> dict[str, Any]:
    images = config.get("snu:images") or {}
    return {name: image for name, image in images.items() if isinstance(image, dict)}

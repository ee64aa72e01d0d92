"""Creates a plan: a preview and the evidence needed to prove later that nothing has changed."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ops import git
from ops.engines.base import EngineEvent, Operation, Result
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.plans.contents import Plan
from ops.plans.evidence import Evidence, find_images, images_of
from ops.plans.operations import operation_digests
from ops.report.text import counted
from ops.stacks import Stack
from ops.state.checkpoint import Secrets
from ops.steps import Step

Work = Callable[[Operation], Result]

_KEYS = ("urn", "type", "op")
_KEYS_OF_CHANGES = (*_KEYS, "old", "new", "diffs", "keys", "detailedDiff")


@dataclass
class PlannedPreview:
    """The result of a preview that saved its update plan."""

    update_plan: str = ""
    metadata: list[dict[str, Any]] = field(default_factory=list)
    """Metadata of each step, taken from its event."""

    @property
    def steps(self) -> list[Step]:
        return [Step.of({"metadata": metadata}) for metadata in self.metadata]

    @contextmanager
    def saving(self, work: Work) -> Iterator[Work]:
        """Yields a version of ``work`` that saves the update plan, in a folder that only its owner can read."""
        with tempfile.TemporaryDirectory(prefix="snu-plan-") as folder:
            path = Path(folder) / "plan.json"

            def preview(operation: Operation) -> Result:
                result = work(
                    replace(operation, refresh=True, save_plan=path, on_event=self._listening(operation.on_event))
                )
                self.update_plan = path.read_text(encoding="utf-8") if path.exists() else ""
                return result

            yield preview

    def _listening(self, on_event: Callable[[EngineEvent], None]) -> Callable[[EngineEvent], None]:
        def listen(event: EngineEvent) -> None:
            if (body := event.get("resourcePreEvent")) and body["metadata"]["op"] != "refresh":
                self.metadata.append(body["metadata"])
            on_event(event)

        return listen

    def digests(self, secrets: Secrets, salt: str) -> dict[str, str]:
        return operation_digests(self.update_plan, self.steps, secrets.decrypt_with(salt), secrets.passphrase.encode())


def check_plannable(stack: Stack, evidence: Evidence, *, allow_dirty: bool) -> None:
    """Raises OpsError if a plan created now could not be applied later."""
    if not evidence.salt:
        raise OpsError(
            f"{stack.file.name} has no encryptionsalt and the stack has no state yet, so a later apply could not "
            f"decrypt the plan's secrets. Run `pulumi stack init {stack.name}` and commit the file.",
            ExitCode.SETTINGS,
        )
    if evidence.revision.dirty and not allow_dirty:
        raise OpsError(
            f"The plan would include {counted(len(evidence.revision.changed), 'uncommitted file')} that the approver "
            f"cannot see:{evidence.revision.shown_changes()}\nCommit them, or use --allow-dirty; the "
            "plan then records that it contains uncommitted changes.",
            ExitCode.USAGE,
        )


def plan_of(
    stack: Stack,
    project: str,
    engine: str,
    evidence: Evidence,
    preview: PlannedPreview,
    secrets: Secrets,
    lifetime: timedelta,
    environ: Mapping[str, str],
) -> Plan:
    """Create the plan. Unless the stack is local, raises OpsError if an image is missing from its registry."""
    images = find_images(images_of(preview.steps), stack, environ)
    missing = [reference for reference, exists in images.items() if not exists]
    if missing and not stack.is_local:
        raise OpsError(
            f"Images are missing from the registry of {stack.name}: {', '.join(missing)}. Build or promote them first.",
            ExitCode.FAILED,
        )
    now = datetime.now(UTC)
    return Plan(
        id=str(uuid.uuid4()),
        stack=stack.name,
        project=project,
        engine=engine,
        backend=evidence.backend,
        author=author_of(stack, environ),
        created=now,
        expires=now + lifetime,
        commit=evidence.revision.commit,
        tree=evidence.revision.tree,
        dirty=evidence.revision.dirty,
        config=dict(evidence.config),
        salt=evidence.salt,
        state=evidence.state,
        images=images,
        operations=preview.digests(secrets, evidence.salt),
        steps=[_reduced(metadata) for metadata in preview.metadata],
        update_plan=preview.update_plan,
    )


def author_of(stack: Stack, environ: Mapping[str, str]) -> str:
    """The CI actor, the Git user, or the logged-in user."""
    return environ.get("GITHUB_ACTOR") or git.author(stack.project_dir) or environ.get("USER", "unknown")


def _reduced(metadata: dict[str, Any]) -> dict[str, Any]:
    """The step metadata that a plan keeps: for an unchanged resource, only its identity."""
    keys = _KEYS if metadata["op"] == "same" else _KEYS_OF_CHANGES
    return {key: metadata[key] for key in keys if metadata.get(key) is not None}

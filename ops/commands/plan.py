"""``snu plan`` and ``snu apply``."""

from __future__ import annotations

import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ops.confirm import confirm
from ops.engines.base import Operation, Result
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.external_changes import REPAIRED_BY_PLAN, external_markdown
from ops.git import revision
from ops.operation_record import OperationRecord
from ops.plans import keys
from ops.plans.contents import Plan
from ops.plans.create import PlannedPreview, check_plannable, plan_of
from ops.plans.evidence import collect, find_images
from ops.plans.ledger import ApplyOutcome, Ledger
from ops.plans.sealed_file import MOST_BYTES, SealedFile, public_key, refused, seal
from ops.plans.verification import differences, missing_images, operation_differences
from ops.plans.waiting import announce
from ops.policies import evaluate_policies, refuse_violations
from ops.process_environment import SIGNING_KEY, process_environment
from ops.report.factory import display_for, printer_for
from ops.report.files import write_text
from ops.report.markdown import plan_markdown
from ops.report.operation_styles import style_of
from ops.report.policies import policy_markdown
from ops.report.text import Line
from ops.report.times import local_time
from ops.secrets.check import warn_of_missing_keys
from ops.session import Options, Session
from ops.stacks import Stack, find_stack, project_dir, settings_of, stack_names
from ops.state.checkpoint import Secrets
from ops.steps import has_changes, name_of

_NOT_IN_PLAN = ("not allowed by the plan", "violates plan", "but none were seen", "the plan expects operations")


def plan(
    session: Session, options: Options, out: Path, *, allow_dirty: bool, lifetime: float | None, markdown: str | None
) -> ExitCode:
    """Preview with a refresh, and write an encrypted, signed plan to a file. Raises OpsError."""
    stack = session.stack
    settings = settings_of(stack).plans
    if settings is None:
        raise OpsError(
            f"{stack.file.name} has no snu:plans, which lists planners and appliers. Run "
            f"`scripts/snu plan-keys {stack.name} --out DIR`, then commit {stack.file.name}.",
            ExitCode.SETTINGS,
        )
    signing_key = keys.signing_key(stack, session.environ)
    if public_key(signing_key) not in settings.planners.values():
        raise OpsError(
            f"{stack.file.name}: snu:plans.planners does not list {public_key(signing_key)}, the public key of the "
            f"signing key in {SIGNING_KEY} or {SIGNING_KEY}_FILE, so plans signed with it would be rejected. Use the "
            "signing key of one of this stack's planners.",
            ExitCode.ENVIRONMENT,
        )
    session.require_complete()
    warn_of_missing_keys(stack, session.environ, session.store)
    secrets = Secrets(session.environ)
    evidence = collect(stack, session.project, session.store, secrets)
    check_plannable(stack, evidence, allow_dirty=allow_dirty)
    display = display_for(sys.stdout, session.title("Planning"), preview=True, all_properties=options.details)
    preview = PlannedPreview()
    with preview.saving(session.engine.preview) as work:
        result = session.run(work, options, display)
    findings = session.report_external_changes(display.record, repaired=REPAIRED_BY_PLAN)
    verdict = session.report_policies(display.record)
    remarks = [*external_markdown(stack.name, findings), *policy_markdown(verdict)]
    if verdict.violations and markdown is not None:
        write_text(plan_markdown(display.record, stack=stack.name, remarks=remarks), markdown)
    session.refuse_infeasible(display.record)
    refuse_violations(stack, verdict)
    created = plan_of(
        stack,
        session.project,
        session.engine.name,
        evidence,
        preview,
        secrets,
        timedelta(seconds=lifetime) if lifetime else timedelta(hours=settings.expire_after),
        session.environ,
    )
    _write(out, seal(created.content(), signing_key, settings.appliers.values()))
    announce(session.store, created, out)
    if markdown is not None:
        write_text(
            plan_markdown(display.record, stack=stack.name, digest=created.short_digest, remarks=remarks), markdown
        )
    printer_for(sys.stdout).print(_plan_lines(created, out))
    return ExitCode.CHANGES if options.expect_no_changes and has_changes(result.changes) else ExitCode.OK


def _write(path: Path, content: bytes) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}", ExitCode.USAGE) from error


def _plan_lines(plan: Plan, out: Path) -> list[Line]:
    lines = [Line.of(("Plan ", "bold"), (plan.short_digest, "bold"), f" of {plan.stack}, by {plan.author}: {out}")]
    lines.append(Line.of(f"  Commit {plan.commit[:12]}; expires on {local_time(plan.expires)}."))
    if plan.dirty:
        lines.append(Line.of(("  The plan includes uncommitted changes.", "bold yellow")))
    missing = [reference for reference, is_stored in plan.images.items() if not is_stored]
    if missing:
        lines.append(
            Line.of((f"  Images missing from their registry (allowed for a local stack): {', '.join(missing)}", "dim"))
        )
    return [*lines, Line.of(f"  Apply it with: scripts/snu apply {shlex.quote(str(out))}")]


# --- apply ----------------------------------------------------------------------------------------------


def apply(file: Path, directory: Path | None, expected: str | None, choice: EngineChoice, options: Options) -> ExitCode:
    """Verify that nothing has changed since the plan was created, then apply exactly that plan. Raises OpsError."""
    folder, environ = project_dir(directory), process_environment()
    plan, signer = _opened(file, folder, environ)
    if expected is not None and plan.stack != expected:
        raise refused(f"The plan is for the stack {plan.stack}; expected {expected}.")
    session = Session.open(folder, plan.stack, choice, environ=environ)
    printer_for(sys.stdout).print(_header(plan, signer))
    with session.locked(f"snu apply of plan {plan.short_digest}", options):
        ledger = Ledger(session.store, session.project, session.stack.name)
        if ledger.is_applied(plan):
            return _repeat(session, plan, options)
        ledger.check(plan)
        _verify(session, plan, options)
        if not options.yes:
            confirm(f"Apply this plan to {plan.stack}?")
        _require_unchanged(session, plan)  # the prompt may have been open for hours
        return _apply(session, plan, ledger, options)


def _opened(file: Path, folder: Path, environ: dict[str, str]) -> tuple[Plan, str]:
    """The plan, and its planner's name in the stack's settings. Raises OpsError."""
    sealed = SealedFile.read(_read(file))
    stacks = {name: find_stack(folder, name) for name in stack_names(folder)}
    trusting = {name: stack for name, stack in stacks.items() if sealed.signer in _planners(stack).values()}
    if not trusting:
        raise refused(
            f"The plan is signed by an unknown key, {sealed.signer}: no stack lists it in snu:plans.planners."
        )
    plan = Plan.of(sealed.open(keys.identity(next(iter(trusting.values())), environ)))
    stack = trusting.get(plan.stack)
    if stack is None:
        raise refused(
            f"The plan is for the stack {plan.stack}, which does not list its signing key in snu:plans.planners; that "
            f"key may only plan {', '.join(trusting)}."
        )
    return plan, next(name for name, key in _planners(stack).items() if key == sealed.signer)


def _read(path: Path) -> bytes:
    """Read a plan file. Raises OpsError if it is not a regular file or is too large to be a plan."""
    try:
        # Without O_NONBLOCK, opening a named pipe would block until it has a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OpsError(
                    f"{path} is not a regular file; expected a plan written by `scripts/snu plan`.", ExitCode.USAGE
                )
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise OpsError(f"{path} cannot be read: {error.strerror}", ExitCode.USAGE) from error
    if len(content) > MOST_BYTES:
        raise refused(f"{path} is larger than {MOST_BYTES // 2**20} MiB, so it cannot be a plan.")
    return content


def _planners(stack: Stack) -> Mapping[str, str]:
    """The planners in a stack's file, not validated, because only the plan's own stack has to be valid."""
    section = stack.config.get("snu:plans")
    planners = section.get("planners") if isinstance(section, dict) else None
    return planners if isinstance(planners, dict) else {}


def _header(plan: Plan, signer: str) -> list[Line]:
    return [
        Line.of(("Plan ", "bold"), (plan.short_digest, "bold"), f" of {plan.stack}"),
        Line.of(f"  by {plan.author}, signed by {signer}, {local_time(plan.created)}"),
        Line.of(f"  commit {plan.commit[:12]}{' with uncommitted changes' if plan.dirty else ''}"),
    ]


def _verify(session: Session, plan: Plan, options: Options) -> None:
    """Raises OpsError without changing anything if anything differs from the plan."""
    secrets, stack = _require_unchanged(session, plan), session.stack
    session.require_complete()
    preview = PlannedPreview()
    display = display_for(sys.stdout, session.title("Checking"), preview=True, all_properties=options.details)
    with preview.saving(session.engine.preview) as work:
        session.run(work, options, display)
    refuse_violations(stack, evaluate_policies(display.record, stack))
    problems = operation_differences(plan, preview.steps, preview.digests(secrets, plan.salt))
    if problems:
        raise _refused(plan, problems)


def _require_unchanged(session: Session, plan: Plan) -> Secrets:
    """Return the key for the state's secrets.

    Raises OpsError if the plan has expired, or if files, settings, state or images have changed since it was created.
    """
    stack = find_stack(session.stack.project_dir, session.stack.name)  # its file may have been edited in the meantime
    secrets = Secrets(session.environ)
    now = collect(stack, session.project, session.store, secrets)
    problems = differences(plan, now, stack, session.project, session.engine.name)
    problems += missing_images(
        plan, find_images((each for each, is_stored in plan.images.items() if is_stored), stack, session.environ)
    )
    if problems:
        raise _refused(plan, problems)
    return secrets


def _repeat(session: Session, plan: Plan, options: Options) -> ExitCode:
    """Repeat the last steps of a completed apply. Raises OpsError if the stack has changed since."""
    display = display_for(sys.stdout, session.title("Checking"), preview=True, all_properties=options.details)
    result = session.run(lambda each: session.engine.preview(replace(each, refresh=True)), options, display)
    if revision(session.stack.project_dir).tree != plan.tree or has_changes(result.changes):
        raise refused(
            f"This plan has already been applied, and {plan.stack} or the local files have changed since. Plan again."
        )
    printer_for(sys.stdout).print(
        [Line.of(f"Plan {plan.short_digest} has already been applied, and nothing has changed since.")]
    )
    return _finish(session, plan, display.record, options)


def _refused(plan: Plan, problems: list[str]) -> OpsError:
    listed = "".join(f"\n  {problem}" for problem in problems)
    return OpsError(
        f"Plan {plan.short_digest} of {plan.stack} is outdated:{listed}\n"
        f"Nothing was changed. Plan again: scripts/snu plan {plan.stack} --out FILE",
        ExitCode.REFUSED,
    )


def _apply(session: Session, plan: Plan, ledger: Ledger, options: Options) -> ExitCode:
    begun = ledger.begin(plan)
    outcome = ApplyOutcome.FAILED
    display = display_for(sys.stdout, session.title("Applying"), preview=False, properties=False)
    try:
        with _engine_plan(plan) as path:

            def work(operation: Operation) -> Result:
                return session.engine.up(replace(operation, refresh=True, plan=path))

            session.run(work, options, display)
        outcome = ApplyOutcome.APPLIED
    except OpsError as error:
        if error.code is ExitCode.FAILED:
            raise _stopped(session, plan, display.record, error) from error
        raise
    finally:
        ledger.end(plan, begun, outcome)
    return _finish(session, plan, display.record, options)


def _finish(session: Session, plan: Plan, record: OperationRecord, options: Options) -> ExitCode:
    """Check the containers, and record the release. Raises OpsError."""
    from ops.readiness import check_containers

    check_containers(session, record, options.wait_seconds, check_urls=options.check_urls)
    from ops.releases.record import record_release

    printer_for(sys.stdout).print(record_release(session.stack, plan))
    return ExitCode.OK


@contextmanager
def _engine_plan(plan: Plan) -> Iterator[Path]:
    """Write the engine's plan to a temporary file. Its secrets are encrypted."""
    with tempfile.TemporaryDirectory(prefix="snu-plan-") as folder:
        path = Path(folder) / "plan.json"
        path.touch(mode=0o600)
        path.write_text(plan.update_plan, encoding="utf-8")
        yield path


def _stopped(session: Session, plan: Plan, record: OperationRecord, error: OpsError) -> OpsError:
    """The error for an incomplete apply, listing what was done and what was not."""
    from ops.readiness import command_problems, container_problems

    failed = any(item.failed for item in record.steps.values())
    by_plan = not failed and any(text in each.message for each in record.diagnostics for text in _NOT_IN_PLAN)
    done = {
        (item.step.urn, item.step.op)
        for item in record.steps.values()
        if item.ended is not None and not item.failed and item.step.is_change
    }
    planned = [step for step in plan.parsed_steps() if step.is_operation]
    problems, next_steps = container_problems(session, record)
    lines = [str(error), *problems, *command_problems(session, record)]
    if by_plan:
        lines = [f"{plan.stack}: stopped before an operation that is not in the plan; see above."]
    for title, expected in (("Done", True), ("Not done", False)):
        listed = [
            f"  {style_of(step.op).plan} {name_of(step.urn)}"
            for step in planned
            if ((step.urn, step.op) in done) is expected
        ]
        lines += [f"{title}:", *(listed or ["  nothing"])]
    lines += next_steps
    preview = f"scripts/snu preview {plan.stack} --refresh"
    lines.append(f"This plan cannot be applied again. Check the stack with `{preview}`, then plan again.")
    code = ExitCode.CONTAINERS if problems and not failed else ExitCode.FAILED
    return OpsError("\n".join(lines), ExitCode.PART_WAY if by_plan else code)

"""What ``snu plan`` and ``snu apply`` do."""

from __future__ import annotations

import os
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
from ops.plans.evidence import collect, differences, look_for, missing_images, operation_differences
from ops.plans.ledger import ApplyOutcome, Ledger
from ops.plans.sealed_file import MOST_BYTES, SealedFile, public_key, refused, seal
from ops.plans.waiting import announce
from ops.policies import evaluate_policies, refuse_violations
from ops.process_environment import process_environment
from ops.report.factory import display_for, printer_for
from ops.report.files import write_text
from ops.report.markdown import plan_markdown
from ops.report.operation_styles import style_of
from ops.report.policies import policy_markdown
from ops.report.text import Line
from ops.session import Options, Session
from ops.stacks import Stack, find_stack, project_dir, settings_of, stack_names
from ops.state.checkpoint import Secrets
from ops.steps import has_changes, name_of

_NOT_IN_PLAN = ("not allowed by the plan", "violates plan", "but none were seen", "the plan expects operations")


def plan(
    session: Session, options: Options, out: Path, *, allow_dirty: bool, lifetime: float | None, markdown: str | None
) -> ExitCode:
    """Preview with a refresh, and write what was found into one file that is encrypted and signed."""
    stack = session.stack
    settings = settings_of(stack).plans
    if settings is None:
        raise OpsError(
            f"{stack.file.name} has no snu:plans, which names who may plan and apply. Run "
            f"`scripts/snu plan-keys {stack.name} --out FOLDER`, and commit the file.",
            ExitCode.SETTINGS,
        )
    signing_key = keys.signing_key(stack, session.environ)
    if public_key(signing_key) not in settings.planners.values():
        raise OpsError(
            f"{stack.file.name}: snu:plans.planners does not know the signing key that was given, "
            f"{public_key(signing_key)}; a plan that it signs would be refused.",
            ExitCode.ENVIRONMENT,
        )
    session.require_complete()
    secrets = Secrets(session.environ)
    evidence = collect(stack, session.project, session.store, secrets)
    check_plannable(stack, evidence, allow_dirty=allow_dirty)
    display = display_for(sys.stdout, session.title("Planning"), preview=True, all_properties=options.details)
    preview = PlannedPreview()
    with preview.saving(session.engine.preview) as work:
        result = session.run(work, options, display)
    outside = session.report_external_changes(display.record, repaired=REPAIRED_BY_PLAN)
    verdict = session.report_policies(display.record)
    remarks = [*external_markdown(stack.name, outside), *policy_markdown(verdict)]
    if verdict.violations and markdown is not None:
        write_text(plan_markdown(display.record, stack=stack.name, remarks=remarks), markdown)
    session.refuse_infeasible(display.record)
    refuse_violations(stack, verdict)
    made = plan_of(
        stack,
        session.project,
        session.engine.name,
        evidence,
        preview,
        secrets,
        timedelta(seconds=lifetime) if lifetime else timedelta(hours=settings.expire_after),
        session.environ,
    )
    _write(out, seal(made.content(), signing_key, settings.appliers.values()))
    announce(session.store, made, out)
    if markdown is not None:
        write_text(plan_markdown(display.record, stack=stack.name, digest=made.short_digest, remarks=remarks), markdown)
    printer_for(sys.stdout).print(_made(made, out))
    return ExitCode.CHANGES if options.expect_no_changes and has_changes(result.changes) else ExitCode.OK


def _write(path: Path, content: bytes) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}", ExitCode.USAGE) from error


def _made(made: Plan, out: Path) -> list[Line]:
    lines = [Line.of(("Plan ", "bold"), (made.short_digest, "bold"), f" of {made.stack}, by {made.author}: {out}")]
    lines.append(Line.of(f"  Commit {made.commit[:12]}; to be applied until {made.expires:%Y-%m-%d %H:%M} UTC."))
    if made.dirty:
        lines.append(Line.of(("  It holds changes that are not committed.", "bold yellow")))
    missing = [reference for reference, there in made.images.items() if not there]
    if missing:
        lines.append(
            Line.of((f"  Not in their registry, which a local stack can do without: {', '.join(missing)}", "dim"))
        )
    return [*lines, Line.of(f"  Apply exactly this with: scripts/snu apply {out}")]


# --- apply ----------------------------------------------------------------------------------------------


def apply(file: Path, directory: Path | None, expected: str | None, choice: EngineChoice, options: Options) -> ExitCode:
    """Prove that nothing has changed since the plan was made, and then do what it says and nothing else."""
    folder, environ = project_dir(directory), process_environment()
    found, signer = _opened(file, folder, environ)
    if expected is not None and found.stack != expected:
        raise refused(f"The plan is for the stack {found.stack}, and not for {expected}.")
    session = Session.open(folder, found.stack, choice, environ=environ)
    printer_for(sys.stdout).print(_about(found, signer))
    with session.locked(f"snu apply of plan {found.short_digest}", options):
        ledger = Ledger(session.store, session.project, session.stack.name)
        if ledger.is_applied(found):
            return _repeat(session, found, options)
        ledger.check(found)
        _prove(session, found, options)
        if not options.yes:
            confirm(f"Apply this plan to {found.stack}?")
        _require_unchanged(session, found)  # the question may have waited for hours
        return _do(session, found, ledger, options)


def _opened(file: Path, folder: Path, environ: dict[str, str]) -> tuple[Plan, str]:
    """The plan, and the name of who signed it in the settings of its stack."""
    sealed = SealedFile.read(_read(file))
    stacks = {name: find_stack(folder, name) for name in stack_names(folder)}
    trusting = {name: stack for name, stack in stacks.items() if sealed.signer in _planners(stack).values()}
    if not trusting:
        raise refused(
            f"The plan is signed by {sealed.signer}, a stranger: no stack's snu:plans.planners knows that key."
        )
    found = Plan.of(sealed.open(keys.identity(next(iter(trusting.values())), environ)))
    stack = trusting.get(found.stack)
    if stack is None:
        raise refused(
            f"The plan is for the stack {found.stack}, whose snu:plans.planners does not know who signed it; "
            f"that key may plan {', '.join(trusting)}."
        )
    return found, next(name for name, key in _planners(stack).items() if key == sealed.signer)


def _read(path: Path) -> bytes:
    """Raises OpsError for what is not a regular file of a plan's size, without reading it."""
    try:
        # Opening a named pipe would otherwise wait for somebody who writes.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OpsError(f"{path} is not a regular file; expected a plan's file.", ExitCode.USAGE)
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise OpsError(f"{path} cannot be read: {error.strerror}", ExitCode.USAGE) from error
    if len(content) > MOST_BYTES:
        raise refused(f"{path} is larger than {MOST_BYTES // 2**20} MiB, and so is not a plan.")
    return content


def _planners(stack: Stack) -> Mapping[str, str]:
    """As the file says, right or wrong: it is judged once it is known that the plan is for this stack."""
    section = stack.config.get("snu:plans")
    planners = section.get("planners") if isinstance(section, dict) else None
    return planners if isinstance(planners, dict) else {}


def _about(found: Plan, signer: str) -> list[Line]:
    return [
        Line.of(("Plan ", "bold"), (found.short_digest, "bold"), f" of {found.stack}"),
        Line.of(f"  by {found.author}, signed by {signer}, {found.created:%Y-%m-%d %H:%M} UTC"),
        Line.of(f"  commit {found.commit[:12]}{' with changes that were not committed' if found.dirty else ''}"),
    ]


def _prove(session: Session, found: Plan, options: Options) -> None:
    """Raises OpsError, and nothing was changed, when anything is not as it was planned."""
    secrets, stack = _require_unchanged(session, found), session.stack
    session.require_complete()
    preview = PlannedPreview()
    display = display_for(sys.stdout, session.title("Checking"), preview=True, all_properties=options.details)
    with preview.saving(session.engine.preview) as work:
        session.run(work, options, display)
    refuse_violations(stack, evaluate_policies(display.record, stack))
    problems = operation_differences(found, preview.steps, preview.digests(secrets, found.salt))
    if problems:
        raise _refused(found, problems)


def _require_unchanged(session: Session, found: Plan) -> Secrets:
    """Raises OpsError where the plan has expired, or files, settings, state or images are not as they were then.

    Gives what opened the state's secrets.
    """
    stack = find_stack(session.stack.project_dir, session.stack.name)  # its file may have been edited meanwhile
    secrets = Secrets(session.environ)
    now = collect(stack, session.project, session.store, secrets)
    problems = differences(found, now, stack, session.project, session.engine.name)
    problems += missing_images(
        found, look_for((each for each, there in found.images.items() if there), stack, session.environ)
    )
    if problems:
        raise _refused(found, problems)
    return secrets


def _repeat(session: Session, found: Plan, options: Options) -> ExitCode:
    """The last steps of an apply that had done all operations, if the stack is as it left it. Raises OpsError."""
    display = display_for(sys.stdout, session.title("Checking"), preview=True, all_properties=options.details)
    result = session.run(lambda each: session.engine.preview(replace(each, refresh=True)), options, display)
    if revision(session.stack.project_dir).tree != found.tree or has_changes(result.changes):
        raise refused(
            f"The plan was applied already, and {found.stack} or the files here are no longer as it left them. Plan "
            "again."
        )
    printer_for(sys.stdout).print(
        [Line.of(f"Plan {found.short_digest} was applied already, and {found.stack} is as it left it: nothing to do.")]
    )
    return _finish(session, found, display.record, options)


def _refused(found: Plan, problems: list[str]) -> OpsError:
    listed = "".join(f"\n  {problem}" for problem in problems)
    return OpsError(
        f"Plan {found.short_digest} of {found.stack} is refused, as not all is as planned:{listed}\n"
        "Nothing was changed. Plan again.",
        ExitCode.REFUSED,
    )


def _do(session: Session, found: Plan, ledger: Ledger, options: Options) -> ExitCode:
    begun = ledger.begin(found)
    outcome = ApplyOutcome.FAILED
    display = display_for(sys.stdout, session.title("Applying"), preview=False, properties=False)
    try:
        with _engine_plan(found) as path:

            def work(operation: Operation) -> Result:
                return session.engine.up(replace(operation, refresh=True, plan=path))

            session.run(work, options, display)
        outcome = ApplyOutcome.APPLIED
    except OpsError as error:
        if error.code is ExitCode.FAILED:
            raise _stopped(found, display.record, error) from error
        raise
    finally:
        ledger.end(found, begun, outcome)
    return _finish(session, found, display.record, options)


def _finish(session: Session, found: Plan, record: OperationRecord, options: Options) -> ExitCode:
    """Check the containers, and record the release. Raises OpsError."""
    from ops.readiness import check_containers

    check_containers(session, record, options.wait_seconds, check_urls=options.check_urls)
    from ops.releases.record import record_release

    printer_for(sys.stdout).print(record_release(session.stack, found))
    return ExitCode.OK


@contextmanager
def _engine_plan(found: Plan) -> Iterator[Path]:
    """The engine's own plan as a file, for as long as the block; secrets in it are encrypted."""
    with tempfile.TemporaryDirectory(prefix="snu-plan-") as folder:
        path = Path(folder) / "plan.json"
        path.touch(mode=0o600)
        path.write_text(found.update_plan, encoding="utf-8")
        yield path


def _stopped(found: Plan, record: OperationRecord, error: OpsError) -> OpsError:
    """What was done of a plan that did not come to its end, and what was not."""
    failed = any(item.failed for item in record.steps.values())
    by_plan = not failed and any(text in said.message for said in record.diagnostics for text in _NOT_IN_PLAN)
    done = {
        (item.step.urn, item.step.op)
        for item in record.steps.values()
        if item.ended is not None and not item.failed and item.step.is_change
    }
    planned = [
        step for step in found.parsed_steps() if step.is_change and step.is_custom and not step.is_replacement_part
    ]
    lines = [str(error)]
    if by_plan:
        lines = [f"{found.stack}: stopped before an operation that is not in the plan, see above."]
    for title, wanted in (("Done", True), ("Not done", False)):
        listed = [
            f"  {style_of(step.op).plan} {name_of(step.urn)}"
            for step in planned
            if ((step.urn, step.op) in done) is wanted
        ]
        lines += [f"{title}:", *(listed or ["  nothing"])]
    look = f"scripts/snu preview {found.stack} --refresh"
    lines.append(f"This plan cannot be applied again. Look at the stack with `{look}`, and plan again.")
    return OpsError("\n".join(lines), ExitCode.PART_WAY if by_plan else ExitCode.FAILED)

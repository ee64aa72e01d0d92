"""``snu preview``, ``up``, ``destroy``, ``refresh`` and ``outputs``."""

from __future__ import annotations

import json
import sys
from typing import Any

from ops.confirm import confirm, confirm_by_name
from ops.engines.base import EngineError
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.findings import FindingKind
from ops.foundations import refuse_in_use
from ops.process_environment import process_environment
from ops.report.factory import display_for, printer_for
from ops.report.text import Line
from ops.report.values import shown
from ops.secrets.check import start_warning
from ops.session import Options, Session
from ops.steps import has_changes


def preview(session: Session, options: Options, markdown: str | None = None) -> ExitCode:
    warn_of_missing_keys = start_warning(session.stack, session.environ)
    changed = has_changes(session.preview(options, markdown, before_result=warn_of_missing_keys).result.changes)
    return ExitCode.CHANGES if changed and options.expect_no_changes else ExitCode.OK


def preview_json(session: Session, options: Options) -> ExitCode:
    """Print the same document as ``pulumi preview --json``."""
    from ops.preview_document import PreviewDocument

    document = PreviewDocument()
    warn_of_missing_keys = start_warning(session.stack, session.environ)
    session.warn_overwritten()
    try:
        result = session.engine.preview(session.operation(options, document.on_event))
    except EngineError as error:
        warn_of_missing_keys()
        raise OpsError(str(error), ExitCode.FAILED) from error
    warn_of_missing_keys()
    session.warn_pending(sys.stderr)
    print(json.dumps(result.document or document.as_dict(), indent=4, ensure_ascii=False))
    if not result.ok:
        return ExitCode.FAILED
    changed = has_changes(result.changes)
    return ExitCode.CHANGES if changed and options.expect_no_changes else ExitCode.OK


def up(session: Session, options: Options, *, refuse_older: bool = False) -> ExitCode:
    """Preview, confirm and apply the changes, then check the containers."""
    with session.locked("snu up", options):
        if refuse_older:
            from ops.releases.order import require_not_older

            require_not_older(session)
        return bring_up(session, options)


def bring_up(session: Session, options: Options) -> ExitCode:
    """Perform ``up`` on a stack that the caller has already locked."""
    stack = session.stack
    session.require_complete()
    if options.skip_preview:
        previewed = session.check_update(options)
    else:
        previewed = session.preview(options, binding=True)
        restores = any(each.kind is FindingKind.SCHEDULED for each in previewed.external_changes)
        changed = has_changes(previewed.result.changes) or restores
        if changed and options.expect_no_changes:
            return ExitCode.CHANGES
        if changed and not options.yes:
            confirm(f"Apply these changes to {stack.name}?")
    session.restore_secrets(previewed.external_changes)
    display = display_for(sys.stdout, session.title("Updating"), preview=False, properties=options.skip_preview)
    from ops.readiness import check_containers, run_update

    result = run_update(session, options, display, previewed.record)
    record = display.record.only(options.targets) if options.targets else display.record
    check_containers(session, record, options.wait_seconds, check_urls=options.check_urls)
    return ExitCode.CHANGES if options.expect_no_changes and has_changes(result.changes) else ExitCode.OK


def destroy(session: Session, options: Options) -> ExitCode:
    """Preview, confirm and delete all resources.

    Always previews first: otherwise, an engine could delete other resources before failing at a protected one.
    """
    with session.locked("snu destroy", options):
        return _destroy(session, options)


def _destroy(session: Session, options: Options) -> ExitCode:
    stack = session.stack
    session.require_complete()
    refuse_in_use(stack, process_environment())
    title = session.title("Previewing the destruction of")
    display = display_for(sys.stdout, title, preview=True, all_properties=options.details)
    planned = session.run(session.engine.preview_destroy, options, display)
    session.report_external_changes(display.record, repaired=tuple(FindingKind))
    if has_changes(planned.changes) and not options.yes:
        confirm_by_name(stack)
    display = display_for(sys.stdout, session.title("Destroying"), preview=False, properties=False)
    session.run(session.engine.destroy, options, display)
    return ExitCode.OK


def refresh(session: Session, options: Options) -> ExitCode:
    """Update the state from the live resources. Without ``--yes``, preview and confirm the changes first."""
    stack = session.stack
    with session.locked("snu refresh", options):
        session.require_latest()
        if not options.yes:
            title = session.title("Previewing the refresh of")
            display = display_for(sys.stdout, title, preview=True, all_properties=options.details)
            if not has_changes(session.run(session.engine.preview_refresh, options, display).changes):
                return ExitCode.OK
            if options.expect_no_changes:
                return ExitCode.CHANGES
            confirm(f"Write these changes to the state of {stack.name}?")
        display = display_for(sys.stdout, session.title("Refreshing"), preview=False)
        result = session.run(session.engine.refresh, options, display)
    changed = has_changes(result.changes)
    return ExitCode.CHANGES if changed and options.expect_no_changes else ExitCode.OK


def outputs(session: Session, path: str | None = None, *, as_json: bool) -> ExitCode:
    """Print all outputs, or the one at ``path``. Raises OpsError if it does not exist."""
    values: Any = session.outputs()
    session.warn_overwritten()
    if path is not None:
        values = _output_at(values, path, session.stack.name)
    if as_json:
        print(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False))
    elif path is None:
        printer_for(sys.stdout).print(_output_lines(values) or [Line.of(f"{session.stack.name} has no outputs.")])
    elif isinstance(values, dict):
        printer_for(sys.stdout).print(_output_lines(values))
    else:
        print(values if isinstance(values, str) else json.dumps(values, ensure_ascii=False))
    return ExitCode.OK


def _output_at(values: Any, path: str, stack: str) -> Any:
    """The value at a dot-separated path. Raises OpsError if it does not exist."""
    value, parents = values, list[str]()
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            parent = ".".join(parents)
            keys = ", ".join(sorted(value)) if isinstance(value, dict) and value else "none"
            raise OpsError(
                f"{stack} has no output {path}. Keys{f' of {parent}' if parent else ''}: {keys}.", ExitCode.USAGE
            )
        value = value[key]
        parents.append(key)
    return value


def _output_lines(values: object, indent: str = "") -> list[Line]:
    if not isinstance(values, dict):
        return []
    lines: list[Line] = []
    for key, value in sorted(values.items()):
        inner = _output_lines(value, indent + "  ")
        text = "" if inner else (value if isinstance(value, str) else shown(value))
        lines += [Line.of(indent, (f"{key}:", "bold"), f" {text}" if text else ""), *inner]
    return lines

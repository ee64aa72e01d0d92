"""``snu releases`` and ``snu rollback``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from infra.settings import Image
from ops.commands.promote import ChangelogTargets, finish, present
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages
from ops.process_environment import process_environment
from ops.releases.changelog import changelog
from ops.releases.committed_file import CommittedFile
from ops.releases.release import Release
from ops.releases.rollback import NOT_ROLLED_BACK, RollbackTarget, release_before, rollback_target, target_of, write
from ops.releases.tags import Releases
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.table import table
from ops.report.text import Line, Span, safe, short
from ops.report.times import local_time
from ops.stacks import find_stack, project_dir


def releases(directory: Path | None, name: str, *, as_json: bool) -> ExitCode:
    """Print a stack's releases, newest first, marking the running release and rollbacks."""
    project = project_dir(directory)
    stack = find_stack(project, name)
    known = Releases.of(project).all(stack.name)
    running, reason = _running(project, name) if known else (None, "")
    rollbacks = {each.name: target.name for each in known if (target := rollback_target(each, known))}
    is_running = {each.name: each is known[0] and each.images == running for each in known} if running else {}
    if as_json:
        listed = [_document(each, is_running.get(each.name), rollbacks.get(each.name)) for each in known]
        print_document("releases", {"stack": name, "releases": listed})
    elif known:
        rows: list[list[Span | str]] = []
        for each in known:
            note = ["running"] if is_running.get(each.name) else []
            note += [f"rollback to {rollbacks[each.name]}"] if each.name in rollbacks else []
            applied, by = local_time(each.at), safe(each.by)
            status = (", ".join(note), "green")
            rows.append([(each.name, "bold"), applied, by, short(each.commit), status, each.summary])
        printer_for(sys.stdout).print(table(["RELEASE", "APPLIED", "BY", "COMMIT", "NOTE", "IMAGES"], rows))
        if reason:
            printer_for(sys.stdout).print([Line.of((f"The running release is unknown: {safe(reason)}", "dim"))])
    else:
        print(
            f"{name} has no known releases. `scripts/snu apply` records releases as Git tags; fetch them with: git "
            "fetch --tags"
        )
    return ExitCode.OK


def _running(project: Path, name: str) -> tuple[dict[str, Image] | None, str]:
    """The images that a stack runs, or None and the reason if its state cannot be read."""
    try:
        return dict(StackImages.find(project, name, process_environment()).running), ""
    except OpsError as error:
        return None, str(error)


def _document(release: Release, is_running: bool | None, rollback_to: str | None) -> dict[str, object]:
    content = release.model_dump(mode="json", exclude={"format"})
    return {
        "release": release.name,
        "commit": release.commit,
        **content,
        "running": is_running,
        "rollbackTo": rollback_to,
    }


def _line(release: Release) -> Line:
    return Line.of(
        (release.name, "bold"),
        f"  {release.summary}",
        (f"  {local_time(release.at)} by {safe(release.by)}, commit {short(release.commit)}", "dim"),
    )


# --- snu rollback ---------------------------------------------------------------------------------------


def rollback(
    directory: Path | None, name: str, to: str | None, repository: Path | None, texts: ChangelogTargets, *, commit: bool
) -> ExitCode:
    """Write an earlier release's images and variables to the stack's file."""
    project = project_dir(directory)
    environment = StackImages.find(project, name, process_environment())
    if environment.settings.promote_from is None:
        raise OpsError(
            f"{name} has no snu:promoteFrom, so it has no releases to roll back to. Check out an earlier commit, then "
            "build and deploy it. Nothing was changed.",
            ExitCode.USAGE,
        )
    committed = CommittedFile(environment.stack.file)
    releases = Releases(committed.repository)
    release = releases.find(name, to) if to else release_before(environment, committed, releases.all(name))
    target = target_of(environment, committed, release)
    before = present(environment, target.images)
    if commit:
        committed.require_clean(target.put)
    written = write(environment, target)
    if not written and not (commit and committed.is_altered_by(target.put)):
        print(
            f"Nothing to write: {environment.stack.file.name} already has the images and variables of {release.name}."
        )
        if any(before.get(app) != image for app, image in target.images.items()):
            print(f"{name} runs other images. Next: scripts/snu plan {name} --out {name}.plan")
        return ExitCode.OK
    log = changelog(f"Roll {name} back to {release.name}", repository or project, (name,), before, target.images)
    printer_for(sys.stdout).print(_written(target))
    finish(environment.stack, log, texts, committed if commit else None, f"\n{NOT_ROLLED_BACK}")
    print(f"\n{NOT_ROLLED_BACK}", end="")
    return ExitCode.OK


def _written(target: RollbackTarget) -> Iterator[Line]:
    yield _line(target.release)
    if target.newer:
        yield Line.of((f"  Unchanged because the release does not include them: {', '.join(target.newer)}", "yellow"))
    if target.gone:
        yield Line.of((f"  Skipped because the stack no longer has them: {', '.join(target.gone)}", "yellow"))

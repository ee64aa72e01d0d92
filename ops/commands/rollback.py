"""What ``snu releases`` and ``snu rollback`` do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from ops.commands.promote import ChangelogTargets, finish, present
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages
from ops.process_environment import process_environment
from ops.releases.changelog import changelog
from ops.releases.committed_file import CommittedFile
from ops.releases.release import Release
from ops.releases.rollback import NOT_ROLLED_BACK, RollbackTarget, earlier, release_before, write
from ops.releases.tags import Releases
from ops.report.factory import printer_for
from ops.report.text import Line, safe, short
from ops.stacks import find_stack, project_dir


def releases(directory: Path | None, name: str, *, as_json: bool) -> ExitCode:
    """Print a stack's releases, the newest first."""
    project = project_dir(directory)
    stack = find_stack(project, name)
    found = Releases.of(project).all(stack.name)
    if as_json:
        print(json.dumps([_document(each) for each in found], indent=2))
    elif found:
        printer_for(sys.stdout).print([_line(each) for each in found])
    else:
        print(f"No release of {name} is known. `scripts/snu apply` records them as tags of git: fetch those there are.")
    return ExitCode.OK


def _document(release: Release) -> dict[str, object]:
    return {"release": release.name, "commit": release.commit, **release.model_dump(mode="json", exclude={"format"})}


def _line(release: Release) -> Line:
    return Line.of(
        (release.name, "bold"),
        f"  {release.summary}",
        (f"  {release.at:%H:%M} UTC by {safe(release.by)}, commit {short(release.commit)}", "dim"),
    )


# --- snu rollback ---------------------------------------------------------------------------------------


def rollback(
    directory: Path | None, name: str, to: str | None, repository: Path | None, texts: ChangelogTargets, *, commit: bool
) -> ExitCode:
    """Write an earlier release's images and variables into the stack's file."""
    project = project_dir(directory)
    environment = StackImages.find(project, name, process_environment())
    if environment.settings.promote_from is None:
        raise OpsError(
            f"{name} has no snu:promoteFrom, and so no releases to go back to: it runs what was built for it. Build an "
            "earlier commit instead. Nothing was changed.",
            ExitCode.USAGE,
        )
    committed = CommittedFile(environment.stack.file)
    releases = Releases(committed.repository)
    release = releases.find(name, to) if to else release_before(environment, committed, releases.all(name))
    found = earlier(environment, committed, release)
    before = present(environment, found.images)
    if commit:
        committed.require_clean(found.put)
    written = write(environment, found)
    if not written and not (commit and committed.is_altered_by(found.put)):
        print(f"Nothing to write: {environment.stack.file.name} names the images and variables of {release.name}.")
        if any(before.get(app) != image for app, image in found.images.items()):
            print(f"{name} runs others: go on with `scripts/snu plan {name} --out {name}.plan`.")
        return ExitCode.OK
    log = changelog(f"Roll {name} back to {release.name}", repository or project, (name,), before, found.images)
    printer_for(sys.stdout).print(_written(found))
    finish(environment.stack, log, texts, committed if commit else None, f"\n{NOT_ROLLED_BACK}")
    print(f"\n{NOT_ROLLED_BACK}", end="")
    return ExitCode.OK


def _written(found: RollbackTarget) -> Iterator[Line]:
    yield _line(found.release)
    if found.newer:
        yield Line.of((f"  Stays as it is, as the release did not have it: {', '.join(found.newer)}", "yellow"))
    if found.gone:
        yield Line.of((f"  Left out, as the stack does not have it any more: {', '.join(found.gone)}", "yellow"))

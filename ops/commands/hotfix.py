"""``snu hotfix``: checks, builds and merges hotfixes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from infra.images.inputs import Inputs
from infra.images.working_copy import WorkingCopy
from infra.settings import Image
from ops.commands.promote import ChangelogTargets
from ops.commands.promote import finish as finish_writing
from ops.commands.release import bring_back
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import Repository
from ops.images.builds import build_missing, not_built, sources_readable
from ops.images.stack_images import StackImages
from ops.process_environment import process_environment
from ops.releases import hotfix
from ops.releases.changelog import changelog
from ops.releases.committed_file import CommittedFile
from ops.releases.promotion import copy_images
from ops.report.builds import build_display
from ops.report.factory import printer_for
from ops.report.text import Line, short
from ops.stack_file import edit, put_images
from ops.stacks import find_stack, project_dir


def check(directory: Path | None, stack: str) -> ExitCode:
    """Check the hotfix branch. Raises OpsError unless the checked-out branch is a valid hotfix of the stack."""
    project = project_dir(directory)
    fix = hotfix.find(project, find_stack(project, stack).name, process_environment())
    print(f"{fix.branch} descends from {fix.release.name} (commit {fix.release.commit[:12]}), which {stack} runs.")
    return ExitCode.OK


def build(
    directory: Path | None, stack: str, repository: Path | None, texts: ChangelogTargets, *, parallel: int, commit: bool
) -> ExitCode:
    """Build the branch's changes for the stack that ``stack`` is promoted from.

    For all other apps, that stack gets the images that ``stack`` runs.
    """
    project = project_dir(directory)
    target = StackImages.find(project, stack, process_environment())
    source = _source(project, target)
    hotfix.find(project, stack, process_environment())
    committed = CommittedFile(source.stack.file) if commit else None
    with sources_readable():
        copy = WorkingCopy(repository or project)
        changed = _changed(copy, target, source)
    chosen = _built(source, copy, changed, parallel)
    names = source.settings.pinned.keys() - chosen.keys()
    others = {name: image for name, image in target.running.items() if name in names}
    with build_display(sys.stdout) as on_state:
        copy_images(target, source, others, on_state)
    printer_for(sys.stdout).print(_chosen_lines(chosen, others, stack))
    images = put_images({**others, **chosen})
    if committed is not None:
        committed.require_clean(images)
    written = edit(source.stack.file, images)
    if not written and not (committed is not None and committed.is_altered_by(images)):
        print(f"Nothing to write: {source.stack.file.name} already lists these images.")
        return ExitCode.OK
    title = hotfix.title(stack, source.stack.name, chosen)
    log = changelog(title, repository or project, (stack,), target.running, chosen)
    finish_writing(source.stack, log, texts, committed)
    print(f"  scripts/snu promote {source.stack.name} {stack} --commit")
    return ExitCode.OK


def _source(project: Path, target: StackImages) -> StackImages:
    if target.settings.promote_from is None:
        raise OpsError(
            f"{target.stack.name} has no snu:promoteFrom, so it does not need a hotfix. Deploy the fix directly.",
            ExitCode.USAGE,
        )
    return StackImages.find(project, target.settings.promote_from, process_environment())


def _changed(copy: WorkingCopy, target: StackImages, source: StackImages) -> list[Inputs]:
    """Images in both stacks for which this branch's version differs from the target's. Raises ImageSourceError."""
    names = sorted(target.settings.pinned.keys() & source.settings.pinned.keys() & copy.sources.images.keys())
    found = [copy.inputs(name) for name in names]
    running = {name: image.version for name, image in target.running.items()}
    return [inputs for inputs in found if running.get(inputs.name) != inputs.version]


def _built(source: StackImages, copy: WorkingCopy, changed: list[Inputs], parallel: int) -> dict[str, Image]:
    """Return the changed images, building and pushing those that the source's registry lacks. Raises OpsError."""
    chosen: dict[str, Image] = {}
    missing = []
    for inputs in changed:
        digest = source.digest_of(inputs.name, inputs.version)
        if digest is None:
            missing.append(inputs)
        else:
            chosen[inputs.name] = Image(version=inputs.version, digest=digest)
    if not missing:
        return chosen
    unchanged = f"{source.stack.file.name} was not changed."
    built, failed = build_missing(source, copy, missing, parallel, unchanged)
    if failed:
        raise not_built(failed, unchanged)
    return chosen | {each.name: each.image for each in built}


def _chosen_lines(chosen: dict[str, Image], others: dict[str, Image], stack: str) -> Iterator[Line]:
    for name, image in sorted({**others, **chosen}.items()):
        origin = ("changed by this branch", "bold green") if name in chosen else (f"as in {stack}", "dim")
        yield Line.of((f"  {name}", "bold"), f"  {short(image.version)}  ", origin)


def finish(
    directory: Path | None, stack: str, repository: Path | None, hub: Repository, base: str, *, delete: bool
) -> ExitCode:
    """Open the pull request that merges the fix into the base.

    Raises OpsError if the stack is not running the fix yet.
    """
    project = project_dir(directory)
    target = StackImages.find(project, stack, process_environment())
    fix = hotfix.find(project, stack, process_environment())
    with sources_readable():
        waiting = _changed(WorkingCopy(repository or project), target, target)
    if waiting:
        listed = ", ".join(f"{inputs.name} {short(inputs.version)}" for inputs in waiting)
        raise OpsError(
            f"{stack} does not run the fix yet: {listed}. Deploy it first; nothing was changed.", ExitCode.FAILED
        )
    bring_back(project, fix, repository, hub, base, f"Merge the hotfix of {stack} into {base}", delete=delete)
    return ExitCode.OK

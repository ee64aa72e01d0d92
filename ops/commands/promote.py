"""``snu promote``: copies images from one stack to the next."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Image
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.copy import CopyStatistics
from ops.images.stack_images import StackImages
from ops.process_environment import process_environment
from ops.releases.changelog import Changelog, changelog
from ops.releases.committed_file import CommittedFile
from ops.releases.promotion import (
    ImageChoice,
    choose,
    copy_images,
    megabytes,
    require_allowed,
    require_as_named,
    source_environ,
)
from ops.releases.tags import Releases
from ops.report.builds import build_display
from ops.report.factory import printer_for
from ops.report.files import write_text
from ops.report.text import Line, short
from ops.secrets.check import warn_of_missing_keys
from ops.stack_file import put_images, write_images
from ops.stacks import Stack, project_dir


@dataclass(frozen=True)
class ChangelogTargets:
    """Files to write a changelog to, in addition to printing it; ``-`` for standard output."""

    markdown: str | None = None
    slack: str | None = None

    def write(self, log: Changelog) -> None:
        """Write the changelog. Raises OpsError if a file cannot be written."""
        for text, target in ((log.markdown, self.markdown), (log.slack, self.slack)):
            if target is not None:
                write_text(text(), target)


def promote(
    directory: Path | None,
    source_name: str,
    target_name: str,
    repository: Path | None,
    texts: ChangelogTargets,
    *,
    commit: bool,
    as_named: bool,
) -> ExitCode:
    """Copy the source's images to the target's registry, and write them to the target's file. Raises OpsError."""
    project = project_dir(directory)
    target = StackImages.find(project, target_name, process_environment())
    require_allowed(project, source_name, target)
    source = StackImages.find(project, source_name, source_environ(process_environment()))
    if as_named:
        require_as_named(source)
    committed = CommittedFile(target.stack.file) if commit else None
    choice = choose(source, target)
    warn_of_missing_keys(target.stack, process_environment())
    if committed is not None:
        committed.require_clean(put_images(choice.taken))
        choice = choice.since(committed)
    title = f"Promote {source_name} to {target_name}"
    with build_display(sys.stdout) as on_state:
        copied = copy_images(source, target, choice.taken, on_state)
    if not choice.written:
        note = " Copied the images missing from its registry." if any(each.sent for each in copied.values()) else ""
        printer_for(sys.stdout).print(_not_taken(choice, source_name))
        print(f"Nothing to promote: {target.stack.file.name} already lists the images that {source_name} runs.{note}")
        return ExitCode.OK
    log = changelog(
        f"{title}: {', '.join(choice.written)}",
        repository or project,
        (source_name, target_name),
        present(target, choice.written),
        choice.written,
    )
    write_images(target.stack.file, choice.written)
    printer_for(sys.stdout).print([*_taken(choice, copied), *_not_taken(choice, source_name)])
    printer_for(sys.stdout).print(_unreleased(project, source))
    finish(target.stack, log, texts, committed)
    return ExitCode.OK


def finish(
    stack: Stack, log: Changelog, texts: ChangelogTargets, committed: CommittedFile | None, note: str = ""
) -> None:
    """Print a changelog, commit the stack's file if requested, and print the next commands.

    The commit message contains the changelog, followed by ``note``.
    """
    print(f"\n{log.plain()}\n")
    texts.write(log)
    if committed is None:
        print(f"Updated {stack.file.name}. Commit it, then run:")
    else:
        commit = committed.commit(f"{log.plain()}\n{note}" if note else f"{log.plain()}\n")
        print(f"Updated {stack.file.name} and committed it as {commit[:12]}. Next, run:")
    print(f"  scripts/snu plan {stack.name} --out {stack.name}.plan")
    print(f"  scripts/snu apply {stack.name}.plan")


def present(target: StackImages, names: Collection[str]) -> Mapping[str, Image]:
    """The images that the target runs, or those in its file if it does not run them yet."""
    return {name: image for name, image in (target.settings.pinned | target.running).items() if name in names}


def _taken(choice: ImageChoice, copied: Mapping[str, CopyStatistics]) -> Iterator[Line]:
    width = max(map(len, choice.taken), default=0)
    for name, image in choice.taken.items():
        statistics = copied[name]
        is_new = statistics.sent or statistics.mounted
        transfer = f"{megabytes(statistics.sent)} copied" if is_new else "already in the registry"
        if statistics.mounted:
            transfer += f", {megabytes(statistics.mounted)} mounted within the registry"
        yield Line.of(
            (f"  {name:<{width}}", "bold"),
            f"  {short(image.version)}  ",
            ("promoted" if name in choice.written else "unchanged", "green" if name in choice.written else "dim"),
            (f"  {transfer}", "dim"),
        )


def _not_taken(choice: ImageChoice, source: str) -> Iterator[Line]:
    if choice.staying:
        yield Line.of((f"  Unchanged because {source} does not run them: {', '.join(choice.staying)}", "yellow"))
    if choice.unused:
        yield Line.of((f"  Run only by {source}: {', '.join(choice.unused)}", "dim"))


def _unreleased(project: Path, source: StackImages) -> Iterator[Line]:
    """A warning if the source is itself a promotion target but is not running a release."""
    if source.settings.promote_from is None:
        return
    try:
        newest = Releases.of(project).newest(source.stack.name)
    except OpsError:
        newest = None
    if newest is None or any(newest.images.get(name) != image for name, image in source.running.items()):
        known = f"its latest release is {newest.name}" if newest else "it has no known releases"
        yield Line.of(
            (
                f"  {source.stack.name} does not run a recorded release, so its last deployment may have failed: "
                f"{known}.",
                "bold yellow",
            )
        )

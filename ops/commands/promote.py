"""What ``snu promote`` does."""

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
from ops.stack_file import put_images, write_images
from ops.stacks import Stack, project_dir


@dataclass(frozen=True)
class ChangelogTargets:
    """Where a changelog goes besides standard output: files, or ``-``."""

    markdown: str | None = None
    slack: str | None = None

    def write(self, log: Changelog) -> None:
        """Raises OpsError when a file cannot be written."""
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
    """Copy what the source runs into the target's registry, and name it in the target's file."""
    project = project_dir(directory)
    target = StackImages.find(project, target_name, process_environment())
    require_allowed(project, source_name, target)
    source = StackImages.find(project, source_name, source_environ(process_environment()))
    if as_named:
        require_as_named(source)
    committed = CommittedFile(target.stack.file) if commit else None
    choice = choose(source, target)
    if committed is not None:
        committed.require_clean(put_images(choice.taken))
        choice = choice.since(committed)
    title = f"Promote {source_name} to {target_name}"
    with build_display(sys.stdout) as on_state:
        copied = copy_images(source, target, choice.taken, on_state)
    if not choice.written:
        took = " What its registry lacked was copied." if any(each.sent for each in copied.values()) else ""
        printer_for(sys.stdout).print(_not_taken(choice, source_name))
        print(f"Nothing to promote: {target.stack.file.name} names what {source_name} runs already.{took}")
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
    """Print a changelog, commit the stack's file with it where that is wanted, and say what comes next.

    ``note``: what else the commit's message has to say.
    """
    print(f"\n{log.plain()}\n")
    texts.write(log)
    if committed is None:
        print(f"Written to {stack.file.name}. Commit it, then:")
    else:
        made = committed.commit(f"{log.plain()}\n{note}" if note else f"{log.plain()}\n")
        print(f"Written to {stack.file.name}, and committed as {made[:12]}. Then:")
    print(f"  scripts/snu plan {stack.name} --out {stack.name}.plan")
    print(f"  scripts/snu apply {stack.name}.plan")


def present(target: StackImages, names: Collection[str]) -> Mapping[str, Image]:
    """What the target runs; of what it does not run yet, what its file names."""
    return {name: image for name, image in (target.settings.pinned | target.running).items() if name in names}


def _taken(choice: ImageChoice, copied: Mapping[str, CopyStatistics]) -> Iterator[Line]:
    width = max(map(len, choice.taken), default=0)
    for name, image in choice.taken.items():
        took = copied[name]
        said = "was there" if not took.sent and not took.mounted else f"{megabytes(took.sent)} copied"
        if took.mounted:
            said += f", {megabytes(took.mounted)} taken over by the registry itself"
        yield Line.of(
            (f"  {name:<{width}}", "bold"),
            f"  {short(image.version)}  ",
            ("promoted" if name in choice.written else "as before", "green" if name in choice.written else "dim"),
            (f"  {said}", "dim"),
        )


def _not_taken(choice: ImageChoice, source: str) -> Iterator[Line]:
    if choice.staying:
        yield Line.of((f"  Stays as it is, as {source} does not run it: {', '.join(choice.staying)}", "yellow"))
    if choice.unused:
        yield Line.of((f"  Only {source} runs: {', '.join(choice.unused)}", "dim"))


def _unreleased(project: Path, source: StackImages) -> Iterator[Line]:
    """A source that is promoted to as well runs a release, or something went wrong there."""
    if source.settings.promote_from is None:
        return
    try:
        newest = Releases.of(project).newest(source.stack.name)
    except OpsError:
        newest = None
    if newest is None or any(newest.images.get(name) != image for name, image in source.running.items()):
        known = f"its newest release is {newest.name}" if newest else "no release of it is known"
        yield Line.of(
            (
                f"  What {source.stack.name} runs was not recorded as a release, so its last deploy may not have been "
                f"good: {known}.",
                "bold yellow",
            )
        )

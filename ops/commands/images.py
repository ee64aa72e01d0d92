"""``snu images`` and ``snu images clean``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ops import clean_images as cleaning
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.builds import sources_readable, working_copy
from ops.images.stack_images import StackImages, environments
from ops.process_environment import process_environment
from ops.report.causes import skipped_lines
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.text import Line, counted, safe, short
from ops.stacks import project_dir

if TYPE_CHECKING:
    from infra.images.working_copy import WorkingCopy
    from ops.images.history import ImageChange

_SHOWN_CHANGES = 5


# --- snu images -----------------------------------------------------------------------------------------


@dataclass
class ImageUse:
    """An environment's use of an image."""

    version: str | None
    """The running version; None if the environment does not run the image yet."""
    version_source: Literal["state", "file"]
    """Source of ``version``: the state, or the stack's file if the state cannot be read."""
    in_registry: bool | None
    """Whether the environment's registry has the current version; None if unknown."""
    changes: list[ImageChange] | None = None
    """Changes since the running version; None if this Git history does not contain that version."""


@dataclass
class ImageReport:
    """An image and its uses."""

    version: str
    sources: list[str]
    environments: dict[str, ImageUse]
    """Uses by stack name."""


def show(directory: Path | None, repository: Path | None, *, as_json: bool) -> ExitCode:
    """Print each image's current version and registries, and each environment's version with the changes since then."""
    project = project_dir(directory)
    with sources_readable():
        copy = working_copy(repository or project)
        inputs = {name: copy.inputs(name) for name in copy.versions.images}
    reports = {name: ImageReport(each.version, sorted([*each.taken, *each.cut]), {}) for name, each in inputs.items()}
    unknown: dict[str, str] = {}
    for environment in environments(project, process_environment()):
        reason = _add_uses(environment, reports)
        if reason:
            unknown[environment.stack.name] = reason
    _add_changes(reports, copy)
    if as_json:
        print_document("images", {"images": reports, "unreachable": unknown})
    else:
        printer_for(sys.stdout).print(_lines(reports))
        if copy.repository.is_shallow:
            print("This clone is shallow. Fetch the missing history with: git fetch --unshallow --tags")
        printer_for(sys.stdout).print(skipped_lines(unknown))
    return ExitCode.INCOMPLETE if unknown else ExitCode.OK


def _add_uses(environment: StackImages, reports: dict[str, ImageReport]) -> str:
    """Add an environment's uses. If some are unknown, returns the reason, otherwise an empty string."""
    reason = ""
    version_source: Literal["state", "file"] = "state"
    try:
        running = {name: image.version for name, image in environment.running.items()}
    except OpsError as error:
        reason, version_source = str(error), "file"
        running = {name: image.version for name, image in environment.settings.pinned.items()}
    for name in reports.keys() & environment.settings.images.keys():
        in_registry = None
        if not reason:
            try:
                in_registry = environment.digest_of(name, reports[name].version) is not None
            except OpsError as error:
                reason = str(error)
        reports[name].environments[environment.stack.name] = ImageUse(running.get(name), version_source, in_registry)
    return reason


def _add_changes(reports: dict[str, ImageReport], copy: WorkingCopy) -> None:
    """Add the changes since each running version that is in this commit's history."""
    from gitrepo import ShallowError
    from ops.images.history import History

    if copy.state.commit is None:
        return
    history = History(copy.repository, copy.versions, copy.state.commit)
    for name, report in reports.items():
        uses = [use for use in report.environments.values() if use.version is not None]
        found = history.find(name, {use.version for use in uses if use.version})
        since = {}
        for version, commit in found.items():
            with suppress(ShallowError):  # then the changes are unknown
                since[version] = history.changes(name, commit)
        for use in uses:
            use.changes = [] if use.version == report.version else since.get(use.version or "")


def _lines(reports: dict[str, ImageReport]) -> Iterator[Line]:
    width = max((len(stack) for report in reports.values() for stack in report.environments), default=0)
    for name, report in reports.items():
        yield Line.of((name, "bold"), f"  {short(report.version)}")
        yield Line.of((f"  built from {', '.join(report.sources)}", "dim"))
        for stack, use in report.environments.items():
            yield Line.of(f"  {stack:<{width}}  ", *_words(use, report.version))
            for change in (use.changes or [])[:_SHOWN_CHANGES]:
                subject = f"    {change.commit[:8]} {safe(change.subject)}"
                yield Line.of((subject, "dim"), (f"  ({', '.join(change.paths)})", "dim"))


def _words(use: ImageUse, present: str) -> Iterator[tuple[str, str]]:
    runs = "runs" if use.version_source == "state" else "is set to"
    if use.version is None:
        yield "does not run it", ""
    elif use.version == present:
        yield f"{runs} this version", "green"
    elif use.changes is None:
        yield f"{runs} {short(use.version)}, which is not in this Git history", "yellow"
    else:
        yield f"{runs} {short(use.version)}, {counted(len(use.changes), 'change')} since", "yellow"
    if use.in_registry is not None:
        yield ("; in the registry", "green") if use.in_registry else ("; this version is not in the registry", "yellow")


# --- snu images clean -----------------------------------------------------------------------------------


def clean(directory: Path | None, stack: str | None, *, older_than: float, keep_releases: int, yes: bool) -> ExitCode:
    """Print the versions to delete from one or all registries, and why others are kept. With ``yes``, delete them."""
    project = project_dir(directory)
    environments_ = cleaning.cleaned(project, stack, process_environment())
    age = cleaning.shortest_age(project, timedelta(seconds=older_than))
    # Tags are listed before their uses, so that a version that comes into use in between is kept.
    registries = [(each, cleaning.Registry(each.stack, process_environment())) for each in environments_]
    try:
        tags = [(each, registry, registry.tags(each.registry)) for each, registry in registries]
        found = cleaning.images_in_use(project, environments_, process_environment(), keep_releases)
        failed: list[str] = []
        deleted = 0
        for environment, registry, held in tags:
            decided = cleaning.verdicts(held, found, age, datetime.now(UTC))
            printer_for(sys.stdout).print(_verdict_lines(environment.registry, decided, found.skipped))
            deleted += sum(not each.stays for each in decided)
            if yes:
                failed += _delete(registry, decided)
    finally:
        for _, registry in registries:
            registry.close()
    if failed:
        raise OpsError(f"{counted(len(failed), 'version')} could not be deleted:" + "".join(failed), ExitCode.FAILED)
    result = "deleted" if yes else "to delete. Nothing was changed; use --yes to delete"
    print(f"{counted(deleted, 'version')} {result}." if deleted else "Nothing to delete.")
    return ExitCode.OK


def _delete(registry: cleaning.Registry, decided: list[cleaning.TagDecision]) -> list[str]:
    """Delete the unneeded versions. Returns one line for each that could not be deleted."""
    failed = []
    for tag in [each.tag for each in decided if not each.stays]:
        try:
            registry.delete(tag)
        except OpsError as error:
            failed.append(f"\n  {tag.image}:{tag.name}: {error}")
    return failed


def _verdict_lines(registry: str, decided: list[cleaning.TagDecision], unasked: dict[str, str]) -> Iterator[Line]:
    yield Line.of((registry, "bold"))
    for each in decided:
        tag = each.tag
        version = f"  {tag.image}:{safe(tag.name)}  {tag.touched:%Y-%m-%d}  "
        if each.stays:
            yield Line.of((version, "dim"), (f"keep: {each.stays}", "dim"))
        else:
            yield Line.of(version, ("delete", "red"))
    if unasked:
        yield Line.of((f"  Skipped stacks that use another registry: {', '.join(unasked)}", "dim"))

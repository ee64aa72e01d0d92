"""What ``snu images`` and ``snu images build`` do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from infra.images.errors import ImageSourceError
from infra.settings import Image, SettingsError
from infra.settings.built import built_file, write_built
from ops import git
from ops.display.builds import build_display
from ops.display.choose import printer_for
from ops.display.text import Line, counted, safe, short
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images import clean as cleaning
from ops.images.build import Builder, Chosen, Origin, choose
from ops.images.docker import Docker
from ops.images.environment import Environment, environments, stack_of
from ops.stacks import project_dir

if TYPE_CHECKING:
    import pygit2

    from infra.images.inputs import Inputs
    from infra.images.working_copy import WorkingCopy
    from ops.images.history import Change

_SHOWN_CHANGES = 5
_MAIN_BRANCHES = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main")


# --- snu images -----------------------------------------------------------------------------------------


@dataclass
class Use:
    """How an environment stands to an image."""

    version: str | None
    """What it runs; None: nothing yet."""
    said_by: Literal["state", "file"]
    """The state says what runs; where it cannot be reached, the stack's file says what is meant to run."""
    held: bool | None
    """Whether its registry has the present version; None: not known."""
    changes: list[Change] | None = None
    """What has changed since the version that it runs; None where this history does not have it."""


@dataclass
class Report:
    """What is known of an image."""

    version: str
    sources: list[str]
    environments: dict[str, Use]
    """By stack."""


def show(directory: Path | None, repository: Path | None, *, as_json: bool) -> ExitCode:
    """Print for each image its version, which registries hold it, where it runs, and what has changed since."""
    project = project_dir(directory)
    with sources_readable():
        copy = _working_copy(repository or project)
        inputs = {name: copy.inputs(name) for name in copy.versions.images}
    reports = {name: Report(each.version, sorted([*each.taken, *each.cut]), {}) for name, each in inputs.items()}
    unknown: dict[str, str] = {}
    for environment in environments(project, os.environ):
        reason = _look(environment, reports)
        if reason:
            unknown[environment.stack.name] = reason
    _add_changes(reports, copy)
    if as_json:
        document = {"images": {name: asdict(report) for name, report in reports.items()}, "unreachable": unknown}
        print(json.dumps(document, indent=2, default=str))
    else:
        printer_for(sys.stdout).print(_lines(reports, unknown))
    return ExitCode.OK


def _look(environment: Environment, reports: dict[str, Report]) -> str:
    """Add what is known of an environment; gives why not all of it is."""
    reason = ""
    said_by: Literal["state", "file"] = "state"
    try:
        running = {name: image.version for name, image in environment.running.items()}
    except OpsError as error:
        reason, said_by = str(error), "file"
        running = {name: image.version for name, image in environment.settings.pinned.items()}
    for name in reports.keys() & environment.settings.images.keys():
        held = None
        if not reason:
            try:
                held = environment.digest_of(name, reports[name].version) is not None
            except OpsError as error:
                reason = str(error)
        reports[name].environments[environment.stack.name] = Use(running.get(name), said_by, held)
    return reason


def _add_changes(reports: dict[str, Report], copy: WorkingCopy) -> None:
    """What has changed since the versions that run, as far as this commit's history has them."""
    from ops.images.history import History

    repository = copy.repository
    if repository.head_is_unborn:
        return
    history = History(repository, copy.versions, repository.head.peel().id)
    for name, report in reports.items():
        uses = [use for use in report.environments.values() if use.version is not None]
        found = history.find(name, {use.version for use in uses if use.version})
        since = {version: history.changes(name, commit) for version, commit in found.items()}
        for use in uses:
            use.changes = [] if use.version == report.version else since.get(use.version or "")


def _lines(reports: dict[str, Report], unknown: dict[str, str]) -> Iterator[Line]:
    width = max((len(stack) for report in reports.values() for stack in report.environments), default=0)
    for name, report in reports.items():
        yield Line.of((name, "bold"), f"  {short(report.version)}")
        yield Line.of((f"  built from {', '.join(report.sources)}", "dim"))
        for stack, use in report.environments.items():
            yield Line.of(f"  {stack:<{width}}  ", *_words(use, report.version))
            for change in (use.changes or [])[:_SHOWN_CHANGES]:
                told = f"    {change.commit[:8]} {safe(change.subject)}"
                yield Line.of((told, "dim"), (f"  ({', '.join(change.paths)})", "dim"))
    for reason in dict.fromkeys(unknown.values()):
        stacks = ", ".join(stack for stack, why in unknown.items() if why == reason)
        yield Line.of((f"Not asked: {stacks}. {reason}", "dim"))


def _words(use: Use, present: str) -> Iterator[tuple[str, str]]:
    runs = "runs" if use.said_by == "state" else "is set to"
    if use.version is None:
        yield "runs none", ""
    elif use.version == present:
        yield f"{runs} this version", "green"
    elif use.changes is None:
        yield f"{runs} {short(use.version)}, which is not in this history", "yellow"
    else:
        yield f"{runs} {short(use.version)}, {counted(len(use.changes), 'change')} since", "yellow"
    if use.held is not None:
        held = ("; in the registry", "green") if use.held else ("; this version is not in the registry", "yellow")
        yield held


# --- snu images build -----------------------------------------------------------------------------------


def build(directory: Path | None, stack: str, repository: Path | None, *, base: str | None, parallel: int) -> ExitCode:
    """Build and push what the registry lacks, and write version and digest of each image into the configuration."""
    project = project_dir(directory)
    environment = Environment.find(project, stack, os.environ)
    settings = environment.settings
    if settings.promote_from is not None:
        raise OpsError(
            f"{stack} never builds: it takes its images from {settings.promote_from}. Nothing was built or changed.",
            ExitCode.USAGE,
        )
    parent = settings.environment.preview_of
    with sources_readable():
        copy = _working_copy(repository or project)
        choice = choose(
            environment,
            copy,
            stack_of(project, parent, os.environ) if parent else None,
            _branched_from(copy.repository, base) if parent else None,
        )
    chosen = choice.there
    failed: dict[str, str] = {}
    if choice.missing:
        built, failed = build_missing(environment, copy, choice.missing, parallel, _unchanged(stack))
        chosen = [*chosen, *built]
    printer_for(sys.stdout).print(_chosen_lines(sorted(chosen, key=lambda each: each.name), environment.running))
    if failed:
        raise not_built(failed, _unchanged(stack))
    return _write(project, stack, chosen)


def build_missing(
    environment: Environment, copy: WorkingCopy, missing: list[Inputs], parallel: int, unchanged: str
) -> tuple[list[Chosen], dict[str, str]]:
    """Build and push for an environment, and show it; what was built, and by name why the others were not.

    ``unchanged``: what is said to be as it was. Raises OpsError where there is no Docker, and after Ctrl-C.
    """
    builder = Builder(
        docker=Docker.connect(os.environ),
        environment=environment,
        copy=copy,
        logs=environment.stack.project_dir / ".local" / "builds",
        labels=_labels(copy.repository),
    )
    try:
        with build_display(sys.stdout) as on_state:
            return builder.build(missing, parallel=parallel, on_state=on_state)
    except KeyboardInterrupt:
        raise OpsError(f"Stopped. {unchanged}", ExitCode.CANCELLED) from None


def not_built(failed: dict[str, str], unchanged: str) -> OpsError:
    """The error that names each image that was not built, and why."""
    reasons = "".join(f"\n  {name}: {reason}" for name, reason in sorted(failed.items()))
    return OpsError(
        f"{counted(len(failed), 'image was', 'images were')} not built:{reasons}\n{unchanged}", ExitCode.FAILED
    )


def _unchanged(stack: str) -> str:
    return (
        f"The configuration of {stack} was not changed. What was built is in the registry, and will not be built again."
    )


def _write(project: Path, stack: str, chosen: list[Chosen]) -> ExitCode:
    if not chosen:
        print(f"{stack} runs no image that images.yaml describes; nothing was changed.")
        return ExitCode.OK
    file = built_file(project, stack)
    try:
        write_built(project, stack, {each.name: each.image.model_dump() for each in chosen})
    except OSError as error:
        raise OpsError(f"{file} cannot be written: {error.strerror}", ExitCode.FAILED) from error
    print(f"Written to {file.relative_to(project)}, which every command on {stack} reads from now on.")
    return ExitCode.OK


def _chosen_lines(chosen: list[Chosen], running: dict[str, Image]) -> Iterator[Line]:
    width = max((len(each.name) for each in chosen), default=0)
    for each in chosen:
        style = "bold green" if each.origin is Origin.BUILT else "green"
        yield Line.of(
            (f"  {each.name:<{width}}", "bold"),
            f"  {short(each.image.version)}  ",
            (short(each.image.digest), "dim"),
            "  ",
            (each.origin.value, style),
            (", runs already" if running.get(each.name) == each.image else "", "dim"),
        )


def _labels(repository: pygit2.Repository) -> dict[str, str]:
    """The commit of what is built; nothing where files differ from it."""
    if repository.head_is_unborn or git.changed_files(repository):
        return {}
    return {"org.opencontainers.image.revision": str(repository.head.target)}


def _branched_from(repository: pygit2.Repository, base: str | None) -> pygit2.Tree | None:
    """The tree of the commit that the branch left the main branch at; None where history does not reach that far.

    Raises OpsError when `base` is no commit.
    """
    import pygit2

    names = [base] if base else _MAIN_BRANCHES
    for name in names:
        try:
            found = repository.revparse_single(name).peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.GitError):
            continue
        merge_base = repository.merge_base(repository.head.target, found.id)
        return repository[merge_base].peel(pygit2.Tree) if merge_base else None
    if base:
        raise OpsError(f"{base} is no commit of {repository.workdir}", ExitCode.USAGE)
    return None


def _working_copy(folder: Path) -> WorkingCopy:
    from infra.images.working_copy import WorkingCopy

    return WorkingCopy(folder)


@contextmanager
def sources_readable() -> Iterator[None]:
    """Raises OpsError for what is wrong with `images.yaml` or what it names."""
    try:
        yield
    except (SettingsError, ImageSourceError) as error:
        raise OpsError(f"{error}\nNothing was built or changed.", ExitCode.SETTINGS) from error


# --- snu images clean -----------------------------------------------------------------------------------


def clean(directory: Path | None, stack: str | None, *, older_than: int, keep_releases: int, yes: bool) -> ExitCode:
    """List what leaves a stack's registry, or all registries, and why the rest stays; with ``yes``, delete it."""
    project = project_dir(directory)
    environments_ = cleaning.cleaned(project, stack, os.environ)
    age = cleaning.shortest_age(project, timedelta(days=older_than))
    # What is there is listed first: what begins to be used meanwhile is seen then.
    registries = [(each, cleaning.Registry(each.stack, os.environ)) for each in environments_]
    try:
        tags = [(each, registry, registry.tags(each.registry)) for each, registry in registries]
        found = cleaning.needed(project, environments_, os.environ, keep_releases)
        failed: list[str] = []
        going = 0
        for environment, registry, held in tags:
            decided = cleaning.verdicts(held, found, age, datetime.now(UTC))
            printer_for(sys.stdout).print(_verdict_lines(environment.registry, decided, found.unasked))
            going += sum(not each.stays for each in decided)
            if yes:
                failed += _delete(registry, decided)
    finally:
        for _, registry in registries:
            registry.close()
    if failed:
        raise OpsError(f"{counted(len(failed), 'version')} not deleted:" + "".join(failed), ExitCode.FAILED)
    done = "deleted" if yes else "would be deleted; nothing was. Delete with --yes"
    print(f"{counted(going, 'version')} {done}." if going else "Nothing to delete.")
    return ExitCode.OK


def _delete(registry: cleaning.Registry, decided: list[cleaning.Verdict]) -> list[str]:
    """Gives why some could not be deleted; one failure leaves the others alone."""
    failed = []
    for tag in [each.tag for each in decided if not each.stays]:
        try:
            registry.delete(tag)
        except OpsError as error:
            failed.append(f"\n  {tag.image}:{tag.name}: {error}")
    return failed


def _verdict_lines(registry: str, decided: list[cleaning.Verdict], unasked: dict[str, str]) -> Iterator[Line]:
    yield Line.of((registry, "bold"))
    for each in decided:
        tag = each.tag
        what = f"  {tag.image}:{safe(tag.name)}  {tag.touched:%Y-%m-%d}  "
        yield Line.of((what, "dim"), (f"stays: {each.stays}", "dim")) if each.stays else Line.of(what, ("goes", "red"))
    for stack in unasked:
        yield Line.of((f"  Not asked, as it has another registry: {stack}", "dim"))

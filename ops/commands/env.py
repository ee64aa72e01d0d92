"""What ``snu env`` does: preview environments."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository, read_token
from ops.previews import comment, eligibility, names
from ops.previews.cloud import Cloud
from ops.previews.down import take_down
from ops.previews.inventory import Preview, look
from ops.previews.parent import Parent
from ops.previews.sweep import Sweep, SweepAction, SweepResult, SweepRules, SweepSurvey, survey
from ops.previews.up import ImageBuild, bring_up
from ops.process_environment import TOKEN, TOKEN_FILE, process_environment
from ops.report.causes import skipped_lines
from ops.report.factory import printer_for
from ops.report.text import Line, counted, safe
from ops.session import Options
from ops.stacks import project_dir

__all__ = ["GitHubOptions", "ImageBuild", "PreviewSelector", "down", "show", "sweep", "up"]


@dataclass(frozen=True)
class PreviewSelector:
    """Which environment the user means: exactly one of these."""

    pull_request: int | None
    branch: str | None
    name: str | None = None

    def require_one(self, allowed: str) -> None:
        """Raises OpsError."""
        given = [each for each in (self.pull_request, self.branch, self.name) if each is not None]
        if len(given) != 1:
            raise OpsError(f"Which environment? Give exactly one of {allowed}.", ExitCode.USAGE)


@dataclass(frozen=True)
class GitHubOptions:
    """The repository on GitHub, as the user names it."""

    repository: str | None
    api_url: str

    def connect(self, why: str) -> GitHub:
        """Raises OpsError where no repository is named or there is no token."""
        if not self.repository:
            raise OpsError(f"{why} Give --repo OWNER/NAME, or set GITHUB_REPOSITORY.", ExitCode.USAGE)
        return GitHub(Repository(self.repository, self.api_url), read_token(process_environment()))

    @property
    def named(self) -> str:
        """Empty where none is. Raises OpsError for what cannot be a repository."""
        return Repository(self.repository, self.api_url).name if self.repository else ""


def up(
    directory: Path | None,
    meant: PreviewSelector,
    hub: GitHubOptions,
    engine: EngineChoice,
    build: ImageBuild,
    options: Options,
    *,
    as_json: bool,
) -> ExitCode:
    """Raises OpsError, of the status NOT_WANTED where there is to be no environment."""
    meant.require_one("--pr and --branch")
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        parent = Parent.find(project_dir(directory), process_environment())
        rules = parent.rules
        if meant.pull_request is not None:
            github = hub.connect("Whether the pull request is open, GitHub says.")
            one = eligibility.of_pull_request(parent.template, rules, github, meant.pull_request)
        else:
            one = eligibility.of_branch(parent.template, meant.branch or "", hub.named)
        made = bring_up(parent, Cloud(parent), one, engine, build, options)
    if as_json:
        images = {app: image.model_dump() for app, image in made.images.items()}
        print(json.dumps({"name": made.name, "urls": made.urls, "images": images}, indent=2))
    else:
        print(f"{made.name} is up: {' '.join(made.urls.values()) or 'no app of it has a URL'}")
    return ExitCode.OK


def down(
    directory: Path | None,
    meant: PreviewSelector,
    hub: GitHubOptions,
    engine: EngineChoice,
    lock_timeout: float,
    *,
    if_unwanted: bool = False,
) -> ExitCode:
    """Raises OpsError when something is left, or the name is none of a preview environment."""
    meant.require_one("--pr, --branch and NAME")
    parent = Parent.find(project_dir(directory), process_environment())
    name = _name(parent, meant)
    is_wanted = _is_wanted(parent, meant, hub) if if_unwanted else lambda: False
    done = take_down(parent, Cloud(parent), name, engine, lock_timeout, is_wanted)
    if done.kept:
        print(f"{name} is kept: its pull request is open and is to have an environment.")
        return ExitCode.OK
    print(f"{name} is taken down." if done.was_there else f"{name} is gone already.")
    number = names.pull_request_of(name)
    if number is not None and _may_comment(hub):
        github = hub.connect("")
        text = comment.gone(name, "Nothing of it is left in the cloud.")
        written = comment.write(github, number, name, text, create=False)
        print(f"Comment on {github.repository}#{number} {written.outcome}{written.url and f': {written.url}'}")
    return ExitCode.OK


def _is_wanted(parent: Parent, meant: PreviewSelector, hub: GitHubOptions) -> Callable[[], bool]:
    """Whether GitHub's pull request is to have its environment, when asked. Raises OpsError."""
    number = meant.pull_request
    if number is None:
        raise OpsError("--if-unwanted needs --pr: only a pull request says what it wants.", ExitCode.USAGE)
    github = hub.connect("Whether the pull request is open, GitHub says.")
    rules = parent.rules
    return lambda: (
        not eligibility.objection(parent.template, rules, github.repository.name, github.pull_request(number))
    )


def _name(parent: Parent, meant: PreviewSelector) -> str:
    if meant.pull_request is not None:
        return eligibility.pull_request_name(parent.template, meant.pull_request)
    if meant.branch is not None:
        return eligibility.branch_name(parent.template, meant.branch)
    name = meant.name or ""
    if not names.is_preview(name):
        raise OpsError(
            f"{safe(name)!r} is no name of a preview environment; expected pr-<number> or br-<slug>-<8 hex digits>. "
            "Nothing was changed.",
            ExitCode.USAGE,
        )
    return name


def _may_comment(hub: GitHubOptions) -> bool:
    """Whether GitHub was named, and there is a token: to take an environment down needs neither."""
    return bool(hub.repository) and any(process_environment().get(variable) for variable in (TOKEN, TOKEN_FILE))


# --- list and sweep ---------------------------------------------------------------------------------------


def show(directory: Path | None, *, as_json: bool) -> ExitCode:
    """All preview environments, by the states in the parent's store and by what is in the cloud."""
    parent = Parent.find(project_dir(directory), process_environment())
    previews = look(parent, Cloud(parent).look())
    problems = {preview.name: preview.problem for preview in previews if preview.problem}
    if as_json:
        print(json.dumps([_document(preview) for preview in previews], indent=2))
    else:
        rows = list(_rows(previews)) or [Line.of(f"{parent.template.parent} has no preview environment.")]
        printer_for(sys.stdout).print([*rows, *skipped_lines(problems)])
    return ExitCode.INCOMPLETE if problems else ExitCode.OK


def _document(preview: Preview) -> dict[str, Any]:
    return {
        "name": preview.name,
        "pullRequest": preview.pull_request,
        "branch": preview.branch,
        "updated": preview.updated.isoformat() if preview.updated else None,
        "ageHours": None if (age := preview.age()) is None else round(age, 1),
        "urls": preview.urls,
        "status": _status(preview)[0],
        "problem": preview.problem or None,
    }


def _status(preview: Preview) -> tuple[str, str]:
    """With its style."""
    if preview.problem:
        return "unreadable", "bold red"
    if preview.is_orphan:
        return "orphaned", "yellow"
    return ("forgotten", "yellow") if preview.is_forgotten else ("up", "green")


def _rows(previews: list[Preview]) -> Iterator[Line]:
    rows = []
    for preview in previews:
        number, age = preview.pull_request, preview.age()
        what = " ".join(filter(None, [f"#{number}" if number else "", safe(preview.branch or "")]))
        updated = f"{preview.updated:%Y-%m-%d %H:%M}Z" if preview.updated else "not known"
        rows.append((preview, what or "not known", updated, "" if age is None else f"{age:.0f}h"))
    name_width, what_width = (
        max((len(row) for row in column), default=0)
        for column in ([row[0].name for row in rows], [row[1] for row in rows])
    )
    for preview, what, updated, old in rows:
        status, style = _status(preview)
        yield Line.of(
            (f"{preview.name:<{name_width}}", "bold"),
            f"  {what:<{what_width}}  {updated:<17}  {old:>5}  ",
            (f"{status:<10}", style),
            "  ".join(["", *preview.urls.values()]).rstrip(),
        )


def sweep(directory: Path | None, hub: GitHubOptions, engine: EngineChoice, *, yes: bool, as_json: bool) -> ExitCode:
    """Without ``yes`` it only looks. Raises OpsError when something could not be judged or taken away."""
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        parent = Parent.find(project_dir(directory), process_environment())
        cloud = Cloud(parent)
        github = hub.connect("") if hub.named else None
        found = survey(parent, cloud, SweepRules(parent.rules, github))
        acting = [verdict for verdict in found.verdicts if verdict.acts]
        if not as_json:
            printer_for(sys.stdout).print(list(_findings(found, github is None, yes=yes)))
        outcome = Sweep(parent, cloud, engine, github).run(acting) if yes else SweepResult({}, {})
    unknown = {verdict.name: verdict.reason for verdict in found.verdicts if verdict.action is SweepAction.ASK}
    failed = {**unknown, **outcome.failed}
    done = [each.name for each in acting if yes and each.name not in {**failed, **outcome.skipped}]
    if as_json:
        print(json.dumps(_sweep_document(found, outcome, failed, done), indent=2))
    else:
        for name, reason in outcome.skipped.items():
            print(f"{name} was left alone: {reason}")
        if yes:
            print(f"{counted(len(done), 'environment')} taken away{': ' if done else '.'}{', '.join(done)}")
    if failed:
        listed = "".join(f"\n  {name}: {reason}" for name, reason in sorted(failed.items()))
        raise OpsError(f"{counted(len(failed), 'environment')} could not be swept:{listed}", ExitCode.FAILED)
    return ExitCode.OK


def _findings(found: SweepSurvey, without_github: bool, *, yes: bool) -> Iterator[Line]:
    acting = [verdict for verdict in found.verdicts if verdict.acts]
    if without_github:
        yield Line.of("Without --repo: whether pull requests are closed and branches gone is not looked at.")
    for verdict in found.verdicts:
        style = "yellow" if verdict.acts else "red" if verdict.action is SweepAction.ASK else "dim"
        yield Line.of((verdict.name, "bold"), "  ", (f"{verdict.action}: {safe(verdict.reason)}", style))
        if verdict.action is SweepAction.REMOVE:
            yield from (Line.of((f"    {safe(str(thing))}", "dim")) for thing in verdict.preview.things)
    for what, reason in found.left_alone.items():
        yield Line.of((f"{safe(what)}  left alone: {reason}", "dim"))
    if not acting:
        yield Line.of("There is nothing to sweep.")
    elif not yes:
        yield Line.of(f"{counted(len(acting), 'environment')} to sweep. Nothing was changed: --yes does it.")


def _sweep_document(
    found: SweepSurvey, outcome: SweepResult, failed: dict[str, str], done: list[str]
) -> dict[str, Any]:
    verdicts = [
        {
            "name": each.name,
            "action": str(each.action),
            "reason": each.reason,
            "done": each.name in done,
            "problem": failed.get(each.name) or outcome.skipped.get(each.name),
        }
        for each in found.verdicts
    ]
    return {"environments": verdicts, "leftAlone": found.left_alone}

"""``snu env``: manages preview environments."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository, read_token
from ops.previews import comment, deployment, eligibility, names
from ops.previews.cloud import Cloud
from ops.previews.down import take_down
from ops.previews.inventory import Preview, list_previews
from ops.previews.parent import Parent
from ops.previews.sweep import Sweep, SweepAction, SweepResult, SweepRules, SweepSurvey, survey
from ops.previews.up import ImageBuild, bring_up
from ops.process_environment import TOKEN, TOKEN_FILE, process_environment
from ops.report.causes import skipped_lines
from ops.report.document import print_document
from ops.report.factory import printer_for
from ops.report.table import table
from ops.report.text import Line, Span, counted, safe
from ops.report.times import local_time
from ops.session import Options
from ops.stacks import project_dir

__all__ = ["GitHubOptions", "ImageBuild", "PreviewSelector", "down", "show", "sweep", "up"]


@dataclass(frozen=True)
class PreviewSelector:
    """The environment selected by the user through exactly one of these fields."""

    pull_request: int | None
    branch: str | None
    name: str | None = None

    def require_one(self, allowed: str) -> None:
        """Raises OpsError unless exactly one is given. ``allowed``: the options to list in the message."""
        given = [each for each in (self.pull_request, self.branch, self.name) if each is not None]
        if len(given) != 1:
            raise OpsError(f"Select an environment with exactly one of {allowed}.", ExitCode.USAGE)


@dataclass(frozen=True)
class GitHubOptions:
    """The GitHub repository specified by the options."""

    repository: str | None
    api_url: str

    def connect(self, why: str) -> GitHub:
        """Connect to GitHub.

        Raises OpsError if no repository is specified, explaining ``why`` it is needed, or if there is no token.
        """
        if not self.repository:
            raise OpsError(f"{why} Use --repo OWNER/NAME or set GITHUB_REPOSITORY.", ExitCode.USAGE)
        return GitHub(Repository(self.repository, self.api_url), read_token(process_environment()))

    @property
    def named(self) -> str:
        """Name of the repository, or an empty string. Raises OpsError for an invalid name."""
        return Repository(self.repository, self.api_url).name if self.repository else ""


def up(
    directory: Path | None,
    selector: PreviewSelector,
    github_options: GitHubOptions,
    engine: EngineChoice,
    build: ImageBuild,
    options: Options,
    *,
    as_json: bool,
    link_to: str | None = None,
) -> ExitCode:
    """Deploy an environment. Raises OpsError, with NOT_WANTED if the pull request is not eligible."""
    selector.require_one("--pr and --branch")
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        parent = Parent.find(project_dir(directory), process_environment())
        rules = parent.rules
        if selector.pull_request is not None:
            github = github_options.connect("The pull request's status is read from GitHub.")
            candidate = eligibility.of_pull_request(parent.template, rules, github, selector.pull_request)
        else:
            candidate = eligibility.of_branch(parent.template, selector.branch or "", github_options.named)
        environment = bring_up(parent, Cloud(parent), candidate, engine, build, options, link_to)
    if as_json:
        images = {app: image.model_dump() for app, image in environment.images.items()}
        print_document("env up", {"name": environment.name, "urls": environment.urls, "images": images})
    else:
        print(f"{environment.name} is up: {' '.join(environment.urls.values()) or 'no app has a URL'}")
    return ExitCode.OK


def down(
    directory: Path | None,
    selector: PreviewSelector,
    github_options: GitHubOptions,
    engine: EngineChoice,
    lock_timeout: float,
    *,
    if_unwanted: bool = False,
) -> ExitCode:
    """Destroy an environment. Raises OpsError if any resource remains or the name is invalid."""
    selector.require_one("--pr, --branch and NAME")
    parent = Parent.find(project_dir(directory), process_environment())
    name = _name(parent, selector)
    is_eligible = _is_eligible(parent, selector, github_options) if if_unwanted else lambda: False
    number = names.pull_request_of(name)
    github = github_options.connect("") if number is not None and _may_report(github_options) else None
    on_removed = partial(deployment.end, github, name) if github is not None else lambda: None
    done = take_down(parent, Cloud(parent), name, engine, lock_timeout, is_eligible, on_removed)
    if done.kept:
        print(f"{name} was kept: its pull request is open and eligible for an environment.")
        return ExitCode.OK
    print(f"{name} was removed." if done.existed else f"{name} does not exist.")
    if github is not None and number is not None:
        text = comment.taken_down(name, "All of its resources were removed.")
        written = comment.write(github, number, name, text, create=False)
        print(f"Comment on {github.repository}#{number} {written.outcome}{written.url and f': {written.url}'}")
    return ExitCode.OK


def _is_eligible(parent: Parent, selector: PreviewSelector, github_options: GitHubOptions) -> Callable[[], bool]:
    """Return a function that asks GitHub whether the pull request is eligible. Raises OpsError."""
    number = selector.pull_request
    if number is None:
        raise OpsError("--if-unwanted requires --pr.", ExitCode.USAGE)
    github = github_options.connect("The pull request's status is read from GitHub.")
    rules = parent.rules
    return lambda: (
        not eligibility.objection(parent.template, rules, github.repository.name, github.pull_request(number))
    )


def _name(parent: Parent, selector: PreviewSelector) -> str:
    if selector.pull_request is not None:
        return eligibility.pull_request_name(parent.template, selector.pull_request)
    if selector.branch is not None:
        return eligibility.branch_name(parent.template, selector.branch)
    name = selector.name or ""
    if not names.is_preview(name):
        raise OpsError(
            f"{safe(name)} is not the name of a preview environment; expected pr-NUMBER or br-SLUG-XXXXXXXX. "
            "Nothing was changed.",
            ExitCode.USAGE,
        )
    return name


def _may_report(github_options: GitHubOptions) -> bool:
    """Whether a repository and a token are configured; an environment can be removed without them."""
    return bool(github_options.repository) and any(
        process_environment().get(variable) for variable in (TOKEN, TOKEN_FILE)
    )


# --- list and sweep ---------------------------------------------------------------------------------------


def show(directory: Path | None, *, as_json: bool) -> ExitCode:
    """Print all preview environments, both those with a state and those found only on Scaleway."""
    parent = Parent.find(project_dir(directory), process_environment())
    previews = list_previews(parent, Cloud(parent).list_objects())
    problems = {preview.name: preview.problem for preview in previews if preview.problem}
    if as_json:
        print_document("env list", {"environments": [_document(preview) for preview in previews]})
    else:
        rows = list(_rows(previews)) or [Line.of(f"{parent.template.parent} has no preview environments.")]
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
    """The status and its style."""
    if preview.problem:
        return "unreadable", "bold red"
    if preview.is_orphan:
        return "orphaned", "yellow"
    return ("forgotten", "yellow") if preview.is_forgotten else ("up", "green")


def _rows(previews: list[Preview]) -> Iterator[Line]:
    rows: list[list[Span | str]] = []
    for preview in previews:
        number, age = preview.pull_request, preview.age()
        origin = " ".join(filter(None, [f"#{number}" if number else "", safe(preview.branch or "")]))
        rows.append(
            [
                (preview.name, "bold"),
                origin or "unknown",
                local_time(preview.updated) if preview.updated else "unknown",
                "" if age is None else f"{age:.0f}h",
                _status(preview),
                "  ".join(preview.urls.values()),
            ]
        )
    yield from table(["NAME", "BRANCH", "UPDATED", "AGE", "STATUS", "URLS"], rows)


def sweep(
    directory: Path | None, github_options: GitHubOptions, engine: EngineChoice, *, yes: bool, as_json: bool
) -> ExitCode:
    """List the environments to remove and, with ``yes``, remove them.

    Raises OpsError if any removal fails, or if it is unclear whether to remove an environment.
    """
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        parent = Parent.find(project_dir(directory), process_environment())
        cloud = Cloud(parent)
        github = github_options.connect("") if github_options.named else None
        found = survey(parent, cloud, SweepRules(parent.rules, github))
        acting = [verdict for verdict in found.decisions if verdict.acts]
        if not as_json:
            printer_for(sys.stdout).print(list(_findings(found, github is None, yes=yes)))
        outcome = Sweep(parent, cloud, engine, github).run(acting) if yes else SweepResult({}, {})
    unknown = {verdict.name: verdict.reason for verdict in found.decisions if verdict.action is SweepAction.ASK}
    failed = {**unknown, **outcome.failed}
    done = [each.name for each in acting if yes and each.name not in {**failed, **outcome.skipped}]
    if as_json:
        print_document("env sweep", _sweep_document(found, outcome, failed, done))
    else:
        for name, reason in outcome.skipped.items():
            print(f"{name} was skipped: {reason}")
        if yes:
            print(f"{counted(len(done), 'environment')} removed{': ' if done else '.'}{', '.join(done)}")
    if failed:
        listed = "".join(f"\n  {name}: {reason}" for name, reason in sorted(failed.items()))
        raise OpsError(f"{counted(len(failed), 'environment')} could not be removed:{listed}", ExitCode.FAILED)
    return ExitCode.OK


def _findings(found: SweepSurvey, without_github: bool, *, yes: bool) -> Iterator[Line]:
    acting = [verdict for verdict in found.decisions if verdict.acts]
    if without_github:
        yield Line.of("Closed pull requests and deleted branches are not detected without --repo OWNER/NAME.")
    for verdict in found.decisions:
        style = "yellow" if verdict.acts else "red" if verdict.action is SweepAction.ASK else "dim"
        yield Line.of((verdict.name, "bold"), "  ", (f"{verdict.action}: {safe(verdict.reason)}", style))
        if verdict.action is SweepAction.REMOVE:
            yield from (Line.of((f"    {safe(str(thing))}", "dim")) for thing in verdict.preview.objects)
    for subject, reason in found.left_alone.items():
        yield Line.of((f"{safe(subject)}  skipped: {reason}", "dim"))
    if not acting:
        yield Line.of("Nothing to remove.")
    elif not yes:
        yield Line.of(f"{counted(len(acting), 'environment')} to remove. Nothing was changed; use --yes to remove.")


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
        for each in found.decisions
    ]
    return {"environments": verdicts, "leftAlone": found.left_alone}

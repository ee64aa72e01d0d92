"""``snu drift``: finds and reports drift."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.drift import issue, report, slack
from ops.drift.channels import ReportChannel
from ops.drift.check import NoStateError, StateUnavailableError, check_drift
from ops.drift.findings import StackDrift
from ops.drift.issue import Outcome
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import Repository, read_token
from ops.report.causes import skipped_lines
from ops.report.document import print_document
from ops.report.factory import printer_for, warn
from ops.report.progress import progress_for
from ops.report.text import Line
from ops.stacks import find_stack, project_dir, stack_names


@dataclass(frozen=True)
class DriftReporter:
    """Reports drift to GitHub and Slack."""

    repository: Repository | None
    token: str
    webhook: str

    @classmethod
    def of(
        cls, channels: Collection[ReportChannel], repo: str | None, api_url: str, environ: Mapping[str, str]
    ) -> DriftReporter:
        """Create a reporter. Raises OpsError if a required token, webhook URL or repository is missing."""
        repository, token = None, ""
        if ReportChannel.GITHUB in channels:
            if not repo:
                raise OpsError(
                    "--report github needs a repository: use --repo OWNER/NAME or set GITHUB_REPOSITORY.",
                    ExitCode.USAGE,
                )
            repository, token = Repository(repo, api_url), read_token(environ)
        return cls(repository, token, slack.webhook(environ) if ReportChannel.SLACK in channels else "")

    def report(self, drift: StackDrift) -> str:
        """Report the drift; returns a summary of what was reported, or an empty string. Raises OpsError.

        If drift is also reported as an issue, only changes to the issue are posted to Slack. An incomplete check never
        closes an issue.
        """
        if drift.problems and not drift.findings:
            return ""
        actions, url, is_news = [], "", bool(drift.findings)
        if self.repository is not None:
            text = report.markdown(drift) if drift.findings else None
            written = issue.update_issue(self.repository, self.token, drift.stack, text)
            url, is_news = written.url, written.outcome is not Outcome.UNCHANGED
            actions += [f"issue {written.outcome}: {url}"] if url else []
        if self.webhook and is_news:
            message = report.slack_text(drift, url) if drift.findings else report.slack_resolved(drift.stack, url)
            slack.post(self.webhook, message)
            actions.append("posted to Slack")
        return ", ".join(actions)


def drift(
    directory: Path | None,
    names: list[str],
    engine: EngineChoice,
    parallel: int,
    reporter: DriftReporter,
    *,
    as_json: bool,
) -> ExitCode:
    """Check the named stacks, or all stacks with a reachable state, and print and report their drift."""
    project = project_dir(directory)
    for name in names:
        find_stack(project, name)
    results: list[StackDrift] = []
    skipped: dict[str, StateUnavailableError] = {}
    failed = ExitCode.OK
    stream = sys.stderr if as_json else sys.stdout
    for name in names or stack_names(project):
        try:
            with progress_for(stream) as progress:
                progress(f"Checking {name}")
                result = check_drift(project, name, engine, parallel)
        except StateUnavailableError as error:
            if names:
                result = StackDrift(name, 0, problems=(str(error),), code=error.code)
            else:
                skipped[name] = error
                continue
        results.append(result)
        if result.overwritten:
            warn(result.overwritten, sys.stderr)
        if not as_json:
            printer_for(stream).print(report.lines(result))
        try:
            if actions := reporter.report(result):
                printer_for(stream).print([Line.of(f"  {actions}")])
        except OpsError as error:
            printer_for(sys.stderr).print(
                [Line.of(("error: ", "bold red"), f"the drift of {name} was not reported: {error}")]
            )
            failed = failed or error.code
    if as_json:
        reasons = {name: str(error) for name, error in skipped.items()}
        print_document("drift", {"stacks": [report.document(each) for each in results], "skipped": reasons})
    else:
        printer_for(stream).print(_skipped_lines(skipped))
    return _code(results, skipped, failed)


def _skipped_lines(skipped: Mapping[str, StateUnavailableError]) -> Iterator[Line]:
    if missing := [name for name, error in skipped.items() if isinstance(error, NoStateError)]:
        yield Line.of(("No state yet: ", "dim"), ", ".join(missing))
    yield from skipped_lines({name: str(error) for name, error in skipped.items() if name not in missing})


def _code(results: list[StackDrift], skipped: Mapping[str, StateUnavailableError], failed: ExitCode) -> ExitCode:
    """The exit code.

    Unchecked stacks and failed reports take precedence over drift, so exit code 20 means that all stacks were checked.
    """
    problems = [each.code for each in results if each.problems]
    unreachable = [error.code for error in skipped.values() if not isinstance(error, NoStateError)]
    if not results and skipped:
        problems = unreachable or [ExitCode.FAILED]
    if code := next(iter(problems), failed):
        return code
    if unreachable:
        return ExitCode.INCOMPLETE
    return ExitCode.DRIFT if any(each.findings for each in results) else ExitCode.OK

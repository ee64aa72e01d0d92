"""What ``snu drift`` does."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.drift import issue, report, slack
from ops.drift.channels import ReportChannel
from ops.drift.check import NoStateError, StateUnavailableError, look
from ops.drift.findings import StackDrift
from ops.drift.issue import Outcome
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import Repository, read_token
from ops.report.causes import skipped_lines
from ops.report.factory import printer_for, warn
from ops.report.progress import progress_for
from ops.report.text import Line
from ops.stacks import find_stack, project_dir, stack_names


@dataclass(frozen=True)
class DriftReporter:
    """Tells people of drift."""

    repository: Repository | None
    token: str
    webhook: str

    @classmethod
    def of(
        cls, channels: Collection[ReportChannel], repo: str | None, api_url: str, environ: Mapping[str, str]
    ) -> DriftReporter:
        """Raises OpsError, before anything is looked at, where a token, an address or the repository is missing."""
        repository, token = None, ""
        if ReportChannel.GITHUB in channels:
            if not repo:
                raise OpsError("--report github needs --repo OWNER/NAME, or GITHUB_REPOSITORY.", ExitCode.USAGE)
            repository, token = Repository(repo, api_url), read_token(environ)
        return cls(repository, token, slack.webhook(environ) if ReportChannel.SLACK in channels else "")

    def report(self, drift: StackDrift) -> str:
        """What was written where; empty: nothing. Raises OpsError.

        The issue is Slack's memory: with it, only what changes in it is told there. What could not be looked at
        closes nothing.
        """
        if drift.problems and not drift.findings:
            return ""
        said, url, is_news = [], "", bool(drift.findings)
        if self.repository is not None:
            text = report.markdown(drift) if drift.findings else None
            written = issue.keep_issue(self.repository, self.token, drift.stack, text)
            url, is_news = written.url, written.outcome is not Outcome.UNCHANGED
            said += [f"issue {written.outcome}: {url}"] if url else []
        if self.webhook and is_news:
            told = report.slack_text(drift, url) if drift.findings else report.slack_clean(drift.stack, url)
            slack.post(self.webhook, told)
            said.append("Slack was told")
        return ", ".join(said)


def drift(
    directory: Path | None,
    names: list[str],
    engine: EngineChoice,
    parallel: int,
    reporter: DriftReporter,
    *,
    as_json: bool,
) -> ExitCode:
    """Look at each of the stacks, print what was found, and report it; without names at all that can be reached."""
    project = project_dir(directory)
    for name in names:
        find_stack(project, name)
    found: list[StackDrift] = []
    skipped: dict[str, StateUnavailableError] = {}
    failed = ExitCode.OK
    stream = sys.stderr if as_json else sys.stdout
    for name in names or stack_names(project):
        try:
            with progress_for(stream) as progress:
                progress(f"Looking at {name}")
                seen = look(project, name, engine, parallel)
        except StateUnavailableError as error:
            if names:
                seen = StackDrift(name, 0, problems=(str(error),), code=error.code)
            else:
                skipped[name] = error
                continue
        found.append(seen)
        if seen.overwritten:
            warn(seen.overwritten, sys.stderr)
        if not as_json:
            printer_for(stream).print(report.lines(seen))
        try:
            if told := reporter.report(seen):
                printer_for(stream).print([Line.of(f"  {told}")])
        except OpsError as error:
            printer_for(sys.stderr).print([Line.of(("error: ", "bold red"), f"{name} is not reported: {error}")])
            failed = failed or error.code
    if as_json:
        left_out = {name: str(error) for name, error in skipped.items()}
        print(json.dumps({"stacks": [report.document(each) for each in found], "skipped": left_out}, indent=2))
    else:
        printer_for(stream).print(_skipped_lines(skipped))
    return _code(found, skipped, failed)


def _skipped_lines(skipped: Mapping[str, StateUnavailableError]) -> Iterator[Line]:
    if missing := [name for name, error in skipped.items() if isinstance(error, NoStateError)]:
        yield Line.of(("No state yet: ", "dim"), ", ".join(missing))
    yield from skipped_lines({name: str(error) for name, error in skipped.items() if name not in missing})


def _code(found: list[StackDrift], skipped: Mapping[str, StateUnavailableError], failed: ExitCode) -> ExitCode:
    """What was not looked at, or not reported, takes precedence over drift: with 20 everything was."""
    problems = [each.code for each in found if each.problems]
    unreachable = [error.code for error in skipped.values() if not isinstance(error, NoStateError)]
    if not found and skipped:
        problems = unreachable or [ExitCode.FAILED]
    if code := next(iter(problems), failed):
        return code
    if unreachable:
        return ExitCode.INCOMPLETE
    return ExitCode.DRIFT if any(each.findings for each in found) else ExitCode.OK
